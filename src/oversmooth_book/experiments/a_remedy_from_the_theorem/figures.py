"""Figures of the chapter on deflated propagation."""

import matplotlib.pyplot as plt

from oversmooth.drawing.theme import PANEL, SERIES, THEORY, band, draw_floor, panels, style
from oversmooth_book.experiments.figures import OPEN, PLAIN

OPERATORS = {
    "plain": style(1) | OPEN | {"color": PLAIN},
    "deflated": style(0) | {"linestyle": "-"},
    "plain, random walk": style(1) | OPEN,
    "deflated, random walk": style(2) | {"linestyle": "-"},
    "deflated, one mode per class but one": style(3),
}


def theory_figure(walk, metropolis, trap_loss, trap_gradient):
    """The second mode in tanh networks, above the moved trap; tables as for `draw_amplitude` and `draw_moved_trap`."""
    _, axes = panels(rows=2, columns=2, height=3.2)
    for ax, rows, name in zip(axes, (walk, metropolis), ("random walk", "Metropolis"), strict=False):
        draw_amplitude(ax, rows)
        ax.set_title(name)
    draw_moved_trap(axes[2], trap_loss, "loss", "loss, last layer trained")
    draw_moved_trap(axes[3], trap_gradient, "gradient", "largest hidden gradient")
    for ax in axes:
        ax.legend(fontsize=8.5)
    axes[1].set_ylabel("")
    axes[2].set(ylim=(0, 1.1), title="deflated: a low loss")
    axes[3].set_title("the trap moves deeper")


def training_figure(accuracy, loss, conditions):
    """Accuracy and loss against depth, and the accuracy with few labels.

    Tables as for `draw_depth_training`; columns classes, operator, median, low, high.
    """
    _, (left, middle, right) = panels(columns=3, height=4.2)
    draw_depth_training(left, accuracy, "test accuracy")
    draw_depth_training(middle, loss, "training loss")
    walk = conditions.replace({"operator": {name: f"{name}, random walk" for name in ("plain", "deflated")}})
    draw_conditions(right, walk.assign(case=walk["classes"].astype(str), group=""), "classes, few labels")
    middle.legend(loc="upper right", bbox_to_anchor=(1, -0.22), ncols=2, fontsize=8.5)
    right.legend(loc="upper right", bbox_to_anchor=(1, -0.22), fontsize=8.5)


def baseline_figure(table):
    """A panel for each kind of communities; columns communities, name, depth, steps, median, low, high."""
    groups = table.groupby("communities", sort=False)
    _, axes = panels(columns=groups.ngroups, height=3.2, sharey=True)
    for ax, (communities, rows) in zip(axes, groups, strict=True):
        draw_baselines(ax, rows)
        ax.set_title(communities)
    axes[1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)


def draw_baselines(ax, table):
    """Test accuracy of every network, a marker for each budget: columns name, depth, steps, median, low, high."""
    table = table.assign(label=[_labelled(*key) for key in zip(table["name"], table["depth"], strict=True)])
    names = list(dict.fromkeys(table.sort_values("depth")["label"]))
    steps = sorted(set(table["steps"]) - {0})
    for k, budget in enumerate(steps):
        rows = table[table["steps"] == budget]
        _draw_ranges(ax, rows, names, style(k) | {"markersize": 8}, 0.3 * (k - 0.5), f"{budget} steps")
    _draw_ranges(ax, table[table["steps"] == 0], names, {"color": "0.35", "marker": "D"}, 0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0.3, 1.02)
    ax.set_xlabel("test accuracy")


def _draw_ranges(ax, rows, names, look, shift, label=None):
    at = [names.index(name) + shift for name in rows["label"]]
    errors = [rows["median"] - rows["low"], rows["high"] - rows["median"]]
    ax.errorbar(rows["median"], at, xerr=errors, capsize=3, label=label, **look | {"linestyle": "none"})


def _labelled(name, depth):
    return f"{name.split(', random')[0]}, depth {depth}" if depth else name


def compared_figure(accuracy, modes):
    """Every remedy at the greatest depth, beside the modes kept; tables as for `draw_compared`, `draw_modes_kept`."""
    _, (left, right) = panels(columns=2)
    draw_compared(left, accuracy[accuracy["depth"] == accuracy["depth"].max()], "test accuracy")
    draw_modes_kept(right, modes)
    right.legend()


def real_figure(spectra, accuracy):
    """Leading modes of the random walk and their share of the labels, above the accuracy on real graphs.

    Columns base and those of `draw_label_spectrum`; graph, depth, operator, steps, median, low, high, of which the
    fewest steps are drawn. Returns the axes of the spectra and those of the accuracy, for the page to tint.
    """
    left, right, wide = _two_above_one()
    rows = spectra[spectra["base"] == "random_walk"].replace({"graph": {"CSBM": "block model"}})
    draw_label_spectrum(left, rows, "relative", r"$\vert\lambda_j / \lambda_2\vert$")
    draw_label_spectrum(right, rows, "cumulative", "label variance, cumulative")
    soon = accuracy[accuracy["steps"] == accuracy["steps"].min()]
    draw_conditions(wide, soon.assign(group=soon["graph"], case=soon["depth"].astype(str)), "depth")
    wide.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
    left.legend(fontsize=8.5)
    return (left, right), wide


