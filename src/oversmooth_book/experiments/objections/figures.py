"""Figures of the chapter on objections; each draws saved tables and computes nothing."""

import numpy as np

from oversmooth.drawing.theme import SERIES, THEORY, band, panels, style
from oversmooth_book.experiments.figures import ACTIVATIONS, MISLEADS, OPEN, PLAIN, draw_tiles

# Name and Adam's ε of a network -> label and style.
NETWORKS = {
    ("plain", -8): ("plain", style(1) | {"color": PLAIN}),
    ("corrected", -8): ("corrected", style(2)),
    ("centred", -8): ("centred", style(4)),
    ("corrected", -14): (r"corrected, $\epsilon = 10^{-14}$", style(2) | OPEN),
    ("deflated", -8): (r"deflated ($\div\lambda$)", style(0)),
}
ROUNDS = {"plain": style(1) | {"color": PLAIN}, "corrected": style(2), "corrected GCN": style(3), "deflated": style(0)}
PITCHFORK = {"tanh": style("tanh"), "sine": style(3)}
PLACES = {"Pre-LN": style(0), "Post-LN": style(1), "plain": {"color": PLAIN, "linewidth": 3.0}}
KINDS = {"Metropolis": style("metropolis"), "GCN": style("gcn"), "deflated": style("metropolis") | OPEN}
AXIOMS = {"constants": "zero on\nconstants", "only constants": "nowhere\nelse", "subadditive": "sub-\nadditive"}


def recovery_figure(table):
    """Constant features in a GCN by two measures; columns graph, propagation, layer, uniform, own, limit."""
    _, axes = panels(columns=2, sharey=True)
    for ax, (graph, rows) in zip(axes, table[table["propagation"] == "gcn"].groupby("graph", sort=False), strict=True):
        for name, label, look in (
            ("uniform", "from a constant", style(1)),
            ("own", r"from $\sqrt{\tilde d}$, GCN's own", style(0)),
        ):
            shown = rows[rows[name] > 0]
            ax.plot(shown["layer"], shown[name], label=label, markevery=8, **look)
        ax.axhline(rows["limit"].iloc[0], **THEORY, label=r"$\sqrt{\tilde d}$ from a constant")
        ax.set(yscale="log", xlabel="layer $k$", ylabel="relative deviation", title=graph)
        ax.label_outer()
    axes[0].legend(loc="lower left", fontsize=9)


def jacobian_figure(spectrum, arriving):
    """Singular values of several layers; what arrives of the error: layers, index, value; state, layer, median, …."""
    _, (left, right) = panels(columns=2)
    for k, (layers, rows) in enumerate(spectrum.groupby("layers")):
        look = style(k) | {"marker": None}
        left.plot(rows["index"], rows["value"], label=f"{layers} layer{'s' if layers > 1 else ''}", **look)
    left.plot(1, 1, "o", color="black", markersize=7, label=r"$\lambda_1^L = 1$, always", clip_on=False)
    left.set(xscale="log", yscale="log", ylim=(1e-14, 3), xlabel="index, per channel", ylabel="singular value")
    left.legend(loc="lower left", fontsize=9)
    for state, rows in arriving.groupby("state", sort=False):
        look = style("gnn") | (OPEN if state.endswith("random") else {"linestyle": "-"})
        band(right, rows, "layer", label=state, **look)
    right.set(
        yscale="log", xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=r"$\|\tilde B^{(k)}\|\,/\,\|\tilde B^{(L)}\|$"
    )
    right.legend(loc="lower right", fontsize=9)


