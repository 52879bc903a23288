"""The benchmarks' table on its page: read from what ``make bench`` committed, with where and when it was measured."""

import csv
from pathlib import Path
from typing import TypedDict

import msgspec

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.records import Machine
from oversmooth_book.book.saved import damaged, read_json

HEAD = "| What | On | Median | Quartiles | Target | Met |\n|---|---|---|---|---|---|\n"
SHOWN = ("python", "torch", "torch-geometric", "numpy", "scipy")
REMEDY = "`make bench` writes it anew"

Line = TypedDict("Line", dict.fromkeys(("group", "case", "quantity", "median", "lower", "upper", "target", "met"), str))


class Record(TypedDict):
    """Where and when the table was measured."""

    commit: str | None
    dirty: bool
    started: str
    seconds: float
    versions: dict[str, str]
    machine: Machine
    threads: int
    gpu: str | None


def benchmark_table(book: Book) -> str:
    """The committed table as MyST, with a line of provenance.

    Args:
        book: the book.

    Returns:
        MyST text; a sentence where nothing has been measured yet.

    Raises:
        BookError: if a file of theirs is damaged.
    """
    folder = book.root / "data" / "published" / "benchmarks"
    if not (folder / "table.csv").exists():
        return "Nothing has been measured yet: `make bench` writes the table."
    rows, record = _rows(folder / "table.csv"), read_json(folder / "record.json", Record, REMEDY)
    # What is measured on several cases stands together, in the order of its first row.
    order = list(dict.fromkeys((row["group"], row["quantity"]) for row in rows))
    lines = "\n".join(_line(row) for row in sorted(rows, key=lambda row: order.index((row["group"], row["quantity"]))))
    versions = ", ".join(f"{name} {record['versions'][name]}" for name in SHOWN if name in record["versions"])
    commit = f"commit `{record['commit'][:10]}`" if record["commit"] else "no commit known"
    changed = " with uncommitted changes" if record["dirty"] else ""
    machine = f"{record['machine']['cores']} cores ({record['machine']['processor']}), {record['threads']} threads"
    device = f", {record['gpu']}" if record["gpu"] else ", no GPU"
    return (
        f":::{{div}} benchmarks-table\n{HEAD}{lines}\n:::\n\n:::{{div}} origin\n"
        f"Measured {record['started']} in {record['seconds']:.0f} s on {machine}{device}. {versions}; {commit}{changed}"
        ". The same table stands in `data/published/benchmarks/table.csv`.\n:::"
    )


def _rows(path: Path) -> list[Line]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return msgspec.convert(list(csv.DictReader(file)), list[Line])
    except (msgspec.ValidationError, UnicodeDecodeError, csv.Error) as error:
        raise BookError(damaged(path, error, REMEDY)) from None


def _line(row: dict) -> str:
    what, quartiles = f"**{row['group']}**: {row['quantity']}", f"{row['lower']} to {row['upper']}"
    met = "**no**" if row["met"] == "no" else row["met"]
    fields = (what, row["case"], row["median"], quartiles, row["target"], met)
    return "| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |"
