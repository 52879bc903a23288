"""replicas: the published run again under other roundings, and what they say of the chapter's numbers."""

from dataclasses import replace
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.commits import code_version
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import fingerprints, numbers_fingerprint
from oversmooth_book.book.graphs import FETCH
from oversmooth_book.book.layout import recover_folders
from oversmooth_book.book.needs import missing_graphs
from oversmooth_book.book.notebooks import code_cells, read_notebook
from oversmooth_book.book.profiles import SECONDS, ChapterProfile
from oversmooth_book.book.proved import like
from oversmooth_book.book.records import make_record, outputs_intact, read_record, versions
from oversmooth_book.book.saved import read_table
from oversmooth_book.check.compare import compare_folders
from oversmooth_book.check.spread import (
    ENOUGH,
    LEAST,
    MARGIN,
    NO_DIGIT,
    Spread,
    measure_spread,
    merge,
    read_spread,
)
from oversmooth_book.run.execution import remove_leftovers
from oversmooth_book.run.runner import Report, ending_on_signals, locked, why_due, work

# In no spread: what it finds is a test of the others.
CHECK = "0"
# A run with randomised rounding takes about three times as long, training of small networks more.
PATIENCE = 6


def make_replicas(book: Book, names=(), count=ENOUGH, jobs=None, timeout=None, say=print, check=False) -> Report:
    """Run what is lacking of replicas 1 to ``count`` of the published run; each is kept as it ends.

    Replica 1 of every chapter comes first, so that an interrupted call leaves all chapters equally far. What the
    published spread has seen need not be run again, here or on another machine. Replica 0 is a test of the spread,
    which does not know it.

    Args:
        book: the book.
        names: chapters; none means all.
        count: replicas of each.
        jobs: chapters at work at once; None means one per core, at most four.
        timeout: seconds for one run; None means six times the published profile's limit.
        say: takes one line of report at a time.
        check: whether to make replica 0, too, in the end.

    Returns:
        What became of each.

    Raises:
        BookError: if a chapter is unknown, raw files are missing, or replicas are being made already.
    """
    chosen, report = book.chosen(names), Report()
    for chapter in chosen:
        missing = missing_graphs(book, chapter)
        if missing:
            raise BookError(f"{chapter.name}: no replica without the raw files of {', '.join(missing)}: call {FETCH}")
    with locked(book, "replicas"), ending_on_signals():
        remove_leftovers(book, "replicas")
        for chapter in chosen:
            recover_folders(book.replicas / chapter.name)
        known, numbers = [_known(book, chapter) for chapter in chosen], [*map(str, range(1, count + 1))]
        numbers += [CHECK] if check else []
        lacking = [
            (chapter, number)
            for number in numbers
            for chapter, seen in zip(chosen, known, strict=True)
            if number not in seen
        ]
        say(f"{len(lacking)} of {len(numbers) * len(chosen)} replicas to make")
        due = [(chapter, _record(book, chapter, number)) for chapter, number in lacking]
        work(book, "published", due, jobs, timeout or PATIENCE * SECONDS["published"], report, say)
    return report


def _known(book: Book, chapter: ChapterProfile) -> set[str]:
    """The replicas that are here, and those that the published spread was measured and confirmed by."""
    published = _published_spread(book, chapter)
    return {*valid_replicas(book, chapter), *published.replicas, *([CHECK] if published.confirmed else [])}


def _record(book: Book, chapter: ChapterProfile, number: str) -> dict:
    prints = fingerprints(book, chapter, "published")
    record = make_record(chapter, "published", prints, code_version(book))
    return {**record, "replica": number, "rounding": number, "numbers": numbers_fingerprint(book, chapter)}


def valid_replicas(book: Book, chapter: ChapterProfile) -> dict[str, Path]:
    """The replicas of a chapter whose modules, code, parameters and versions are those of today.

    Args:
        book: the book.
        chapter: the chapter.

    Returns:
        Number to folder.
    """
    numbers, found = numbers_fingerprint(book, chapter), {}
    for folder in sorted((book.replicas / chapter.name).glob("[0-9]*")):
        try:
            record = read_record(folder)
        except BookError:
            continue
        alike = record and record.get("numbers") == numbers and record["versions"] == versions()
        if alike and outputs_intact(folder, record):
            found[folder.name] = folder
    return found


def chapter_spread(book: Book, chapter: ChapterProfile, replicas: dict[str, Path]) -> Spread:
    """What all replicas say of the last published-profile run: those made here, and those published before.

    Args:
        book: the book.
        chapter: the chapter.
        replicas: what `valid_replicas` found.

    Returns:
        The spread; confirmed if there is a replica 0, whose `objections` are heard.

    Raises:
        BookError: if rounding decides the shape or the words of a table.
    """
    seen = {number: folder for number, folder in replicas.items() if number != CHECK}
    measured = measure_spread(book.run("published", chapter.name), seen)
    return merge(replace(measured, confirmed=CHECK in replicas), _published_spread(book, chapter))


