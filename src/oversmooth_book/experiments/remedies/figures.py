"""Figures of the chapter on remedies; tables from `oversmooth_book.experiments.remedies.tables`."""

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from oversmooth.drawing.theme import DIVERGING, THEORY, band, panels, style

# Links of the chain -> heading of their column.
HEADINGS = {
    "forward": "features\nsmooth",
    "slope": "backward\nlinear",
    "mean_error": "mean error\nvanishes",
    "gradient": "hidden\ngradient\nvanishes",
    "loss": "least loss\nin training",
}


# Graph -> what its score is, and that of a constant output.
SCORES = {
    "CSBM": ("block model: accuracy", 1 / 2),
    "Cora": ("Cora: accuracy", 1 / 7),
    "minesweeper": ("minesweeper: area under the ROC curve", 1 / 2),
}


def losses_figure(losses):
    """A panel for each family, the least loss against depth: columns remedy, depth, median, low, high, family."""
    _, axes = panels(columns=3, height=3.6, sharey=True)
    depths = sorted(losses["depth"].unique())
    for ax, (family, rows) in zip(axes, losses.groupby("family", sort=False), strict=True):
        draw_remedies(ax, rows, "depth", "loss / label entropy")
        ax.axhline(1, **THEORY, label="best constant")
        ax.set_title(family)
        ax.set_xscale("log", base=2)
        ax.set_xticks(depths, depths)
        ax.set_ylim(-0.03, 1.25)
        ax.label_outer()
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.26), fontsize=9)


def chain_figure(chain):
    """The table of tiles of one graph; columns as for `draw_remedy_chain`."""
    _, ax = panels(height=5.2)
    draw_remedy_chain(ax, chain)


def profile_figure(ratio, size):
    """The backward signal, its ratio above its size: columns remedy, layer, median, low, high, family, a panel each."""
    _, axes = panels(rows=2, columns=3, height=3.0, sharex=True, sharey="row")
    labels = (r"$\sigma(\tilde B)\,/\,\|\tilde B\|$", "size / that at the output")
    for row, table, label in zip(axes.reshape(2, 3), (ratio, size), labels, strict=True):
        for ax, (family, rows) in zip(row, table.groupby("family", sort=False), strict=True):
            draw_remedies(ax, rows, "layer", label, log=True)
            ax.set_title(family if table is ratio else "")
            ax.label_outer()
    for ax in axes[3:]:
        ax.set_ylim(1e-13, 1e5)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), fontsize=9)


def real_chain_figure(chain):
    """A table of tiles for each graph; columns graph, as for `draw_remedy_chain`. Graph -> axes, to be tinted."""
    _, axes = panels(rows=chain["graph"].nunique(), height=0.9 + 0.36 * chain["remedy"].nunique())
    found = {}
    for ax, (graph, rows) in zip(axes, chain.groupby("graph", sort=False), strict=True):
        draw_remedy_chain(ax, rows)
        ax.set_title(graph, loc="left", fontweight="bold")
        found[graph] = ax
    return found


def scores_figure(scores):
    """A panel for each graph; columns graph and those of `draw_remedy_scores`. Graph -> axes, for the page to tint."""
    groups = scores.groupby("graph", sort=False)
    heights = [rows["remedy"].nunique() + (graph != "CSBM") for graph, rows in groups]
    size = {"height": 0.7 + 0.09 * sum(heights), "gridspec_kw": {"height_ratios": heights}}
    _, axes = panels(rows=len(heights), **size)
    found = {}
    for ax, (graph, rows) in zip(axes, groups, strict=True):
        label, chance = SCORES[graph]
        draw_remedy_scores(ax, rows, chance, label)
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
        found[graph] = ax
    return found


def draw_remedies(ax, table, x, ylabel, log=False):
    """One quantity, plain in grey, then the remedies: columns remedy, median, low, high, and x ("depth" or "layer")."""
    others = [remedy for remedy in table["remedy"].unique() if remedy != "plain"]
    looks = {remedy: style(k) for k, remedy in enumerate(others)}
    looks["plain"] = {"color": "0.55", "linewidth": 4.0, "solid_capstyle": "round", "zorder": 1.5}
    for remedy in ("plain", *others):
        band(ax, table[table["remedy"] == remedy], x, label=remedy, **looks[remedy])
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$" if x == "depth" else r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)


def draw_remedy_chain(ax, table):
    """Which link each remedy breaks, orange tiles; blue ones hold: columns remedy, link, value, level.

    A loss "holds" where nothing is learned.
    """
    links, table = list(HEADINGS), table.assign(holds=(table["value"] < table["level"]) != (table["link"] == "loss"))
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
    """One digit, as many as other kernels leave, between a hundredth and a thousand, else a power of ten."""
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{float(f'{value:.1g}'):g}"
    return rf"$10^{{{np.log10(abs(value)):.0f}}}$"


def draw_remedy_scores(ax, table, chance, xlabel):
    """Score of every remedy on one graph, a marker for each depth: columns remedy, depth, median, low, high."""
    remedies = list(table["remedy"].unique())
    depths = sorted(table["depth"].unique())
    for k, depth in enumerate(depths):
        rows = table[table["depth"] == depth].set_index("remedy").loc[remedies]
        height = np.arange(len(remedies)) + 0.22 * (k - (len(depths) - 1) / 2)
        errors = (rows["median"] - rows["low"], rows["high"] - rows["median"])
        look = style(k) | {"linestyle": "none", "capsize": 2.5, "elinewidth": 1.4}
        ax.errorbar(rows["median"], height, xerr=errors, label=f"depth {depth}", **look)
    ax.axvline(chance, **THEORY, label="constant output")
    ax.set_yticks(np.arange(len(remedies)), remedies)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel, xlim=(min(chance, table["low"].min()) - 0.05, 1.01))
