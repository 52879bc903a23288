"""Figures of the chapter on spurious stationary points."""

import matplotlib
import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator, ScalarFormatter

from oversmooth.drawing.theme import DIVERGING, FORWARD, MARKERS, SEQUENTIAL, SERIES, THEORY, band, panels, style
from oversmooth_book.experiments.figures import OPEN

MODELS = {"gnn": "GNN", "mlp": "MLP"}
HOW = {"budget": ("norm budget", style(0)), "descent": ("gradient descent", style(1)), "exact": ("exact", style(2))}
FILLS = ("white", SERIES[-1], FORWARD)  # of GNNs' markers, the deeper the darker
# The map of training from large weights: outcomes, and the lines drawn in.
OUTCOMES = {"trains": SERIES[0], "trapped": SERIES[3], "explodes": SERIES[1], "neither": "0.82"}
OUTCOME_LABELS = {"trains": "trains, and stays", "trapped": "trapped: equal features, no gradient"}
OUTCOME_LABELS |= {"explodes": "explodes: large gradient, high loss", "neither": "none of these"}
MAP_LINES = {
    "bound": r"$\lambda s = 1$",
    "phase": "mean-field phase line",
    "rough": "untrained features rough above",
}
MAP_DASHES = {"bound": (0, (1, 1.2)), "phase": (0, (5, 2)), "rough": "-"}
# Depths of the lower panels of the map, where the table has them, in greys: the colours are the outcomes'.
MAP_DEPTHS = {13: ("0.65", "o"), 21: ("0.4", "s"), 41: ("black", "^")}


def figure_one(gradients, losses, plateau):
    """The setting of the paper's Figure 1: gradients of the deep networks, and the loss of all."""
    figure, axes = panels(columns=3, height=3.4)
    for ax, model in zip(axes[:2], MODELS, strict=True):
        draw_layer_gradients(ax, gradients[gradients["model"] == model], colorbar=model == "mlp")
        ax.set_ylim(gradients["median"].min() / 2, gradients["median"].max() * 3)
    axes[0].set_title("deep GNN: gradients vanish")
    axes[1].set(title="deep MLP: they stay", ylabel="")
    axes[0].legend(loc="upper right")
    draw_training_loss(axes[2], losses, plateau)
    axes[2].set_title("the deep GNN never starts")
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9)


def last_layer_figure(by_depth, layers, karate, rates):
    """Gradient and loss with the last layer trained; ``rates``: λ of the block model and of the karate club."""
    _, axes = panels(rows=2, columns=2, height=3.9)
    draw_gradient_depth(axes[0], by_depth, rates[0])
    draw_gradient_layers(axes[1], layers)
    draw_loss_depth(axes[2], by_depth)
    draw_gradient_depth(axes[3], karate, rates[1])
    depth = layers["layer"].max() + 1
    titles = ["the gradient falls with depth", f"in every layer (depth {depth})", "and the loss is a constant's"]
    _titled(axes, [*titles, "karate club: ten times deeper"])
    axes[0].legend(fontsize=8, loc="lower left")
    axes[1].legend(fontsize=9, loc="center")
    axes[2].legend(fontsize=9, loc="lower right")


def three_ways_figure(bands, networks):
    """`draw_ways` of each quantity, and `draw_gradient_loss`; ``bands``: loss, total and last_norm -> table."""
    _, axes = panels(rows=2, columns=2, height=3.6)
    draw_ways(axes[0], bands["loss"], "loss", log=False)
    draw_ways(axes[1], bands["total"], "whole gradient")
    draw_ways(axes[2], bands["last_norm"], r"$\Vert W^{(L)}\Vert$")
    draw_gradient_loss(axes[3], networks)
    _titled(
        axes, ["only the exact one escapes", "the others fall silent", "at the price of huge weights", "many networks"]
    )
    axes[2].legend(loc="upper left")
    axes[3].legend(fontsize=9, loc="lower left")


