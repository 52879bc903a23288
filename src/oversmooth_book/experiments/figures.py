"""Figures that several chapters share."""

import numpy as np
from matplotlib.colors import ListedColormap

from oversmooth.drawing.theme import LINES, THEORY, panels, style

# Added to a style: what is before training, or shallow, or the other of two.
OPEN = {"linestyle": (0, (1, 0.8)), "markerfacecolor": "white"}
MISLEADS = ("#dbe7f5", "#f3b183")  # tiles: what is as it should be, and what is not
PLAIN = "0.65"  # grey: the network that nothing was done for, beside remedies
NO_GRAPH = style("mlp") | {"linestyle": LINES[4], "marker": "X"}  # P = I, among operators or recipes
# Names of activations as a reader writes them.
ACTIVATIONS = {"identity": "linear", "elu": "ELU", "relu": "ReLU"}


def panel_for_each(table, column, draw, **options):
    """A panel for each value of a column, in their order, with numbers at the outer ones.

    Args:
        table: with the column.
        column: such as graph or activation; its values are the titles.
        draw: called with the axes and the rows of one value.
        options: of `panels`, as many as there are values.

    Returns:
        The figure, and value -> axes.
    """
    figure, axes = panels(**options)
    found = {}
    for ax, (value, rows) in zip(axes, table.groupby(column, sort=False), strict=True):
        draw(ax, rows)
        ax.set_title(ACTIVATIONS.get(value, value))
        ax.label_outer()
        found[value] = ax
    return figure, found


def draw_modes(ax, table):
    """Measured deviation of a linear network as points, its spectral prediction dashed, λᵏ as a thin line.

    Args:
        ax: where.
        table: columns propagation, layer, measured, predicted, slowest; one graph.
    """
    names = {"metropolis": "Metropolis", "random_walk": "random walk"}
    for k, (kind, rows) in enumerate(table.groupby("propagation", sort=False)):
        look = style(kind)
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
        ax.plot(rows["layer"], rows["slowest"], color=look["color"], linewidth=1.1, alpha=0.8, linestyle=(0, (1, 1.2)))
        points["markevery"] = max(1, len(rows) // 16)
        ax.plot(rows["layer"], rows["measured"], **points, label=f"measured, {names[kind]}")
        ax.plot(rows["layer"], rows["predicted"], **THEORY, label="predicted by all modes" if k else None)
    ax.plot([], [], color="0.4", linewidth=1.1, linestyle=(0, (1, 1.2)), label=r"slowest mode alone, $\lambda^k$")
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel=r"$\sigma(X^{(k)})\,/\,\sigma(X^{(0)})$")


def draw_tiles(ax, texts, shades, rows, columns, colors):
    """A table of coloured tiles.

    Args:
        ax: where.
        texts: what each tile says, a list for each row.
        shades: number of its colour; those of the last are bold.
        rows: names of the rows.
        columns: names of the columns, above them.
        colors: two or more.
    """
    last = len(colors) - 1
    look = {"cmap": ListedColormap(colors), "vmin": 0, "vmax": last, "edgecolors": "w", "linewidth": 2}
    ax.pcolormesh(np.asarray(shades, dtype=int), **look)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            weight = "bold" if shades[i][j] == last else "normal"
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=10.5, fontweight=weight)
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.xaxis.tick_top()
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def short(value):
    """One digit, as many as other kernels leave, between a hundredth and a thousand, else a power of ten."""
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{float(f'{value:.1g}'):g}"
    return rf"$10^{{{np.log10(abs(value)):.0f}}}$"
