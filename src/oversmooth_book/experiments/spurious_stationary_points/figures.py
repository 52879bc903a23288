"""Figures of the chapter on spurious stationary points; tables from `oversmooth_book.experiments.spurious_…`."""

import matplotlib
import numpy as np
from matplotlib.colors import TwoSlopeNorm

from oversmooth.drawing.theme import DIVERGING, PALETTE, SEQUENTIAL, THEORY, band, style

MODELS = {"gnn": "GNN", "mlp": "MLP"}
HOW = {"budget": "norm budget", "descent": "gradient descent", "exact": "exact"}
_OPEN = {"linestyle": (0, (1, 0.8)), "markerfacecolor": "white"}


def draw_layer_gradients(ax, table, colorbar=False):
    """The gradient norm of every layer against the epoch, the output layer outlined.

    Args:
        ax: where.
        table: columns step, layer, median, of one network.
        colorbar: whether the layers' colours are explained beside the axes.
    """
    last = int(table["layer"].max())
    colours = matplotlib.colormaps[SEQUENTIAL]
    for layer, rows in table.groupby("layer"):
        if layer < last:
            ax.plot(rows["step"], rows["median"], color=colours(0.9 * layer / last), linewidth=1.1)
    output = table[table["layer"] == last]
    ax.plot(output["step"], output["median"], color="black", linewidth=4.2)
    ax.plot(output["step"], output["median"], color=PALETTE[3], linewidth=2.0, label="output layer")
    ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=r"gradient norm of each layer")
    if colorbar:
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, last / 0.9), SEQUENTIAL)
        bar = ax.figure.colorbar(scale, ax=ax, label="layer $k$", pad=0.02)
        bar.ax.set_ylim(0, last)


def draw_training_loss(ax, table, plateau):
    """The loss against the epoch, shallow and deep, graph network and perceptron.

    Args:
        ax: where.
        table: columns model, depth, step, median, low, high.
        plateau: the loss of the best constant prediction.
    """
    shallow = table["depth"].min()
    for (model, depth), rows in table.groupby(["model", "depth"], sort=False):
        look = style(model) | (_OPEN if depth == shallow else {"linestyle": "-", "linewidth": 2.6})
        band(ax, rows, "step", label=f"{MODELS[model]}, depth {depth}", **look)
    ax.axhline(plateau, label="best constant", **THEORY)
    ax.set(xlabel="epoch", ylabel="loss")
    ax.set_ylim(0, None)


def draw_gradient_depth(ax, table, rate=None):
    """The gradient of all hidden layers against the depth, before and after the last layer is trained.

    Args:
        ax: where.
        table: columns model, last_layer, depth, quantity, median, low, high.
        rate: λ, for the slope of λ^depth; None draws none.
    """
    _draw_last_layers(ax, table[table["quantity"] == "gradient"], "depth")
    ours = table[(table["model"] == "gnn") & (table["last_layer"] == "trained")]
    bound = ours[ours["quantity"] == "certificate"]
    ax.plot(bound["depth"], bound["median"], **THEORY, label="certificate (GNN, trained)")
    if rate is not None:
        end = ours[ours["quantity"] == "gradient"].iloc[-1]
        first = ours["depth"].max() * 0.45
        depths = np.linspace(first, end["depth"], 2)
        line = 0.12 * end["median"] * rate ** (depths - end["depth"])
        ax.plot(depths, line, color="0.35", linewidth=1.6, linestyle=(0, (1, 1)))
        ax.annotate(r"slope of $\lambda^{\,depth}$", (depths[0], line[0]), (-4, -2), **_BESIDE)
    ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel="gradient of all hidden layers")


def _draw_last_layers(ax, table, x):
    """The graph network before (open markers) and after its last layer is trained, the perceptron after."""
    for (model, last_layer), rows in table.groupby(["model", "last_layer"], sort=False):
        if model == "gnn" or last_layer == "trained":
            look = style(model) | (_OPEN if last_layer == "random" else {"linestyle": "-"})
            band(ax, rows, x, label=f"{MODELS[model]}, last layer {last_layer}", **look)