def three_numbers_figure(layers):
    """Deviation, norm and ratio of the backward signal beside one another."""
    figure, axes = panels(columns=3, height=3.3)
    draw_three_numbers(axes[0], layers, "backward_deviation", r"deviation $\sigma(\tilde B^{(k)})$")
    draw_three_numbers(axes[1], layers, "backward_norm", r"norm $\Vert\tilde B^{(k)}\Vert$")
    draw_three_numbers(axes[2], layers, "backward_ratio", r"ratio $\sigma\,/\,\Vert\cdot\Vert$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)


def training_figure(first, plateaus, falls, rate):
    """The first steps, the plateaus (``rate``: λ), and the loss at two step sizes as networks leave."""
    _, axes = panels(columns=3, height=3.5)
    draw_first_steps(axes[0], first)
    draw_plateaus(axes[1], plateaus, rate)
    draw_falls(axes[2], falls)
    _titled(axes, ["the mean goes first", "the plateau grows with depth", "a dip is not an escape"])
    for ax in axes:
        ax.legend(fontsize=8.5)


def landscape_figure(downwards, planes, values):
    """The ways down of both networks, the loss around them along their eigenvectors, and the eigenvalues."""
    figure, axes = panels(rows=2, columns=2, height=3.6)
    for ax, model in zip(axes[:2], MODELS, strict=True):
        filled = draw_loss_plane(ax, planes[planes["model"] == model], ("most downwards", "most upwards"))
    draw_ways_down(axes[2], downwards)
    draw_eigenvalues(axes[3], values)
    figure.colorbar(filled, ax=axes[1], label="loss", ticks=[0, 0.5, 1, 1.5, 2])
    _titled(axes, ["GNN: a plateau", "MLP: a valley", "down: little for the GNN", "no way down when deep"])
    axes[3].set_ylim(1e-8, 3e2)
    axes[3].legend(fontsize=7.5, loc="lower left")
    axes[2].legend(fontsize=8.5, loc="center left")


def _titled(axes, titles):
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)


def draw_layer_gradients(ax, table, colorbar=False):
    """The gradient norm of every layer, the output layer outlined, from step, layer, median of one network."""
    last = int(table["layer"].max())
    colours = matplotlib.colormaps[SEQUENTIAL]
    for layer, rows in table.groupby("layer"):
        if layer < last:
            ax.plot(rows["step"], rows["median"], color=colours(0.9 * layer / last), linewidth=1.1)
    output = table[table["layer"] == last]
    ax.plot(output["step"], output["median"], color="black", linewidth=4.2)
    ax.plot(output["step"], output["median"], color=SERIES[1], linewidth=2.0, label="output layer")
    ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=r"gradient norm of each layer")
    if colorbar:
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, last / 0.9), SEQUENTIAL)
        bar = ax.figure.colorbar(scale, ax=ax, label="layer $k$", pad=0.02)
        bar.ax.set_ylim(0, last)


def draw_training_loss(ax, table, plateau):
    """The loss against the epoch, and of the best constant, from model, depth, step, median, low, high."""
    shallow = table["depth"].min()
    for (model, depth), rows in table.groupby(["model", "depth"], sort=False):
        look = style(model) | (OPEN if depth == shallow else {"linestyle": "-", "linewidth": 2.6})
        band(ax, rows, "step", label=f"{MODELS[model]}, depth {depth}", **look)
    ax.axhline(plateau, label="best constant", **THEORY)
    ax.set(xlabel="epoch", ylabel="loss")
    ax.set_ylim(0, None)


def draw_gradient_depth(ax, table, rate=None):
    """The hidden gradient, from model, last_layer, depth, quantity, median, low, high; ``rate``: λ, for its slope."""
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
            look = style(model) | (OPEN if last_layer == "random" else {"linestyle": "-"})
            band(ax, rows, x, label=f"{MODELS[model]}, last layer {last_layer}", **look)


_BESIDE = {"textcoords": "offset points", "ha": "right", "va": "top", "fontsize": 10, "color": "0.25"}


