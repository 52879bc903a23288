"""The benchmarks' table on its page: read from what ``make bench`` committed, with where and when it was measured."""

import csv
import json

from oversmooth_book.book.book import Book

HEAD = "| What | On | Median | Quartiles | Target | Met |\n|---|---|---|---|---|---|\n"
SHOWN = ("python", "torch", "torch-geometric", "numpy", "scipy")


def benchmark_table(book: Book) -> str:
    """The committed table as MyST, with a line of provenance.

    Args:
        book: the book.

    Returns:
        MyST text; a sentence where nothing has been measured yet.
    """
    folder = book.root / "data" / "published" / "benchmarks"
    if not (folder / "table.csv").exists():
        return "Nothing has been measured yet: `make bench` writes the table."
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # What is measured on several cases stands together, in the order of its first row.
    order = list(dict.fromkeys((row["group"], row["quantity"]) for row in rows))
    lines = "\n".join(_line(row) for row in sorted(rows, key=lambda row: order.index((row["group"], row["quantity"]))))
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
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


def _line(row: dict) -> str:
    what, quartiles = f"**{row['group']}**: {row['quantity']}", f"{row['lower']} to {row['upper']}"
    met = "**no**" if row["met"] == "no" else row["met"]
    fields = (what, row["case"], row["median"], quartiles, row["target"], met)
    return "| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |"
