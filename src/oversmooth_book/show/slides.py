"""The book in twelve slides: one HTML file that needs no other, and the same as PDF, made from the committed book.

    python -m oversmooth_book.show.slides

Their words stand in ``slides.yml``; every measured number in them is a claim's, every figure the committed book's.
"""

import argparse
import sys
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oversmooth_book.book.book import Book
from oversmooth_book.book.schema import Row, Text, parse
from oversmooth_book.book.strict_yaml import read_rows
from oversmooth_book.show import picture
from oversmooth_book.show.chromium import opened
from oversmooth_book.show.command import run
from oversmooth_book.show.takeaway import FOLDER, Takeaway, document


class Slide(Row):
    """A row of ``slides.yml``."""

    title: Text
    page: Text
    figure: Text
    lines: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=3, description="one to three texts")]


def make_slides(book: Book) -> list[Path]:
    """Write the slides and print them.

    Args:
        book: the book; its committed outputs are shown.

    Returns:
        ``_build/published/slides.html`` and ``slides.pdf``.

    Raises:
        BookError: if Chromium, a claim or a figure is missing, or committed outputs are not those of a run.
    """
    folder = book.build("published")
    folder.mkdir(parents=True, exist_ok=True)
    shown, printed = folder / "slides.html", folder / "slides.pdf"
    shown.write_text(slides_html(book), encoding="utf-8")
    with opened(shown) as page:
        # Every slide, for the script shows one.
        page.evaluate("document.documentElement.classList.remove('one')")
        page.pdf(path=printed, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    return [shown, printed]


def read_slides() -> list[Slide]:
    """The slides' words."""
    return [parse(where, row, Slide) for where, row in read_rows(FOLDER / "slides.yml", "slide")]


def slides_html(book: Book) -> str:
    """The slides as one HTML file.

    Args:
        book: the book; its committed outputs are shown.

    Returns:
        HTML; arrow keys turn the slides.

    Raises:
        BookError: if a claim or a figure is missing, or committed outputs are not those of a run.
    """
    shown, slides = Takeaway(book), read_slides()
    drawn = [_slide(shown, slide, number, len(slides)) for number, slide in enumerate(slides, start=1)]
    graph = picture.shared(picture.read(shown.published))
    script = (FOLDER / "slides.js").read_text("utf-8")
    return document(book, slides[0].title, "slides.css", f"{graph}<main>{''.join(drawn)}</main>", script)


def _slide(shown: Takeaway, slide: Slide, number: int, count: int) -> str:
    """A slide: its message, its figure, its lines, and where it comes from."""
    lines = "".join(f"<li>{shown.words(line)}</li>" for line in slide.lines)
    source = f"{shown.heading(slide.page)} <code>chapters/{slide.page}</code>"
    return (
        f'<section class="slide" aria-label="Slide {number} of {count}"><h1>{shown.words(slide.title)}</h1>'
        f'<div class="drawn">{shown.drawing(slide.figure)}</div><ul class="lines">{lines}</ul>'
        f"<footer><span>From: {source}</span><span>† ours, not the paper's</span>"
        f"<span>{number} / {count}</span></footer></section>"
    )


def main(arguments=None) -> int:
    """Write the slides from the command line.

    Args:
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 if all went well.
    """
    parser = argparse.ArgumentParser(
        prog="python -m oversmooth_book.show.slides", description="Make slides of the committed book."
    )
    return run(parser, lambda book, options: make_slides(book), arguments)


if __name__ == "__main__":
    sys.exit(main())