def draw_gradient_layers(ax, table):
    """The gradient of every layer of one depth, from model, last_layer, layer, quantity, median, low, high."""
    ours = table[table["model"] == "gnn"]
    for last_layer, rows in ours[ours["quantity"] == "gradient"].groupby("last_layer", sort=False):
        look = style("gnn") | (OPEN if last_layer == "random" else {"linestyle": "-"})
        band(ax, rows, "layer", label=f"last layer {last_layer}", **look)
    bound = ours[(ours["quantity"] == "certificate") & (ours["last_layer"] == "trained")]
    ax.plot(bound["layer"], bound["median"], **THEORY, label="certificate (trained)")
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel="gradient of one layer")


def draw_loss_depth(ax, table):
    """The loss and its floor, last layer trained, from model, last_layer, depth, quantity, median, low, high."""
    trained = table[table["last_layer"] == "trained"]
    for model, rows in trained[trained["quantity"] == "loss"].groupby("model", sort=False):
        band(ax, rows, "depth", label=f"{MODELS[model]}, last layer trained", **style(model))
    floor = trained[(trained["quantity"] == "floor") & (trained["model"] == "gnn")]
    ax.plot(floor["depth"], floor["median"], **THEORY, label="loss floor (GNN)")
    ax.set(xlabel="depth $L+1$", ylabel="loss", ylim=(0, None))


def draw_ways(ax, table, ylabel, log=True):
    """One quantity of three trained last layers, from how, depth, median, low, high."""
    for how, rows in table.groupby("how", sort=False):
        label, look = HOW[how]
        band(ax, rows, "depth", label=label, **look)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel=ylabel)


def draw_gradient_loss(ax, table):
    """Networks as points: whole gradient, and loss over label variance, from kind, depth, total, share.

    Graph networks are the darker the deeper, perceptrons (kind "identity") are crosses at every depth.
    """
    perceptrons = table["kind"] == "identity"
    for k, (depth, rows) in enumerate(table[~perceptrons].groupby("depth")):
        points = {"color": FILLS[k], "marker": MARKERS[k], "edgecolors": style("gnn")["color"], "linewidths": 0.8}
        ax.scatter(rows["total"], rows["share"], s=26, label=f"GNN, depth {depth}", **points)
    rows = table[perceptrons]
    cross = {"marker": "x", "color": style("mlp")["color"], "linewidths": 0.9}
    ax.scatter(rows["total"], rows["share"], s=18, label="MLP, same depths", **cross)
    ax.axhline(1, label="label variance", **THEORY)
    ax.set_xscale("log")
    ax.set(xlabel="norm of the whole gradient", ylabel="loss / label variance", ylim=(0, 1.08))


def draw_three_numbers(ax, table, quantity, ylabel):
    """One number of the backward signal, from model, last_layer, layer, quantity, median, low, high."""
    _draw_last_layers(ax, table[table["quantity"] == quantity], "layer")
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)


def draw_first_steps(ax, table):
    """Loss, gradient and mean error over their start, a line a graph, and exp(−time): graph_seed, time, the three."""
    labels = {"loss": ("loss", 1.2, 3), "mean_error": ("mean error", 2.6, 1), "gradient": ("whole gradient", 0.8, 0)}
    for name, (label, width, k) in labels.items():
        for graph, rows in table.groupby("graph_seed"):
            first = graph == table["graph_seed"].min()
            line = {"color": style(k)["color"], "linewidth": width, "alpha": 0.8}
            ax.plot(rows["time"], rows[name], label=label if first else None, **line)
    time = np.linspace(0, table["time"].max(), 2)
    ax.plot(time, np.exp(-time), **THEORY, label="mean error, predicted")
    ax.set_yscale("log")
    ax.set(xlabel="time in predicted units", ylabel="share of the start", ylim=(0.005, 3))


