"""The public graphs as the book names them: which it knows, which can be read here, which files lack."""

import os
from pathlib import Path

from oversmooth_book.book.errors import BookError

FETCH = "`oversmooth-book fetch` (or `make data`)"

# They come with packages, not in raw files.
ALWAYS_HERE = ("digits", "karate")


def known_graphs() -> list[str]:
    """The names that ``oversmooth.load`` knows, as this book spells them."""
    from oversmooth.graphs.datasets import PUBLIC_GRAPHS

    return [*(folder for _, folder in PUBLIC_GRAPHS.values()), "ogbn-arxiv", *ALWAYS_HERE]


def check_graphs(where: str, names) -> None:
    """Refuse names of graphs that the book does not know.

    Args:
        where: what needs them, in words.
        names: the names.

    Raises:
        BookError: naming the unknown ones, and the known.
    """
    known = known_graphs() if names else []
    strangers = [name for name in names if name not in known]
    if strangers:
        raise BookError(f"{where}: needs the unknown graph {', '.join(strangers)}; known: {', '.join(known)}")


def missing_of(names) -> list[str]:
    """Those of some graphs that cannot be read here: raw files are missing, or not the recorded ones."""
    return [name for name in names if not is_here(name)]


def is_here(name: str) -> bool:
    """Whether a graph can be read without a network: all raw files are here and sound.

    Args:
        name: as for ``oversmooth.load``.

    Returns:
        True or False.
    """
    from oversmooth.graphs import datasets as graphs

    try:
        # With all files here nothing is downloaded: they are checked.
        return graphs.available(name) and graphs.fetch(name) is None
    except (OSError, ValueError):
        return False


def fetch_missing(names, say=print) -> list[str]:
    """Download what lacks, unless a folder was named for the data; say which files are not the recorded ones.

    Args:
        names: graphs.
        say: takes one line of report at a time.

    Returns:
        Those that still cannot be read.
    """
    missing = missing_of(names)
    if not missing:
        return []
    from oversmooth.graphs import datasets as graphs

    for name in missing:
        # A folder that was named is only read; what is damaged in it is said all the same.
        if graphs.available(name) or not os.environ.get("OVERSMOOTH_DATA"):
            try:
                graphs.fetch(name)
            except ValueError as error:
                say(f"{name}: {error}")
            except OSError:  # no network: the chapters' lines say what to do
                continue
    return missing_of(missing)


def missing_files(names) -> list[str]:
    """The raw files of some graphs that are not on this machine; files in one folder as one, ``raw/{a, b}``.

    Args:
        names: the graphs.

    Returns:
        Paths relative to the folder of the raw files.
    """
    if not names:
        return []
    from oversmooth.graphs import datasets as graphs

    folders: dict[str, list[str]] = {}
    for path in (Path(path) for name in names for path in graphs.missing_files(name)):
        folders.setdefault(path.parent.as_posix(), []).append(path.name)
    return [
        f"{folder}/{files[0]}" if len(files) == 1 else f"{folder}/{{{', '.join(files)}}}"
        for folder, files in folders.items()
    ]
