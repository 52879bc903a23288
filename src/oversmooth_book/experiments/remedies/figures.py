"""Figures of the chapter on remedies; tables from `oversmooth_book.experiments.remedies.tables`."""

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from oversmooth.drawing.theme import DIVERGING, THEORY, band, style

# Links of the chain -> heading of their column.
HEADINGS = {
    "forward": "features\nsmooth",
    "slope": "backward\nlinear",
    "mean_error": "mean error\nvanishes",
    "gradient": "hidden\ngradient\nvanishes",
    "loss": "loss after\ntraining",
}


def draw_remedies(ax, table, x, ylabel, log=False):
    """One quantity against the depth or the layer: plain in grey, then the remedies.

    Args:
        ax: where.
        table: columns remedy, median, low, high and the one named x.
        x: "depth" or "layer".
        ylabel: the axis' label.
        log: whether the vertical axis is logarithmic.
    """
    others = [remedy for remedy in table["remedy"].unique() if remedy != "plain"]
    looks = {remedy: style(k) for k, remedy in enumerate(others)}
    looks["plain"] = {"color": "0.55", "linewidth": 4.0, "solid_capstyle": "round", "zorder": 1.5}
    for remedy in ("plain", *others):
        band(ax, table[table["remedy"] == remedy], x, label=remedy, **looks[remedy])
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$" if x == "depth" else r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)


def draw_best_constant(ax):
    """The loss of the best constant output, dashed.

    Args:
        ax: where, with a loss on the vertical axis, as a share of the label entropy.
    """
    ax.axhline(1, **THEORY, label="best constant")


def draw_remedy_chain(ax, table):
    """Which link each remedy breaks: a tile and a number for each; blue tiles hold, orange ones are broken.

    Args:
        ax: where.
        table: columns remedy, link, value, level, holds. A loss "holds" where nothing is learned.
    """
    links = list(HEADINGS)
    grid = {name: table.pivot(index="remedy", columns="link", values=name)[links] for name in ("value", "holds")}
    remedies = list(table["remedy"].unique())
    holds = grid["holds"].loc[remedies].to_numpy(dtype=bool)
    ax.pcolormesh(
        np.where(holds, -0.45, 0.45), cmap=DIVERGING, norm=TwoSlopeNorm(0, -1, 1), edgecolors="w", linewidth=2
    )
    for i, row in enumerate(grid["value"].loc[remedies].to_numpy()):
        for j, value in enumerate(row):
            weight = "normal" if holds[i, j] else "bold"
            ax.text(j + 0.5, i + 0.5, _short(value), ha="center", va="center", fontsize=10.5, fontweight=weight)
    ax.axvline(len(links) - 1, color="black", linewidth=1.5)
    ax.set_xticks(np.arange(len(links)) + 0.5, [HEADINGS[link] for link in links])
    ax.set_yticks(np.arange(len(remedies)) + 0.5, remedies)
    ax.xaxis.tick_top()
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def _short(value):
    """Two digits between a hundredth and a thousand, else a power of ten."""
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
    return rf"$10^{{{np.log10(abs(value)):.0f}}}$"


def draw_remedy_scores(ax, table, chance, xlabel):
    """Mean score of every remedy with its interval, a marker for each depth.

    Args:
        ax: where.
        table: columns remedy, depth, mean, low, high, of one graph.
        chance: the score of a constant output.
        xlabel: what the score is.
    """
    remedies = list(table["remedy"].unique())
    depths = sorted(table["depth"].unique())
    for k, depth in enumerate(depths):
        rows = table[table["depth"] == depth].set_index("remedy").loc[remedies]
        height = np.arange(len(remedies)) + 0.22 * (k - (len(depths) - 1) / 2)
        errors = (rows["mean"] - rows["low"], rows["high"] - rows["mean"])
        look = style(k) | {"linestyle": "none", "capsize": 2.5, "elinewidth": 1.4}
        ax.errorbar(rows["mean"], height, xerr=errors, label=f"depth {depth}", **look)
    ax.axvline(chance, **THEORY, label="constant output")
    ax.set_yticks(np.arange(len(remedies)), remedies)
    ax.invert_yaxis()
    # With two or three seeds an interval may leave the range that a score can have.
    ax.set(xlabel=xlabel, xlim=(min(chance, table["mean"].min()) - 0.1, 1.01))