def draw_plateaus(ax, table, rate):
    """How long the plateau of gradient descent lasts, from depth, steps, left; triangles outlasted the budget.

    ``rate``, λ, is for the slopes of λ^{-depth} and λ^{-2 depth}.
    """
    look, left, stuck = style("gnn"), table[table["left"]], table[~table["left"]]
    medians = left.groupby("depth")["steps"].median()
    ax.plot(medians.index, medians, label="median", **look)
    ax.plot(left["depth"], left["steps"], linestyle="none", marker=look["marker"], color=look["color"], alpha=0.4)
    ax.plot(stuck["depth"], stuck["steps"], "^", color=look["color"], markersize=10, markerfacecolor="white")
    depths = np.array([table["depth"].min(), table["depth"].max()])
    start = table.loc[table["depth"] == depths[0], "steps"].median()
    for power, dashes in ((1, THEORY["linestyle"]), (2, (0, (1, 1)))):
        line = start * rate ** (-power * (depths - depths[0]))
        exponent = "-" if power == 1 else "-2"
        ax.plot(depths, line, **THEORY | {"linestyle": dashes}, label=rf"slope of $\lambda^{{{exponent}\,depth}}$")
    ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel="steps until loss stays < 0.8", xticks=sorted(table["depth"].unique()))


def draw_falls(ax, table):
    """The median loss against time ηt beside 0.8 of the label variance, from step_size, time, loss."""
    for k, (step_size, rows) in enumerate(table.groupby("step_size", sort=False)):
        look = style(k) | {"marker": "none"}
        ax.plot(rows["time"], rows["loss"], label=rf"$\eta = {step_size:g}$", **look)
    ax.axhline(0.8, **THEORY)
    ax.set(xlabel=r"time $\eta\,t$", ylabel="loss, median", ylim=(0, 1.1))


def draw_loss_plane(ax, table, axes=("first direction", "second direction"), highest=2.0):
    """The loss (over the label variance) on a plane, from first, second, loss: blue below 1, red above, white at it.

    Losses above ``highest`` share one colour. Returned is what a colour bar needs.
    """
    grid = table.pivot(index="second", columns="first", values="loss")
    levels = np.concatenate([np.linspace(0, 0.9, 7), [0.99, 1.01], np.linspace(1.1, highest, 7)])
    look = {"levels": levels, "norm": TwoSlopeNorm(1, 0, highest), "cmap": DIVERGING, "extend": "max"}
    filled = ax.contourf(grid.columns, grid.index, grid.to_numpy(), **look)
    ax.plot(0, 0, marker="P", color="black", markersize=9, markeredgecolor="white")
    ax.set(xlabel=axes[0], ylabel=axes[1])
    ax.grid(visible=False)
    return filled


