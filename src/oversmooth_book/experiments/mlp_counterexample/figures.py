"""Figures of the chapter on the MLP counter-example: one function each, from the ``draw_`` of its panels."""

from matplotlib.ticker import NullLocator

from oversmooth.drawing.theme import BACKWARD, THEORY, band, draw_floor, panels, style
from oversmooth_book.experiments.figures import OPEN, draw_tiles, panel_for_each

NAMES = {"mlp": "MLP", "gnn": "GNN"}


def twin_figure(table, floor):
    """The exact example and its twin, from `measure.twin`."""
    figure, ax = panels()
    draw_twin(ax, table, floor)
    ax.legend(loc="center right")
    return figure


def generic_figure(gradients, losses):
    """Random networks against depth, from `measure.gradient_bands`, and their losses over the seeds."""
    figure, (left, right) = panels(columns=2)
    draw_mlp_gnn_depth(left, gradients, "largest hidden gradient")
    left.set_yscale("log")
    draw_mlp_gnn_depth(right, losses, "loss")
    draw_label_variance(right)
    for ax, title in ((left, "the GNN's gradient vanishes"), (right, "its loss becomes a constant's")):
        ax.set_title(title)
        ax.legend()
    return figure


def dial_figure(rates, losses):
    """From the MLP to the GNN, from `measure.dial_rates` and `measure.dial_losses`."""
    figure, axes = panels(rows=2, columns=2, height=3.1, sharex=True)
    draw_dial_rate(axes[0], rates)
    draw_dial_gradient(axes[1], rates)
    for ax, (kind, rows) in zip(axes[2:], losses.groupby("kind", sort=False), strict=True):
        draw_dial_loss(ax, rows)
        ax.set_title(kind)
    for ax in axes:
        ax.legend()
    for ax, title in zip(axes[:2], (r"the factor is $\lambda_t$", "the gradient falls with $t$"), strict=True):
        ax.set(xlabel="", title=title)
    return figure


def training_figure(table):
    """The loss against the step, a panel an optimiser, from `training.training_bands`."""
    figure, axes = panel_for_each(table, "optimizer", draw_mlp_gnn_training, columns=2, sharey=True)
    figure.legend(*next(iter(axes.values())).get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def outcomes_figure(table):
    """Who learns, a panel a depth, from `training.outcomes`."""
    figure, axes = panels(rows=2, height=2.2, sharex=True)
    for ax, (depth, rows) in zip(axes, table.groupby("depth"), strict=True):
        draw_outcomes(ax, rows)
        ax.set_title(f"depth {depth}")
        ax.label_outer()
    return figure


def draw_twin(ax, table, floor):
    """The first layer's gradient against depth, closed forms dashed: network, depth, measured, predicted.

    ``measured``, drawn as points, is NaN where there is none; below ``floor`` rounding may decide it.
    """
    names = {"mlp": "MLP ($P = I$)", "gnn": "its twin on the 4-cycle"}
    for k, (name, rows) in enumerate(table.groupby("network", sort=False)):
        look = style(name)
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
        ax.plot(rows["depth"], rows["measured"], **points, label=names[name])
        ax.plot(rows["depth"], rows["predicted"], **THEORY, label=None if k else "closed form")
    draw_floor(ax, floor)
    ax.set_yscale("log")
    ax.set_ylim(floor * 1e-4, 10)
    ax.set(xlabel="depth", ylabel=r"$\Vert \partial\mathcal{L} / \partial W^{(0)} \Vert$")


def draw_mlp_gnn_depth(ax, table, label):
    """One quantity against depth: network, depth, median, low, high, and predicted where there is a prediction."""
    for name, rows in table.groupby("network", sort=False):
        band(ax, rows, "depth", label=NAMES[name], **style(name))
    if "predicted" in table:
        rows = table.dropna(subset=["predicted"])
        ax.plot(rows["depth"], rows["predicted"], **THEORY, label=r"$\propto \lambda^{\mathrm{depth}}$")
    ax.set(xlabel="depth", ylabel=label)


def draw_mlp_gnn_training(ax, table):
    """The loss against the step, one optimiser, two depths: network, depth, step, median, low, high."""
    shallow = table["depth"].min()
    for (name, depth), rows in table.groupby(["network", "depth"], sort=False):
        look = style(name) | (OPEN | {"linewidth": 1.3} if depth == shallow else {"linestyle": "-"}) | {"markersize": 4}
        band(ax, rows, "step", label=f"{NAMES[name]}, depth {depth}", **look)
    ax.set(xlabel="step", ylabel="loss")


def draw_dial_rate(ax, table):
    """The gradient's measured factor per layer against t, λ_t dashed: t, measured, low, high, rate."""
    rows = table.rename(columns={"measured": "median"})
    band(ax, rows, "t", label="gradient, measured", **style("gnn") | {"markevery": 1})
    ax.plot(table["t"], table["rate"], **THEORY, label=r"predicted $\lambda_t$")
    ax.set(xlabel="$t$", ylabel="factor per layer")


def draw_dial_gradient(ax, table):
    """The gradient at fixed depth against t, with C λ_t^depth dashed and the MLP's level.

    From t, gradient, gradient_low, gradient_high, predicted.
    """
    rows = table[["t", "gradient", "gradient_low", "gradient_high"]].set_axis(["t", "median", "low", "high"], axis=1)
    band(ax, rows, "t", label="measured", **style("gnn") | {"markevery": 1})
    ax.plot(table["t"], table["predicted"], **THEORY, label=r"$C\,\lambda_t^{\mathrm{depth}}$")
    ax.axhline(rows["median"].iloc[0], color=BACKWARD, linewidth=1.3, label="the MLP's")
    ax.set_yscale("log")
    ax.set(xlabel="$t$", ylabel="largest hidden gradient")


def draw_dial_loss(ax, table):
    """A loss against t, with the label variance: t, median, low, high."""
    band(ax, table, "t", label="loss, depth 41", **style("gnn") | {"markevery": 1})
    draw_label_variance(ax)
    ax.set(xlabel="$t$", ylabel="loss")


def draw_label_variance(ax):
    """The loss of the best constant output, dashed."""
    ax.axhline(1, **THEORY, label="label variance")


def draw_outcomes(ax, table):
    """Who learns, a tile for each network, optimiser and scale of one depth: network, optimizer, scale, learned."""
    shades = {"few": 0, "some": 1, "most": 2}
    names = [(network, rule) for network in ("mlp", "gnn") for rule in ("gradient descent", "Adam")]
    grid = table.pivot(index=["network", "optimizer"], columns="scale", values="learned").loc[names]
    texts = grid.to_numpy()
    numbers = [[shades[word] for word in row] for row in texts]
    rows = [f"{NAMES[network]}, {rule}" for network, rule in names]
    draw_tiles(ax, texts, numbers, rows, [f"{scale:g}" for scale in grid.columns], ("0.92", "#d3ece7", "#9fd8cf"))
    ax.xaxis.tick_bottom()
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("weight scale $s$")
