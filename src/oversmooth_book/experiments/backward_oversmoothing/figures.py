"""Figures of the chapter on backward oversmoothing; tables from `experiments.backward_oversmoothing`."""

from oversmooth.drawing.theme import PALETTE, THEORY, band, style

LABELS = {
    "identity": "linear",
    "elu": "ELU",
    "tanh, scale 4": "tanh, weights × 4",
    "relu": "ReLU",
    "relu, scale √2": "ReLU, weights × √2",
}
_LAYERS = r"layer $k$   ($\leftarrow$ errors)"
RATIO = r"$\sigma(\tilde B^{(k)})\,/\,\Vert\tilde B^{(k)}\Vert$"
# The same activation at another scale: the last dashes and marker, in a colour that its figure leaves free.
RESCALED = {"tanh, scale 4": style(4) | {"color": PALETTE[3]}, "relu, scale √2": style(4) | {"color": PALETTE[0]}}
FROZEN = {
    "nothing": ("nowhere: the network itself", style(1) | {"linewidth": 3.6, "linestyle": "-"}),
    "all but the first quarter": ("all but the first quarter", style(3) | {"linewidth": 1.5}),
    "first quarter": ("the first quarter only", style(2) | {"linewidth": 3.6, "linestyle": "-"}),
    "everything": ("everywhere: a linear pass", style(0) | {"linewidth": 1.5, "linestyle": (0, (5, 1.2))}),
}


def draw_backward(ax, table, quantity, ylabel=RATIO):
    """One quantity of the backward signal, layer by layer: a band for each network.

    Args:
        ax: where.
        table: columns network, layer, quantity, median, low, high; rows of zero or nothing are left out.
        quantity: the rows to draw.
        ylabel: the axis' label.
    """
    drawn = table[(table["quantity"] == quantity) & (table["median"] > 0)]
    for name, rows in drawn.groupby("network", sort=False):
        band(ax, rows, "layer", label=_label(name), **_look(name))
    ax.set_yscale("log")
    ax.set(xlabel=_LAYERS, ylabel=ylabel)


def draw_mixed_signs(ax, table):
    """The share of hidden units that are positive at some nodes and not at others, layer by layer.

    Args:
        ax: where.
        table: columns network, layer, quantity, median, low, high, of one network.
    """
    rows = table[table["quantity"] == "mixed_signs"]
    band(ax, rows, "layer", **style("relu"))
    ax.set(xlabel=_LAYERS, ylabel="units with both signs", ylim=(-0.02, 1.02))


def draw_interventions(ax, table, boundary):
    """The backward ratio with the slopes frozen in some layers.

    Args:
        ax: where.
        table: columns frozen, layer, median, low, high, of one activation.
        boundary: the first layer that does not count as an input layer.
    """
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
    """Forward smoothness against backward smoothness: a path for each network, from the output to the input.

    Args:
        ax: where.
        table: columns network, layer, forward, backward (medians over the seeds).
    """
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
    """Both sides of a bound, layer by layer; the bound in dashed black.

    Args:
        ax: where.
        table: columns network, layer, quantity, median, low, high.
        measured: the quantity on the left of the bound.
        bound: the quantity on its right.
        ylabel: the axis' label.
    """
    draw_backward(ax, table, measured, ylabel)
    drawn = table[(table["quantity"] == bound) & (table["median"] > 0)]
    for i, (name, rows) in enumerate(drawn.groupby("network", sort=False)):
        ends = {"marker": _look(name)["marker"], "markevery": 6, "markerfacecolor": "white"}
        ax.plot(rows["layer"], rows["median"], label=None if i else "bound", **THEORY | ends)


def draw_norms(ax, table):
    """A ratio in the operator's own norm and in the uniform one, and where the uniform one has to stop.

    Args:
        ax: where.
        table: columns network, norm, layer, median, low, high, plateau, of one operator and direction.
    """
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
    """The backward ratio of two graphs, at depths of equal λ^L, against the share of the depth.

    Args:
        ax: where.
        table: columns graph, network, share (layer over L), median, low, high.
    """
    lines = dict(zip(table["graph"].unique(), ("-", (0, (1, 0.8))), strict=True))
    for (graph, network), rows in table.groupby(["graph", "network"], sort=False):
        band(ax, rows, "share", label=f"{graph}, {_label(network)}", **_look(network) | {"linestyle": lines[graph]})
    ax.set_yscale("log")
    ax.set(xlabel="share of the depth, $k/L$", ylabel=RATIO)


def draw_positions(ax, table):
    """Where the backward ratio is smallest, against the depth: every network a point, medians joined.

    Args:
        ax: where.
        table: columns network, depth, position.
    """
    for side, (name, rows) in zip((-1, 1), table.groupby("network", sort=False), strict=True):
        look, medians = _look(name), rows.groupby("depth")["position"].median()
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 4}
        ax.plot(rows["depth"] + 1.4 * side, rows["position"], alpha=0.35, **points)
        ax.plot(medians.index, medians, label=_label(name), **look)
    ax.axhline(0.5, label="the middle", **THEORY)
    ax.set(xlabel="depth $L+1$", ylabel="where it is smallest, $k/L$", ylim=(-0.03, 0.56))
    ax.set_xticks(sorted(table["depth"].unique()))


def _label(name):
    return LABELS.get(name, name)


def _look(name):
    return RESCALED[name] if name in RESCALED else style(name)
