"""What a probe measured: the ratios and the norms, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oversmooth.drawing.theme import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LINES = {"feature": ("features", 0), "backward": ("errors", 1)}


def draw_probe_ratios(ax: Axes, table: pd.DataFrame) -> None:
    """Draw how smooth features and errors are: deviation over norm, for each layer; passes fainter, the last one full.

    Args:
        ax: where.
        table: what `Probe.table` gave: columns pass, layer, feature_ratio, backward_ratio.
    """
    _draw(ax, table, {f"{kind}_ratio": look for kind, look in _LINES.items()})
    ax.set_ylabel("deviation / norm")


def draw_probe_norms(ax: Axes, table: pd.DataFrame) -> None:
    """Draw how large features, errors and gradients are, for each layer; passes fainter, the last one full.

    Args:
        ax: where.
        table: what `Probe.table` gave: columns pass, layer, feature_norm, backward_norm, gradient.
    """
    lines = {f"{kind}_norm": look for kind, look in _LINES.items()}
    _draw(ax, table, lines | {"gradient": ("gradient", 2)})
    ax.set_ylabel("norm")


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
