"""publish: put a good run of the published or the full profile into the repository, whole or not at all."""

import contextlib
import shutil
import tempfile
from functools import partial
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, PASS, read_values
from oversmooth_book.book.commits import has_changes
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import fingerprints, numbers_fingerprint
from oversmooth_book.book.layout import recover_folders, replace_folder
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_intact, read_record
from oversmooth_book.check.spread import ENOUGH, write_spread
from oversmooth_book.publish.replicas import chapter_spread, objections
from oversmooth_book.run.execution import scratch_folder
from oversmooth_book.run.runner import locked, why_due


def publish(book: Book, names=(), profile: str = "published", provisional: bool = False) -> list[str]:
    """Commit-ready outputs: notebooks into ``chapters/``, tables, values and record into ``data/published/``.

    A full-profile run leaves the notebook as it is: its tables, values and record go to ``data/published/*/full/``.

    Args:
        book: the book.
        names: chapters to publish; none means all (of the full profile, all that ran).
        profile: published or full.
        provisional: publish with fewer replicas than tolerances need; they are wide, then, and the page says so.

    Returns:
        One line per chapter.

    Raises:
        BookError: before anything is written, if any chapter's run is stale, of a changed tree, or fails a claim.
    """
    refusal, put = (_full_refusal, _put_full) if profile == "full" else (partial(_refusal, provisional), _put)
    with locked(book, profile), locked(book, "published") if profile == "full" else contextlib.nullcontext():
        chosen = book.chosen(names) if names else _ready(book, profile)
        reasons = [f"{chapter.name}: {why}" for chapter in chosen if (why := refusal(book, chapter))]
        if reasons:
            raise BookError("not published: " + "; ".join(reasons))
        recover_folders(book.root / "data" / "published")
        return [put(book, chapter) for chapter in chosen]


def _ready(book: Book, profile: str) -> list[ChapterProfile]:
    chapters = book.chosen()
    if profile == "published":
        return chapters
    found = [chapter for chapter in chapters if book.run("full", chapter.name).is_dir()]
    if not found:
        raise BookError("not published: no chapter has a run of the full profile: run --profile full first")
    return found


def _refusal(provisional: bool, book: Book, chapter: ChapterProfile) -> str:
    """Why a chapter's run must not be published, empty if it may."""
    folder = book.run("published", chapter.name)
    stale = why_due(book, chapter, "published", fingerprints(book, chapter, "published"))
    if stale:
        return f"{stale}: run it first"
    record = read_record(folder)
    if why := _unfit(record):
        return why
    values = read_values(folder / "claims.json")
    for claim in book.claims_of(chapter):
        verdict = claim.verdict(values.get(claim.id), "published")
        # A claim that only the full profile can decide stays NOT RUN here, and is shown so.
        if verdict != PASS and claim.profile != "full":
            return f"claim {claim.id} is {verdict}: measured {values.get(claim.id)}, needed {claim.condition()}"
    try:
        return "; ".join(objections(book, chapter, chapter_spread(book, chapter), provisional))
    except BookError as error:
        return str(error)


def _unfit(record: dict) -> str:
    """Why no run with this record may be published, empty if one may."""
    if record["commit"] is None or record["dirty"]:
        return "it ran on a tree with uncommitted changes: commit, then run --force"
    if record.get("missing"):
        return f"it ran without the raw files of {', '.join(record['missing'])}: fetch them and run it again"
    if record.get("rounding"):
        return f"it ran with OVERSMOOTH_ROUNDING={record['rounding']}: unset it, then run --force"
    return ""


def _full_refusal(book: Book, chapter: ChapterProfile) -> str:
    """Why a full run must not be published; it may be older than ``src/``, for it names its commit."""
    folder = book.run("full", chapter.name)
    record = read_record(folder)
    if record is None:
        return "it has no run of the full profile: run --profile full first"
    if not outputs_intact(folder, record):
        return "its outputs were altered: run it again"
    if why := _unfit(record):
        return why
    if has_changes(book, "chapters/claims.yml", "chapters/profiles.yml"):
        return "claims.yml or profiles.yml, which judge it, have uncommitted changes: commit them"
    if record["parameters"] != chapter.parameters("full"):
        return "it ran with other parameters than profiles.yml has for the full profile: run it again"
    values = read_values(folder / "claims.json")
    for claim in book.claims_of(chapter):
        # A claim written after the run stays NOT RUN, and is shown so.
        if claim.verdict(values.get(claim.id), "full") == FAIL:
            return f"claim {claim.id} is {FAIL}: measured {values[claim.id]}, needed {claim.condition()}"
    return ""


def _copy(book: Book, profile: str, name: str) -> Path:
    """A copy of a run in a scratch folder, its notebook beside its other outputs."""
    scratch = scratch_folder(book, profile)
    scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{name}-publish-", dir=scratch))
    shutil.copytree(book.run(profile, name), work / "outputs")
    (work / "outputs" / f"{name}.ipynb").rename(work / "notebook")
    return work


def _put_full(book: Book, chapter: ChapterProfile) -> str:
    name = chapter.name
    work = _copy(book, "full", name)
    replace_folder(work / "outputs", book.published_full(name))
    shutil.rmtree(work)
    return f"{name}: published; commit data/published/{name}/full"


def _put(book: Book, chapter: ChapterProfile) -> str:
    """Both places in two moves; killed between them, ``check`` tells, and publishing again mends it."""
    name, spread = chapter.name, chapter_spread(book, chapter)
    work, place, full = _copy(book, "published", name), book.published(name), book.published_full(name)
    recover_folders(place)
    if full.is_dir():
        shutil.copytree(full, work / "outputs" / full.name)
    write_spread(work / "outputs", spread, numbers_fingerprint(book, chapter))
    replace_folder(work / "outputs", place)
    (work / "notebook").replace(book.notebook(name))
    work.rmdir()
    lacking = ENOUGH - len(spread.replicas)
    note = f" ({len(spread.replicas)} replicas; {lacking} more and publishing again would judge better)"
    return f"{name}: published; commit chapters/{name}.ipynb and data/published/{name}{note if lacking > 0 else ''}"
