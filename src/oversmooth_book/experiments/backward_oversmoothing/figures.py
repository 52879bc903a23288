"""Figures of the chapter on backward oversmoothing."""

from oversmooth.drawing.theme import THEORY, band, draw_floor, panels, style
from oversmooth_book.experiments.figures import ACTIVATIONS

LABELS = ACTIVATIONS | {
    "tanh, scale 4": "tanh, weights × 4",
    "relu, scale √2": "ReLU, weights × √2",
}
_LAYERS = r"layer $k$   ($\leftarrow$ errors)"
DEVIATION = r"$\sigma(\tilde B^{(k)})$"
NORM = r"$\Vert\tilde B^{(k)}\Vert$"
RATIO = r"$\sigma(\tilde B^{(k)})\,/\,\Vert\tilde B^{(k)}\Vert$"
# The same activation at another scale: the last dashes and marker, in a colour that its figure leaves free.
RESCALED = {"tanh, scale 4": style(4), "relu, scale √2": style(3)}
FROZEN = {
    "nothing": ("nowhere: the network itself", style(1) | {"linewidth": 3.6, "linestyle": "-"}),
    "all but the first quarter": ("all but the first quarter", style(3) | {"linewidth": 1.5}),
    "first quarter": ("the first quarter only", style(2) | {"linewidth": 3.6, "linestyle": "-"}),
    "everything": ("everywhere: a linear pass", style(0) | {"linewidth": 1.5, "linestyle": (0, (5, 1.2))}),
}


def profile_figure(table):
    """Deviation, norm and ratio of the error beside one another, from the columns of `draw_backward`."""
    figure, axes = panels(columns=3, height=3.3)
    draw_backward(axes[0], table, "backward_deviation", f"deviation {DEVIATION}")
    draw_backward(axes[1], table, "backward_norm", f"norm {NORM}")
    draw_backward(axes[2], table, "backward_ratio", f"ratio {RATIO}")
    for ax, title in zip(axes, ("differences fade", "the size stays", "smooth, then rough again"), strict=True):
        ax.set_title(title)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)


def rates_figure(measured, predicted):
    """`draw_rates` of features beside errors."""
    figure, axes = panels(columns=2, height=4.2, sharey=True)
    for ax, (way, title) in zip(axes, {"forward": "features", "backward": "errors"}.items(), strict=True):
        draw_rates(ax, measured[measured["direction"] == way], predicted, way)
        ax.set_title(title)
        ax.label_outer()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)


def positions_figure(parts, table):
    """`draw_parts` beside `draw_predicted_layers`."""
    _, (left, right) = panels(columns=2, height=4.6)
    draw_parts(left, parts)
    draw_predicted_layers(right, table)
    left.legend(loc="lower left")
    right.legend(loc="lower right")


def interaction_figure(frozen, paths, boundary):
    """`draw_interventions` of tanh beside `draw_smoothness_map`."""
    _, (left, right) = panels(columns=2, height=4.6)
    draw_interventions(left, frozen[frozen["network"] == "tanh"], boundary)
    draw_smoothness_map(right, paths)
    left.set_title("first slopes frozen: no rise")
    right.set_title("rough features turn errors back")
    left.legend(loc="lower right")
    right.legend(loc="lower left")


def limit_figure(table):
    """The distance from the limit above, both sides of (B1) and (B2) below, from the columns of `draw_backward`."""
    table = table[table["network"].isin(["identity", "tanh", "elu"])]
    bent = table[table["network"] != "identity"]
    _, axes = panels(rows=2, columns=2)
    draw_backward(axes[0], table, "distance", r"$\Vert\tilde B - 1\bar b\Vert\,/\,\Vert\tilde B\Vert$")
    draw_backward(axes[1], table, "mean_departure", r"$\Vert\mu(\tilde B) - \bar b\Vert\,/\,\Vert\tilde B\Vert$")
    axes[1].set_ylim(1e-13, 10)
    draw_floor(axes[1], 1e-11, label="linear network: rounding (BW11)")
    draw_backward_bound(axes[2], bent, "backward_deviation", "deviation_bound", DEVIATION)
    draw_backward_bound(axes[3], bent, "departure", "departure_bound", "departure of the mean")
    titles = ("distance to the limit", "of which: the average", "one step, (B1)", "one step, (B2)")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    axes[0].legend(loc="lower right")
    axes[2].legend(loc="upper left")


