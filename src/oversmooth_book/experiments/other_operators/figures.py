"""Figures of the chapter on other operators; tables from `experiments.other_operators` and `operator_checks`."""

from oversmooth.drawing.theme import PALETTE, THEORY, band, style

OPERATOR_NAMES = {
    "metropolis": "Metropolis",
    "random_walk": "random walk",
    "gcn": "GCN",
    "gat": "GAT",
    "gatv2": "GATv2",
    "transformer": "transformer",
    "sum": "sum",
    "max": "maximum",
    "mlp": "no graph, weights × ½",
}
_LOOKS = {
    "metropolis": 0,
    "random_walk": 1,
    "gcn": 2,
    "gat": 0,
    "gatv2": 1,
    "transformer": 2,
    "sum": 3,
    "max": 4,
    "mlp": 4,
}


def draw_operators(ax, table, x, xlabel, ylabel, theory=None):
    """One quantity for several operators against the layer, the depth or the step: a band for each.

    Args:
        ax: where.
        table: columns operator, x, median, low, high.
        x: name of the column on the horizontal axis.
        xlabel: its label.
        ylabel: the other axis' label.
        theory: columns x and predicted, drawn dashed; None for no prediction.
    """
    for operator, rows in table.groupby("operator", sort=False):
        look = style(_LOOKS[operator]) | ({"color": "0.55"} if operator == "mlp" else {})
        band(ax, rows, x, label=OPERATOR_NAMES[operator], **look)
    if theory is not None:
        ax.plot(theory[x], theory["predicted"], **THEORY, label="predicted slope")
    ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)


def draw_operator_norms(ax, table):
    """The smallest ratio of each operator, in its own norm and in the uniform one.

    Args:
        ax: where.
        table: columns operator, norm (own, uniform), median, low, high, of one direction.
    """
    looks = {"uniform": ("uniform norm", PALETTE[1], "s", 8), "own": ("the operator's norm", PALETTE[0], "o", 5)}
    operators = list(dict.fromkeys(table["operator"]))
    for norm, (label, color, marker, size) in looks.items():
        rows = table[table["norm"] == norm].set_index("operator").loc[operators]
        places = range(len(operators))
        ax.hlines(places, rows["low"], rows["high"], color=color, linewidth=2)
        ax.plot(rows["median"], places, color=color, marker=marker, markersize=size, linestyle="none", label=label)
    ax.set_xscale("log")
    ax.set_yticks(range(len(operators)), [OPERATOR_NAMES[name] for name in operators])
    ax.set_ylim(len(operators) - 0.5, -0.5)
    ax.set(xlabel=r"smallest $\sigma\,/\,\Vert\cdot\Vert$ over the layers")


def draw_attention_paths(ax, table):
    """The backward ratio of attention: all of it, and with the attention held fixed (dashes).

    Args:
        ax: where.
        table: columns operator, path (whole, fixed), layer, median, low, high.
    """
    for (operator, path), rows in table.groupby(["operator", "path"], sort=False):
        look, fixed = style(_LOOKS[operator]), path == "fixed"
        look |= {"linestyle": (0, (1, 0.8)) if fixed else "-", "linewidth": 1.3 if fixed else 1.9}
        band(ax, rows, "layer", label=f"{OPERATOR_NAMES[operator]}, {path}", **look)
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=r"$\sigma(\tilde B^{(k)})\,/\,\Vert\tilde B^{(k)}\Vert$")
