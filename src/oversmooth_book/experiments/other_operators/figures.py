"""Figures of the chapter on other operators: one function each, from the ``draw_`` of its panels."""

from oversmooth.drawing.theme import SERIES, THEORY, band, draw_floor, panels, style
from oversmooth_book.experiments.figures import NO_GRAPH, PLAIN

TOKEN_STYLES = {
    "plain": style(1) | {"color": PLAIN},
    "deflated": style(0),
    "skip": style(2),
    "skip and norm": style(3),
}
TOKEN_LABELS = {"gradient": "largest gradient of a layer", "loss": "loss / variance of the targets"}

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
}


def profile_figure(table, theory):
    """Both ratios of three families against the layer, from `tables.drawn`, and `tables.predicted`."""
    figure, axes = panels(rows=2, columns=3, height=2.7, sharex=True, sharey="row")
    for ax, ((way, family), rows) in zip(axes, table.groupby(["quantity", "family"], sort=False), strict=True):
        dashed = None if family == "sum and maximum" else theory[theory["quantity"] == way]
        draw_operators(ax, rows, "layer", "layer $k$", f"{way} ratio", dashed)
        ax.set_title(family if way == "forward" else "")
        ax.label_outer()
    for ax in axes[:3]:
        ax.legend(fontsize=8, loc="lower left")
    return figure


def norms_figure(table):
    """The smallest ratios in two norms, features and errors, from `tables.smallest`."""
    figure, axes = panels(columns=2, sharey=True)
    for ax, (way, title) in zip(axes, (("forward", "features"), ("backward", "errors")), strict=True):
        draw_operator_norms(ax, table[table["direction"] == way])
        ax.set_title(title)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def attention_figure(paths, extra):
    """Attention's two paths, from `tables.paths`, and the share of the second, from `tables.drawn`."""
    figure, (left, right) = panels(columns=2)
    draw_attention_paths(left, paths)
    draw_operators(right, extra, "layer", "layer $k$", "share of the second path")
    left.set_title("attention roughens errors again")
    right.set_title("most where features differ")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def measures_figure(table):
    """Four measures of four operators, from `tables.measures`."""
    names = "ours: relative deviation", "Dirichlet energy", "cosine distance (MAD)", "effective rank"
    figure, axes = panels(rows=2, columns=2, height=2.7, sharex=True)
    for ax, name, (_, rows) in zip(axes, names, table.groupby("quantity", sort=False), strict=True):
        draw_operators(ax, rows, "layer", "layer $k$", name)
    for ax in axes[:2]:
        ax.set_xlabel("")
    axes[1].set_yticks([1e-20, 1, 1e20, 1e40, 1e60])
    axes[3].set_yscale("linear")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def stationary_figure(table):
    """Gradient and loss with a trained head against the depth, three families, from `tables.bands`."""
    figure, axes = panels(rows=2, columns=3, height=2.7, sharex=True, sharey="row")
    for ax, ((quantity, family), rows) in zip(axes, table.groupby(["quantity", "family"], sort=False), strict=True):
        label = "largest gradient" if quantity == "gradient" else "loss"
        draw_operators(ax, rows, "depth", "depth", label)
        ax.set_title(family if quantity == "gradient" else "")
        ax.label_outer()
    for upper, lower in zip(axes[:3], axes[3:], strict=True):
        lower.set_yscale("linear")
        upper.legend(fontsize=8, loc="lower left")
    return figure


def training_figure(table):
    """Loss and gradient against the step, from `tables.bands`."""
    figure, (left, right) = panels(columns=2)
    for ax, name, label in ((left, "loss", "loss"), (right, "gradient", "largest gradient")):
        draw_operators(ax, table[table["quantity"] == name], "step", "step of Adam", label)
    left.set(yscale="linear", ylim=(0, 1.2), title="the loss stays a constant's")
    left.axhline(1, **THEORY, label="best constant")
    right.set_title("little gradient, and less")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def real_figure(table, tint):
    """Five operators on karate and Cora, from `tables.drawn`; ``tint`` marks the axes of a graph that is not here."""
    shown = table[table["operator"].isin(["random_walk", "gcn", "gat", "sum", "max"])]
    figure, axes = panels(rows=2, columns=2, height=2.7, sharex=True, sharey="row")
    places = [(way, graph) for way in ("forward", "backward") for graph in ("karate", "Cora")]
    for ax, (way, graph) in zip(axes, places, strict=True):
        rows = shown[(shown["quantity"] == way) & (shown["graph_name"] == graph)]
        draw_operators(ax, rows, "layer", "layer $k$", f"{way} ratio")
        ax.set_title(graph if way == "forward" else "")
        tint(ax, graph)
        ax.label_outer()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_operators(ax, table, x, xlabel, ylabel, theory=None):
    """One quantity of several operators against ``x``, a band for each: operator, x, median, low, high.

    ``theory``, with columns x and predicted, is drawn dashed.
    """
    for operator, rows in table.groupby("operator", sort=False):
        look = NO_GRAPH if operator == "mlp" else style(_LOOKS[operator])
        band(ax, rows, x, label=OPERATOR_NAMES[operator], **look)
    if theory is not None:
        ax.plot(theory[x], theory["predicted"], **THEORY, label="predicted slope")
    ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)


def draw_operator_norms(ax, table):
    """Each operator's smallest ratio, in its own norm and the uniform one: operator, norm, median, low, high."""
    looks = {"uniform": ("uniform norm", SERIES[1], "s", 8), "own": ("the operator's norm", SERIES[0], "o", 5)}
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


def tokens_figure(table, silent):
    """Gradient and loss of attention stacks with a trained read-out against the depth, from `tokens.read_outs`."""
    figure, axes = panels(columns=2)
    for ax, (quantity, label) in zip(axes, TOKEN_LABELS.items(), strict=True):
        for kind, rows in table[table["quantity"] == quantity].groupby("kind", sort=False):
            band(ax, rows, "depth", label=kind, **TOKEN_STYLES[kind])
        ax.set_xscale("log", base=2)
        ax.set_xticks(depths := sorted(table["depth"].unique()), depths)
        ax.set(xlabel="layers of attention", ylabel=label)
    axes[0].set_yscale("log")
    draw_floor(axes[0], silent, "silent: rounding")
    axes[1].axhline(1, **THEORY)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_attention_paths(ax, table):
    """The backward ratio, whole and with attention held fixed (dotted): operator, path, layer, median, low, high."""
    label = "attention held fixed: all three"
    for (operator, path), rows in table.groupby(["operator", "path"], sort=False):
        if path == "fixed":
            ax.plot(rows["layer"], rows["median"], label=label, **THEORY | {"linestyle": (0, (1, 1.5)), "zorder": 3})
            label = None
        else:
            band(ax, rows, "layer", label=OPERATOR_NAMES[operator], **style(_LOOKS[operator]) | {"linestyle": "-"})
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=r"$\sigma(\tilde B^{(k)})\,/\,\Vert\tilde B^{(k)}\Vert$")
