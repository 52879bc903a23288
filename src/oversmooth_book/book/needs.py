"""The graphs that a chapter's numbers come from: named by its claims and by its notebook's cells."""

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import check_graphs, missing_of
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.profiles import ChapterProfile


def cell_needs(cell, where: str) -> list[str]:
    """The graphs that a notebook's cell names in its metadata, ``needs``: without them its outputs change.

    Args:
        cell: the cell.
        where: its name in errors.

    Returns:
        Their names.

    Raises:
        BookError: if it names anything else.
    """
    needs = cell.metadata.get("needs", [])
    if not isinstance(needs, list) or not all(isinstance(name, str) for name in needs):
        raise BookError(f"{where}: 'needs' is a list of graph names, such as [Cora], got {needs!r}")
    check_graphs(where, needs)
    return needs


def needed_graphs(book: Book, chapter: ChapterProfile) -> list[str]:
    """The graphs that a chapter's claims and its notebook's cells need, in the order of their first mention.

    Args:
        book: the book.
        chapter: the chapter.

    Returns:
        Their names.

    Raises:
        BookError: if the notebook is missing or damaged, or names an unknown graph.
    """
    named = [name for claim in book.claims_of(chapter) for name in claim.needs]
    cells = read_notebook(book.notebook(chapter.name)).cells
    for number, cell in enumerate(cells, start=1):
        named += cell_needs(cell, f"{chapter.name}.ipynb: cell {number}")
    return list(dict.fromkeys(named))


def missing_graphs(book: Book, chapter: ChapterProfile) -> list[str]:
    """The graphs that a chapter needs and that cannot be read here; see ``needed_graphs`` and ``missing_of``."""
    return missing_of(needed_graphs(book, chapter))
