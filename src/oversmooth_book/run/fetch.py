"""Fetch: the raw files of the public graphs, downloaded and checked when a reader asks for it."""

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.needs import needed_graphs


def book_graphs(book: Book) -> list[str]:
    """The graphs that the chapters of a book need, each once, in the order of their first mention."""
    needed = (graph for chapter in book.profiles.values() for graph in needed_graphs(book, chapter))
    return list(dict.fromkeys(needed))


def fetch(names: list[str], say=print) -> list[str]:
    """Download what is missing and check every file; what fails is told, and the next graph is tried.

    Files go where ``oversmooth.load`` puts them: into the folder that OVERSMOOTH_DATA names, if it is set.

    Args:
        names: graphs, as ``oversmooth.load`` takes them.
        say: takes one line of report a graph.

    Returns:
        The graphs that are not here now, or whose files are not the recorded ones.

    Raises:
        BookError: if a name is unknown; nothing was downloaded.
    """
    from oversmooth.graphs import datasets as graphs

    try:
        here = {name: graphs.available(name) for name in names}
    except ValueError as error:
        raise BookError(str(error)) from None
    failed = []
    for name, was_here in here.items():
        try:
            graphs.fetch(name)
        except (OSError, ValueError) as error:
            failed.append(name)
            say(f"{name}: {error}")
        else:
            say(f"{name}: {'here' if was_here else 'fetched'}")
    return failed
