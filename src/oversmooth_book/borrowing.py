"""Graphs whose raw files are not on this machine: their rows come from the published tables, and a reader is told.

A chapter asks for its tables by graph, draws them all alike, and tints what it did not measure itself::

    curves = book.measured("curves", experiment.curves, ["karate", "Cora"])    # experiment.curves(["karate"])
    osm.draw_curves(ax, curves)
    book.tint(ax, "karate", "Cora")
"""

import json
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import FETCH
from oversmooth_book.book.saved import read_json, read_table
from oversmooth_book.chapter import missing, save_table, started

LABEL = "published run"
BACKGROUND = "#fbf1d9"
BORROWED = "borrowed.json"


def here(graphs) -> list[str]:
    """The graphs that this machine can measure, in the given order.

    Args:
        graphs: as for `missing`.

    Returns:
        Their names.
    """
    lacking = missing(graphs)
    return [name for name in graphs if name not in lacking]


def named(graph: str) -> str:
    """A graph's name for a table on the page, marked if its row is borrowed.

    Args:
        graph: its name.

    Returns:
        The name, such as "Cora" or "Cora (published run)".
    """
    return f"{graph} ({LABEL})" if missing([graph]) else graph


def tint(ax, *graphs: str) -> None:
    """Tint and label axes that show borrowed rows; nothing happens if all graphs are here.

    Args:
        ax: matplotlib axes.
        graphs: whose rows they show.
    """
    lacking = missing(graphs)
    if not lacking:
        return
    ax.set_facecolor(BACKGROUND)
    # Beside measured rows a reader must know which ones are not.
    text = LABEL if len(lacking) == len(graphs) else f"{LABEL}: {', '.join(lacking)}"
    ax.set_title(text, loc="right", fontsize=8.5, fontstyle="italic", color="0.3")


def measured(names, measure, graphs, by: str = "graph"):
    """Tables of several graphs: measured where the raw files are here, taken from the published run where not; saved.

    Args:
        names: a table's name, or a list of names that are measured together.
        measure: list of graphs -> a DataFrame with their rows, or for several names as many of them; not called with
            an empty list.
        graphs: names, in the order of the rows; `missing` says which of them are here.
        by: the column that tells the graphs apart.

    Returns:
        The DataFrame, or a list of them. Rows follow the order of ``graphs``; borrowed ones have six digits.

    Raises:
        ValueError: if a table has rows of other graphs, or there are more or fewer tables than names.
        BookError: if the published tables lack a graph that is missing here, or have other columns.
    """
    listed, lacking = [names] if isinstance(names, str) else list(names), missing(graphs)
    own = here(graphs)
    found = measure(own) if own else [None] * len(listed)
    found = [found] if isinstance(names, str) and own else list(found)
    if len(found) != len(listed):
        raise ValueError(f"{len(listed)} tables are named, {', '.join(listed)}, but {len(found)} were measured")
    tables = [
        in_order(name, table, published_rows(name, lacking, by, table) if lacking else None, graphs, by)
        for name, table in zip(listed, found, strict=True)
    ]
    for name, table in zip(listed, tables, strict=True):
        save_table(name, table)
    if lacking:
        note(listed, lacking)
    return tables[0] if isinstance(names, str) else tables


def in_order(name, table, borrowed, graphs, by):
    """Both parts in one table, graph after graph."""
    import pandas

    rows = pandas.concat([part for part in (table, borrowed) if part is not None], ignore_index=True)
    unknown = sorted(set(rows[by]) - set(graphs))
    if unknown:
        raise ValueError(f"table {name!r} has rows of {', '.join(unknown)}, asked for were {', '.join(graphs)}")
    place = rows[by].map({graph: number for number, graph in enumerate(graphs)})
    return rows.iloc[place.argsort(kind="stable")].reset_index(drop=True)


def published_rows(name, graphs, by, like):
    """The published rows of some graphs; ``like``: a measured table whose columns they must have, or None."""
    chapter = started().chapter
    path = started().book.published(chapter) / "tables" / f"{name}.csv"
    advice = f"fetch the raw files of {', '.join(graphs)} by {FETCH}, or publish the chapter where they are"
    if not path.is_file():
        raise BookError(f"table {name}: data/published has no such table of {chapter} to borrow from; {advice}")
    table = read_table(path, advice)
    columns = list(table.columns if like is None else like.columns)
    if by not in table or list(table.columns) != columns:
        raise BookError(
            f"table {name}: the published one has the columns {', '.join(table.columns)}, "
            f"measured are {', '.join(columns)}; {advice}"
        )
    unpublished = [graph for graph in graphs if graph not in set(table[by])]
    if unpublished:
        raise BookError(f"table {name}: the published one has no rows of {', '.join(unpublished)}; {advice}")
    return table[table[by].isin(graphs)]


def read_borrowed(folder: Path) -> dict[str, list[str]]:
    """The tables of a run with rows from the published one, and the graphs of those rows: no raw files were there.

    Args:
        folder: where the run's outputs lie.

    Returns:
        Table to graphs; empty if the run measured everything.

    Raises:
        BookError: if the file is damaged.
    """
    path = folder / BORROWED
    if not path.is_file():
        return {}
    return read_json(path, dict[str, list[str]])


def note(names, graphs) -> None:
    """Write down which tables of this run hold borrowed rows, for whoever compares or shows them."""
    path = started().folder / BORROWED
    text = json.dumps({**read_borrowed(started().folder), **dict.fromkeys(names, graphs)}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
