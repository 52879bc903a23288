"""publish: put a good run of the published or the full profile into the repository, whole or not at all."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from oversmooth_book.attack.robustness import FILE, read_robustness, weak
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, read_values
from oversmooth_book.book.commits import has_changes, in_history
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import fingerprints, numbers_fingerprint
from oversmooth_book.book.layout import recover_folders, replace_folder
from oversmooth_book.book.notebooks import read_notebook, with_outputs, write_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_differ, outputs_intact, read_record
from oversmooth_book.check.spread import ENOUGH, Spread, read_spread, write_spread
from oversmooth_book.publish.replicas import chapter_spread, objections, valid_replicas
from oversmooth_book.run.execution import scratch_folder
from oversmooth_book.run.runner import locked, why_due

SAME = "every output is the same as published"


def publish(book: Book, names=(), profile: str = "published", provisional: bool = False) -> list[str]:
    """Commit-ready outputs: notebooks into ``chapters/``, tables, values and record into ``data/published/``.

    A full-profile run leaves the notebook as it is: its tables, values and record go to ``data/published/*/full/``.
    What came out the same as published is not written again: its record tells of the run that first gave it.

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
    with locked(book, profile), locked(book, "published") if profile == "full" else contextlib.nullcontext():
        recover_folders(book.root / "data" / "published")
        spreads, reasons = [], []
        for chapter in book.chosen(names) if names else _ready(book, profile):
            try:
                judged = _judge_full(book, chapter) if profile == "full" else _judge(book, chapter, provisional)
                spreads.append((chapter, judged))
            except BookError as error:
                reasons.append(f"{chapter.name}: {error}")
        if reasons:
            raise BookError("not published: " + "; ".join(reasons))
        if profile == "full":
            return [_put_full(book, chapter) for chapter, _ in spreads]
        return [_put(book, chapter, spread) for chapter, spread in spreads]


def _ready(book: Book, profile: str) -> list[ChapterProfile]:
    chapters = book.chosen()
    if profile == "published":
        return chapters
    found = [chapter for chapter in chapters if book.run("full", chapter.name).is_dir()]
    if not found:
        raise BookError("not published: no chapter has a run of the full profile: run --profile full first")
    return found


def _judge(book: Book, chapter: ChapterProfile, provisional: bool) -> Spread:
    """The spread of a chapter's run, if it may be published.

    Args:
        book: the book.
        chapter: the chapter.
        provisional: whether fewer replicas than needed will do.

    Returns:
        The spread.

    Raises:
        BookError: saying why the run must not be published.
    """
    folder = book.run("published", chapter.name)
    stale = why_due(book, chapter, "published", fingerprints(book, chapter, "published"))
    if stale:
        raise BookError(f"{stale}: run it first")
    _refuse_unfit(read_record(folder))
    values = read_values(folder / "claims.json")
    for claim in book.claims_of(chapter):
        # A claim that only the full profile can decide stays NOT RUN here, and is shown so.
        if claim.profile != "full" and not claim.holds(values.get(claim.id), "published"):
            verdict = claim.verdict(values.get(claim.id), "published")
            raise BookError(
                f"claim {claim.id} is {verdict}: measured {values.get(claim.id)}, needed {claim.condition()}"
            )
    found = weak(read_robustness(book.published(chapter.name), book.claims))
    if found:
        raise BookError("; ".join(found))
    replicas = valid_replicas(book, chapter)
    spread = chapter_spread(book, chapter, replicas)
    found = objections(book, chapter, spread, replicas, provisional)
    if found:
        raise BookError("; ".join(found))
    return spread


def _refuse_unfit(record: dict) -> None:
    """Refuse a run that no record like this may be published of."""
    if record["commit"] is None or record["dirty"]:
        raise BookError("it ran on a tree with uncommitted changes: commit, then run --force")
    if record.get("missing"):
        raise BookError(f"it ran without the raw files of {', '.join(record['missing'])}: fetch them and run it again")
    if record.get("rounding"):
        raise BookError(f"it ran with OVERSMOOTH_ROUNDING={record['rounding']}: unset it, then run --force")


def _judge_full(book: Book, chapter: ChapterProfile) -> None:
    """Refuse a full run that must not be published; it may be older than ``src/``, for it names its commit.

    Args:
        book: the book.
        chapter: the chapter.

    Raises:
        BookError: saying why.
    """
    folder = book.run("full", chapter.name)
    record = read_record(folder)
    if record is None:
        raise BookError("it has no run of the full profile: run --profile full first")
    if not outputs_intact(folder, record):
        raise BookError("its outputs were altered: run it again")
    _refuse_unfit(record)
    if has_changes(book, "chapters/claims.yml", "chapters/profiles.yml"):
        raise BookError("claims.yml or profiles.yml, which judge it, have uncommitted changes: commit them")
    if record["parameters"] != chapter.parameters("full"):
        raise BookError("it ran with other parameters than profiles.yml has for the full profile: run it again")
    values = read_values(folder / "claims.json")
    for claim in book.claims_of(chapter):
        # A claim written after the run stays NOT RUN, and is shown so.
        if claim.verdict(values.get(claim.id), "full") == FAIL:
            raise BookError(f"claim {claim.id} is {FAIL}: measured {values[claim.id]}, needed {claim.condition()}")


def _same_outputs(book: Book, run: Path, place: Path) -> bool:
    """Whether the outputs at ``place`` are sound, those of this run, and of code that a reader finds in the history."""
    try:
        ours, theirs = read_record(run), read_record(place)
        read_spread(place)
    except BookError:  # damaged: published again it is sound
        return False
    if ours is None or theirs is None or outputs_differ(place, theirs):
        return False
    if ours["fingerprints"]["notebook"] != theirs["fingerprints"]["notebook"]:
        return False  # other code in its cells: the record must vouch for it, whatever it gave
    if not in_history(book, theirs["commit"]) and in_history(book, ours["commit"]):
        return False  # of a branch that was lost or never merged
    return all(ours[part] == theirs[part] for part in ("parameters", "outputs"))


def _copy(book: Book, profile: str, name: str) -> Path:
    """A copy of a run's outputs, but for its notebook, in a scratch folder."""
    scratch = scratch_folder(book, profile)
    scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{name}-publish-", dir=scratch))
    shutil.copytree(book.run(profile, name), work / "outputs")
    (work / "outputs" / f"{name}.ipynb").unlink()
    return work


def _filled(book: Book, name: str):
    """The chapter as it stands, with the outputs of its run."""
    run = read_notebook(book.run("published", name) / f"{name}.ipynb")
    return with_outputs(read_notebook(book.notebook(name)), run)


def _put_full(book: Book, chapter: ChapterProfile) -> str:
    name, place = chapter.name, book.published_full(chapter.name)
    if _same_outputs(book, book.run("full", name), place):
        return f"{name}: {SAME}; nothing written"
    work = _copy(book, "full", name)
    replace_folder(work / "outputs", place)
    shutil.rmtree(work)
    return f"{name}: published; commit data/published/{name}/full"


def _put(book: Book, chapter: ChapterProfile, spread: Spread) -> str:
    """Write what differs from the published run, and say what to commit."""
    name, place, run = chapter.name, book.published(chapter.name), book.run("published", chapter.name)
    numbers, lacking = numbers_fingerprint(book, chapter), ENOUGH - len(spread.replicas)
    note = f" ({len(spread.replicas)} replicas; {lacking} more and publishing again would judge better)"
    note = note if lacking > 0 else ""
    if not _same_outputs(book, run, place) or _filled(book, name) != read_notebook(book.notebook(name)):
        _put_outputs(book, name, spread, numbers)
        return f"{name}: published; commit chapters/{name}.ipynb and data/published/{name}{note}"
    if read_spread(place) == spread:
        return f"{name}: {SAME}; nothing written{note}"
    write_spread(place, spread, numbers)
    return f"{name}: {SAME}, but not its spread; commit data/published/{name}/rounding.json{note}"


def _put_outputs(book: Book, name: str, spread: Spread, numbers: str) -> None:
    """Both places in two moves; killed between them, ``check`` tells, and publishing again mends it."""
    work, place, full = _copy(book, "published", name), book.published(name), book.published_full(name)
    recover_folders(place)
    if full.is_dir():
        shutil.copytree(full, work / "outputs" / full.name)
    if (place / FILE).is_file():  # what the attack found is no output of a run
        shutil.copy(place / FILE, work / "outputs")
    write_spread(work / "outputs", spread, numbers)
    write_notebook(_filled(book, name), work / "notebook")
    replace_folder(work / "outputs", place)
    (work / "notebook").replace(book.notebook(name))
    work.rmdir()