_BESIDE = {"textcoords": "offset points", "ha": "right", "va": "top", "fontsize": 10, "color": "0.25"}


def draw_gradient_layers(ax, table):
    """The gradient of every layer of graph networks of one depth, before and after the last layer is trained.

    Args:
        ax: where.
        table: columns model, last_layer, layer, quantity, median, low, high.
    """
    ours = table[table["model"] == "gnn"]
    for last_layer, rows in ours[ours["quantity"] == "gradient"].groupby("last_layer", sort=False):
        look = style("gnn") | (_OPEN if last_layer == "random" else {"linestyle": "-"})
        band(ax, rows, "layer", label=f"last layer {last_layer}", **look)
    bound = ours[(ours["quantity"] == "certificate") & (ours["last_layer"] == "trained")]
    ax.plot(bound["layer"], bound["median"], **THEORY, label="certificate (trained)")
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel="gradient of one layer")


def draw_loss_depth(ax, table):
    """The loss with the last layer trained against the depth, and its floor.

    Args:
        ax: where.
        table: columns model, last_layer, depth, quantity, median, low, high.
    """
    trained = table[table["last_layer"] == "trained"]
    for model, rows in trained[trained["quantity"] == "loss"].groupby("model", sort=False):
        band(ax, rows, "depth", label=f"{MODELS[model]}, last layer trained", **style(model))
    floor = trained[(trained["quantity"] == "floor") & (trained["model"] == "gnn")]
    ax.plot(floor["depth"], floor["median"], **THEORY, label="loss floor (GNN)")
    ax.set(xlabel="depth $L+1$", ylabel="loss", ylim=(0, None))


def draw_ways(ax, table, ylabel, log=True):
    """One quantity against the depth for three ways of training the last layer.

    Args:
        ax: where.
        table: columns how, depth, median, low, high.
        ylabel: the axis' label.
        log: whether the vertical axis is logarithmic.
    """
    for k, (how, rows) in enumerate(table.groupby("how", sort=False)):
        band(ax, rows, "depth", label=HOW[how], **style(k))
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel=ylabel)


def draw_gradient_loss(ax, table):
    """Networks with a trained last layer as points: whole gradient, and loss as a share of the label variance.

    Args:
        ax: where.
        table: columns activation, depth, total, share.
    """
    depths = sorted(table["depth"].unique())
    for k, depth in enumerate(depths):
        rows, look = table[table["depth"] == depth], style(k)
        points = {"color": look["color"], "marker": look["marker"], "alpha": 0.75, "linewidths": 0}
        ax.scatter(rows["total"], rows["share"], s=26, label=f"depth {depth}", **points)
    ax.axhline(1, label="label variance", **THEORY)
    ax.set_xscale("log")
    ax.set(xlabel="norm of the whole gradient", ylabel="loss / label variance", ylim=(0, 1.08))


def draw_three_numbers(ax, table, quantity, ylabel):
    """One number of the backward signal, layer by layer: graph network before and after, perceptron after.

    Args:
        ax: where.
        table: columns model, last_layer, layer, quantity, median, low, high.
        quantity: which one.
        ylabel: the axis' label.
    """
    _draw_last_layers(ax, table[table["quantity"] == quantity], "layer")
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)


def draw_first_steps(ax, table):
    """Gradient descent on a logarithmic axis: loss, gradient and mean error, as shares of the start.

    Args:
        ax: where.
        table: columns quantity (loss, gradient, mean_error, predicted), step, median, low, high.
    """
    labels = {"loss": "loss", "gradient": "whole gradient", "mean_error": "mean error"}
    for k, (name, label) in enumerate(labels.items()):
        band(ax, table[table["quantity"] == name], "step", label=label, **style(k))
    theory = table[table["quantity"] == "predicted"]
    ax.plot(theory["step"], theory["median"], **THEORY, label="mean error, predicted")
    ax.set_yscale("log")
    low = 0.3 * table[table["quantity"] == "mean_error"]["median"].min()
    ax.set(xlabel="step of gradient descent", ylabel="share of the start", ylim=(low, 3))


