"""compare: your run against the published one, claim by claim and table by table."""

from pathlib import Path

from oversmooth_book.claims import of_chapter, read_claims, read_values
from oversmooth_book.layout import Book
from oversmooth_book.profiles import ChapterProfile, missing_graphs, read_profiles

# Signals start at size one, and float64 rounds at 1e-16: below this two machines agree on no digit.
ABSOLUTE = 1e-12


def compare(book: Book) -> tuple[list[str], bool]:
    """Compare the last published-profile run with ``data/published``.

    Args:
        book: the book.

    Returns:
        (lines of the report, whether everything that could be compared agrees).
    """
    claims = read_claims(book.chapters / "claims.yml")
    lines, agree = [], True
    for name, chapter in read_profiles(book.chapters / "profiles.yml").items():
        mine, theirs = book.run("published", name), book.published(name)
        if not (theirs / "record.json").is_file():
            lines.append(f"{name}: nothing published yet")
        elif (missing := missing_graphs(chapter)) and not mine.is_dir():
            lines.append(f"{name}: NOT RUN: no raw files of {', '.join(missing)} here")
        elif not mine.is_dir():
            lines.append(f"{name}: not run yet: python -m oversmooth_book run {name}")
            agree = False
        else:
            differences = compare_folders(mine, theirs, chapter, claims)
            lines.append(f"{name}: {'DIFFERS' if differences else 'agrees'} (tolerance {chapter.tolerance:g})")
            lines += [f"  {difference}" for difference in differences]
            agree = agree and not differences
    return lines, agree


def compare_folders(mine: Path, theirs: Path, chapter: ChapterProfile, claims: dict) -> list[str]:
    """Differences between two runs of one chapter.

    Args:
        mine: folder with ``tables`` and ``claims.json``.
        theirs: likewise, published.
        chapter: whose tolerance counts.
        claims: all claims of the book.

    Returns:
        One sentence per difference beyond the tolerance.
    """
    ours, published = read_values(mine / "claims.json"), read_values(theirs / "claims.json")
    found = []
    for claim in of_chapter(claims, chapter.name):
        pair = ours.get(claim.id), published.get(claim.id)
        if None in pair or not _close(*pair, chapter.tolerance):
            verdicts = [claim.verdict(value, "published") for value in pair]
            found.append(f"claim {claim.id}: {pair[0]} ({verdicts[0]}) here, {pair[1]} ({verdicts[1]}) published")
    names = sorted({path.name for folder in (mine, theirs) for path in (folder / "tables").glob("*.csv")})
    for name in names:
        found += compare_tables(mine / "tables" / name, theirs / "tables" / name, chapter.tolerance)
    return found


def _close(left: float, right: float, tolerance: float) -> bool:
    return abs(left - right) <= tolerance * max(abs(left), abs(right)) + ABSOLUTE


def compare_tables(mine: Path, theirs: Path, tolerance: float) -> list[str]:
    """Differences between two CSV files of the same table.

    Args:
        mine: one file.
        theirs: the other.
        tolerance: relative difference that counts as equal.

    Returns:
        At most one sentence per column.
    """
    import pandas

    if not (mine.is_file() and theirs.is_file()):
        return [f"table {mine.name}: only {'published' if theirs.is_file() else 'here'}"]
    left, right = pandas.read_csv(mine), pandas.read_csv(theirs)
    if list(left.columns) != list(right.columns) or len(left) != len(right):
        return [
            f"table {mine.name}: {len(left)} rows of {list(left.columns)} here, "
            f"{len(right)} rows of {list(right.columns)} published"
        ]
    found = (_column_difference(left[name], right[name], tolerance) for name in left.columns)
    return [f"table {mine.name}, column {text}" for text in found if text]


def _column_difference(left, right, tolerance: float) -> str:
    import numpy
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(left) and is_numeric_dtype(right):
        pair = left.to_numpy(float), right.to_numpy(float)
        off = ~numpy.isclose(*pair, rtol=tolerance, atol=ABSOLUTE, equal_nan=True)
    else:
        off = ~((left == right) | (left.isna() & right.isna())).to_numpy(bool)
    if not off.any():
        return ""
    row = int(numpy.flatnonzero(off)[0])
    first = f"{left[row]} here, {right[row]} published"
    return f"{left.name}: {off.sum()} of {len(off)} differ, first in row {row + 1}: {first}"
