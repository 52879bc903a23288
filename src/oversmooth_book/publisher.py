"""publish: put a good run of the published profile into the repository, whole or not at all."""

import shutil
import tempfile
from pathlib import Path

from oversmooth_book.claims import PASS, of_chapter, read_claims, read_values
from oversmooth_book.execution import scratch_folder
from oversmooth_book.layout import Book, BookError, recover_folders, replace_folder
from oversmooth_book.profiles import read_profiles
from oversmooth_book.records import fingerprints, read_record
from oversmooth_book.runner import locked, why_due


def publish(book: Book, names=()) -> list[str]:
    """Commit-ready outputs: notebooks into ``chapters/``, tables, values and record into ``data/published/``.

    Args:
        book: the book.
        names: chapters to publish; none means all.

    Returns:
        One line per chapter.

    Raises:
        BookError: before anything is written, if any chapter's run is stale, of a changed tree, or fails a claim.
    """
    chapters = read_profiles(book.chapters / "profiles.yml")
    claims = read_claims(book.chapters / "claims.yml")
    unknown = [name for name in names if name not in chapters]
    if unknown:
        raise BookError(f"unknown chapter {', '.join(unknown)}; the book has {', '.join(chapters) or 'none'}")
    with locked(book, "published"):
        chosen = [chapters[name] for name in (names or chapters)]
        reasons = [f"{chapter.name}: {why}" for chapter in chosen if (why := _refusal(book, chapter, claims))]
        if reasons:
            raise BookError("not published: " + "; ".join(reasons))
        recover_folders(book.root / "data" / "published")
        return [_put(book, chapter.name) for chapter in chosen]


def _refusal(book: Book, chapter, claims: dict) -> str:
    """Why a chapter's run must not be published, empty if it may."""
    folder = book.run("published", chapter.name)
    stale = why_due(book, chapter.name, "published", fingerprints(book, chapter, "published", claims))
    if stale:
        return f"{stale}: run it first"
    record = read_record(folder)
    if record["commit"] is None or record["dirty"]:
        return "it ran on a tree with uncommitted changes: commit, then run --force"
    values = read_values(folder / "claims.json")
    for claim in of_chapter(claims, chapter.name):
        verdict = claim.verdict(values.get(claim.id), "published")
        # A claim that only the full profile can decide stays NOT RUN here, and is shown so.
        if verdict != PASS and claim.profile != "full":
            return f"claim {claim.id} is {verdict}: measured {values.get(claim.id)}, needed {claim.condition()}"
    return ""


def _put(book: Book, name: str) -> str:
    """Both places in two moves; killed between them, ``check`` tells, and publishing again mends it."""
    folder, place = book.run("published", name), book.published(name)
    scratch = scratch_folder(book, "published")
    scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{name}-publish-", dir=scratch))
    shutil.copytree(folder, work / "outputs")
    (work / "outputs" / f"{name}.ipynb").rename(work / "notebook")
    replace_folder(work / "outputs", place)
    (work / "notebook").replace(book.notebook(name))
    work.rmdir()
    return f"{name}: published; commit chapters/{name}.ipynb and data/published/{name}"
