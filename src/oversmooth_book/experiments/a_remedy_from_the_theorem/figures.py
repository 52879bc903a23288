"""Figures of the chapter on deflated propagation; tables from `experiments.a_remedy_from_the_theorem`."""

from oversmooth.drawing.theme import PALETTE, THEORY, band, draw_floor, style

# Name of an operator -> number of its style, and whether it is drawn solid.
OPERATORS = {
    "plain": (1, False),
    "deflated": (0, True),
    "plain, random walk": (3, False),
    "deflated, random walk": (2, True),
}
DASHES = (0, (4, 1.5))


def _look(name):
    number, solid = OPERATORS[name]
    return style(number) | ({"linestyle": "-"} if solid else {"linestyle": DASHES, "markerfacecolor": "white"})


def draw_amplitude(ax, table):
    """The second mode's size against the layer, plain and deflated, with the prediction dashed.

    Args:
        ax: where.
        table: columns operator, layer, median, low, high, predicted (NaN where there is none).
    """
    for name, rows in table.groupby("operator", sort=False):
        band(ax, rows, "layer", label=name, **_look(name))
    rows = table.dropna(subset=["predicted"])
    ax.plot(rows["layer"], rows["predicted"], **THEORY, label=r"$\propto 1/\sqrt{k}$, predicted")
    draw_floor(ax, 2.2e-16)
    ax.set_yscale("log")
    ax.set_ylim(1e-18, 10)
    ax.set(xlabel="layer $k$", ylabel=r"$\Vert \langle u_2, X^{(k)} \rangle_\pi \Vert$")


def draw_moved_trap(ax, table, quantity, ylabel):
    """One quantity of linear networks with a trained last layer against depth, what the theorem says dashed.

    Args:
        ax: where.
        table: columns operator, depth, and median, low, high of the quantity; predicted where there is a prediction.
        quantity: "loss" or "gradient": the latter is drawn on a logarithmic axis.
        ylabel: the axis' label.
    """
    for name, rows in table.groupby("operator", sort=False):
        band(ax, rows, "depth", label=name, **_look(name) | {"markevery": 1})
    for k, (_, rows) in enumerate(table.dropna(subset=["predicted"]).groupby("operator", sort=False)):
        ax.plot(rows["depth"], rows["predicted"], **THEORY, label=None if k else "predicted")
    if quantity == "gradient":
        ax.set_yscale("log")
    ax.set(xlabel="depth", ylabel=ylabel)


def draw_depth_training(ax, table, ylabel):
    """One quantity after training against depth, for every operator: median and range.

    Args:
        ax: where.
        table: columns name, depth, median, low, high.
        ylabel: the axis' label.
    """
    for name, rows in table.groupby("name", sort=False):
        band(ax, rows, "depth", label=name, **_look(name) | {"markevery": 1})
    ax.set_xscale("log")
    depths = sorted(set(table["depth"]))
    ax.set_xticks(depths, [str(depth) for depth in depths])
    ax.minorticks_off()
    ax.set(xlabel="depth", ylabel=ylabel)


def draw_compared(ax, table, xlabel):
    """One quantity of every method as a point with its range, one below the other.

    Args:
        ax: where.
        table: columns method, median, low, high.
        xlabel: the axis' label.
    """
    names = list(dict.fromkeys(table["method"]))
    for k, (name, rows) in enumerate(table.groupby("method", sort=False)):
        look = style(0) if name == "deflated" else {"color": "0.35", "marker": "s"}
        middle = rows["median"].to_numpy()
        errors = [middle - rows["low"], rows["high"] - middle]
        ax.errorbar(middle, [k] * len(rows), xerr=errors, capsize=4, **look | {"linestyle": "none"})
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(xlabel)


def draw_modes_kept(ax, table):
    """Test accuracy and training loss against the number of modes kept.

    Args:
        ax: where.
        table: columns quantity (accuracy, loss), modes, median, low, high.
    """
    names = {"accuracy": (0, "test accuracy"), "loss": (1, "training loss")}
    for quantity, rows in table.groupby("quantity", sort=False):
        k, label = names[quantity]
        band(ax, rows, "modes", label=label, **style(k) | {"markevery": 1})
    ax.set_xscale("log")
    ax.set_ylim(-0.03, 1.03)
    ax.set(xlabel="modes kept", ylabel="after training")


def draw_label_spectrum(ax, table, column, ylabel):
    """One property of the leading modes against their number, for every graph.

    Args:
        ax: where.
        table: columns graph, mode and the one drawn; one propagation.
        column: which.
        ylabel: the axis' label.
    """
    for k, (graph, rows) in enumerate(table.groupby("graph", sort=False)):
        look = style(k) if k < len(PALETTE) else {"color": "0.5", "linestyle": "-", "marker": "X"}
        ax.plot(rows["mode"], rows[column], label=graph, **look, markevery=4)
    ax.set_xscale("log")
    ax.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
    ax.minorticks_off()
    ax.set(xlabel="mode $j$", ylabel=ylabel)


def draw_conditions(ax, table, xlabel):
    """Test accuracy in groups of cases: a point with its range for every operator.

    Args:
        ax: where.
        table: columns group, case, operator, median, low, high.
        xlabel: the axis' label.
    """
    cases = list(dict.fromkeys(zip(table["group"], table["case"], strict=True)))
    for k, (name, rows) in enumerate(table.groupby("operator", sort=False)):
        at = [cases.index(case) + 0.18 * (k - 1) for case in zip(rows["group"], rows["case"], strict=True)]
        errors = [rows["median"] - rows["low"], rows["high"] - rows["median"]]
        look = style((1, 2, 0)[k]) | {"linestyle": "none"}
        ax.errorbar(at, rows["median"], yerr=errors, capsize=3, label=name, **look)
    ax.set_xticks(range(len(cases)), [case for _, case in cases])
    for group in dict.fromkeys(group for group, _ in cases):
        places = [k for k, case in enumerate(cases) if case[0] == group]
        ax.annotate(group, (sum(places) / len(places), 0.06), ha="center", fontsize=10, color="0.3")
    ax.set_ylim(0, 1.05)
    ax.set(xlabel=xlabel, ylabel="test accuracy")
