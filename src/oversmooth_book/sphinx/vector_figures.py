"""Sphinx extension: a chapter's figures as SVG in the page, whole where there is room, panel by panel on a phone.

What a run drew lies beside its tables (`oversmooth_book.book.vectors`). In the page its text can be selected and found,
and the style sheet turns it dark. A figure without such a file stays the image that it is.
"""

import html
import re
from pathlib import Path

from docutils import nodes

from oversmooth_book.book.vectors import FOLDER

READABLE = 9.1  # pixels of the smallest word, nine and what rounding takes; exponents are smaller
LARGEST = 1.4  # of a panel's own size: still larger letters are a waste


def in_page(svg: str, name: str, alt: str) -> str:
    """A figure as a page shows it.

    Args:
        svg: what `oversmooth_book.book.vectors.vector` made.
        name: the figure's; names inside begin with it, since a page holds several figures.
        alt: what it shows, in words.

    Returns:
        HTML: the whole figure; and, if it has several panels, each of them once more, as a view of the whole.
    """
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"""(\bid="|url\(#|href="#)""", rf"\g<1>{name}-", svg)
    head, body = re.match(r"<svg ([^>]*)>(.*)</svg>", svg, re.DOTALL).groups()
    said = dict(re.findall(r'([\w:-]+)="([^"]*)"', head))
    panels, entries = (said[f"data-{part}"].split(";") if said[f"data-{part}"] else [] for part in ("panels", "legend"))
    words = re.findall(r'<text style="[^"]*?font(?:-size)?: ([\d.]+)px', body)
    least = READABLE / min(map(float, words), default=READABLE)
    several = _views(name, panels, entries, least) if len(panels) > 1 else ""
    width = "" if several else _width(said["viewBox"], least)
    kind = ' several"' if several else '" tabindex="0"'  # a wide figure alone is scrolled on a phone, by keys, too
    return (
        f'<div class="vector{kind}><svg class="figure-whole" role="img" '
        f'aria-label="{html.escape(alt)}" viewBox="{said["viewBox"]}"{width} '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>{several}</div>'
    )


def _views(name: str, panels: list[str], entries: list[str], least: float) -> str:
    """One panel below the other, the legend's entries side by side; for the eye alone."""
    legend = (
        f'<div class="figure-legend">{"".join(_view(name, place, least) for place in entries)}</div>' if entries else ""
    )
    views = "".join(f"<div>{_view(name, place, least)}</div>" for place in panels)
    return f'<div class="figure-panels" aria-hidden="true">{legend}{views}</div>'


def _view(name: str, part: str, least: float) -> str:
    """A part of the figure: x, y, width and height, and the names of its groups; nothing beside them is seen."""
    *place, groups = part.split(maxsplit=4)
    uses = "".join(f'<use href="#{name}-{group}"></use>' for group in groups.split())
    return f'<svg viewBox="{" ".join(place)}"{_width(" ".join(place), least)}>{uses}</svg>'


def _width(box: str, least: float) -> str:
    width = float(box.split()[2])
    return f' style="min-width: {least * width:.1f}px; max-width: {max(least, LARGEST) * width:.1f}px"'


def _replace(app, doctree, docname):
    if app.builder.format != "html":
        return
    folder = Path(app.srcdir) / FOLDER / Path(docname).name
    for figure in doctree.findall(nodes.figure):
        files = [folder / f"{name}.svg" for name in figure["ids"]]
        file = next((file for file in files if file.is_file()), None)
        for image in list(figure.findall(nodes.image)) if file else ():
            text = in_page(file.read_text(encoding="utf-8"), file.stem, image.get("alt", ""))
            image.replace_self(nodes.raw("", text, format="html"))


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", _replace)
    return {"parallel_read_safe": True}
