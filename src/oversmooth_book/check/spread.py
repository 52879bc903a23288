"""How far rounding moves each published number: measured by replicas, kept in ``rounding.json``, used by ``compare``.

A replica is the published run on a machine that rounds otherwise (``OVERSMOOTH_ROUNDING``). A number's spread is the
range of its values over the published run and the replicas. Two runs agree on a number if they are within its six
printed digits or within three times its spread; with fewer than eight replicas a range is narrow by luck more often,
and more spreads are allowed.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from oversmooth_book.book.claims import ROUNDING, read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.saved import damaged, read_table

FILE = "rounding.json"
# Six digits are kept: two numbers that are printed alike but for the last digit are 1e-5 apart at most.
PRINTED = 1e-5
# Replicas -> spreads. The chance that another machine finds a number farther away is the same for all, 4e-5 if machines
# and replicas are normal and alike: of the 400 series that move, fewer than two machines in a hundred find one.
FACTORS = {3: 18.6, 4: 8.65, 5: 5.56, 6: 4.2, 7: 3.45, 8: 3.0}
LEAST, ENOUGH = min(FACTORS), max(FACTORS)
# With fewer than LEAST replicas a range says little: more of them, and at least so much of the number or in all.
FEW_FACTOR, FEW_SHARE, FEW_ABSOLUTE = 10.0, 1e-3, 1e-12
# A difference of a claim's value that no reader of its verdict asks for, as a share of the threshold.
SHARE = 1e-4
# A claim must pass by so many spreads, or another machine may see it fail.
MARGIN = 10.0
# Of a number's size: a spread beyond it leaves not even the first digit.
NO_DIGIT = 0.5
# Few replicas may agree on one number by chance: what its neighbours in a series do counts, too, so many rows away.
REACH = 2


@dataclass(frozen=True)
class Spread:
    """The lowest and the highest value of every number that replicas move beyond its printed digits.

    ``confirmed``: whether replica 0, of which it knows nothing, agrees with the run.
    """

    replicas: tuple = ()
    claims: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    confirmed: bool = False

    @property
    def factor(self) -> float | None:
        """How many spreads a number may be away; None where there are too few replicas to tell."""
        return FACTORS.get(min(len(self.replicas), ENOUGH))

    @property
    def measured(self) -> bool:
        """Whether there were replicas enough to tell how far numbers move."""
        return self.factor is not None

    def of_claim(self, claim_id: str) -> float:
        """The range of a claim's values."""
        low, high = self.claims.get(claim_id, (0.0, 0.0))
        return high - low

    def of_column(self, name: str, table, column: str):
        """The spread of every number of a published table's column.

        Args:
            name: the table's.
            table: pandas DataFrame, as published.
            column: one of its columns of numbers.

        Returns:
            (rows,) array of numpy.
        """
        import numpy

        values = table[column].to_numpy(float)
        low, high = values.copy(), values.copy()
        for row, ends in self.tables.get(name, {}).get(column, {}).items():
            low[int(row)], high[int(row)] = ends
        size = numpy.nan_to_num(numpy.fmax(numpy.abs(low), numpy.abs(high)))
        with numpy.errstate(all="ignore"):
            relative = numpy.where(size > 0, numpy.nan_to_num(high - low) / size, 0.0)
        groups = series(table)
        return _floored(_pooled(relative, groups) * size, size, relative, groups)


def allowed(values, own, factor: float | None):
    """How far from published numbers another run's may be: printed digits, or so many spreads.

    Args:
        values: published numbers (n,).
        own: their spreads (n,).
        factor: `Spread.factor`; None: the limits are wide.

    Returns:
        (n,) absolute differences.
    """
    import numpy

    size, own = numpy.nan_to_num(numpy.abs(values)), numpy.asarray(own, float)
    if factor is not None:
        return numpy.maximum(PRINTED * size, factor * own)
    return numpy.maximum(FEW_SHARE * size + FEW_ABSOLUTE, FEW_FACTOR * own)


def allowed_of_claim(claim, value: float, spread: Spread) -> float:
    """How far from a claim's published value another run's may be, if the verdict is the same."""
    own = float(allowed([value], [spread.of_claim(claim.id)], spread.factor)[0])
    own = max(own, SHARE * max(map(abs, claim.ends)))
    return max(own, ROUNDING) if abs(value) < ROUNDING else own


def series(table):
    """The number of every row's series: rows that agree in all columns of text (network, quantity, graph, …)."""
    import numpy
    from pandas.api.types import is_numeric_dtype

    names = [name for name in table if not is_numeric_dtype(table[name])]
    if not names:
        return numpy.zeros(len(table), int)
    return table.groupby(names, sort=False, dropna=False).ngroup().to_numpy()


def _pooled(relative, groups):
    """The largest relative spread of each number and of its neighbours in its series, ``REACH`` rows away at most."""
    import numpy

    found = relative.copy()
    for group in numpy.unique(groups[relative > 0]):
        rows = numpy.flatnonzero(groups == group)
        for step in range(1, min(REACH, len(rows) - 1) + 1):
            later, earlier = rows[step:], rows[:-step]
            found[later] = numpy.fmax(found[later], relative[earlier])
            found[earlier] = numpy.fmax(found[earlier], relative[later])
    return found