def operators_figure(table):
    """A panel for each operator and direction, from operator, direction and the columns of `draw_norms`."""
    figure, axes = panels(rows=2, columns=2, sharey=True)
    names = {"random_walk": "random walk", "gcn": "GCN"}
    for ax, ((operator, way), rows) in zip(axes, table.groupby(["operator", "direction"], sort=False), strict=True):
        draw_norms(ax, rows)
        ax.set_title(f"{names[operator]}, {way}")
    for ax in axes[1::2]:
        ax.set_ylabel("")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=2)


def relu_figure(table):
    """The ratio, the units of both signs and (B1) with ReLU, from the columns of `draw_backward`."""
    figure, axes = panels(columns=3, height=3.3)
    draw_backward(axes[0], table, "backward_ratio")
    draw_mixed_signs(axes[1], table[table["network"] == "relu"])
    draw_backward_bound(axes[2], table, "backward_deviation", "deviation_bound", DEVIATION)
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def same_rate_figure(karate, shares, by_depth):
    """The ratio on the karate club, `draw_same_rate` and `draw_positions`."""
    _, axes = panels(columns=3, height=3.6)
    draw_backward(axes[0], karate, "backward_ratio")
    draw_same_rate(axes[1], shares)
    draw_positions(axes[2], by_depth)
    titles = "karate club", r"two graphs, equal $\lambda^L$", "deeper: nearer to half"
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    axes[0].legend(fontsize=8.5, loc="lower right")
    axes[1].legend(fontsize=8.5, loc="lower right")


def draw_backward(ax, table, quantity, ylabel=RATIO):
    """One quantity of the backward signal, from network, layer, quantity, median, low, high; zeros are left out."""
    drawn = table[(table["quantity"] == quantity) & (table["median"] > 0)]
    for name, rows in drawn.groupby("network", sort=False):
        band(ax, rows, "layer", label=_label(name), **_look(name))
    ax.set_yscale("log")
    ax.set(xlabel=_LAYERS, ylabel=ylabel)


def draw_rates(ax, measured, predicted, way):
    """Factors per layer against s, medians and ranges, from graph, rate, scale, median, low, high; predicted dashed."""
    for i, (rate, rows) in enumerate(measured.groupby("rate")):
        side = 1.03 ** (i - 1)  # graphs stand beside one another
        errors = [rows["median"] - rows["low"], rows["high"] - rows["median"]]
        look = style(i) | {"linestyle": "none", "markersize": 6, "capsize": 2, "elinewidth": 1}
        ax.errorbar(rows["scale"] * side, rows["median"], errors, label=rf"$\lambda = {rate:.2f}$", **look)
        line = predicted[predicted["rate"] == rate]
        ax.plot(line["scale"], line[way], **THEORY | {"color": look["color"]})
    ax.plot([], [], label="predicted", **THEORY)
    ax.axhline(1, color="0.6", linewidth=1, zorder=0)
    ax.set(xscale="log", xlabel="weight scale $s$", ylabel="factor per layer")
    ticks = sorted(measured["scale"].unique())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def draw_parts(ax, table):
    """The ratio and the two parts that predict it, from layer, backward_ratio, averaged, roughened."""
    ax.plot(table["layer"], table["backward_ratio"], label="measured", **style("tanh") | {"markevery": 6})
    averaged = table["averaged"].where(table["averaged"] > 0)
    ax.plot(table["layer"], averaged, label="averaging, from the output", **THEORY)
    look = THEORY | {"linestyle": (0, (1, 1))}
    ax.plot(table["layer"], table["roughened"].where(table["roughened"] > 0), label="uneven slopes", **look)
    ax.set_yscale("log")
    ax.set(xlabel=_LAYERS, ylabel=RATIO, title="two parts cross", ylim=(1e-12, 4))


def draw_predicted_layers(ax, table):
    """Layers of the smallest ratio, a point for each network, from network, measured, predicted."""
    ends = (0, table[["measured", "predicted"]].to_numpy().max())
    ax.plot(ends, ends, **THEORY, label="equal")
    for name, rows in table.groupby("network", sort=False):
        look = _look(name) | {"linestyle": "none", "alpha": 0.5, "markersize": 5}
        ax.plot(rows["predicted"], rows["measured"], label=_label(name), **look)
    ax.set(xlabel="predicted layer", ylabel="measured layer", title="they say where it is smallest")


def draw_mixed_signs(ax, table):
    """The share of hidden units that are positive at some nodes only, from layer, quantity, median, low, high."""
    rows = table[table["quantity"] == "mixed_signs"]
    band(ax, rows, "layer", **style("relu"))
    ax.set(xlabel=_LAYERS, ylabel="units with both signs", ylim=(-0.02, 1.02))