def draw_ways_down(ax, table):
    """The share of the loss gained along the lowest eigenvector, from model, graph_seed, distance, fall; no rises."""
    for model, rows in table[table["fall"] > 0].groupby("model", sort=False):
        for graph, one in rows.groupby("graph_seed"):
            first = graph == rows["graph_seed"].min()
            look = style(model) | {"alpha": 0.8, "linewidth": 1.2, "markersize": 3.5}
            ax.plot(one["distance"], one["fall"], label=MODELS[model] if first else None, **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set(xlabel="distance, most downwards", ylabel="share of the loss gained")


def draw_eigenvalues(ax, table):
    """The Hessian's two ends, as sizes, from model, depth, lowest, highest, predicted."""
    for model, rows in table.groupby("model", sort=False):
        look, name = style(model), MODELS[model]
        ax.plot(rows["depth"], rows["highest"], label=f"{name}, most upwards", **look | {"linestyle": "-"})
        ax.plot(rows["depth"], rows["lowest"], label=f"{name}, most downwards", **look | OPEN)
        if rows["predicted"].notna().any():
            ax.plot(rows["depth"], rows["predicted"], **THEORY, label="predicted: the mean output")
    ax.set_yscale("log")
    ax.set(xlabel="depth $L+1$", ylabel="curvature (size)")


def map_figure(table, lines, graph, depth=21):
    """The map under Adam, all recipes at one depth, and gradient and roughness against the scale, before and after."""
    figure, axes = panels(rows=2, columns=2, height=3.7)
    rows = table[table["graph"] == graph]
    adam = rows[rows["recipe"] == "Adam"].assign(gradient=lambda table: 10.0 ** table["log_gradient"])
    draw_map(axes[0], adam, "depth", lines)
    axes[0].set(title="Adam: the way out closes with depth", xlabel="depth $L+1$")
    draw_map(axes[1], rows[rows["depth"] == depth], "recipe")
    axes[1].set(title=f"depth {depth}, by optimiser", ylim=axes[0].get_ylim())
    draw_before_after(axes[2], adam, "gradient", "norm of the whole gradient")
    draw_before_after(axes[3], adam, "rough", r"$\sigma(X^{(L)})\,/\,\Vert X^{(L)}\Vert$")
    axes[2].set_title("Adam: gradient, before and after")
    axes[3].set_title("Adam: features, before and after")
    axes[3].legend(title="dotted: before", fontsize=9, title_fontsize=9, loc="lower right")
    keys = [Patch(label=label, **_look(name)) for name, label in OUTCOME_LABELS.items()]
    figure.legend(
        handles=keys + axes[0].get_legend_handles_labels()[0], loc="outside lower center", ncols=2, fontsize=9
    )


def draw_map(ax, table, column, lines=None):
    """A bar for each point, its length shared by the outcomes of its networks: ``column``, scale, networks, counts."""
    table = table.assign(neither=table["networks"] - table[list(OUTCOMES)[:3]].sum(axis=1))
    places = {value: k for k, value in enumerate(dict.fromkeys(table[column]))}
    for _, row in table.iterrows():
        left = places[row[column]] - 0.42
        for name in OUTCOMES:
            width = 0.84 * row[name] / row["networks"]
            low, high = row["scale"] * 0.88, row["scale"] * 1.13
            ax.add_patch(Rectangle((left, low), width, high - low, **_look(name)))
            left += width
    if lines is not None:
        _draw_lines(ax, lines[lines["depth"].isin(list(places))], places)
    scales = sorted(table["scale"].unique())
    ax.set_yscale("log", base=2)
    ax.set_yticks(scales, [f"{scale:g}" for scale in scales])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xticks(list(places.values()), [str(value).replace(" ", "\n") for value in places])
    ax.set(ylabel="initial scale $s$", xlim=(-0.6, len(places) - 0.4), ylim=(scales[0] * 0.7, scales[-1] * 1.4))
    ax.grid(visible=False)


def _look(outcome):
    """Colour, and hatching for grey prints."""
    hatch = "/////" if outcome == "explodes" else None
    return {"facecolor": OUTCOMES[outcome], "edgecolor": "white", "linewidth": 0.4, "hatch": hatch}


def _draw_lines(ax, lines, places):
    """Scales against depth, from line, depth, scale, with a white edge on the coloured bars."""
    for name, rows in lines.groupby("line", sort=False):
        x = [places[depth] for depth in rows["depth"]]
        edge = [withStroke(linewidth=4, foreground="white")]
        look = {"color": "black", "linewidth": 1.8, "linestyle": MAP_DASHES[name], "path_effects": edge}
        ax.plot(x, rows["scale"], label=MAP_LINES[name], **look)


def draw_before_after(ax, table, quantity, ylabel):
    """Medians against the scale at some depths, from depth, scale, ``quantity`` and its _start (dotted, open)."""
    for depth, (colour, marker) in MAP_DEPTHS.items():
        rows = table[table["depth"] == depth].sort_values("scale")
        look = {"color": colour, "marker": marker}
        ax.plot(rows["scale"], rows[f"{quantity}_start"], linestyle=":", markerfacecolor="white", **look)
        if len(rows):
            ax.plot(rows["scale"], rows[quantity], label=f"depth {depth}", **look)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set_xticks(np.unique(table["scale"]), [f"{scale:g}" for scale in np.unique(table["scale"])])
    ax.set(xlabel="initial scale $s$", ylabel=ylabel)
