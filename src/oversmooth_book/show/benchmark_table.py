"""The benchmarks on their page: six bars, then the whole table, folded; read from what ``make bench`` committed."""

import csv
import html
from pathlib import Path
from typing import NotRequired, TypedDict

import msgspec

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.records import Machine
from oversmooth_book.book.saved import damaged, read_json

HEAD = "| What | On | Median | Quartiles | Target | Met |\n|---|---|---|---|---|---|\n"
SHOWN = ("python", "torch", "torch-geometric", "numpy", "scipy")
REMEDY = "`make bench` writes it anew"

FIELDS = ("group", "case", "quantity", "median", "lower", "upper", "target", "met")
# The bars stand in two groups: a longer one is better in the first, a shorter one in the second.
FASTER, COST = "Times as fast", "What it costs, in times of the thing without it"

# Tables of earlier versions have no headlines.
Line = TypedDict("Line", dict.fromkeys(FIELDS, str) | {"headline": NotRequired[str]})


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
    """The committed measurements as MyST: the bars of the headlines, a line of provenance, and the whole table, folded.

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
    missed = sum(row["met"] == "no" for row in rows)
    return (
        f"{bars(rows)}\n\n:::{{div}} origin\n"
        f"Measured {record['started']} in {record['seconds']:.0f} s on {machine}{device}. {versions}; {commit}{changed}"
        f". All of it stands in `data/published/benchmarks/table.csv`.\n:::\n\n"
        f'<details class="all-benchmarks"><summary>All {len(rows)} measurements; {missed} miss their target</summary>'
        f"\n\n:::{{div}} benchmarks-table\n{HEAD}{lines}\n:::\n\n</details>"
    )


def bars(rows: list[Line]) -> str:
    """The headlines as bars on one scale, with a line at 1, which is the other side.

    Args:
        rows: of the table.

    Returns:
        HTML: two lists, whose words say all that the bars show.
    """
    # The first row of a headline stands for it.
    headlines = list({row["headline"]: row for row in reversed(rows) if row.get("headline")}.values())[::-1]
    longest = max((float(row["median"]) for row in headlines), default=1.0)
    parts = []
    for title, cost in ((FASTER, False), (COST, True)):
        items = "".join(_bar(row, longest) for row in headlines if row["target"].startswith("≤") == cost)
        kind = "cost" if cost else "faster"
        parts.append(f'<p class="bars-title">{title}</p><ul class="bars {kind}">{items}</ul>' if items else "")
    return "".join(parts)


def _bar(row: Line, longest: float) -> str:
    """One bar: its words, its length and, in bold, a target that it misses."""
    value, missed = float(row["median"]), row["met"] == "no"
    asked = f" (asked: {row['target']})" if row["target"] else ""
    number = f"{value:.2g}{asked}" if not missed else f"<strong>{value:.2g}, missed{asked}</strong>"
    marks = f"--length:{100 * value / longest:.1f}%;--one:{100 / longest:.1f}%"
    return (
        f'<li><span class="bar-words">{html.escape(row["headline"])}</span>'
        f'<span class="bar-scale" style="{marks}" aria-hidden="true"></span>'
        f'<span class="bar-number">{number}</span></li>'
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
