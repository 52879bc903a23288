"""compare: your run against the published one, claim by claim and table by table, and why they may differ."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.figures import drawn_tables
from oversmooth_book.book.fingerprints import INPUTS, changes, fingerprints
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.borrowing import read_borrowed
from oversmooth_book.check.differences import (
    DIFFERS,
    NOT_HERE,
    Difference,
    classify,
    gaps,
    in_spreads,
    table_difference,
)
from oversmooth_book.check.spread import ENOUGH, PRINTED, Spread, allowed_of_claim, read_spread

NO_CAUSE = "Nothing on record tells the two runs apart."
UNKNOWN = "not recorded"


@dataclass
class Comparison:
    """One chapter, here and published."""

    name: str
    replicas: int = 0
    note: str = ""
    differences: list[Difference] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    figures: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        """How many claims and tables are in a state."""
        return sum(difference.state == state for difference in self.differences)

    def total(self, what: str) -> int:
        """How many numbers, over all claims and tables: ``numbers``, ``moved`` or ``off``."""
        return sum(getattr(difference, what) for difference in self.differences)

    @property
    def verdict(self) -> str:
        """The chapter in one line."""
        if self.note:
            return self.note
        numbers, moved, off = (self.total(what) for what in ("numbers", "moved", "off"))
        few = "" if self.replicas >= ENOUGH else f", measured by {self.replicas} of {ENOUGH} replicas"
        parts = [f"{numbers} numbers", f"{moved} moved within their spread{few}", f"{off} beyond it"]
        parts += [f"not run here: what needs {', '.join(self.missing)}"] if self.missing else []
        return f"{'DIFFERS' if off else 'agrees'}: {'; '.join(parts)}"


def compare(book: Book) -> tuple[list[Comparison], bool]:
    """Compare the last published-profile run with ``data/published``.

    Args:
        book: the book.

    Returns:
        (a comparison per chapter, whether everything that could be compared agrees).
    """
    found = [_compare_chapter(book, chapter) for chapter in book.profiles.values()]
    not_run = [comparison for comparison in found if comparison.note.startswith(("not run yet", "stale"))]
    return found, not (not_run or any(comparison.count(DIFFERS) for comparison in found))


def verdicts_line(book: Book, comparisons: list[Comparison]) -> str:
    """What a reader asks first: whether every verdict is the same.

    Args:
        book: the book.
        comparisons: of all chapters.

    Returns:
        One sentence.
    """
    found = [item for comparison in comparisons for item in comparison.differences if item.kind == "claim"]
    compared = [item for item in found if item.state != NOT_HERE]
    other = [item.name for item in compared if item.flipped]
    rest = len(book.claims) - len(compared)
    head = f"{', '.join(other)}: another verdict than published" if other else f"All {len(compared)} verdicts agree"
    return head + (f"; {rest} claims were not run here." if rest else ".")


def _compare_chapter(book: Book, chapter: ChapterProfile) -> Comparison:
    name, comparison = chapter.name, Comparison(chapter.name)
    mine, theirs = book.run("published", name), book.published(name)
    if not (theirs / "record.json").is_file():
        comparison.note = "nothing published yet"
    elif not mine.is_dir():
        comparison.note = f"not run yet: python -m oversmooth_book run {name}"
    elif stale := _changed_since(book, chapter, mine):
        comparison.note = f"stale (changed: {', '.join(stale)}): python -m oversmooth_book run {name}"
    else:
        comparison.replicas = len(read_spread(theirs).replicas)
        comparison.missing = (read_record(mine) or {}).get("missing", [])
        comparison.differences = differences(book, chapter, mine, theirs)
        comparison.causes = causes(mine, theirs)
        comparison.figures = _figures(mine, name)
    return comparison


def _changed_since(book: Book, chapter: ChapterProfile, mine: Path) -> list[str]:
    """What a run depends on and has changed since; a run without a record is compared as it is."""
    record = read_record(mine)
    if record is None:
        return []
    prints = fingerprints(book, chapter, "published")
    return changes(
        record["fingerprints"], prints | {"claims": record["fingerprints"].get("claims")}
    )  # judged anew here


def _figures(mine: Path, name: str) -> dict[str, list[str]]:
    """The captions of the figures that draw each table."""
    tables = sorted((mine / "tables").glob("*.csv"))
    found = {}
    try:
        notebook = read_notebook(mine / f"{name}.ipynb")
    except BookError:
        return found
    for cell, drawn in zip(notebook.cells, drawn_tables(notebook, tables), strict=True):
        for path in drawn or []:
            found.setdefault(path.name, []).append(cell.metadata["mystnb"]["figure"].get("name", "a figure"))
    return found


def differences(
    book: Book, chapter: ChapterProfile, mine: Path, theirs: Path, missing=(), spread: Spread | None = None
) -> list[Difference]:
    """Two runs of one chapter, claim by claim and table by table.

    Args:
        book: the book.
        chapter: the chapter.
        mine: folder with ``tables`` and ``claims.json``.
        theirs: likewise, published, with ``rounding.json``.
        missing: graphs that the first run lacked, besides those that its record names.
        spread: of the second run, if it is not in its folder yet.

    Returns:
        A difference per claim and per table, identical ones too.
    """
    spread, borrowed = read_spread(theirs) if spread is None else spread, read_borrowed(mine)
    ours, published = read_values(mine / "claims.json"), read_values(theirs / "claims.json")
    away = {graph for graphs in borrowed.values() for graph in graphs}
    away |= {*missing, *(read_record(mine) or {}).get("missing", [])}
    found = [
        _claim_difference(claim, ours.get(claim.id), published.get(claim.id), spread, away.intersection(claim.needs))
        for claim in book.claims_of(chapter)
    ]
    names = sorted({path.name for folder in (mine, theirs) for path in (folder / "tables").glob("*.csv")})
    for name in names:
        pair = (folder / "tables" / name for folder in (mine, theirs))
        found.append(table_difference(*pair, spread, borrowed.get(Path(name).stem, ())))
    return found


def compare_folders(book: Book, chapter: ChapterProfile, mine: Path, theirs: Path, **options) -> list[str]:
    """One sentence per difference of two runs beyond what rounding does; see ``differences``."""
    return [text for found in differences(book, chapter, mine, theirs, **options) for text in found.texts]


def _claim_difference(claim, ours: float | None, published: float | None, spread: Spread, away: set) -> Difference:
    """A claim differs when its verdict does, or its value by more than rounding."""
    if ours is None and away:
        return Difference("claim", claim.id, NOT_HERE, numbers=0)
    verdicts = [claim.verdict(value, "published") for value in (ours, published)]
    numbers = [math.nan if value is None else value for value in (ours, published)]
    limit = allowed_of_claim(claim, published, spread) if published is not None else 0.0
    relative, off = gaps(numbers[:1], numbers[1:], [limit])
    flipped = verdicts[0] != verdicts[1]
    off = bool(off[0]) or flipped or None in (ours, published)
    text = f"claim {claim.id}: {ours} ({verdicts[0]}) here, {published} ({verdicts[1]}) published"
    if None not in (ours, published):
        text += f", {in_spreads(abs(ours - published), spread.of_claim(claim.id))}"
    gap = float(relative[0])
    counts = {"moved": int(gap > PRINTED and not off), "off": int(off), "flipped": flipped}
    return Difference("claim", claim.id, classify(gap, off), gap, (text,) if off else (), **counts)


def causes(mine: Path, theirs: Path) -> list[str]:
    """Why two runs may differ, as their records tell.

    Args:
        mine: folder with ``record.json``.
        theirs: likewise, published.

    Returns:
        One sentence per thing that differs between the records, or between a record and its files.
    """
    ours, published = read_record(mine), read_record(theirs)
    if ours is None or published is None:
        return [f"There is no record of the run {'here' if ours is None else 'that was published'}."]
    found, same = [], []
    for key, title in (("parameters", "Parameters"), ("versions", "Versions"), ("machine", "Machine")):
        left, right = ours[key], published[key]
        same += [title.lower()] if left == right else []
        parts = [
            f"{name} {left.get(name, UNKNOWN)} here, {right.get(name, UNKNOWN)} published"
            for name in sorted({*left, *right})
            if left.get(name) != right.get(name)
        ]
        found += [f"{title}: {'; '.join(parts)}."] if parts else []
    changed = changes(published["fingerprints"], ours["fingerprints"])
    other = [words for words in changed if words != INPUTS["parameters"]]
    found += [f"Changed since the published run: {', '.join(other)}."] if other else []
    for folder, record, where in ((mine, ours, "here"), (theirs, published, "published")):
        altered = outputs_differ(folder, record)
        found += [f"Altered after the run, {where}: {', '.join(altered)}."] if altered else []
        if record.get("rounding"):
            found.append(f"Run with OVERSMOOTH_ROUNDING={record['rounding']}, {where}: a replica rounds otherwise.")
    if not found and "model" not in ours["machine"]:
        found.append("The records do not name the processors: run again to find out.")
    return (found or [NO_CAUSE]) + ([f"The same in both records: {', '.join(same)}."] if same else [])


def lines(book: Book, comparisons: list[Comparison]) -> list[str]:
    """The report for a terminal."""
    found = [verdicts_line(book, comparisons)]
    for comparison in comparisons:
        found.append(f"{comparison.name}: {comparison.verdict}")
        found += [f"  {text}" for difference in comparison.differences for text in difference.texts]
        if comparison.count(DIFFERS) or comparison.total("moved"):
            found += [f"  {cause}" for cause in comparison.causes]
    return found
