"""One theme for every figure of the book, and the few helpers that keep figures alike.

How a chapter uses it (`oversmooth_book.start` has already called `set_theme`)::

    figure, (left, right) = osm.panels(columns=2)          # sizes and fonts that a phone can show
    figures.draw_something(left, table)

and how a ``draw_something(ax, table)`` of a chapter's figures is written::

    for name, rows in table.groupby("activation", sort=False):
        band(ax, rows, "layer", label=name, **style(name))  # columns median, low, high: over the seeds
    ax.plot(rows["layer"], rows["bound"], **THEORY, label="bound (F)")
    draw_floor(ax, 1e-16)                                   # below it a float64 signal is rounding

A drawing function takes its axes and a tidy table, and computes nothing: what it draws stands in the
saved table. ``style(name)`` gives a thing the same colour, line and marker in the whole book (`STYLES`);
``style(0)``, ``style(1)``, … are the styles of an ordered series. Two colours are kept for what the book is about:
blue for features and graph networks, red for errors and networks without a graph; a series has the others. These
differ in lightness too, and lines in dashes and markers: everything reads in grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import matplotlib.pyplot as plt

from oversmooth._arguments import checked
from oversmooth._validation import require

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# All stay apart under the common colour deficiencies, those of a series in grey, too (tested).
FORWARD, BACKWARD = "#17306d", "#b5372a"
SERIES = ("#12988a", "#e0a030", "#8a3ab9", "#4c1a2b", "#a0cdf4")
LINES = ("-", (0, (5, 1.2)), (0, (3, 1, 1, 1)), (0, (1, 0.8)), (0, (7, 1.2, 1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v")
THEORY = {"color": "black", "linestyle": (0, (4, 3)), "linewidth": 1.4, "zorder": 4}
SEQUENTIAL = "cividis"
DIVERGING = "RdYlBu_r"

_ACTIVATIONS = ("tanh", "elu", "relu", "identity", "leaky_relu", "arctan", "softsign", "gelu", "silu")
_KINDS = ("metropolis", "random_walk", "gcn", "max_degree", "deflated")  # "identity" looks like the activation
# The same look for the same thing, everywhere: every activation and kind has one (a test holds these to their lists,
# which drawing does not import). From the sixth on the colours come again, with another line and marker.
STYLES = {name: k for names in (_ACTIVATIONS, _KINDS, ("gradient",)) for k, name in enumerate(names)}
_KEPT = {"gnn": (FORWARD, 0), "features": (FORWARD, 0), "mlp": (BACKWARD, 1), "errors": (BACKWARD, 1)}

PANEL = {1: (6.2, 3.9), 2: (3.9, 3.5), 3: (2.7, 2.7), 4: (2.1, 2.2)}  # inches a panel, by number of columns


def set_theme() -> None:
    """Set the book's look for all figures drawn from here on."""
    import seaborn

    seaborn.set_theme(context="notebook", style="whitegrid", palette=[*SERIES])
    matplotlib.rcParams.update(
        {
            "figure.dpi": 130,
            "font.size": 11.5,
            "axes.labelsize": 11.5,
            "axes.titlesize": 12,
            "xtick.labelsize": 10.5,
            "ytick.labelsize": 10.5,
            "legend.fontsize": 10,
            "legend.title_fontsize": 10,
            "legend.frameon": True,
            "legend.framealpha": 0.9,
            "lines.linewidth": 1.9,
            "lines.markersize": 5,
            "grid.color": "0.9",
            "axes.edgecolor": "0.4",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "xtick.bottom": True,
            "ytick.left": True,
            "xtick.color": "0.25",
            "ytick.color": "0.25",
            "image.cmap": SEQUENTIAL,
        }
    )


@checked
def panels(rows: int = 1, columns: int = 1, height: float | None = None, **options) -> tuple[Figure, Axes | np.ndarray]:
    """A figure with its panels, in the book's sizes.

    Args:
        rows: number of rows of panels.
        columns: number of columns, 1 to 4; at most 2 where axes must be read on a phone.
        height: inches a row; None takes the book's.
        options: for `matplotlib.pyplot.subplots`, such as sharey=True.

    Returns:
        (figure, axes): one Axes, or a flat array of them.

    Raises:
        ValueError: a number of columns that has no size here, no rows, or no height.
    """
    require(columns in PANEL, f"columns is {columns}; the book has panels in {', '.join(map(str, PANEL))} columns")
    require(rows >= 1, f"rows is {rows}; at least 1 is needed")
    require(height is None or 0 < height < 100, f"height is {height} inches; a positive number below 100 is needed")
    width, usual = PANEL[columns]
    size = (width * columns, (height or usual) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)
    return figure, axes[0, 0] if axes.size == 1 else axes.ravel()


def style(key: str | int) -> dict:
    """Colour, line and marker of a named thing, or of the k-th series.

    Args:
        key: gnn, mlp, features, errors, a name of `STYLES`, or an integer.

    Returns:
        Keyword arguments for `Axes.plot`.

    Raises:
        ValueError: unknown name.
    """
    known = [*STYLES, *_KEPT]
    require(key in known or not isinstance(key, str), f"style is {key!r}; known: {', '.join(known)}, or a number")
    if key in _KEPT:
        colour, other = _KEPT[key]
    else:
        rounds, k = divmod(STYLES[key] if isinstance(key, str) else key % len(SERIES), len(SERIES))
        colour, other = SERIES[k], (k + rounds) % len(SERIES)
    return {"color": colour, "linestyle": LINES[other], "marker": MARKERS[other]}


def band(ax: Axes, table: pd.DataFrame, x: str, label: str | None = None, **line) -> Line2D:
    """Draw the seeds' median as a line and their range as a band.

    Args:
        ax: where.
        table: one row for each x, with columns median, low and high: what
            `oversmooth_book.experiments.over_seeds` returns.
        x: name of the column on the horizontal axis.
        label: the legend's text.
        line: for `Axes.plot`, such as ``**style("tanh")``.

    Returns:
        The line.
    """
    count = len(table)
    line.setdefault("markevery", max(1, count // 8))
    (median,) = ax.plot(table[x], table["median"], label=label, **line)
    ax.fill_between(table[x], table["low"], table["high"], color=median.get_color(), alpha=0.22, linewidth=0)
    return median


@checked
def draw_floor(ax: Axes, floor: float, label: str | None = "rounding (float64)") -> None:
    """Draw the level below which a signal is rounding noise: a grey line, with shade below it.

    Args:
        ax: where, with a logarithmic vertical axis.
        floor: the level, for example the machine epsilon times the size of the signal.
        label: what stands at the line; None for nothing.
    """
    ax.axhline(floor, color="0.45", linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=1)
    ax.axhspan(floor * 1e-12, floor, color="0.5", alpha=0.12, zorder=0, linewidth=0)
    if label:
        ax.annotate(
            label,
            (0.99, floor),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=9,
            color="0.3",
        )
