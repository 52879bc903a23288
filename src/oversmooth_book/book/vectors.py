"""A chapter's figures as SVG, beside the PNG in its notebook: text that stays text, and where each panel stands.

The PNG of a notebook's output is what a reader of the notebook sees, and names the SVG until the run is over; then the
file is named after its figure: ``figures/fig-forward-phase.svg``. What replaces an image in a page is made from it.
"""

import base64
import hashlib
import io
from pathlib import Path

from oversmooth_book.book.figures import figure_images

FOLDER = "figures"
POINTS = 72  # an inch
AROUND = {"panels": 3.0, "legend": 1.0}  # points left free around each; a legend's frame is near its entries
# The same figure is the same file: no date, and names that do not change from run to run.
SAVED = {"format": "svg", "bbox_inches": "tight", "metadata": {"Date": None, "Creator": None}}
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "oversmooth"}


def keep_vectors(folder: Path) -> None:
    """From here on write every figure that this kernel shows as SVG, too; nothing outside a kernel.

    Args:
        folder: where; made when there is a figure.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    pyplot.switch_backend(pyplot.get_backend())  # now: its first use would take the formatter away
    formatter = shell.display_formatter.formatters["image/png"]
    draw = formatter.lookup_by_type(Figure)

    def draw_both(figure):
        image = draw(figure)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{_digest(base64.b64decode(image))}.svg").write_text(vector(figure), encoding="utf-8")
        return image

    formatter.for_type(Figure, draw_both)


def name_vectors(folder: Path, notebook) -> None:
    """Name the files that `keep_vectors` wrote after the figures whose images they belong to; drop the others.

    Args:
        folder: where they lie.
        notebook: the run notebook.
    """
    written = {path.stem: path for path in folder.glob("*.svg")}
    for name, (_, image) in figure_images(notebook).items():
        path = written.get(_digest(image))
        if name and path:
            (folder / f"{name}.svg").write_bytes(path.read_bytes())
    for path in written.values():
        path.unlink()


def vector(figure) -> str:
    """A figure as SVG; ``data-panels`` and ``data-legend`` of its first element say where its parts stand.

    Args:
        figure: of matplotlib.

    Returns:
        SVG.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, **SAVED)
    said = "".join(
        f'data-{name}="{";".join(" ".join(f"{number:.1f}" for number in place) for place in places)}" '
        for name, places in parts(figure).items()
    )
    return text.getvalue().replace("<svg ", f"<svg {said}", 1)


def parts(figure) -> dict[str, list[tuple[float, float, float, float]]]:
    """Where the parts of a figure stand in its SVG, from its upper left corner, in points.

    Args:
        figure: of matplotlib, drawn.

    Returns:
        panels and legend, each a list of x, y, width and height: titles of the figure and its axes, a colour bar
        together with the axes beside it; the entries of the figure's own legends.
    """
    import matplotlib

    figure.draw_without_rendering()  # the entries of a legend stand where they were drawn last, in another resolution
    renderer = figure.canvas.get_renderer()
    whole, padding = figure.get_tightbbox(renderer), matplotlib.rcParams["savefig.pad_inches"]  # in inches
    corner = whole.x0 - padding, whole.y1 + padding
    found = {
        "panels": [text.get_window_extent(renderer) for text in figure.texts]
        + _joined([axes for axes in figure.axes if axes.get_visible()], renderer),
        "legend": [box for legend in figure.legends for box in _entries(legend, renderer)],
    }
    return {name: [_place(box, corner, figure.dpi, AROUND[name]) for box in boxes] for name, boxes in found.items()}


def _joined(axes, renderer) -> list:
    """The boxes of axes, those of colour bars and of axes in axes joined with their own."""
    from matplotlib.transforms import Bbox

    boxes, inner = [], []
    for one in axes:
        box = one.get_tightbbox(renderer)
        if one.get_label() == "<colorbar>" and boxes:
            near = min(range(len(boxes)), key=lambda k: _gap(inner[k], one.bbox))
        else:
            near = next((k for k, other in enumerate(inner) if _gap(other, one.bbox) < 0), None)
        if near is None:
            boxes.append(box)
            inner.append(one.bbox)
        else:
            boxes[near] = Bbox.union([boxes[near], box])
    return boxes


def _entries(legend, renderer) -> list:
    """The boxes of a legend's title, if it has one, and of each mark with its words."""
    from matplotlib.transforms import Bbox

    title, boxes = legend.get_title(), []
    if title.get_text():
        boxes.append(title.get_window_extent(renderer))
    for text in legend.get_texts():
        box, letter = text.get_window_extent(renderer), renderer.points_to_pixels(text.get_fontsize())
        # Not the mark's own box: that of an error bar has no end.
        left = box.x0 - (legend.handlelength + legend.handletextpad) * letter
        boxes.append(Bbox.from_extents(left, min(box.y0, box.y1 - letter), box.x1, box.y1))
    return boxes


def _gap(one, other) -> float:
    """How far apart two boxes are; negative where they overlap."""
    across = max(one.x0, other.x0) - min(one.x1, other.x1)
    down = max(one.y0, other.y0) - min(one.y1, other.y1)
    return max(across, down)


def _place(box, corner, dpi, around) -> tuple[float, float, float, float]:
    left, top = (box.x0 / dpi - corner[0]) * POINTS - around, (corner[1] - box.y1 / dpi) * POINTS - around
    return left, top, box.width / dpi * POINTS + 2 * around, box.height / dpi * POINTS + 2 * around


def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
