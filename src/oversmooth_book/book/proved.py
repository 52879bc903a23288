"""Numbers that a proof vouches for, from the table to the ledger: their type says so, and which side they bound.

A table written by ``book.save_proofs`` has columns named ``gradient_at_most``, ``loss_at_least`` or ``gap_exactly``;
nothing else may write such a column. Read again, its numbers are `Proved`; minimum, maximum and choice keep the type,
while arithmetic gives a float, which proves nothing.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.saved import AGAIN, damaged, read_table

AT_MOST, AT_LEAST, EXACTLY = "at_most", "at_least", "exactly"
PROVES = {AT_MOST: ("<", "<="), AT_LEAST: (">", ">="), EXACTLY: ("<", "<=", ">", ">=", "==", "between")}
WORDS = {AT_MOST: "proved to be at most", AT_LEAST: "proved to be at least", EXACTLY: "proved to be"}
# Digits of a bound may be cut, but only to its own side.
ROUNDING = {AT_MOST: ROUND_CEILING, AT_LEAST: ROUND_FLOOR, EXACTLY: ROUND_HALF_EVEN}


class Proved(float):
    """A double that the real number is at most, at least or exactly.

    Args:
        number: the double.
        side: "at_most", "at_least" or "exactly".
    """

    def __new__(cls, number: float, side: str):  # noqa: D102
        if side not in PROVES:
            raise ValueError(f"side is {side!r}; known: {', '.join(PROVES)}")
        made = super().__new__(cls, number)
        made.side = side
        return made

    def __getnewargs__(self):
        return float(self), self.side

    def proves(self, comparison: str) -> bool:
        """Whether the real number, too, compares so, if this double does: an upper bound proves "at most" only."""
        return comparison in PROVES[self.side]

    def __format__(self, spec: str) -> str:
        """As a float, but rounded away from the real number: what is printed is still a bound."""
        kind, digits = spec[-1:], spec[1:-1]
        if kind not in ("e", "g", "f") or not spec.startswith(".") or not digits.isdigit():
            return super().__format__(spec)
        exact, rounding = Decimal(float(self)), ROUNDING[self.side]
        if kind == "f":
            rounded = exact.quantize(Decimal(1).scaleb(-int(digits)), rounding, Context(400))
        else:
            rounded = Context(max(int(digits) + (kind == "e"), 1), rounding).create_decimal(exact)
        return format(float(rounded), spec)


def like(value: float, number: float) -> float:
    """A number as the same kind of thing as a value: what another run, whose values were proved alike, had."""
    return Proved(number, value.side) if isinstance(value, Proved) else number


def side_of(column: str) -> str | None:
    """The side that a column's name says its numbers bound; None for a column of measurements."""
    return next((side for side in PROVES if column.endswith(f"_{side}")), None)


def read_proofs(path: Path):
    """A table of a run, with proved numbers as such.

    Args:
        path: the CSV file.

    Returns:
        pandas DataFrame.

    Raises:
        BookError: if the file is damaged.
    """
    import pandas

    sides = {column: side for column in read_table(path, nrows=0) if (side := side_of(column))}
    # As text: the parser of pandas may miss a number's last digit, and would make plain floats of it.
    table = read_table(path, dtype=dict.fromkeys(sides, str))
    for column, side in sides.items():
        try:
            numbers = [Proved(text, side) for text in table[column]]
        except ValueError as error:
            raise BookError(damaged(path, error, AGAIN)) from None
        table[column] = pandas.Series(numbers, table.index, object)
    return table
