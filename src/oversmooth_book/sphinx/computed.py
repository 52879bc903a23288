"""Sphinx extension: directives for what a build computes from the runs it shows.

``claims-table``, ``statements``, ``robustness``, ``robustness-count``, ``missing-files``, ``benchmarks-table``,
``library`` and ``experiments`` have no content: a function of the book and its shown chapters writes it, as MyST.
Headings in it belong to the page, so they come last on it, and a text before them has a directive of its own.
"""

import functools
import os

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from oversmooth_book.book.book import Book, find_book
from oversmooth_book.book.errors import BookError
from oversmooth_book.show.benchmark_table import benchmark_table
from oversmooth_book.show.ledger import claims_table
from oversmooth_book.show.library import api_listing, experiments_listing
from oversmooth_book.show.pages import COMMITTED, SHOWN_VARIABLE, Page, missing_data, read_pages
from oversmooth_book.show.robustness import robustness_count, robustness_sections
from oversmooth_book.show.statements import statement_sections

TEXTS = {
    "claims-table": lambda book: claims_table(book, _pages(book)),
    "statements": lambda book: statement_sections(book, _pages(book)),
    "robustness": robustness_sections,
    "robustness-count": robustness_count,
    "missing-files": lambda book: missing_data(_pages(book)),
    "benchmarks-table": benchmark_table,
    "library": lambda book: api_listing(),
    "experiments": experiments_listing,
}


@functools.cache
def _pages(book: Book) -> dict[str, Page]:
    return read_pages(book, os.environ.get(SHOWN_VARIABLE, COMMITTED))


class Computed(Directive):
    """A directive whose text is computed."""

    def run(self):
        """The nodes of the text."""
        try:
            text = TEXTS[self.name](find_book())
        except BookError as error:
            raise self.error(str(error)) from None
        found, source = nodes.Element(), self.state.document["source"]
        self.state.nested_parse(StringList(text.splitlines(), source), 0, found, match_titles=True)
        return found.children


def setup(app):
    """Register with Sphinx."""
    for name in TEXTS:
        app.add_directive(name, Computed)
    return {"parallel_read_safe": True}
