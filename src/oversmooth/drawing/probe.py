"""What a probe measured: the ratios and the norms, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm

from oversmooth._arguments import checked
from oversmooth.drawing.theme import panels, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LINES = {"feature": ("features", "features"), "backward": ("errors", "errors")}


@checked
def draw_probe_ratios(ax: Axes, table: pd.DataFrame) -> None:
    """Draw how smooth features and errors are: deviation over norm, for each layer; passes fainter, the last one full.

    Args:
        ax: where.
        table: what `Probe.table` gave: columns pass, layer, feature_ratio, backward_ratio.
    """
    _draw(ax, table, {f"{kind}_ratio": look for kind, look in _LINES.items()})
    ax.set_ylabel("deviation / norm")


@checked
def draw_probe_norms(ax: Axes, table: pd.DataFrame) -> None:
    """Draw how large features, errors and gradients are, for each layer; passes fainter, the last one full.

    Args:
        ax: where.
        table: what `Probe.table` gave: columns pass, layer, feature_norm, backward_norm, gradient.
    """
    lines = {f"{kind}_norm": look for kind, look in _LINES.items()}
    _draw(ax, table, lines | {"gradient": ("gradient", "gradient")})
    ax.set_ylabel("norm")


def probe_history(table, maps):
    """Layers × steps of a `ProbeHistory`, four heat maps under the loss.

    Args:
        table: of `ProbeHistory.table`.
        maps: column -> title.

    Returns:
        The figure.
    """
    figure, axes = panels(rows=3, columns=2, height=1.9)
    grid = axes[0].get_gridspec()
    for ax in axes[:2]:
        ax.remove()
    top = figure.add_subplot(grid[0, :])
    losses = table.groupby("step")["loss"].first()
    top.plot(losses.index, losses.to_numpy(), **style("gnn"))
    top.set(xlabel="step", ylabel="loss")
    for ax, (column, title) in zip(axes[2:], maps.items(), strict=True):
        _heat(figure, ax, table, column)
        ax.set_title(title)
    return figure


def _heat(figure, ax, table, column):
    """A column as colours, steps to the right and layers upwards, on a logarithmic scale of at most eight decades."""
    grid = table.pivot_table(index="layer", columns="step", values=column, aggfunc="last", dropna=False)
    values = np.ma.masked_invalid(grid.to_numpy(dtype=float))
    positive = values[values > 0]
    if positive.count():
        high = positive.max()
        low = max(positive.min(), high * 1e-8)
        norm = LogNorm(low if low < high else high / 10, high, clip=True)
        mesh = ax.pcolormesh(values, norm=norm, cmap="viridis")
        figure.colorbar(mesh, ax=ax)
    steps, layers = list(grid.columns), list(grid.index)
    for axis, names in ((ax.xaxis, steps), (ax.yaxis, layers)):
        shown = range(0, len(names), max(1, -(-len(names) // 5)))
        axis.set_ticks([k + 0.5 for k in shown], [names[k] for k in shown])
    ax.set(xlabel="step", ylabel="layer")


def _draw(ax, table, lines):
    last = table["pass"].max()
    for number, rows in table.groupby("pass"):
        for column, (label, key) in lines.items():
            full = number == last
            look = {**style(key), "alpha": 1.0 if full else 0.25, "markevery": max(1, len(rows) // 8)}
            ax.plot(rows["layer"], rows[column], label=label if full else None, **look)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, high / 1e3), high)  # curves that hardly move should look so
    ax.set_xlabel("layer")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
