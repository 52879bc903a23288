"""Figures of the explore page, for readers without its panel."""

from oversmooth.drawing.theme import THEORY, style

OPERATORS = {"metropolis": "Metropolis", "random_walk": "random walk", "gcn": "GCN", "identity": "MLP ($P = I$)"}


def draw_choice(ax, table, names):
    """Some quantities of one network, layer by layer.

    Args:
        ax: where.
        table: a row for each layer: column layer and those that ``names`` gives.
        names: column -> label; the label of a bound is "certificate".
    """
    for k, (column, label) in enumerate(names.items()):
        look = THEORY if label == "certificate" else style(k)
        ax.plot(table["layer"], table[column], **look, label=label, markevery=2)
    ax.set_yscale("log")
    ax.set_xlabel("layer")


def draw_grid(ax, table):
    """The largest gradient before the last layer, against depth: a line for each operator.

    Args:
        ax: where.
        table: columns operator, depth, gradient_max; one activation. A gradient of zero is not drawn.
    """
    for k, (operator, label) in enumerate(OPERATORS.items()):
        rows = table[(table["operator"] == operator) & (table["gradient_max"] > 0)]
        ax.plot(rows["depth"], rows["gradient_max"], **style(k), label=label)
    ax.set_yscale("log")
    ax.set(xlabel="depth", xticks=sorted(set(table["depth"])))
