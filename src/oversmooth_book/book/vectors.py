"""A chapter's figures as SVG, beside the PNG in its notebook: text that stays text, and where each panel stands.

The PNG of a notebook's output is what a reader of the notebook sees, and names the SVG until the run is over; then the
file is named after its figure: ``figures/fig-forward-phase.svg``. What replaces an image in a page is made from it.
"""

import base64
import contextlib
import hashlib
import io
import re
from itertools import count
from pathlib import Path

from oversmooth_book.book.figures import figure_images

FOLDER = "figures"
POINTS = 72  # an inch
SIDES = ("bottom", "left")  # where the numbers of x and of y stand
AROUND = {"panels": 3.0, "legend": 1.0}  # points left free around each; a legend's frame is near its entries
# Groups of the SVG, told by their names: numbers and words that only a panel by itself shows, and what it does not.
INNER, FRAME = "inner", "frame"
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

    Axes that leave their numbers, or the words beside them, to a neighbour have them all the same, hidden: in groups
    of the class figure-inner, for who shows a panel by itself.

    Args:
        figure: of matplotlib.

    Returns:
        SVG.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context(STYLE), _by_themselves(figure), _legends_pinned(figure):
        found = parts(figure)
        figure.savefig(text, **SAVED)
    said = "".join(f'data-{name}="{";".join(map(_told, places))}" ' for name, places in found.items())
    svg = re.sub(rf'<g id="({INNER}-\d+)"', rf'<g id="\1" class="figure-{INNER}" visibility="hidden"', text.getvalue())
    svg = re.sub(rf'<g id="({FRAME}-\d+)"', rf'<g id="\1" class="figure-{FRAME}"', svg)
    return svg.replace("<svg ", f"<svg {said}", 1)


def _told(part: tuple) -> str:
    """A part in words: x, y, width and height, and the names of its groups."""
    place, groups = part
    return " ".join([*(f"{number:.1f}" for number in place), *groups])