def corrected_figure(errors, norms, losses, gradients):
    """Linear rounds above trained depth; tables of columns name, rounds or depth, epsilon, median, low, high."""
    _, axes = panels(rows=2, columns=2, height=3.3)
    for ax, table, label in ((axes[0], errors, "error on test nodes"), (axes[1], norms, "norm of the classifier")):
        for name, look in ROUNDS.items():
            band(ax, table[table["name"] == name], "rounds", label=name, **look)
        ax.set(yscale="log", xlabel="rounds of linear convolution", ylabel=label)
    axes[0].legend(fontsize=9)
    losses = losses.assign(power=np.log10(losses["epsilon"]).round().astype(int))
    for (name, power), rows in losses.groupby(["name", "power"], sort=False):
        label, look = NETWORKS[name, power]
        band(axes[2], rows, "depth", label=label, **look | {"markevery": 1})
    axes[2].axhline(1, **THEORY)
    axes[2].set(xlabel="depth $L+1$", ylabel="least loss / label entropy", ylim=(-0.03, 1.1))
    axes[2].legend(fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
    for name, rows in gradients.groupby("name", sort=False):
        label, look = NETWORKS[name, -8]
        band(axes[3], rows, "depth", label=label, **look | {"markevery": 1})
    for power in (-8, -14):
        axes[3].axhline(10.0**power, **THEORY)
        axes[3].annotate(
            rf"$\epsilon = 10^{{{power}}}$", (0.02, 10.0**power), xycoords=("axes fraction", "data"), va="bottom"
        )
    axes[3].set(yscale="log", xlabel="depth $L+1$", ylabel="gradient at the start")


def pitchfork_figure(amplitudes, plain):
    """Amplitude above s = 1 without the constant mode; features with it: columns activation, excess or scale, …."""
    _, (left, right) = panels(columns=2)
    for k, (activation, rows) in enumerate(amplitudes.groupby("activation", sort=False)):
        points = PITCHFORK[activation] | {"linestyle": "none", "markevery": 1}
        band(left, rows, "excess", label=activation, **points)
        left.plot(rows["excess"], rows["predicted"], **THEORY, label="predicted" if k == 0 else None)
    left.set(
        xscale="log", yscale="log", xlabel="$s - 1$", ylabel="amplitude of mode 2", title="deflated: grows like a root"
    )
    left.set_xticks(ticks := [0.01, 0.02, 0.04, 0.08], ticks)
    left.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
    left.minorticks_off()
    left.legend(fontsize=9)
    for activation, rows in plain.groupby("activation", sort=False):
        band(right, rows, "scale", label=activation, **PITCHFORK[activation] | {"markevery": 1})
    right.set(
        yscale="log", xlabel="scale $s$", ylabel=r"relative deviation of $X^{(L)}$", title="plain: a sine stays rough"
    )
    right.legend(fontsize=9, loc="lower right")


def axioms_figure(verdicts):
    """Which measure satisfies which axiom, tiles: columns measure and those of `AXIOMS`, 0 or 1."""
    _, ax = panels(height=3.4)
    violated = verdicts[list(AXIOMS)].to_numpy() == 0
    texts = [["✗" if one else "✓" for one in row] for row in violated]
    draw_tiles(ax, texts, violated, verdicts["measure"], AXIOMS.values(), MISLEADS)


def norms_figure(shares, ratios, changes):
    """Batch norm's modes; deviation and change by layer norm's place: columns graph, activation, place, layer, …."""
    _, axes = panels(columns=3, height=3.2)
    first = shares["graph"].iloc[0]
    for (graph, activation), rows in shares.groupby(["graph", "activation"], sort=False):
        look = style(activation) | ({"linestyle": "-"} if graph == first else OPEN) | {"markevery": 1}
        band(axes[0], rows, "layer", label=f"{graph}, {ACTIVATIONS.get(activation, activation)}", **look)
    axes[0].set(xlabel="layer $k$", ylabel="share of the variance", title="batch norm: modes 2–9", ylim=(0, 1.03))
    for ax, table, label in ((axes[1], ratios, "relative deviation"), (axes[2], changes, "relative change")):
        for place, rows in table.groupby("place", sort=False):
            band(ax, rows, "layer", label=place, **PLACES[place])
        ax.set(yscale="log", xlabel="layer $k$", title=label)
    axes[2].set_xscale("log")
    for ax in axes:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.33), fontsize=9)


def starts_figure(table):
    """Three metrics against the initial scale; columns graph, scale, forward, backward, variation. Graph -> axes."""
    _, axes = panels(columns=2, sharey=True)
    found = {}
    labels = {
        "forward": ("size of features", style("features")),
        "backward": ("size of gradients", style("gradient")),
        "variation": ("relative deviation", style(3)),
    }
    for ax, (graph, rows) in zip(axes, table.groupby("graph", sort=False), strict=True):
        for name, (label, look) in labels.items():
            ax.plot(rows["scale"], rows[name], label=label, **look)
        ax.axhspan(0.1, 10, color=SERIES[-1], alpha=0.25, linewidth=0, zorder=0)
        for scale in rows.loc[rows["controlled"] == 1, "scale"]:
            ax.axvline(scale, color="0.6", linewidth=5, alpha=0.4, zorder=0)
        ax.set(yscale="log", xlabel="initial scale", title=graph)
        found[graph] = ax
    axes[0].legend(fontsize=9, loc="upper left")
    return found


def ranks_figure(table):
    """Effective rank against the layer: columns graph, operator, activation, layer, median, low, high; tanh."""
    _, axes = panels(columns=2, sharey=True)
    for ax, (graph, rows) in zip(axes, table[table["activation"] == "tanh"].groupby("graph", sort=False), strict=True):
        for operator, one in rows.groupby("operator", sort=False):
            band(ax, one, "layer", label=operator, **KINDS[operator])
        ax.axhline(1, **THEORY)
        ax.set(yscale="log", xlabel="layer $k$", ylabel="effective rank", title=graph, ylim=(0.9, 40))
        ax.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
        ax.minorticks_off()
        ax.label_outer()
    axes[0].legend(fontsize=9)
