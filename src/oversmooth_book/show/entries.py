"""Everything that is known of each claim, in the book's order: what the page of claims and claims.json both tell."""

from collections.abc import Callable
from dataclasses import dataclass

from oversmooth_book.attack.robustness import Robustness, read_robustness
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import NOT_RUN, Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.figures import figures_of_claims
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.statements import Statement, Theorem
from oversmooth_book.show.neighbours import Neighbour, neighbours
from oversmooth_book.show.pages import Page
from oversmooth_book.values import values_of


@dataclass(frozen=True)
class Entry:
    """One claim, what decided it, and where to look."""

    claim: Claim
    page: Page
    robustness: Robustness | None = None
    function: Callable | None = None
    figure: str | None = None
    tests: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def verdict(self) -> str:
        """What the run that decides says."""
        return self.page.judge(self.claim)[1]

    @property
    def value(self) -> float | None:
        """What it measured; None if the claim was not run."""
        return self.page.judge(self.claim)[0]

    @property
    def shown(self) -> str:
        """The value as a reader sees it; empty if the claim was not run."""
        return self.claim.show(self.value)

    @property
    def commit(self) -> str | None:
        """The commit of the run that decides; None if the claim was not run, or its commit is not known."""
        record = self.page.deciding(self.claim).record
        return record["commit"] if record and self.verdict != NOT_RUN else None


def entries(book: Book, pages: dict[str, Page]) -> list[Entry]:
    """The claims of a book, chapter by chapter.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        One entry a claim.
    """
    found, attacked, tests, others = [], robustness_of(book), _tests(book), neighbours(pages)
    for name, chapter in book.profiles.items():
        functions = _functions(name)
        figures = figures_of_claims(read_notebook(book.notebook(name)))
        for claim in book.claims_of(chapter):
            key = claim.id
            parts = (attacked.get(key), functions.get(key), figures.get(key), tuple(tests.get(key, ())))
            found.append(Entry(claim, pages[name], *parts, tuple(others.get(key, ()))))
    return found


def robustness_of(book: Book) -> dict[str, Robustness]:
    """What the attack found of every finding of the book that it measured, by claim id."""
    found = {}
    for name in book.profiles:
        found |= read_robustness(book.published(name), book.claims)
    return found


def _functions(chapter: str) -> dict[str, Callable]:
    """The functions that compute a chapter's claims; none for a chapter that measures in its cells."""
    try:
        return values_of(chapter)[0]
    except BookError:
        return {}


def _tests(book: Book) -> dict[str, list[str]]:
    """Claim id to the tests of the theorems it bears on, else of the statements: they test the mathematics."""
    found = {Theorem: {}, Statement: {}}
    for row in (row for row in book.blueprint.values() if row.tests):
        for name in row.claims:
            found[type(row)].setdefault(name, []).extend(row.tests)
    tests = found[Statement] | found[Theorem]
    return {name: list(dict.fromkeys(named)) for name, named in tests.items()}
