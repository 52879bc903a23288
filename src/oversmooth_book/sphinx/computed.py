"""Sphinx extension: directives for what a build computes from the runs it shows.

``claim-cards``, ``claims-count``, ``blueprint``, ``statements``, ``statement-cards``, ``statement-table``,
``robustness``, ``robustness-count``, ``missing-files``, ``run-time``, ``benchmarks-table``, ``experiments``,
``picture`` and ``tour-…`` have no content: a function of the book and its shown chapters writes it,
as MyST.
``evidence`` names the claims to show, ``library`` the page of functions.
Headings in it belong to the page, so they come last on it, and a text before them has a directive of its own.
"""

import functools
import os
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from oversmooth_book.book.book import Book, find_book
from oversmooth_book.book.errors import BookError
from oversmooth_book.show import picture, tour
from oversmooth_book.show.benchmark_table import benchmark_table
from oversmooth_book.show.blueprint import blueprint
from oversmooth_book.show.cards import claims_count, run_time, statement_cards, statement_table
from oversmooth_book.show.ledger import claim_cards
from oversmooth_book.show.library import api_listing, experiments_listing
from oversmooth_book.show.pages import COMMITTED, SHOWN_VARIABLE, Page, missing_data, read_pages
from oversmooth_book.show.picture import picture_html
from oversmooth_book.show.robustness import robustness_count, robustness_sections
from oversmooth_book.show.statements import evidence, statement_sections
from oversmooth_book.show.tour import tour_picture

TEXTS = {
    "claim-cards": lambda book: claim_cards(book, _pages(book)),
    "blueprint": lambda book: blueprint(book, _pages(book)),
    "claims-count": lambda book: claims_count(book, _pages(book)),
    "statements": lambda book: statement_sections(book, _pages(book)),
    "statement-table": lambda book: statement_table(book, _pages(book)),
    "statement-cards": lambda book: statement_cards(book, _pages(book)),
    "robustness": robustness_sections,
    "robustness-count": robustness_count,
    "missing-files": lambda book: missing_data(_pages(book)),
    "run-time": lambda book: run_time(_pages(book)),
    "benchmarks-table": benchmark_table,
    "experiments": experiments_listing,
    "picture": lambda book: picture_html(picture.read(_published(book))),
    **{f"tour-{name}": lambda book, name=name: tour_picture(name, tour.read(_published(book))) for name in tour.ALTS},
}


def _published(book: Book) -> Path:
    return book.root / "data" / "published"


@functools.cache
def _pages(book: Book) -> dict[str, Page]:
    return read_pages(book, os.environ.get(SHOWN_VARIABLE, COMMITTED))


class Computed(Directive):
    """A directive whose text is computed."""

    def text(self, book: Book) -> str:
        """MyST."""
        return TEXTS[self.name](book)

    def run(self):
        """The nodes of the text."""
        try:
            text = self.text(find_book())
        except BookError as error:
            raise self.error(str(error)) from None
        found, source = nodes.Element(), self.state.document["source"]
        self.state.nested_parse(StringList(text.splitlines(), source), 0, found, match_titles=True)
        return found.children


class Library(Computed):
    """The functions of one page of the library: ``library`` with the page's name."""

    required_arguments = 1

    def text(self, book: Book) -> str:
        """MyST."""
        return api_listing(self.arguments[0])


class Evidence(Computed):
    """The claims that a text rests on: ``evidence`` with their ids."""

    required_arguments, final_argument_whitespace = 1, True

    def text(self, book: Book) -> str:
        """MyST."""
        return evidence(book, _pages(book), self.arguments[0].split())


def setup(app):
    """Register with Sphinx."""
    app.add_directive("evidence", Evidence)
    app.add_directive("library", Library)
    for name in TEXTS:
        app.add_directive(name, Computed)
    return {"parallel_read_safe": True}
