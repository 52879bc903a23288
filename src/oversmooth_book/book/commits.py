"""What git says of the book: the commit it is at, and what differs from it."""

import subprocess

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import read_notebook, source_fingerprint


def code_version(book: Book) -> tuple[str | None, bool]:
    """The commit the code is at, and whether the code differs from it.

    Outputs do not count: a chapter being published must not make the next one's code look changed.

    Args:
        book: the book.

    Returns:
        (commit, dirty); (None, True) outside a git checkout.
    """
    head = _git(book, "rev-parse", "HEAD")
    if head is None:
        return None, True
    watched = ("src", "chapters", "requirements.lock", "pyproject.toml")
    answer = _git(book, "status", "--porcelain", "--untracked-files=all", "--", *watched)
    if answer is None:
        return head.strip(), True
    return head.strip(), any(_source_changed(book, line[3:].strip('"')) for line in answer.splitlines())


def has_changes(book: Book, *names: str) -> bool:
    """Whether files differ from the last commit, or there is no commit to tell by."""
    answer = _git(book, "status", "--porcelain", "--", *names)
    return answer is None or bool(answer.strip())


def in_history(book: Book, commit: str | None) -> bool:
    """Whether a commit is one of those that led here; true where there is no history to tell by."""
    if commit is None or _git(book, "rev-parse", "HEAD") is None:
        return True
    return _git(book, "merge-base", "--is-ancestor", commit, "HEAD") is not None


def commit_time(book: Book) -> int:
    """When the last commit was made, in seconds since 1970."""
    return int(_git(book, "show", "--no-patch", "--format=%ct", "HEAD") or 0)


def _source_changed(book: Book, name: str) -> bool:
    committed = _git(book, "show", f"HEAD:./{name}") if name.endswith(".ipynb") else None
    if committed is None or not (book.root / name).is_file():
        return True
    import nbformat

    try:
        before = source_fingerprint(nbformat.reads(committed, as_version=4))
        return before != source_fingerprint(read_notebook(book.root / name))
    except (BookError, ValueError):
        return True


def _git(book: Book, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], cwd=book.root, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
