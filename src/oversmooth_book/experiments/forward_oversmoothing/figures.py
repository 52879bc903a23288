"""Figures of the chapter on forward oversmoothing."""

import numpy as np
from matplotlib.colors import LogNorm

from oversmooth.drawing.theme import DIVERGING, THEORY, band, panels, style
from oversmooth_book.experiments.figures import MISLEADS, draw_tiles, panel_for_each, short
from oversmooth_book.experiments.figures import draw_modes as draw_modes

# Measures of smoothness -> heading of their column.
MEASURES = {
    "relative energy": "relative\nenergy",
    "energy": "energy",
    "Dirichlet energy": "Dirichlet\nenergy",
    "mean average distance": "average\ndistance",
    "effective rank − 1": "effective\nrank − 1",
}
# Situations in which the differences between nodes fade; in the others they do not.
SMOOTHED = ("smoothed", "GCN limit", "mean removed")


def collapse_figure(bands):
    """`draw_collapse` for each activation."""
    figure, axes = panel_for_each(bands, "activation", draw_collapse, rows=2, columns=2, sharex=True, sharey=True)
    first = next(iter(axes.values()))
    first.set_ylim(1e-13, 1e11)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def measures_figure(table):
    """`draw_measures` for each graph."""
    figure, axes = panels(rows=2, height=2.6)
    for ax, (graph, rows) in zip(axes, table.groupby("graph", sort=False), strict=True):
        draw_measures(ax, rows)
        ax.set_title(graph, loc="left", fontweight="bold")
    return figure


def draw_snapshot(ax, table):
    """The nodes of one layer as points, classes by colour and marker.

    Args:
        ax: where.
        table: columns view, layer, label, x, y, factor; one view of one layer.
    """
    view, layer, factor = table[["view", "layer", "factor"]].iloc[0]
    for label, rows in table.groupby("label"):
        look = style(int(label))
        ax.scatter(
            rows["x"],
            rows["y"],
            s=13,
            color=look["color"],
            marker=look["marker"],
            alpha=0.75,
            linewidths=0,
            label=f"class {label + 1}",
        )
    ax.set(xlim=(-7, 7), ylim=(-7, 7), xticks=[], yticks=[])
    ax.set_title(f"layer {layer}" if view == "same scale" else f"enlarged {factor:.0f}×", fontsize=15)
    ax.set_aspect("equal")
    for side in ax.spines.values():
        side.set_visible(True)


def draw_collapse(ax, table):
    """The deviation against the layer for several λs, each with its bound.

    Args:
        ax: where.
        table: columns product, layer, median, low, high, bound; one activation.
    """
    for k, (product, rows) in enumerate(table.groupby("product")):
        ax.plot(rows["layer"], rows["bound"], **THEORY, label="bound (F)" if k == 0 else None)
        line = band(ax, rows, "layer", label=f"$\\lambda s = {product:g}$", **style(k))
        # the bound's end, in the colour of the lines it bounds
        end = (rows["layer"].iloc[-1], rows["bound"].iloc[-1])
        ax.annotate(f"{product:g}", end, (3, 0), textcoords="offset points", va="center", color=line.get_color())
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel=r"$\sigma(X^{(k)})\,/\,\sigma(X^{(0)})$")


def draw_phase(ax, table, edge=None):
    """The measured decay rate over (λ, s) as colour, with the line λs = 1.

    Args:
        ax: where.
        table: columns rate, scale, measured; one activation.
        edge: columns rate, scale: where smoothing ends with tanh, drawn as a line; None for nothing.

    Returns:
        The mesh, for `draw_rate_scale`.
    """
    grid = table.pivot(index="scale", columns="rate", values="measured")
    norm = LogNorm(1 / 6, 6)
    mesh = ax.pcolormesh(grid.columns, grid.index, grid, norm=norm, cmap=DIVERGING, shading="nearest")
    mesh.set_edgecolor("face")
    # Both ends of the colours are dark in grey: the numbers on the contours tell them apart.
    lines = ax.contour(grid.columns, grid.index, grid, levels=[0.25, 0.5, 2, 4], colors="0.15", linewidths=0.8)
    ax.clabel(lines, fmt="%g", fontsize=10)
    scales = np.geomspace(1 / grid.columns.max(), min(1 / grid.columns.min(), grid.index.max()))
    ax.plot(1 / scales, scales, **{**THEORY, "linewidth": 2.2}, label=r"$\lambda s = 1$")
    if edge is not None:
        ax.plot(edge["rate"], edge["scale"], color="black", linewidth=2.2, label=r"tanh: $\lambda g(s) = 1$")
    ax.set_yscale("log")
    ticks = [0.5, 1, 2, 4]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(False)
    ax.set(xlabel=r"smoothing rate $\lambda$", ylabel="weight scale $s$")
    return mesh


def draw_rate_scale(axes, mesh):
    """The colour scale of `draw_phase`, beside its panels.

    Args:
        axes: the panels.
        mesh: what `draw_phase` returned.
    """
    bar = axes[0].figure.colorbar(mesh, ax=list(axes), extend="both")
    ticks = [0.25, 0.5, 1, 2, 4]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    bar.set_label(r"measured $\sigma(X^{(k+1)})\,/\,\sigma(X^{(k)})$")


def draw_measures(ax, table):
    """What is left of each measure at the last layer, marked where it misleads.

    It should still fall by a tenth over the last third of the layers where features are smoothed, and keep nine tenths
    of its first value where they are not.

    Args:
        ax: where.
        table: columns situation, measure, layer, value; one graph.
    """
    last = table["layer"].max()
    at = table.pivot(index=["situation", "measure"], columns="layer", values="value")
    situations = list(table["situation"].unique())
    texts, misleads = [], []
    for situation in situations:
        rows = at.loc[situation].loc[list(MEASURES)]
        left, before = rows[last], rows[round(2 * last / 3)]
        texts.append([short(value) for value in left])
        misleads.append(list(left > 0.9 * before if situation in SMOOTHED else left < 0.9))
    names = [f"{name}  {'↓' if name in SMOOTHED else '='}" for name in situations]
    draw_tiles(ax, texts, misleads, names, MEASURES.values(), MISLEADS)
