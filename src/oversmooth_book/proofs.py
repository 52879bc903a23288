"""save_proofs: the one way by which a proved number enters a table. Its type opens the door, not a word of the author.

Let in are an `oversmooth.Proof`, an `oversmooth.Escape` with ``rigorous=True`` and a ``fractions.Fraction``.
"""

from fractions import Fraction

from oversmooth_book.book.proved import AT_LEAST, AT_MOST, EXACTLY, read_proofs
from oversmooth_book.borrowing import in_order, note, published_rows
from oversmooth_book.chapter import missing, require_table_name, started


def save_proofs(name: str, rows: list[dict], graphs=()):
    """Write a table of proved numbers, every digit of them, and read it again.

    Args:
        name: letters, digits and underscores.
        rows: a mapping each: words and whole numbers that say what the row is of; and, by any name, a `Proof`
            (columns gradient_at_most, of the whole gradient, loss_at_least, loss_at_most, rate_at_most and bits), a
            rigorous `Escape` (its name with _at_least) or a Fraction that a double holds (its name with _exactly).
        graphs: of the column graph, in the order of the rows; the published run lends rows of those that are not here.

    Returns:
        pandas DataFrame; its bounds are `Proved`.

    Raises:
        ValueError: if the name is none, or a value is a float or another thing that proves nothing.
    """
    import pandas as pd

    require_table_name(name)
    if not rows:
        raise ValueError(f"table {name!r} needs rows, got none")
    path = started().tables / f"{name}.csv"
    table = pd.DataFrame([_columns(row) for row in rows])
    if lacking := missing(graphs):
        table = in_order(name, table, published_rows(name, lacking, "graph", table), graphs, "graph")
        note([name], lacking)
    table.to_csv(path, index=False, lineterminator="\n")
    return read_proofs(path)


def _columns(row):
    from oversmooth import Escape, Proof

    found = {}
    for key, value in row.items():
        if isinstance(value, Proof):
            found |= {f"gradient_{AT_MOST}": value.stationarity, f"rate_{AT_MOST}": value.rate}
            found |= {f"loss_{AT_LEAST}": value.loss[0], f"loss_{AT_MOST}": value.loss[1], "bits": value.bits}
        elif isinstance(value, Escape) and value.rigorous:
            found[f"{key}_{AT_LEAST}"] = value.value
        elif isinstance(value, Fraction) and Fraction(float(value)) == value:
            found[f"{key}_{EXACTLY}"] = float(value)
        elif isinstance(value, str | int):
            found[key] = value
        else:
            raise ValueError(
                f"{key} is {value!r}, which proves nothing: needed is a Proof, a rigorous Escape, a Fraction that a "
                "double holds (its distance from what is claimed, say), or a label"
            )
    return found
