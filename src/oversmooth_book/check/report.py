"""The comparison as one HTML file that needs nothing else: no script, no other file, light and dark, for any reader."""

import math
import os
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.check.compare import Comparison, verdicts_line
from oversmooth_book.check.differences import DIFFERS, IDENTICAL, NOT_HERE, ROUNDING

TEMPLATE = Path(__file__).with_name("report.html")
WORDS = {
    IDENTICAL: "identical: the same to the last printed digit",
    ROUNDING: "rounding: within the printed digits, or within three times what replicas of the published run differ by",
    DIFFERS: "differs: beyond that, or with another verdict",
    NOT_HERE: "not run here: the raw files of a graph are missing",
}


def write_report(book: Book, comparisons: list[Comparison], place: Path) -> None:
    """Write the report, whole or not at all.

    Args:
        book: the book.
        comparisons: one per chapter.
        place: the HTML file.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    part.write_text(_page(book, comparisons), encoding="utf-8")
    part.replace(place)


def _page(book: Book, comparisons: list[Comparison]) -> str:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        verdicts=verdicts_line(book, comparisons), comparisons=comparisons, words=WORDS, infinity=math.inf
    )