def _published_spread(book: Book, chapter: ChapterProfile) -> Spread:
    """The published spread, if it holds today: for the same code, or for other code that gives the same numbers."""
    run, published = book.run("published", chapter.name), book.published(chapter.name)
    try:
        known, before = read_spread(published, numbers_fingerprint(book, chapter)), read_spread(published)
    except BookError:  # damaged: what the replicas here say is all that is known
        return Spread()
    if known.replicas or not before.measured:
        return known
    stale = why_due(book, chapter, "published", fingerprints(book, chapter, "published"))
    return known if stale or compare_folders(book, chapter, run, published) else before


def objections(
    book: Book, chapter: ChapterProfile, spread: Spread, replicas: dict[str, Path], provisional=False
) -> list[str]:
    """What must not be published, for another machine would say something else.

    Args:
        book: the book.
        chapter: the chapter.
        spread: the chapter's.
        replicas: what `valid_replicas` found.
        provisional: whether fewer replicas than needed will do.

    Returns:
        One sentence for each.
    """
    if not (spread.measured or provisional):
        return [
            f"it has {len(spread.replicas)} of {ENOUGH} replicas, and needs {LEAST} at least: "
            f"call python -m oversmooth_book replicas {chapter.name}"
        ]
    folder, own = book.run("published", chapter.name), book.claims_of(chapter)
    return [
        *_unsafe_claims(own, read_values(folder / "claims.json"), spread),
        *_empty_columns(folder, spread),
        *_changed_texts(folder, chapter.name, replicas),
        *_surprises(book, chapter, spread, replicas),
    ]


def _surprises(book: Book, chapter: ChapterProfile, spread: Spread, replicas: dict[str, Path]) -> list[str]:
    """What replica 0 finds farther from the run than the spread of the others allows."""
    if CHECK not in replicas:
        return []
    found = compare_folders(book, chapter, replicas[CHECK], book.run("published", chapter.name), spread=spread)
    return [f"replica {CHECK}, in no spread: {text}" for text in found]


def _unsafe_claims(claims: list, values: dict, spread: Spread) -> list[str]:
    """Claims whose verdict flips in a replica, or whose distance to the threshold is a few spreads only."""
    found = []
    for claim in claims:
        value, width = values.get(claim.id), spread.of_claim(claim.id)
        if value is None or not width:
            continue
        extremes = spread.claims[claim.id]
        verdicts = {claim.verdict(number, "full") for number in (value, *(like(value, end) for end in extremes))}
        margin = min(abs(value - end) for end in claim.ends)
        if len(verdicts) > 1:
            found.append(f"claim {claim.id} passes or fails by rounding: {extremes[0]:.6g} to {extremes[1]:.6g}")
        elif margin < MARGIN * width:
            found.append(f"claim {claim.id} is {margin / width:.1f} spreads from its threshold, needs {MARGIN:g}")
    return found


def _empty_columns(folder: Path, spread: Spread) -> list[str]:
    """Columns of tables in which rounding leaves no number a digit."""
    import numpy
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    found = []
    for path in sorted((folder / "tables").glob("*.csv")):
        table = read_table(path)
        for column in table:
            if not is_numeric_dtype(table[column]) or is_bool_dtype(table[column]):
                continue
            values, own = table[column].to_numpy(float), spread.of_column(path.stem, table, column)
            lost = own > NO_DIGIT * numpy.abs(values)
            if own.any() and (lost | (values == 0) | ~numpy.isfinite(values)).all():
                found.append(f"table {path.name}, column {column}: no number keeps a digit: do not save it")
    return found


def _changed_texts(folder: Path, name: str, replicas: dict[str, Path]) -> list[str]:
    """Printed or glued texts in which a replica prints other digits."""
    found, ours = {}, _texts(folder / f"{name}.ipynb")
    for number, other in replicas.items():
        theirs = _texts(other / f"{name}.ipynb")
        for key in ours:
            if ours[key] != theirs.get(key):
                found.setdefault(key, f"{key} says {ours[key]!r}, in replica {number} {theirs.get(key)!r}")
    return list(found.values())


def _texts(path: Path) -> dict[str, str]:
    """What the cells of a notebook print, line by line, and what they glue and show as text."""
    found = {}
    for place, cell in enumerate(code_cells(read_notebook(path)), start=1):
        outputs, where = cell.get("outputs", []), f"code cell {place}"
        # A kernel sends what is printed in pieces, cut where it likes.
        printed = "".join(str(output.get("text", "")) for output in outputs).splitlines()
        found |= {f"{where}, line {number}": text for number, text in enumerate(printed, start=1)}
        for output in outputs:
            data, glued = output.get("data", {}), output.get("metadata", {}).get("scrapbook", {}).get("name")
            if glued:
                found[f"the glued {glued}"] = "".join(map(str, data.values()))
            elif "image/png" not in data:
                found |= {f"{where}, its {kind}": str(text) for kind, text in data.items()}
    return found
