"""Figures of the explore page, for readers without its panel."""

from oversmooth.drawing.theme import THEORY, panels, style
from oversmooth_book.experiments.figures import NO_GRAPH, OPEN, panel_for_each

OPERATORS = {"metropolis": "Metropolis", "random_walk": "random walk", "gcn": "GCN", "identity": "MLP ($P = I$)"}
LOOKS = {
    "feature_ratio": style("features"),
    "gradient": style("gradient"),
    "certificate": THEORY,
    "backward_norm": style("errors") | {"linestyle": "-"},
    "backward_deviation": style("errors") | OPEN,
    "backward_ratio": style("errors") | {"linestyle": "-"},
}
# What each panel of `choice_figure` shows: title -> column -> label.
CHOICE = {
    "features": {"feature_ratio": r"$\sigma(X)\,/\,\Vert X\Vert$"},
    "gradient of every layer": {"gradient": "gradient", "certificate": "certificate"},
    "errors": {"backward_norm": r"$\Vert\tilde B\Vert$", "backward_deviation": r"$\sigma(\tilde B)$"},
    "errors, ratio": {"backward_ratio": r"$\sigma(\tilde B)\,/\,\Vert\tilde B\Vert$"},
}


def choice_figure(table):
    """Features, gradients and errors of one network of the grid, from layer and the columns of `CHOICE`."""
    _, axes = panels(rows=2, columns=2)
    for ax, (title, names) in zip(axes, CHOICE.items(), strict=True):
        draw_choice(ax, table, names)
        ax.set_title(title)
        ax.set_xlabel(r"layer   ($\leftarrow$ errors)" if title.startswith("errors") else "layer")
        ax.legend(loc="best")
    low, high = axes[1].get_ylim()
    axes[1].set_ylim(low / 10, high * 10)  # a level line, in decades as the others
    axes[3].set_ylim(1e-3, 2)


def grid_figure(table):
    """`draw_grid` for each activation, from activation, operator, depth, gradient_max."""
    figure, axes = panel_for_each(table, "activation", draw_grid, rows=2, columns=2, sharex=True, sharey=True)
    figure.legend(*next(iter(axes.values())).get_legend_handles_labels(), loc="outside lower center", ncols=4)


def draw_choice(ax, table, names):
    """Some columns of a network's table against the layer; ``names``: column -> label."""
    for column, label in names.items():
        look = LOOKS[column]
        ax.plot(table["layer"], table[column], **look, label=label, markevery=2)
    ax.set_yscale("log")


def draw_grid(ax, table):
    """The largest hidden gradient against depth, a line for each operator, from operator, depth, gradient_max."""
    for operator, label in OPERATORS.items():
        # a gradient of zero has no place on the axis
        rows = table[(table["operator"] == operator) & (table["gradient_max"] > 0)]
        look = NO_GRAPH if operator == "identity" else style(operator)
        ax.plot(rows["depth"], rows["gradient_max"], **look, label=label)
    ax.set_yscale("log")
    ax.set(xlabel="depth", ylabel="largest hidden gradient", xticks=sorted(set(table["depth"])))
