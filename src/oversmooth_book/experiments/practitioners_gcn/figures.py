"""Figures of the practitioner's GCN: accuracy and its reasons against the depth."""

from oversmooth.drawing.theme import SERIES, THEORY, panels, style
from oversmooth_book.experiments.figures import NO_GRAPH

# What is exchanged in pairs shares a colour: decay, weights and their activation.
LOOKS = {
    "as everybody": {"color": "0.15", "marker": "o", "linewidth": 2.8},
    "no decay": {"color": SERIES[2], "marker": "s"},
    "AdamW": {"color": SERIES[2], "marker": "D", "linestyle": "--"},
    "tanh": {"color": style("tanh")["color"], "marker": "^"},
    "orthogonal": {"color": style("tanh")["color"], "marker": "v", "linestyle": "--"},
    "residual": {"color": SERIES[3], "marker": "P"},
    "no dropout": {"color": SERIES[1], "marker": "X"},
    "no graph": NO_GRAPH,
}
REASONS = {
    "loss": "training loss / label entropy",
    "spectral": r"$\|W^{(k)}\|_2$ of the median layer",
    "gradient": "gradient of the median layer",
}
FLOOR = 1e-6  # what has died is drawn here: how small it is says nothing


def accuracy_figure(table, constant):
    """Test accuracy against depth, a panel for each graph; ``constant`` is `measure.constants`.

    Returns graph -> axes, for the page to tint.
    """
    graphs = list(dict.fromkeys(table["graph"]))
    figure, axes = panels(columns=len(graphs), height=3.6, sharey=True)
    found = dict(zip(graphs, axes if len(graphs) > 1 else [axes], strict=True))
    for graph, ax in found.items():
        rows = table[(table["graph"] == graph) & (table["quantity"] == "accuracy")]
        draw_recipes(ax, rows, "test accuracy", everybody=True)
        ax.axhline(constant.set_index("graph").loc[graph, "share"], **THEORY, label="largest class")
        ax.set_ylim(0, 0.9)
        ax.set_title(graph)
        ax.label_outer()
    figure.legend(*found[graphs[0]].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return found


def reasons_figure(table, graph="Cora"):
    """What stands behind it on one graph: loss, weights and gradients after the last epoch, against the depth."""
    figure, axes = panels(columns=3, height=3.4)
    for ax, (quantity, label) in zip(axes, REASONS.items(), strict=True):
        rows = table[(table["graph"] == graph) & (table["quantity"] == quantity)]
        draw_recipes(ax, rows.assign(median=rows["median"].clip(lower=FLOOR)), label)
    axes[0].axhline(1, **THEORY)
    for ax in axes[1:]:
        ax.set_yscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def draw_recipes(ax, table, label, everybody=False):
    """A line for each recipe, everybody's with its range if wanted: columns recipe, depth, median, low, high."""
    depths = sorted(table["depth"].unique())
    for recipe, look in LOOKS.items():
        rows = table[table["recipe"] == recipe]
        if rows.empty:
            continue
        ax.plot(rows["depth"], rows["median"], label=recipe, **look)
        if everybody and recipe == "as everybody":
            ax.fill_between(rows["depth"], rows["low"], rows["high"], color="0.2", alpha=0.15, linewidth=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(depths, depths)
    ax.set_xlabel("depth")
    ax.set_ylabel(label)
