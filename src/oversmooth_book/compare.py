"""compare: your run against the published one, claim by claim and table by table, and why they may differ."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from oversmooth_book.claims import of_chapter, read_claims, read_values
from oversmooth_book.differences import DIFFERS, IDENTICAL, ROUNDING, Difference, classify, gaps, table_difference
from oversmooth_book.layout import Book, BookError
from oversmooth_book.notebooks import read_notebook
from oversmooth_book.pages import drawn_tables
from oversmooth_book.profiles import ChapterProfile, missing_graphs, read_profiles
from oversmooth_book.records import INPUTS, changes, fingerprints, outputs_differ, read_record

NO_CAUSE = "Nothing on record tells the two runs apart."


@dataclass
class Comparison:
    """One chapter, here and published."""

    name: str
    tolerance: float
    note: str = ""
    differences: list[Difference] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    figures: dict[str, list[str]] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """How many claims and tables are in a state."""
        return sum(difference.state == state for difference in self.differences)

    @property
    def verdict(self) -> str:
        """The chapter in one line."""
        if self.note:
            return self.note
        found = [difference.largest for difference in self.differences if difference.state == ROUNDING]
        rounding = f" (up to {max(found):.1g})" if found else ""
        identical, rounded, differ = (self.count(state) for state in (IDENTICAL, ROUNDING, DIFFERS))
        return (
            f"{'DIFFERS' if differ else 'agrees'} (tolerance {self.tolerance:g}): "
            f"{identical} identical, {rounded} rounding{rounding}, {differ} differ"
        )


def compare(book: Book) -> tuple[list[Comparison], bool]:
    """Compare the last published-profile run with ``data/published``.

    Args:
        book: the book.

    Returns:
        (a comparison per chapter, whether everything that could be compared agrees).
    """
    claims = read_claims(book.chapters / "claims.yml")
    chapters = read_profiles(book.chapters / "profiles.yml").values()
    found = [_compare_chapter(book, chapter, claims) for chapter in chapters]
    not_run = [comparison for comparison in found if comparison.note.startswith(("not run yet", "stale"))]
    return found, not (not_run or any(comparison.count(DIFFERS) for comparison in found))


def _compare_chapter(book: Book, chapter: ChapterProfile, claims: dict) -> Comparison:
    name, comparison = chapter.name, Comparison(chapter.name, chapter.tolerance)
    mine, theirs = book.run("published", name), book.published(name)
    if not (theirs / "record.json").is_file():
        comparison.note = "nothing published yet"
    elif missing := missing_graphs(chapter):
        comparison.note = f"NOT RUN: no raw files of {', '.join(missing)} here"
    elif not mine.is_dir():
        comparison.note = f"not run yet: python -m oversmooth_book run {name}"
    elif stale := _changed_since(book, chapter, claims, mine):
        comparison.note = f"stale (changed: {', '.join(stale)}): python -m oversmooth_book run {name}"
    else:
        comparison.differences = differences(mine, theirs, chapter, claims)
        comparison.causes = causes(mine, theirs)
        comparison.figures = _figures(mine, name)
    return comparison


def _changed_since(book: Book, chapter: ChapterProfile, claims: dict, mine: Path) -> list[str]:
    """What a run depends on and has changed since; a run without a record is compared as it is."""
    record = read_record(mine)
    if record is None:
        return []
    prints = fingerprints(book, chapter, "published", claims)
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


def differences(mine: Path, theirs: Path, chapter: ChapterProfile, claims: dict) -> list[Difference]:
    """Two runs of one chapter, claim by claim and table by table.

    Args:
        mine: folder with ``tables`` and ``claims.json``.
        theirs: likewise, published.
        chapter: whose tolerance counts.
        claims: all claims of the book.

    Returns:
        A difference per claim and per table, identical ones too.
    """
    ours, published = read_values(mine / "claims.json"), read_values(theirs / "claims.json")
    found = [
        _claim_difference(claim, ours.get(claim.id), published.get(claim.id), chapter.tolerance)
        for claim in of_chapter(claims, chapter.name)
    ]
    names = sorted({path.name for folder in (mine, theirs) for path in (folder / "tables").glob("*.csv")})
    tables = ((folder / "tables" / name for folder in (mine, theirs)) for name in names)
    return found + [table_difference(*pair, chapter.tolerance) for pair in tables]


def compare_folders(mine: Path, theirs: Path, chapter: ChapterProfile, claims: dict) -> list[str]:
    """One sentence per difference of two runs beyond the chapter's tolerance; see ``differences``."""
    return [text for difference in differences(mine, theirs, chapter, claims) for text in difference.texts]


def _claim_difference(claim, ours: float | None, published: float | None, tolerance: float) -> Difference:
    """A claim differs when its value or its verdict does."""
    verdicts = [claim.verdict(value, "published") for value in (ours, published)]
    numbers = [math.nan if value is None else value for value in (ours, published)]
    relative, off = gaps(numbers[:1], numbers[1:], tolerance)
    off = bool(off[0]) or verdicts[0] != verdicts[1] or None in (ours, published)
    text = f"claim {claim.id}: {ours} ({verdicts[0]}) here, {published} ({verdicts[1]}) published"
    gap = float(relative[0])
    return Difference("claim", claim.id, classify(gap, off), gap, (text,) if off else ())


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
            f"{name} {left.get(name)} here, {right.get(name)} published"
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
    return (found or [NO_CAUSE]) + ([f"The same in both records: {', '.join(same)}."] if same else [])


def lines(comparisons: list[Comparison]) -> list[str]:
    """The report for a terminal."""
    found = []
    for comparison in comparisons:
        found.append(f"{comparison.name}: {comparison.verdict}")
        found += [f"  {text}" for difference in comparison.differences for text in difference.texts]
        if comparison.count(DIFFERS):
            found += [f"  {cause}" for cause in comparison.causes]
    return found
