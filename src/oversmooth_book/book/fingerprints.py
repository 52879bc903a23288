"""Fingerprints: one hash for each thing that a run depends on, so that a change of any of them is seen and named."""

import hashlib
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import PROOF
from oversmooth_book.book.graphs import missing_of
from oversmooth_book.book.modules import EXPERIMENTS, measuring_modules, modules_of, run_modules
from oversmooth_book.book.needs import needed_graphs
from oversmooth_book.book.notebooks import (
    code_cells,
    code_fingerprint,
    fingerprint,
    read_notebook,
)
from oversmooth_book.book.profiles import ChapterProfile

INPUTS = {
    "notebook": "the notebook's code",
    "source": "the modules it imports from src/",
    "data": "the data",
    "parameters": "the parameters",
    "claims": "the chapter's rows of claims.yml",
    "lock": "requirements.lock",
}
# The fields of a claim that decide a verdict, or what a cell prints.
JUDGED = ("id", "comparison", "threshold", "profile", "digits", "needs")


def _judged(claim) -> tuple[str, ...]:
    """`JUDGED`, and of a proof its kind: it asks for more than the threshold, where check and finding judge alike."""
    return (*JUDGED, "kind") if claim.kind == PROOF else JUDGED


def fingerprints(book: Book, chapter: ChapterProfile, profile: str) -> dict[str, str]:
    """One hash for each thing a run depends on, keyed as ``INPUTS``.

    Raw graphs count as present or absent: their content is fixed by the SHA-256 sums in ``src/``.

    Args:
        book: the book.
        chapter: the chapter.
        profile: the profile it runs under.

    Returns:
        Input to hash.
    """
    notebook = read_notebook(book.notebook(chapter.name))
    judged = [[getattr(claim, key) for key in _judged(claim)] for claim in book.claims_of(chapter)]
    needs = needed_graphs(book, chapter)
    return {
        "notebook": code_fingerprint(notebook),
        "source": _modules_fingerprint(book, run_modules(_modules(book, chapter, notebook))),
        "data": fingerprint([needs, missing_of(needs)]),
        "parameters": fingerprint(chapter.parameters(profile)),
        "claims": fingerprint(judged),
        "lock": _lock_fingerprint(book),
    }


def numbers_fingerprint(book: Book, chapter: ChapterProfile) -> str:
    """One hash for all that can move a number of the published run.

    A spread measured for one run holds for every other with this hash. Captions, figures, verdicts are no part of it.

    Args:
        book: the book.
        chapter: the chapter.

    Returns:
        The hash.
    """
    notebook = read_notebook(book.notebook(chapter.name))
    modules = _modules_fingerprint(book, measuring_modules(_modules(book, chapter, notebook)))
    return fingerprint([code_fingerprint(notebook), modules, chapter.parameters("published"), _lock_fingerprint(book)])


def attack_fingerprint(book: Book, chapter: str) -> str:
    """One hash for all that can move a number that the attack measures of a chapter."""
    code = "\n".join(f"import {EXPERIMENTS}.{chapter}.{name}" for name in ("attack", "claims"))
    modules = _modules_fingerprint(book, measuring_modules(modules_of(book.root / "src", code)))
    return fingerprint([modules, _lock_fingerprint(book)])


def _modules(book: Book, chapter: ChapterProfile, notebook) -> dict[str, Path]:
    # `verify` imports the functions of its claims by the chapter's name.
    claims = f"import {EXPERIMENTS}.{chapter.name}.claims"
    return modules_of(book.root / "src", "\n".join([claims, *(cell.source for cell in code_cells(notebook))]))


def _modules_fingerprint(book: Book, modules: dict[str, Path]) -> str:
    """Of the modules, and of the lists that lie beside them, such as the raw files' checksums."""
    lists = [path for path in sorted((book.root / "src").rglob("*.txt")) if "egg-info" not in str(path)]
    rows = [[name, file_hash(path)] for name, path in modules.items()]
    return fingerprint(rows + [[path.name, file_hash(path)] for path in lists])


def _lock_fingerprint(book: Book) -> str:
    path = book.root / "requirements.lock"
    return fingerprint(file_hash(path) if path.is_file() else None)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changes(old: dict, new: dict) -> list[str]:
    """The inputs, in words, whose hashes differ."""
    return [words for key, words in INPUTS.items() if old.get(key) != new.get(key)]
