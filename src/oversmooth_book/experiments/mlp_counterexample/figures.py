"""Figures of the chapter on the MLP counter-example."""

from matplotlib.ticker import NullLocator

from oversmooth.drawing.theme import PALETTE, THEORY, band, draw_floor, style

NAMES = {"mlp": "MLP", "gnn": "GNN"}


def draw_twin(ax, table, floor):
    """The first layer's gradient against depth: measured as points, closed forms dashed, with float64's floor.

    Args:
        ax: where.
        table: columns network, depth, measured, predicted; measured is NaN where there is no point.
        floor: below it rounding may decide a measured gradient.
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
    """One quantity of MLPs and GNNs against depth: median over seeds and range.

    Args:
        ax: where.
        table: columns network, depth, median, low, high, and predicted where there is a prediction.
        label: of the vertical axis.
    """
    for name, rows in table.groupby("network", sort=False):
        band(ax, rows, "depth", label=NAMES[name], **style(name))
    if "predicted" in table:
        rows = table.dropna(subset=["predicted"])
        ax.plot(rows["depth"], rows["predicted"], **THEORY, label=r"$\propto \lambda^{\mathrm{depth}}$")
    ax.set(xlabel="depth", ylabel=label)


def draw_mlp_gnn_training(ax, table, label):
    """One quantity against the training step, for MLPs and GNNs of both depths, one optimiser.

    Args:
        ax: where.
        table: columns network, depth, step, median, low, high; two depths.
        label: of the vertical axis.
    """
    shallow = table["depth"].min()
    for (name, depth), rows in table.groupby(["network", "depth"], sort=False):
        look = style(name) | {"linestyle": (0, (2, 1.2)) if depth == shallow else "-", "markersize": 4}
        if depth == shallow:
            look |= {"markerfacecolor": "white", "linewidth": 1.3}
        band(ax, rows, "step", label=f"{NAMES[name]}, depth {depth}", **look)
    ax.set(xlabel="step", ylabel=label)


def draw_dial_rate(ax, table):
    """The measured factor per layer of the gradient against t, with λ_t dashed.

    Args:
        ax: where.
        table: columns t, measured, low, high, rate.
    """
    rows = table.rename(columns={"measured": "median"})
    band(ax, rows, "t", label="gradient, measured", **style("gnn") | {"markevery": 1})
    ax.plot(table["t"], table["rate"], **THEORY, label=r"predicted $\lambda_t$")
    ax.set(xlabel="$t$", ylabel="factor per layer")


def draw_dial_gradient(ax, table):
    """The largest hidden gradient at fixed depth against t, with C λ_t^depth dashed and the MLP's level.

    Args:
        ax: where.
        table: columns t, gradient, gradient_low, gradient_high, predicted.
    """
    rows = table[["t", "gradient", "gradient_low", "gradient_high"]].set_axis(["t", "median", "low", "high"], axis=1)
    band(ax, rows, "t", label="measured", **style("gnn") | {"markevery": 1})
    ax.plot(table["t"], table["predicted"], **THEORY, label=r"$C\,\lambda_t^{\mathrm{depth}}$")
    ax.axhline(rows["median"].iloc[0], color=PALETTE[1], linewidth=1.3, label="the MLP's")
    ax.set_yscale("log")
    ax.set(xlabel="$t$", ylabel="largest hidden gradient")


def draw_dial_loss(ax, table):
    """A loss against t, with the label variance.

    Args:
        ax: where.
        table: columns t, median, low, high.
    """
    band(ax, table, "t", label="loss, depth 41", **style("gnn") | {"markevery": 1})
    draw_label_variance(ax)
    ax.set(xlabel="$t$", ylabel="loss")


def draw_label_variance(ax):
    """The loss of the best constant output, dashed.

    Args:
        ax: where, with a loss on the vertical axis.
    """
    ax.axhline(1, **THEORY, label="label variance")


def draw_outcomes(ax, table):
    """Who learns: a tile for each network, optimiser and scale.

    Args:
        ax: where.
        table: columns network, optimizer, scale, learned (all, some or none of the seeds); one depth.
    """
    shades = {"none": 0.0, "some": 0.4, "all": 0.8}
    names = [(network, rule) for network in ("mlp", "gnn") for rule in ("gradient descent", "Adam")]
    grid = table.pivot(index=["network", "optimizer"], columns="scale", values="learned").loc[names]
    colours = [[shades[word] for word in row] for row in grid.to_numpy()]
    ax.pcolormesh(colours, cmap="GnBu", vmin=-0.1, vmax=1.4, edgecolors="white", linewidth=2)
    for i, row in enumerate(grid.to_numpy()):
        for j, word in enumerate(row):
            ax.text(j + 0.5, i + 0.5, word, ha="center", va="center", fontsize=11)
    ax.set_xticks([j + 0.5 for j in range(grid.shape[1])], [f"{scale:g}" for scale in grid.columns])
    ax.set_yticks([i + 0.5 for i in range(len(names))], [f"{NAMES[network]}, {rule}" for network, rule in names])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.invert_yaxis()
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_xlabel("weight scale $s$")
