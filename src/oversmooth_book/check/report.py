"""The comparison as one HTML file that needs nothing else: no script, no other file, light and dark, for any reader."""

import html
import os
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.check.compare import Comparison, verdicts_line
from oversmooth_book.check.differences import DIFFERS, IDENTICAL, NOT_HERE, ROUNDING

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --line: #c3c9d0; --soft: #f1f3f5; --bad: #b42318;
  --good: #0a6b3d; --warn: #7a4d00; }
@media (prefers-color-scheme: dark) { :root { --text: #e8eaed; --page: #14171a; --line: #4a5058; --soft: #22272c;
  --bad: #ff9c92; --good: #7fdca4; --warn: #f1c069; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 60rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { border: 1px solid var(--line); padding: 0.3rem 0.5rem; text-align: left; vertical-align: top;
  overflow-wrap: normal; }
td.texts { min-width: 16rem; overflow-wrap: anywhere; }
thead th { background: var(--soft); }
.identical { color: var(--good); } .rounding { color: var(--warn); } .differs { color: var(--bad); font-weight: 700; }
.not { font-style: italic; }
"""
WORDS = {
    IDENTICAL: "identical: the same to the last printed digit",
    ROUNDING: "rounding: within the printed digits, or within three times what replicas of the published run differ by",
    DIFFERS: "differs: beyond that, or with another verdict",
    NOT_HERE: "not run here: the raw files of a graph are missing",
}


def write_report(book: Book, comparisons: list[Comparison], place: Path) -> None:
    """Write the report, whole or not at all.

    Args:
        book: the book.
        comparisons: one per chapter.
        place: the HTML file.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    part.write_text(_page(book, comparisons), encoding="utf-8")
    part.replace(place)


def _page(book: Book, comparisons: list[Comparison]) -> str:
    chapters = "\n".join(map(_chapter, comparisons))
    summary = [
        (f"<a href='#{item.name}'>{item.name}</a>", _verdict(item), *(item.count(state) for state in WORDS))
        for item in comparisons
    ]
    legend = "".join(f"<li>{_coloured(state, words)}</li>" for state, words in WORDS.items())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Your run against the published one</title><style>{STYLE}</style></head>
<body><main>
<h1>Your run against the published one</h1>
<p><strong>{html.escape(verdicts_line(book, comparisons))}</strong></p>
<ul>{legend}</ul>
{_table("All chapters", ("Chapter", "Result", *WORDS), summary)}
{chapters}
</main></body></html>
"""


def _verdict(comparison: Comparison) -> str:
    if comparison.note:
        return html.escape(comparison.note)
    differs = bool(comparison.count(DIFFERS))
    return _coloured(DIFFERS if differs else IDENTICAL, "differs" if differs else "agrees")


def _chapter(comparison: Comparison) -> str:
    head = f"<h2 id='{comparison.name}'>{comparison.name}</h2>\n<p>{html.escape(comparison.verdict)}</p>\n"
    if comparison.note:
        return head
    why = "".join(f"<li>{html.escape(cause)}</li>" for cause in comparison.causes)
    parts = [head, f"<h3>What the records say</h3>\n<ul>{why}</ul>"]
    for kind, title in (("claim", "Claims"), ("table", "Tables")):
        rows = [_row(item, comparison) for item in comparison.differences if item.kind == kind]
        drawn = ["Drawn by"] if kind == "table" else []
        head = ("State", "Largest relative difference", "Moved by rounding", "What differs")
        columns = (kind.capitalize(), *drawn, *head)
        parts += [_table(f"{title} of {comparison.name}", columns, rows)] if rows else []
    return "\n".join(parts)


def _row(item, comparison: Comparison) -> tuple:
    figures = ", ".join(comparison.figures.get(item.name, [])) or "no figure"
    drawn = [html.escape(figures)] if item.kind == "table" else []
    texts = "<br>".join(html.escape(text.partition(" ")[2]) for text in item.texts)
    gap = "not comparable" if item.largest == float("inf") else f"{item.largest:.1g}"
    moved = f"{item.moved} of {item.numbers}" if item.numbers else "none compared"
    return html.escape(item.name), *drawn, _coloured(item.state, item.state), gap, moved, texts


def _coloured(state: str, words: str) -> str:
    return f"<span class='{state}'>{html.escape(words)}</span>"


def _cell(cell) -> str:
    """A cell; sentences get room."""
    return f"<td class='texts'>{cell}</td>" if " here, " in str(cell) else f"<td>{cell}</td>"


def _table(caption: str, head: tuple, rows: list[tuple]) -> str:
    """A table; cells are HTML already."""
    columns = "".join(f"<th scope='col'>{html.escape(str(name))}</th>" for name in head)
    body = "\n".join(f"<tr><th scope='row'>{first}</th>" + "".join(map(_cell, rest)) + "</tr>" for first, *rest in rows)
    return (
        f"<div class='scroll' role='region' aria-label='{html.escape(caption)}' tabindex='0'><table>"
        f"<caption>{html.escape(caption)}</caption><thead><tr>{columns}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )
