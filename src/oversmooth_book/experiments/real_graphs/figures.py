"""Figures of the chapter on real graphs; tables from `experiments.real_graphs` and `experiments.real_networks`."""

from oversmooth.drawing.theme import band, style
from oversmooth_book.experiments.forward_oversmoothing.figures import draw_modes as draw_modes

WITHOUT = (0, (4, 1.5))  # dashes of everything that does without the graph
# Networks that differ in both weights and activation -> the number of their style.
WEIGHTS = {"orthogonal, tanh": 0, "Glorot, tanh": 1, "Glorot, ReLU": 3}
# (network, where) -> label, activation whose colour it takes.
FACTORS = {
    ("orthogonal, identity", "graph"): ("smoothing alone", "identity"),
    ("Glorot, tanh", "no graph"): ("shrinking alone, tanh", "tanh"),
    ("Glorot, tanh", "graph"): ("both, tanh", "tanh"),
    ("Glorot, ReLU", "no graph"): ("shrinking alone, ReLU", "relu"),
    ("Glorot, ReLU", "graph"): ("both, ReLU", "relu"),
}


def draw_factors(ax, table):
    """The deviation of random networks on one graph: smoothing alone, shrinking alone, both.

    Args:
        ax: where.
        table: columns network, where, layer, median, low, high; combinations outside `FACTORS` are left out.
    """
    for (network, where), (label, activation) in FACTORS.items():
        rows = table[(table["network"] == network) & (table["where"] == where)]
        line = {"linestyle": "-"} if where == "graph" else {"linestyle": WITHOUT, "markerfacecolor": "white"}
        band(ax, rows, "layer", label=label, **style(activation) | line)
    ax.axhline(0.1, color="0.4", linewidth=1.0, zorder=1)
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel=r"$\sigma(X^{(k)})\,/\,\sigma(X^{(0)})$")


def draw_components(ax, table):
    """The deviation on a graph of several components: all of it, its part inside components, its part between them.

    Args:
        ax: where.
        table: columns layer, total, inside, between, of one graph.
    """
    looks = {"total": (0, "-"), "inside": (1, "-"), "between": (2, (0, (5, 1.2)))}
    labels = {"total": "whole graph", "inside": "inside components", "between": "between components"}
    for name, (k, line) in looks.items():
        ax.plot(table["layer"], table[name], label=labels[name], **style(k) | {"linestyle": line}, markevery=2)
    ax.set(xlabel="layer $k$", ylabel=r"share of $\sigma(X)$", ylim=(0, 1.05))


def draw_runs(ax, table, quantity, ylabel):
    """One quantity of training runs against the step: a line for each network and depth, shallow ones dashed.

    Args:
        ax: where.
        table: columns network, depth, step and the quantity, of one graph.
        quantity: the column to draw.
        ylabel: the axis' label.
    """
    deepest = table["depth"].max()
    for (network, depth), rows in table.groupby(["network", "depth"], sort=False):
        line = {"linestyle": "-"} if depth == deepest else {"linestyle": WITHOUT, "markerfacecolor": "white"}
        look = style(WEIGHTS[network]) | line
        ax.plot(
            rows["step"], rows[quantity], label=f"{network}, depth {depth}", **look, markevery=max(1, len(rows) // 5)
        )
    ax.set(xlabel="step", ylabel=ylabel)


def draw_signals(ax, table, quantity, ylabel):
    """One quantity of a pass, layer by layer: a band for each pair of graph and network.

    Args:
        ax: where.
        table: columns graph, network, quantity, layer, median, low, high.
        quantity: the rows to draw.
        ylabel: the axis' label.
    """
    rows = table[table["quantity"] == quantity]
    for k, ((graph, network), one) in enumerate(rows.groupby(["graph", "network"], sort=False)):
        look = style(k) if k else {"color": "0.45", "linestyle": WITHOUT, "marker": "x"}
        band(ax, one, "layer", label=f"{graph}: {network}", **look)
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)
