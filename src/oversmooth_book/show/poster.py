"""The book on one page: a cheat sheet in A4 and A3, as PDF, made from the committed book.

    python -m oversmooth_book.show.poster

Its words stand in ``poster.yml``; every measured number in them is a claim's. There is no SVG of it: Chromium prints
none, and one that carried HTML along would be empty in other programs than browsers.
"""

import argparse
import html
import sys
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oversmooth_book.book.book import Book
from oversmooth_book.book.schema import Row, Text, parse
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show.cards import stood
from oversmooth_book.show.chromium import opened
from oversmooth_book.show.command import run
from oversmooth_book.show.entries import robustness_of
from oversmooth_book.show.takeaway import FOLDER, PICTURE, Takeaway, document

# A3 is A4 with sides longer by the square root of two.
SIZES = {"A4": 1.0, "A3": 2**0.5}
Lines = Annotated[tuple[Text, ...], Meta(min_length=1, description="a list of texts")]
Pairs = Annotated[tuple[dict[str, str], ...], Meta(min_length=1, description="a list of mappings of texts")]


class Words(Row):
    """What ``poster.yml`` holds."""

    title: Text
    message: Text
    paper: Text
    mathematics: Pairs
    chain: Lines
    numbers: Lines
    code: Text
    code_words: Text
    verdicts: Pairs
    remedies_words: Text
    helps: Lines
    fails: Lines
    foot: Text


def make_posters(book: Book) -> list[Path]:
    """Print the cheat sheet.

    Args:
        book: the book; its committed outputs are shown.

    Returns:
        ``_build/published/poster-A4.pdf`` and ``poster-A3.pdf``.

    Raises:
        BookError: if Chromium, a claim or the picture is missing, or committed outputs are not those of a run.
    """
    folder = book.build("published")
    folder.mkdir(parents=True, exist_ok=True)
    sheet = folder / ".poster.html"
    files = {folder / f"poster-{name}.pdf": (name, scale) for name, scale in SIZES.items()}
    try:
        sheet.write_text(poster_html(book), encoding="utf-8")
        with opened(sheet) as page:
            for path, (name, scale) in files.items():
                page.pdf(path=path, format=name, scale=scale, print_background=True, tagged=True)
    finally:
        sheet.unlink(missing_ok=True)
    return list(files)


def read_words() -> Words:
    """The poster's words."""
    return parse("poster.yml", read_yaml(FOLDER / "poster.yml"), Words)


def poster_html(book: Book) -> str:
    """The cheat sheet as one HTML file.

    Args:
        book: the book; its committed outputs are shown.

    Returns:
        HTML.

    Raises:
        BookError: if a claim or the picture is missing, or committed outputs are not those of a run.
    """
    words, shown = read_words(), Takeaway(book)
    parts = [
        f"<header><h1>{shown.words(words.title)}</h1>",
        f'<p class="message">{shown.words(words.message)}</p><p>{shown.words(words.paper)}</p></header>',
        f'<div class="columns top"><section>{shown.drawing(PICTURE)}</section>{_mathematics(shown, words)}</div>',
        f"<section><h2>Six statements of the paper, checked</h2>{_statements(shown, words)}</section>",
        f'<div class="columns bottom">{_probe(shown, words)}{_remedies(shown, words)}</div>',
        f"<section><h2>How to read the verdict: the first that applies †</h2>{_verdicts(shown, words)}</section>",
        # Last, for it names the runs of what was shown before.
        f"<footer>{shown.words(words.foot)}</footer>",
    ]
    return document(book, words.title, "poster.css", f"<main>{''.join(parts)}</main>")


def _mathematics(shown: Takeaway, words: Words) -> str:
    """The two lines of mathematics, and what follows from them."""
    lines = (f'<p class="formula">{row["formula"]}</p><p>{shown.words(row["words"])}</p>' for row in words.mathematics)
    chain = "".join(f"<li>{shown.words(link)}</li>" for link in words.chain)
    return f'<section><h2>One layer</h2>{"".join(lines)}<h2>Four links</h2><ol class="chain">{chain}</ol></section>'


def _statements(shown: Takeaway, words: Words) -> str:
    """The paper's statements, how their claims came out, and a key number each."""
    attacked, cards = robustness_of(shown.book), []
    for statement, number in zip(shown.book.statements.values(), words.numbers, strict=True):
        counts = " ".join(stood(shown.book, statement, shown.pages, attacked))
        cards.append(
            f'<div class="statement"><h3><span>{statement.number}</span>{html.escape(statement.heading)}</h3>'
            f"<p>{shown.words(statement.text)}</p>"
            f'<p class="number">{shown.words(number)}</p><p class="counts">{html.escape(counts)}</p></div>'
        )
    return f'<div class="columns statements">{"".join(cards)}</div>'


def _probe(shown: Takeaway, words: Words) -> str:
    """The probe in six lines."""
    code = html.escape(words.code.rstrip())
    return f"<section><h2>Probe your own model †</h2><pre>{code}</pre><p>{shown.words(words.code_words)}</p></section>"


def _verdicts(shown: Takeaway, words: Words) -> str:
    """The probe's verdicts in their order, each with what it says and what to try."""
    head = "<tr><th>Verdict</th><th>What the numbers say</th><th>What to try</th></tr>"
    rows = (
        f'<tr><th class="verdict">{row["name"]}</th><td>{shown.words(row["read"])}</td>'
        f"<td>{shown.words(row['advice'])}</td></tr>"
        for row in words.verdicts
    )
    return f"<table>{head}{''.join(rows)}</table>"


def _remedies(shown: Takeaway, words: Words) -> str:
    """What helps, and what does not."""
    helps, fails = ("".join(f"<li>{shown.words(line)}</li>" for line in lines) for lines in (words.helps, words.fails))
    return (
        f'<section><h2>What helps</h2><ul class="list">{helps}</ul><p>{shown.words(words.remedies_words)}</p></section>'
        f'<section><h2>What does not</h2><ul class="list fails">{fails}</ul></section>'
    )


def main(arguments=None) -> int:
    """Print the cheat sheet from the command line.

    Args:
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 if all went well.
    """
    parser = argparse.ArgumentParser(
        prog="python -m oversmooth_book.show.poster", description="Print the committed book as one page."
    )
    return run(parser, lambda book, options: make_posters(book), arguments)


if __name__ == "__main__":
    sys.exit(main())