def _two_above_one(height=3.4):
    """Two panels and a wide one below them, in the sizes of `panels`."""
    size = (2 * PANEL[2][0], 2 * height)
    _, axes = plt.subplot_mosaic([["left", "right"], ["wide", "wide"]], figsize=size, layout="constrained")
    return axes["left"], axes["right"], axes["wide"]


def draw_amplitude(ax, table):
    """The second mode's size, its prediction dashed: columns operator, layer, median, low, high, predicted (or NaN)."""
    for name, rows in table.groupby("operator", sort=False):
        band(ax, rows, "layer", label=name, **OPERATORS[name])
    rows = table.dropna(subset=["predicted"])
    ax.plot(rows["layer"], rows["predicted"], **THEORY, label=r"$\propto 1/\sqrt{k}$, predicted")
    draw_floor(ax, 2.2e-16)
    ax.set_yscale("log")
    ax.set_ylim(1e-18, 10)
    ax.set(xlabel="layer $k$", ylabel=r"$\Vert \langle u_2, X^{(k)} \rangle_\pi \Vert$")


def draw_moved_trap(ax, table, quantity, ylabel):
    """One quantity of linear networks with a trained last layer: columns operator, depth, median, low, high, predicted.

    ``quantity``: "loss" or "gradient", which is drawn on a logarithmic axis.
    """
    for name, rows in table.groupby("operator", sort=False):
        band(ax, rows, "depth", label=name, **OPERATORS[name] | {"markevery": 1})
    for k, (_, rows) in enumerate(table.dropna(subset=["predicted"]).groupby("operator", sort=False)):
        ax.plot(rows["depth"], rows["predicted"], **THEORY, label=None if k else "predicted")
    if quantity == "gradient":
        ax.set_yscale("log")
    ax.set(xlabel="depth", ylabel=ylabel)


def draw_depth_training(ax, table, ylabel):
    """One quantity after training against depth, for every operator: columns name, depth, median, low, high."""
    for name, rows in table.groupby("name", sort=False):
        band(ax, rows, "depth", label=name, **OPERATORS[name] | {"markevery": 1})
    ax.set_xscale("log")
    depths = sorted(set(table["depth"]))
    ax.set_xticks(depths, [str(depth) for depth in depths])
    ax.minorticks_off()
    ax.set(xlabel="depth", ylabel=ylabel)


def draw_compared(ax, table, xlabel):
    """One quantity of every method as a point with its range: columns method, median, low, high."""
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
    """Test accuracy and training loss against the modes kept: columns quantity (these), modes, median, low, high."""
    names = {"accuracy": (0, "test accuracy"), "loss": (1, "training loss")}
    for quantity, rows in table.groupby("quantity", sort=False):
        k, label = names[quantity]
        band(ax, rows, "modes", label=label, **style(k) | {"markevery": 1})
    ax.set_xscale("log")
    ax.set_ylim(-0.03, 1.03)
    ax.set(xlabel="modes kept", ylabel="after training")


def draw_label_spectrum(ax, table, column, ylabel):
    """One property (``column``) of the leading modes of every graph: columns graph, mode and that one; one base."""
    for k, (graph, rows) in enumerate(table.groupby("graph", sort=False)):
        look = style(k) if k < len(SERIES) else {"color": "0.5", "linestyle": "-", "marker": "X"}
        ax.plot(rows["mode"], rows[column], label=graph, **look, markevery=4)
    ax.set_xscale("log")
    ax.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
    ax.minorticks_off()
    ax.set(xlabel="mode $j$", ylabel=ylabel)


def draw_conditions(ax, table, xlabel):
    """Test accuracy in groups of cases, by operator: columns group, case, operator, median, low, high."""
    cases = list(dict.fromkeys(zip(table["group"], table["case"], strict=True)))
    for k, (name, rows) in enumerate(table.groupby("operator", sort=False)):
        at = [cases.index(case) + 0.18 * (k - 1) for case in zip(rows["group"], rows["case"], strict=True)]
        errors = [rows["median"] - rows["low"], rows["high"] - rows["median"]]
        look = OPERATORS[name] | {"linestyle": "none"}
        ax.errorbar(at, rows["median"], yerr=errors, capsize=3, label=name, **look)
    ax.set_xticks(range(len(cases)), [case for _, case in cases])
    for group in dict.fromkeys(group for group, _ in cases):
        places = [k for k, case in enumerate(cases) if case[0] == group]
        ax.annotate(group, (sum(places) / len(places), 0.06), ha="center", fontsize=10, color="0.3")
    ax.set_ylim(0, 1.05)
    ax.set(xlabel=xlabel, ylabel="test accuracy")
