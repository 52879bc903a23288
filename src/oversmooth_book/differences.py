"""How far two values, or two tables of the same name, are apart: identical, rounding, or a real difference."""

from dataclasses import dataclass
from pathlib import Path

# Signals start at size one, and float64 rounds at 1e-16: below this two machines agree on no digit.
ABSOLUTE = 1e-12
IDENTICAL, ROUNDING, DIFFERS = "identical", "rounding", "differs"


@dataclass(frozen=True)
class Difference:
    """One claim's value or one table, here and published."""

    kind: str
    name: str
    state: str
    largest: float
    texts: tuple = ()


def classify(gap: float, off: bool) -> str:
    """The state of something whose largest relative difference is ``gap``; ``off``: beyond the tolerance."""
    return DIFFERS if off else ROUNDING if gap else IDENTICAL


def gaps(left, right, tolerance: float):
    """Element-wise differences of two arrays of numbers.

    Args:
        left: numbers (n,).
        right: numbers (n,).
        tolerance: relative difference that counts as equal.

    Returns:
        (relative differences (n,), whether each is beyond the tolerance (n,)); nan equals nan, inf equals inf.
    """
    import numpy

    left, right = numpy.asarray(left, float), numpy.asarray(right, float)
    same = (left == right) | (numpy.isnan(left) & numpy.isnan(right))
    with numpy.errstate(all="ignore"):
        gap, scale = numpy.abs(left - right), numpy.maximum(numpy.abs(left), numpy.abs(right))
        # Below ABSOLUTE the ratio of two roundings says nothing: the gap itself is reported.
        relative = numpy.where(gap <= ABSOLUTE, gap, numpy.where(numpy.isfinite(gap), gap / scale, numpy.inf))
        off = ~(numpy.isfinite(gap) & (gap <= tolerance * scale + ABSOLUTE))
    return numpy.where(same, 0.0, relative), off & ~same


def table_difference(mine: Path, theirs: Path, tolerance: float) -> Difference:
    """Two CSV files of the same table.

    Args:
        mine: one file.
        theirs: the other, published.
        tolerance: relative difference that counts as equal.

    Returns:
        Their difference, with at most one sentence per column.
    """
    import pandas

    def fundamental(text):
        return Difference("table", mine.name, DIFFERS, float("inf"), (f"table {mine.name}: {text}",))

    if not (mine.is_file() and theirs.is_file()):
        return fundamental(f"only {'published' if theirs.is_file() else 'here'}")
    try:
        left, right = pandas.read_csv(mine), pandas.read_csv(theirs)
    except (ValueError, OSError) as error:
        return fundamental(f"cannot be read ({str(error).splitlines()[0]})")
    if list(left.columns) != list(right.columns) or len(left) != len(right):
        return fundamental(
            f"{len(left)} rows of {list(left.columns)} here, {len(right)} rows of {list(right.columns)} published"
        )
    found = [_column_difference(left[name], right[name], tolerance) for name in left.columns]
    texts = tuple(f"table {mine.name}, column {text}" for _, text in found if text)
    largest = max((gap for gap, _ in found), default=0.0)
    return Difference("table", mine.name, classify(largest, bool(texts)), largest, texts)


def _column_difference(left, right, tolerance: float) -> tuple[float, str]:
    import numpy
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(left) and is_numeric_dtype(right):
        relative, off = gaps(left.to_numpy(float), right.to_numpy(float), tolerance)
    else:
        off = ~((left == right) | (left.isna() & right.isna())).to_numpy(bool)
        relative = numpy.where(off, numpy.inf, 0.0)
    largest = float(relative.max(initial=0.0))
    if not off.any():
        return largest, ""
    row = int(numpy.flatnonzero(off)[0])
    first = f"{left[row]} here, {right[row]} published"
    return largest, f"{left.name}: {off.sum()} of {len(off)} differ, first in row {row + 1}: {first}"
