"""The map of training from large weights: outcomes over depth and scale, and what gradients and features do."""

import numpy as np
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator, ScalarFormatter

from oversmooth.drawing.theme import PALETTE, panels

COLOURS = {"trains": PALETTE[2], "trapped": PALETTE[0], "explodes": PALETTE[1], "neither": "0.82"}
LABELS = {"trains": "trains, and stays", "trapped": "trapped: equal features, no gradient"}
LABELS |= {"explodes": "explodes: large gradient, high loss", "neither": "none of these"}
LINES = {
    "bound": r"$\lambda s = 1$",
    "phase": "mean-field phase line",
    "rough": "untrained features rough above",
}
DASHES = {"bound": (0, (1, 1.2)), "phase": (0, (5, 2)), "rough": "-"}
# Depths of the lower panels, where the table has them, in greys: the colours are the outcomes'.
SHOWN = {13: ("0.65", "o"), 21: ("0.4", "s"), 41: ("black", "^")}


def map_figure(table, lines, graph, depth=21):
    """The map under Adam, all recipes at one depth, and gradient and roughness against the scale, before and after."""
    figure, axes = panels(rows=2, columns=2, height=3.7)
    rows = table[table["graph"] == graph]
    adam = rows[rows["recipe"] == "Adam"]
    draw_map(axes[0], adam, "depth", lines)
    axes[0].set(title="Adam: the way out closes with depth", xlabel="depth $L+1$")
    draw_map(axes[1], rows[rows["depth"] == depth], "recipe")
    axes[1].set(title=f"depth {depth}, by optimiser", ylim=axes[0].get_ylim())
    draw_before_after(axes[2], adam, "gradient", "norm of the whole gradient")
    draw_before_after(axes[3], adam, "rough", r"$\sigma(X^{(L)})\,/\,\Vert X^{(L)}\Vert$")
    axes[2].set_title("Adam: gradient, before and after")
    axes[3].set_title("Adam: features, before and after")
    axes[3].legend(title="dotted: before", fontsize=9, title_fontsize=9, loc="lower right")
    keys = [Patch(label=label, **_look(name)) for name, label in LABELS.items()]
    figure.legend(
        handles=keys + axes[0].get_legend_handles_labels()[0], loc="outside lower center", ncols=2, fontsize=9
    )


def draw_map(ax, table, column, lines=None):
    """A bar for each point, its length shared by the outcomes of its networks: ``column``, scale, networks, counts."""
    places = {value: k for k, value in enumerate(dict.fromkeys(table[column]))}
    for _, row in table.iterrows():
        left = places[row[column]] - 0.42
        for name in COLOURS:
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
    return {"facecolor": COLOURS[outcome], "edgecolor": "white", "linewidth": 0.4, "hatch": hatch}


def _draw_lines(ax, lines, places):
    """Scales against depth, from line, depth, scale, with a white edge on the coloured bars."""
    for name, rows in lines.groupby("line", sort=False):
        x = [places[depth] for depth in rows["depth"]]
        edge = [withStroke(linewidth=4, foreground="white")]
        look = {"color": "black", "linewidth": 1.8, "linestyle": DASHES[name], "path_effects": edge}
        ax.plot(x, rows["scale"], label=LINES[name], **look)


def draw_before_after(ax, table, quantity, ylabel):
    """Medians against the scale at some depths, from depth, scale, ``quantity`` and its _start (dotted, open)."""
    for depth, (colour, marker) in SHOWN.items():
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