@contextlib.contextmanager
def _by_themselves(figure):
    """Its axes with numbers and words of their own, and everything else where it stands."""
    figure.draw_without_rendering()
    engine, labels, numbers = figure.get_layout_engine(), [], count()
    figure.set_layout_engine("none")
    lacking = [
        (axis, side, other.get_label_text())
        for axes in figure.axes
        for axis, side in zip(_axes(axes), SIDES, strict=True)
        # Words of its own would have to make room for the numbers.
        if not _numbered(axis, side) and not axis.get_label_text() and (other := _neighbour(figure, axes, side))
    ]
    for axis, side, text in lacking:
        axis.set_tick_params(**{f"label{side}": True})
        axis.set_label_text(text)
        labels.append(axis.label)
    figure.draw_without_rendering()
    labels += [tick.label1 for axis, *_ in lacking for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
    for label in labels:
        label.set_gid(f"{INNER}-{next(numbers)}")
    try:
        yield
    finally:
        for label in labels:
            label.set_gid(None)
        for axis, side, _ in lacking:
            axis.set_tick_params(**{f"label{side}": False})
            axis.set_label_text("")
        figure.set_layout_engine(engine)


def _axes(axes) -> tuple:
    """The two axis objects of axes, in the order of `SIDES`."""
    return axes.xaxis, axes.yaxis


def _neighbour(figure, axes, side):
    """The axis whose numbers this one shares, below or above it or beside it; None where there are none on purpose."""
    k = SIDES.index(side)
    shared = (axes.get_shared_x_axes, axes.get_shared_y_axes)[k]()
    for other in figure.axes:
        in_line = abs(other.get_position().p0[k] - axes.get_position().p0[k]) < 1e-3
        if other is not axes and shared.joined(axes, other) and in_line and _numbered(_axes(other)[k], side):
            return _axes(other)[k]
    return None


def _numbered(axis, side) -> bool:
    return axis.get_tick_params().get(f"label{side}", True)


def parts(figure) -> dict[str, list[tuple[tuple[float, float, float, float], list[str]]]]:
    """Where the parts of a figure stand in its SVG, from its upper left corner, in points, and which groups they are.

    Args:
        figure: of matplotlib, drawn; its axes, texts and legends get names.

    Returns:
        panels and legend, each a list of (x, y, width, height) and names: titles of the figure and its axes, a colour
        bar together with the axes beside it; the entries of the figure's own legends.
    """
    import matplotlib

    frames = [legend.get_frame() for legend in figure.legends]
    named = {"panel": figure.axes, "words": figure.texts, "legend": figure.legends, FRAME: frames}
    for name, artists in named.items():
        for k, artist in enumerate(artists, start=1):
            artist.set_gid(f"{name}-{k}")
    with _drawn_in_points(figure) as renderer:
        whole, padding = figure.get_tightbbox(renderer), matplotlib.rcParams["savefig.pad_inches"]  # in inches
        corner = (whole.x0 - padding) * POINTS, (whole.y1 + padding) * POINTS
        titles = [(text.get_window_extent(renderer), [text]) for text in figure.texts]
        entries = [(box, [legend]) for legend in figure.legends for box in _entries(legend, renderer)]
        axes = _joined([axes for axes in figure.axes if axes.get_visible()], renderer)
    return {
        name: [(_place(box, corner, AROUND[name]), [one.get_gid() for one in artists]) for box, artists in boxes]
        for name, boxes in {"panels": titles + axes, "legend": entries}.items()
    }


@contextlib.contextmanager
def _legends_pinned(figure):
    """Its legends where they stand in the figure; a tight box would centre them in itself."""
    from matplotlib.transforms import IdentityTransform

    anchors = [legend.get_bbox_to_anchor() for legend in figure.legends]
    for legend, anchor in zip(figure.legends, anchors, strict=True):
        legend.set_bbox_to_anchor(anchor.transformed(figure.transFigure.inverted()), figure.transFigure)
    try:
        yield
    finally:
        for legend, anchor in zip(figure.legends, anchors, strict=True):
            legend.set_bbox_to_anchor(anchor, IdentityTransform())


@contextlib.contextmanager
def _drawn_in_points(figure):
    """A figure as an SVG draws it: in another resolution letters are of other widths, and legends stand elsewhere."""
    from matplotlib.backends.backend_svg import RendererSVG

    dpi = figure.dpi
    figure.set_dpi(POINTS)
    try:
        renderer = RendererSVG(*figure.bbox.size, io.StringIO(), image_dpi=POINTS)
        figure.draw(renderer)
        yield renderer
    finally:
        figure.set_dpi(dpi)


def _joined(axes, renderer) -> list:
    """The boxes of axes and what stands in them, those of colour bars and of axes in axes joined with their own."""
    from matplotlib.transforms import Bbox

    boxes, inner = [], []
    for one in axes:
        box = one.get_tightbbox(renderer)
        if one.get_label() == "<colorbar>" and boxes:
            near = min(range(len(boxes)), key=lambda k: _gap(inner[k], one.bbox))
        else:
            near = next((k for k, other in enumerate(inner) if _gap(other, one.bbox) < 0), None)
        if near is None:
            boxes.append((box, [one]))
            inner.append(one.bbox)
        else:
            own, artists = boxes[near]
            boxes[near] = Bbox.union([own, box]), [*artists, one]
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
        # A browser's font may be wider, by a letter in a line, and hang lower.
        boxes.append(Bbox.from_extents(left, min(box.y0, box.y1 - letter) - letter / 6, box.x1 + letter / 2, box.y1))
    return boxes


def _gap(one, other) -> float:
    """How far apart two boxes are; negative where they overlap."""
    across = max(one.x0, other.x0) - min(one.x1, other.x1)
    down = max(one.y0, other.y0) - min(one.y1, other.y1)
    return max(across, down)


def _place(box, corner, around) -> tuple[float, float, float, float]:
    left, top = box.x0 - corner[0] - around, corner[1] - box.y1 - around
    return left, top, box.width + 2 * around, box.height + 2 * around


def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