def draw_plateaus(ax, table, rate):
    """How many steps the plateau lasts, against the depth; upward triangles where it outlasted the budget.

    Args:
        ax: where.
        table: columns rate, depth, seed, steps, left.
        rate: λ, for the slopes of λ^{-depth} and λ^{-2 depth}.
    """
    names = {"sgd": "gradient descent", "adam, plateaus": "Adam"}
    for k, (name, rows) in enumerate(table.groupby("rate", sort=False)):
        look, left = style(k), rows[rows["left"]]
        medians = left.groupby("depth")["steps"].median()
        ax.plot(medians.index, medians, label=names[name], **look)
        ax.plot(left["depth"], left["steps"], linestyle="none", marker=look["marker"], color=look["color"], alpha=0.4)
        stuck = rows[~rows["left"]]
        ax.plot(stuck["depth"], stuck["steps"], "^", color=look["color"], markersize=10, markerfacecolor="white")
    base = table[(table["rate"] == "sgd") & (table["depth"] >= 5)]
    first = base[base["depth"] == base["depth"].min()]
    for power, dashes in ((1, THEORY["linestyle"]), (2, (0, (1, 1)))):
        depths = np.array([first["depth"].iloc[0], base["depth"].max()])
        line = first["steps"].median() * rate ** (-power * (depths - depths[0]))
        exponent = "-" if power == 1 else "-2"
        ax.plot(depths, line, **THEORY | {"linestyle": dashes}, label=rf"slope of $\lambda^{{{exponent}\,depth}}$")
    ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel="steps until loss < 0.8")


def draw_large_weights(ax, table, ylabel, log=False):
    """One quantity against the training step for several initial weight scales.

    Args:
        ax: where.
        table: columns scale, step, median, low, high.
        ylabel: the axis' label.
        log: whether the vertical axis is logarithmic.
    """
    for k, (scale, rows) in enumerate(table.groupby("scale", sort=False)):
        band(ax, rows, "step", label=rf"weights $\times\,{scale:g}$", **style(k))
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="step of Adam", ylabel=ylabel)


def draw_loss_plane(ax, table, axes=("first direction", "second direction"), highest=2.0):
    """The loss on a plane through a network: blue below the label variance, red above, white at it.

    Args:
        ax: where.
        table: columns first, second, loss (as a share of the label variance), a full grid.
        axes: the labels of the two directions.
        highest: losses above it share one colour.

    Returns:
        What a colour bar needs.
    """
    grid = table.pivot(index="second", columns="first", values="loss")
    levels = np.concatenate([np.linspace(0, 0.9, 7), [0.99, 1.01], np.linspace(1.1, highest, 7)])
    look = {"levels": levels, "norm": TwoSlopeNorm(1, 0, highest), "cmap": DIVERGING, "extend": "max"}
    filled = ax.contourf(grid.columns, grid.index, grid.to_numpy(), **look)
    ax.plot(0, 0, marker="P", color="black", markersize=9, markeredgecolor="white")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    ax.grid(visible=False)
    return filled


def draw_eigenvalues(ax, table):
    """The Hessian's largest and smallest eigenvalue against the depth, as sizes.

    Args:
        ax: where.
        table: columns model, depth, lowest (as a size), highest, predicted.
    """
    for model, rows in table.groupby("model", sort=False):
        look, name = style(model), MODELS[model]
        ax.plot(rows["depth"], rows["highest"], label=f"{name}, most upwards", **look | {"linestyle": "-"})
        ax.plot(rows["depth"], rows["lowest"], label=f"{name}, most downwards", **look | _OPEN)
        if rows["predicted"].notna().any():
            ax.plot(rows["depth"], rows["predicted"], **THEORY, label="predicted: the mean output")
    ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel="curvature (size)")