def draw_interventions(ax, table, boundary):
    """The ratio with slopes frozen, from frozen, layer, median, low, high; ``boundary`` ends the input layers."""
    for name, (label, look) in FROZEN.items():
        rows = table[table["frozen"] == name]
        if name in ("nothing", "first quarter"):
            band(ax, rows, "layer", label=label, **look)
        else:
            ax.plot(rows["layer"], rows["median"], label=label, **look | {"markevery": 5})
    ax.axvspan(-0.5, boundary - 0.5, color="0.5", alpha=0.14, zorder=0, linewidth=0)
    ax.annotate("first\nquarter", (boundary / 2 - 0.5, 0.98), xycoords=("data", "axes fraction"), ha="center", va="top")
    ax.set_yscale("log")
    ax.set(xlabel=_LAYERS, ylabel=RATIO)


def draw_smoothness_map(ax, table):
    """A path for each network, from its output to its input, from network, layer, forward, backward."""
    for name, rows in table.groupby("network", sort=False):
        rows, look = rows.sort_values("layer"), _look(name)
        ax.plot(rows["forward"], rows["backward"], label=_label(name), **look | {"markevery": 4})
        for k, text, offset in ((-1, "output", (0, 9)), (0, "input", (6, 0))):
            end = (rows["forward"].iloc[k], rows["backward"].iloc[k])
            ax.plot(*end, marker="o", markersize=11, markerfacecolor="none", color=look["color"])
            if (text, name) in (("output", "tanh"), ("input", "identity")):
                ax.annotate(text, end, offset, textcoords="offset points", ha="left")
    ax.set(xscale="log", yscale="log", ylabel="backward  " + RATIO)
    ax.set_xlabel(r"forward  $\sigma(H^{(k)})\,/\,\Vert H^{(k)}\Vert$")
    ax.margins(x=0.1, y=0.1)


def draw_backward_bound(ax, table, measured, bound, ylabel):
    """The quantities ``measured`` and ``bound``, the latter in dashed black, from the columns of `draw_backward`."""
    draw_backward(ax, table, measured, ylabel)
    drawn = table[(table["quantity"] == bound) & (table["median"] > 0)]
    for i, (name, rows) in enumerate(drawn.groupby("network", sort=False)):
        ends = {"marker": _look(name)["marker"], "markevery": 6, "markerfacecolor": "white"}
        ax.plot(rows["layer"], rows["median"], label=None if i else "bound", **THEORY | ends)


def draw_norms(ax, table):
    """Ratios in both norms, and where the naive one stops, from network, norm, layer, median, low, high, plateau."""
    names = {"naive": "uniform norm", "own": "the operator's norm"}
    looks = {"naive": style(1) | {"linewidth": 4.5, "alpha": 0.75}, "own": style(0)}
    lines = {"identity": "-", "tanh": (0, (1, 0.8))}
    for norm, look in looks.items():
        for network, rows in table[table["norm"] == norm].groupby("network", sort=False):
            label = f"{names[norm]}, {_label(network)}"
            band(ax, rows, "layer", label=label, **look | {"linestyle": lines[network]})
    if table["plateau"].iloc[0] > 0:
        ax.axhline(table["plateau"].iloc[0], label="the uneven degrees alone", **THEORY)
    ax.set_yscale("log")
    ax.set(xlabel=_LAYERS, ylabel=r"$\sigma\,/\,\Vert\cdot\Vert$")


def draw_same_rate(ax, table):
    """The ratio of two graphs against the share of the depth, from graph, network, share, median, low, high."""
    lines = dict(zip(table["graph"].unique(), ("-", (0, (1, 0.8))), strict=True))
    for (graph, network), rows in table.groupby(["graph", "network"], sort=False):
        band(ax, rows, "share", **_look(network) | {"linestyle": lines[graph]})
    for graph, line in lines.items():
        ax.plot([], [], color="0.3", linestyle=line, label=graph)
    ax.set_yscale("log")
    ax.set(xlabel="share of the depth, $k/L$", ylabel=RATIO)


def draw_positions(ax, table):
    """Where the ratio is smallest, every network a point, medians joined, from network, depth, position."""
    for side, (name, rows) in zip((-1, 1), table.groupby("network", sort=False), strict=True):
        look, medians = _look(name), rows.groupby("depth")["position"].median()
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 4}
        ax.plot(rows["depth"] + 1.4 * side, rows["position"], alpha=0.35, **points)
        ax.plot(medians.index, medians, **look)
    ax.axhline(0.5, **THEORY)
    ax.set(xlabel="depth $L+1$", ylabel="where it is smallest, $k/L$", ylim=(-0.03, 0.56))
    ax.set_xticks(sorted(table["depth"].unique()))


def _label(name):
    return LABELS.get(name, name)


def _look(name):
    return RESCALED[name] if name in RESCALED else style(name)
