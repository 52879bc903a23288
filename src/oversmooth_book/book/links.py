"""What must not slip into the built book: files from outside the repository, by a link or by a page that names them."""

import re

from oversmooth_book.book.book import Book

# ":file: ../x", "```{include} ../x", "{download}`x <../x>`", "![](../x)": a path that climbs, or starts at the root.
_BEFORE = r"(?:\{\w[\w:-]*\}`[^`]*?<?|\{[\w:-]*include\} +|\]\(|^:file: +)"
_NAMED = re.compile(_BEFORE + r"((?:\.\./|/)[^\s>`)]*)", re.MULTILINE)


def stray_links(book: Book) -> list[str]:
    """The symbolic links among what is built that lead out of the book's folder, one sentence each.

    Args:
        book: the book.

    Returns:
        Sentences, empty if there is none.
    """
    root, found = book.root.resolve(), []
    for folder in (book.chapters, book.root / "data" / "published"):
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                place = path.relative_to(book.root).as_posix()
                found.append(f"{place}: a link out of the book's folder; put the file itself there, or remove it")
    return found


def outside_files(text: str) -> list[str]:
    """The paths that a page names and that leave its folder upwards further than the book's own folder.

    Args:
        text: MyST, of a page in ``chapters/``.

    Returns:
        The paths; ``../index`` stays in the book and is none of them.
    """
    return [path for path in _NAMED.findall(text) if path.startswith("../..") or "/../" in path]