def _floored(spread, size, relative, groups):
    """Numbers below the rounding floor of their series share its spread: that theirs is smaller is luck."""
    import numpy

    found = spread.copy()
    for group in numpy.unique(groups[relative > NO_DIGIT]):
        inside = groups == group
        lost = inside & (relative > NO_DIGIT)
        below = inside & (size <= size[lost].max())
        found[below] = numpy.maximum(found[below], spread[lost].max())
    return found


def measure_spread(base: Path, replicas: dict[str, Path]) -> Spread:
    """The spread of every claim and every number of a chapter.

    Args:
        base: the run's folder, with ``tables`` and ``claims.json``.
        replicas: likewise, by the replicas' names.

    Returns:
        The spread.

    Raises:
        BookError: if a replica's table has another shape, other words, or a number where the run has none.
    """
    folders = [base, *replicas.values()]
    runs = [read_values(folder / "claims.json") for folder in folders]
    claims = {}
    for name in runs[0]:
        values = [run[name] for run in runs if name in run]
        if min(values) != max(values):
            claims[name] = (min(values), max(values))
    tables = {}
    for path in sorted((base / "tables").glob("*.csv")):
        columns = _moved_columns([folder / "tables" / path.name for folder in folders])
        tables |= {path.stem: columns} if columns else {}
    return Spread(tuple(replicas), claims, tables)


def _moved_columns(paths: list[Path]) -> dict:
    """Of one table in several runs: column -> row -> (lowest, highest), where rounding shows in the printed digits."""
    import numpy
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    first, *others = map(read_table, paths)
    found = {}
    for column in first:
        same = [other for other in others if column in other and len(other) == len(first)]
        if len(same) < len(others):
            raise BookError(f"table {paths[0].name} has another shape in a replica: rounding decides what it holds")
        if not is_numeric_dtype(first[column]) or is_bool_dtype(first[column]):
            if not all(first[column].equals(other[column]) for other in same):
                raise BookError(f"table {paths[0].name}, column {column}: a replica has other words in it")
            continue
        block = numpy.stack([table[column].to_numpy(float) for table in (first, *same)])
        if (numpy.isfinite(block) != numpy.isfinite(block[0])).any():
            raise BookError(f"table {paths[0].name}, column {column}: a number in one run is none in another")
        low, high = block.min(0), block.max(0)
        with numpy.errstate(invalid="ignore"):
            moved = FACTORS[LEAST] * (high - low) > PRINTED * numpy.fmax(numpy.abs(low), numpy.abs(high))
        rows = numpy.flatnonzero(moved)
        found |= {column: {int(i): (float(low[i]), float(high[i])) for i in rows}} if len(rows) else {}
    return found


def merge(one: Spread, other: Spread) -> Spread:
    """Two measurements of the same numbers, on two machines or on two days."""

    def widened(left: dict, right: dict) -> dict:
        ends = {key: [*left.get(key, ()), *right.get(key, ())] for key in {**left, **right}}
        return {key: (min(values), max(values)) for key, values in ends.items()}

    tables = {}
    for name in {**one.tables, **other.tables}:
        left, right = one.tables.get(name, {}), other.tables.get(name, {})
        tables[name] = {key: widened(left.get(key, {}), right.get(key, {})) for key in {**left, **right}}
    replicas = tuple(sorted({*one.replicas, *other.replicas}, key=int))
    return Spread(replicas, widened(one.claims, other.claims), tables, one.confirmed or other.confirmed)


def write_spread(folder: Path, spread: Spread, numbers: str) -> None:
    """Keep a spread beside the tables that it belongs to.

    Args:
        folder: of the published chapter.
        spread: its spread.
        numbers: the fingerprint of what its numbers rest on; a spread measured for others is not used again.
    """
    content = {"numbers": numbers, **asdict(spread)}
    part = folder / f".{FILE}.part"
    part.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def read_spread(folder: Path, numbers: str | None = None) -> Spread:
    """The spread kept in a folder; without one nothing moves.

    Args:
        folder: of the published chapter.
        numbers: if given, a spread of other numbers counts as none.

    Returns:
        The spread.

    Raises:
        BookError: if the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return Spread()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if numbers is not None and content["numbers"] != numbers:
            return Spread()
        tables = {
            name: {column: {int(row): _ends(pair) for row, pair in rows.items()} for column, rows in columns.items()}
            for name, columns in content["tables"].items()
        }
        claims = {name: _ends(pair) for name, pair in content["claims"].items()}
        replicas = tuple(str(int(name)) for name in content["replicas"])
        return Spread(replicas, claims, tables, content.get("confirmed", False) is True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BookError(damaged(path, error, "publish the chapter again")) from None


def _ends(pair) -> tuple[float, float]:
    low, high = map(float, pair)
    if not low <= high:
        raise ValueError(f"{pair} is no lowest and highest value")
    return low, high
