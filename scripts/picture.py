"""The book's picture: `python scripts/picture.py` traces its network and writes it.

data/published/picture.json holds what was traced, tour.json what the tour's pictures show; picture.svg is the
README's; and chapters/_static/card.png is what a link to the book shows, drawn from the same numbers.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from oversmooth_book.show import picture, tour

ROOT = Path(__file__).resolve().parents[1]
SHADES = LinearSegmentedColormap.from_list("sides", [picture.LOW, picture.WHITE, picture.HIGH])


def card(found: dict) -> plt.Figure:
    """The picture in the format of link previews, 1200 by 630.

    Args:
        found: what `picture.measure` returned.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(2, len(picture.LAYERS), figsize=(12, 6.3))
    x, y = zip(*found["places"], strict=True)
    for row, (name, title) in zip(axes, {"features": "features →", "errors": "← errors"}.items(), strict=True):
        for ax, layer, shares in zip(row, picture.LAYERS, found[name], strict=True):
            for i, j in found["edges"]:
                ax.plot([x[i], x[j]], [y[i], y[j]], color=picture.EDGE, linewidth=0.5, zorder=0)
            dots = {"cmap": SHADES, "vmin": -1, "vmax": 1, "edgecolor": "#5a6270", "linewidth": 0.7}
            ax.scatter(x, y, c=shares, s=62, **dots)
            ax.set(xticks=[], yticks=[], title=f"layer {layer}" if name == "features" else "")
            ax.spines[:].set_visible(False)
            ax.invert_yaxis()
        row[0].set_ylabel(title, fontsize=17)
    figure.suptitle("Backward oversmoothing: colour flows up, errors flow down", fontsize=25, y=0.965)
    figure.subplots_adjust(left=0.05, right=0.985, top=0.84, bottom=0.03, wspace=0.06, hspace=0.06)
    return figure


def main() -> None:
    """Measure, draw, write."""
    torch.set_num_threads(1)
    published = ROOT / "data" / "published"
    text = json.dumps(picture.measure(), separators=(",", ":"))
    (published / picture.FILE).write_text(text + "\n", encoding="utf-8")
    text = json.dumps(tour.measure(), separators=(",", ":"))
    (published / tour.FILE).write_text(text + "\n", encoding="utf-8")
    found = picture.read(published)
    (published / "picture.svg").write_text(picture.picture_svg(found), encoding="utf-8")
    drawn = io.BytesIO()
    card(found).savefig(drawn, dpi=100)
    small = Image.open(drawn).convert("RGB").quantize(96)  # a fifth of the size, and no eye tells
    small.save(ROOT / "chapters" / "_static" / "card.png", optimize=True)


if __name__ == "__main__":
    main()
