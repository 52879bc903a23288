"""How far two values, or two tables of the same name, are apart: identical, rounding, or a real difference."""

from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.claims import NOT_RUN
from oversmooth_book.book.errors import BookError, first_line
from oversmooth_book.book.saved import read_table
from oversmooth_book.check.spread import Spread, allowed

IDENTICAL, ROUNDING, DIFFERS, NOT_HERE = "identical", "rounding", "differs", "not run here"


@dataclass(frozen=True)
class Difference:
    """One claim's value or one table, here and published.

    ``numbers`` were compared; ``moved`` of them are beyond their printed digits, but within their spread; ``off`` are
    beyond that. ``largest`` is the largest relative difference; ``flipped``: a claim's verdict is another one.
    """

    kind: str
    name: str
    state: str
    largest: float = 0.0
    texts: tuple = ()
    numbers: int = 1
    moved: int = 0
    off: int = 0
    flipped: bool = False


def classify(gap: float, off: bool) -> str:
    """The state of something whose largest relative difference is ``gap``; ``off``: beyond what rounding does."""
    return DIFFERS if off else ROUNDING if gap else IDENTICAL


def gaps(left, right, limits):
    """Element-wise differences of two arrays of numbers.

    Args:
        left: numbers (n,).
        right: numbers (n,).
        limits: the absolute difference that counts as equal (n,).

    Returns:
        (relative differences (n,), whether each is beyond its limit (n,)); nan equals nan, inf equals inf.
    """
    import numpy

    left, right = numpy.asarray(left, float), numpy.asarray(right, float)
    same = (left == right) | (numpy.isnan(left) & numpy.isnan(right))
    with numpy.errstate(all="ignore"):
        gap, scale = numpy.abs(left - right), numpy.maximum(numpy.abs(left), numpy.abs(right))
        # Divided before subtracting where the difference itself would overflow.
        relative = numpy.where(numpy.isfinite(gap), gap / scale, numpy.inf)
        off = ~(numpy.isfinite(gap) & (gap <= limits))
    return numpy.where(same, 0.0, relative), off & ~same


def in_spreads(gap: float, spread: float) -> str:
    """A difference beyond its limit, measured by what rounding does to the number."""
    return f"{gap / spread:.3g} spreads apart" if spread else "which rounding does not move"


def table_difference(mine: Path, theirs: Path, spread: Spread, borrowed=()) -> Difference:
    """Two CSV files of the same table.

    Args:
        mine: one file.
        theirs: the other, published.
        spread: the published chapter's.
        borrowed: graphs whose rows the first one took from the second; they are not compared.

    Returns:
        Their difference, with at most one sentence per column.
    """

    def fundamental(text):
        return Difference("table", mine.name, DIFFERS, float("inf"), (f"table {mine.name}: {text}",), off=1)

    if not (mine.is_file() and theirs.is_file()):
        return fundamental(f"only {'published' if theirs.is_file() else 'here'}")
    try:
        left, right = read_table(mine), read_table(theirs)
    except (BookError, OSError) as error:
        return fundamental(f"cannot be read: {first_line(error)}")
    if list(left.columns) != list(right.columns) or len(left) != len(right):
        return fundamental(
            f"{len(left)} rows of {list(left.columns)} here, {len(right)} rows of {list(right.columns)} published"
        )
    kept = ~right.isin(list(borrowed)).any(axis=1).to_numpy() if borrowed else slice(None)
    if not len(right[kept]):
        return Difference("table", mine.name, NOT_HERE, numbers=0)
    found = [_column_difference(left[name], right, name, mine.stem, spread, kept) for name in left.columns]
    counts = {key: sum(part[key] for part in found) for key in ("numbers", "moved", "off")}
    texts = tuple(f"table {mine.name}, column {part['text']}" for part in found if part["text"])
    largest = max((part["largest"] for part in found), default=0.0)
    return Difference("table", mine.name, classify(largest, bool(texts)), largest, texts, **counts)


def _column_difference(left, published, name: str, table: str, spread: Spread, kept) -> dict:
    """One column: how many numbers were compared, moved and are off; the largest relative difference; a sentence."""
    import numpy
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    right = published[name]
    numbers = all(is_numeric_dtype(side) and not is_bool_dtype(side) for side in (left, right))
    if numbers:
        own = spread.of_column(table, published, name)
        pair = left.to_numpy(float), right.to_numpy(float)
        relative, off = gaps(*pair, allowed(pair[1], own, spread.factor))
        _, beyond = gaps(*pair, allowed(pair[1], 0.0, 0.0))
    else:
        own = numpy.zeros(len(right))
        # A verdict that waits for data is none.
        off = beyond = ~((left == right) | (left.isna() & right.isna()) | (left == NOT_RUN)).to_numpy(bool)
        relative = numpy.where(off, numpy.inf, 0.0)
    keep = numpy.zeros(len(right), bool)
    keep[kept] = True
    off, beyond, relative = off & keep, beyond & keep, numpy.where(keep, relative, 0.0)
    found = {"numbers": int(keep.sum()), "moved": int((beyond & ~off).sum()), "off": int(off.sum()), "text": ""}
    if off.any():
        row = int(numpy.flatnonzero(off)[numpy.argmax(relative[off])])
        text = f"{name}: {found['off']} of {found['numbers']} differ, most in row {row + 1}: "
        text += f"{left[row]} here, {right[row]} published"
        found["text"] = text + (f", {in_spreads(abs(left[row] - right[row]), own[row])}" if numbers else "")
    return {**found, "largest": float(relative.max(initial=0.0))}
