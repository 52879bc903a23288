"""Figures of the chapter on remedies; tables from `oversmooth_book.experiments.remedies.tables`."""

import numpy as np
from matplotlib.lines import Line2D

from oversmooth.drawing.theme import THEORY, band, panels, style
from oversmooth_book.experiments.figures import NO_GRAPH, OPEN, PLAIN, draw_tiles, short

# Links of the chain -> heading of their column; first, what comes of it.
HEADINGS = {
    "loss": "trains?\nleast loss",
    "forward": "features\nsmooth",
    "slope": "backward\nlinear",
    "mean_error": "mean error\nvanishes",
    "gradient": "hidden\ngradient\nvanishes",
}

# The plain network, behind the others.
WIDE = {
    "color": PLAIN,
    "linewidth": 4.0,
    "solid_capstyle": "round",
    "zorder": 1.5,
}
LOOKS = {"plain": WIDE, "no graph": NO_GRAPH, "residual": style(3), "jumping knowledge": style(0)}
SIGNALS = {
    r"$\sigma(\tilde B)\,/\,\|\tilde B\|$, untrained": style("errors") | OPEN,
    "size / that at the output, last layer trained": style("errors") | {"linestyle": "-"},
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
        draw_remedies(ax, rows)
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
    """The backward signal, a panel for each remedy, a row for each family; columns as for `draw_backward`, family."""
    families = ratio.groupby("family", sort=False)
    columns = ratio["remedy"].nunique() // families.ngroups
    figure, axes = panels(rows=families.ngroups, columns=columns, sharex=True, sharey=True)
    for row, (family, rows) in zip(axes.reshape(-1, columns), families, strict=True):
        remedies = [remedy for remedy in rows["remedy"].unique() if remedy != "plain"]
        for ax, remedy in zip(row, remedies, strict=True):
            draw_backward(ax, rows, size[size["family"] == family], remedy)
            ax.label_outer()
        row[0].set_ylabel(family)
    lines, labels = axes[0].get_legend_handles_labels()
    grey = Line2D([], [], **WIDE)
    figure.legend([*lines, grey], [*labels, "the plain network's"], loc="outside lower center", ncols=3, fontsize=10)


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


def draw_remedies(ax, table):
    """The loss against depth, plain in grey, then the remedies: columns remedy, depth, median, low, high."""
    others = [remedy for remedy in table["remedy"].unique() if remedy != "plain"]
    looks = {remedy: style(k) for k, remedy in enumerate(others)} | LOOKS
    for remedy in ("plain", *others):
        band(ax, table[table["remedy"] == remedy], "depth", label=remedy, **looks[remedy])
    ax.set(xlabel="depth $L+1$", ylabel="loss / label entropy")


def draw_backward(ax, ratio, size, remedy):
    """Ratio and size of one remedy's backward signal beside the plain network's: columns remedy, layer, median, …."""
    for table, (label, look) in zip((ratio, size), SIGNALS.items(), strict=True):
        plain = table[table["remedy"] == "plain"]
        ax.plot(plain["layer"], plain["median"], **WIDE | {"linestyle": look["linestyle"]})
        band(ax, table[table["remedy"] == remedy], "layer", label=label, **look)
    ax.set(yscale="log", ylim=(1e-13, 1e5), title=remedy, xlabel="layer $k$")


def draw_remedy_chain(ax, table):
    """What trains, and which link each remedy breaks, in colour: columns remedy, link, value, level; what trains first.

    A network trains where its loss ends below its level; a link is broken where its value does not.
    """
    grid = {
        name: table.pivot(index="remedy", columns="link", values=name)[list(HEADINGS)] for name in ("value", "level")
    }
    best = grid["value"]["loss"].map(lambda value: float(f"{value:.1g}"))  # as printed: rounding sorts no rows
    remedies = best.loc[list(table["remedy"].unique())].sort_values(kind="stable").index
    values, levels = (grid[name].loc[remedies] for name in ("value", "level"))
    broken = (values >= levels).assign(loss=values["loss"] < levels["loss"]).to_numpy()
    texts = [[short(value) for value in row] for row in values.to_numpy()]
    for row, trains in zip(texts, broken[:, 0], strict=True):
        row[0] = f"{'✓' if trains else '✗'}  {row[0]}"
    draw_tiles(ax, texts, broken, remedies, HEADINGS.values(), ("0.92", "#9fd8cf"))
    ax.axvline(1, color="black", linewidth=1.5)


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
