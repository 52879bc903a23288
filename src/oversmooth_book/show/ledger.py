"""The page of all claims: a card for each, chapter by chapter in the book's order, computed from the runs."""

import inspect
from itertools import groupby

from oversmooth_book.attack.variations import in_words
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import CHECK, FAIL, FINDING, PROOF, PROVED, VERDICTS, how
from oversmooth_book.book.notebooks import read_notebook, title
from oversmooth_book.show.cards import thumbnail
from oversmooth_book.show.entries import Entry, entries
from oversmooth_book.show.gauge import gauge
from oversmooth_book.show.pages import Page, badge

COMMAND = "python -m oversmooth_book"


def claim_cards(book: Book, pages: dict[str, Page]) -> str:
    """A card for each claim, under a heading for each chapter, and how many there are.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text, with the images that `draw_thumbnails` makes.
    """
    found = entries(book, pages)
    if not found:
        return "No claim has been written down yet."
    parts = [f"{'. '.join(_counts(found))}."]
    for name, rows in groupby(found, lambda entry: entry.claim.chapter):
        parts += [f"## {title(read_notebook(book.notebook(name)))}", f"{{doc}}`Read the chapter <{name}>`."]
        parts += [_card(entry) for entry in rows]
    return "\n\n".join(parts)


def failures(book: Book, pages: dict[str, Page]) -> list[str]:
    """One sentence per failed claim."""
    judged = [(claim, *pages[claim.chapter].judge(claim)[:2]) for claim in book.claims.values()]
    return [claim.failure(value) for claim, value, verdict in judged if verdict == FAIL]


def _counts(found: list[Entry]) -> list[str]:
    """Such as "40 checks: 40 PASS, 0 FAIL, 0 NOT RUN"; of proofs how many are PROVED."""
    texts = []
    for kind in (PROOF, CHECK, FINDING):
        verdicts = [entry.verdict for entry in found if entry.claim.kind == kind]
        counted = [name for name in VERDICTS if name in verdicts or (name == PROVED) == (kind == PROOF)]
        counts = ", ".join(f"{verdicts.count(name)} {name}" for name in counted)
        if verdicts:
            texts.append(f"{len(verdicts)} {kind}{'' if len(verdicts) == 1 else 's'}: {counts}")
    return texts


def _card(entry: Entry) -> str:
    claim = entry.claim
    name = f"[**{claim.id}**]{{#claim-{claim.id.lower()}}}"
    lines = [
        ":::::{div} claim-card",
        f"{name} {badge(entry.verdict)} [{claim.kind}]{{.claim-kind}}",
        _line(claim.statement),
        gauge(claim, entry.value),
        f"Needed `{claim.condition()}`; {_found(entry)} [{entry.page.measured(claim)}]{{.claim-value}}",
        "\n".join(f"- {text}" for text in _facts(entry)),
        *_figure(entry),
        *_how(entry),
        ":::::",
    ]
    return "\n\n".join(lines)


def _line(text: str) -> str:
    """A text of claims.yml on one line: none of its words may begin a list or a heading."""
    return " ".join(text.split())


def _found(entry: Entry) -> str:
    return "not run:" if entry.value is None else how(entry.value)


def _facts(entry: Entry) -> list[str]:
    """What is measured, for which settings the claim holds, how it stood the attack, whose statement it bears on."""
    claim = entry.claim
    facts = [f"What is {'proved' if claim.kind == PROOF else 'measured'}: {_line(claim.quantity).rstrip('.')}."]
    if claim.domain:
        facts.append(f"Holds for: {in_words(claim.domain)}.")
    if entry.robustness:
        facts.append(f"Attacked: {entry.robustness.sentence()}.")
    if entry.neighbours:
        facts.append(f"Here it {'; '.join(one.sentence() for one in entry.neighbours)}.")
    return [*facts, f"In the paper: {_line(claim.paper)}."]


def _figure(entry: Entry) -> list[str]:
    """The figure that the claim stands under, small."""
    if not entry.figure:
        return []
    return [f"::::{{div}} claim-figure\n{thumbnail(entry.figure, [entry.page])}\n\n{{numref}}`{entry.figure}`\n::::"]


def _how(entry: Entry) -> list[str]:
    """Folded: the function that computes the value, tests of the mathematics behind it, and how to measure it again."""
    claim, lines = entry.claim, ['<details class="claim-how"><summary>Check it yourself</summary>']
    if entry.function:
        lines += ["Computed from the chapter's tables by", _signature(entry.function)]
    if entry.tests:
        tests = "\n".join(f"- `{name}`" for name in entry.tests)
        lines += [f"Tests of the mathematics behind it:\n\n{tests}"]
    again = f"{COMMAND} recheck {claim.chapter}   # from the published tables: seconds\n"
    again += f"{COMMAND} run {claim.chapter} --profile {claim.profile}   # measured anew\n"
    return [*lines, f"```sh\n{again}```", "</details>"]


def _signature(function) -> str:
    """A function's name and arguments, with a link to its source; search is not to find each of them."""
    name, parameters = function.__name__, ", ".join(inspect.signature(function).parameters)
    target = f'<span id="{function.__module__}.{name}"></span>'
    directive = f".. py:function:: {name}({parameters})\n   :module: {function.__module__}\n   :no-index:"
    return f"{target}\n\n```{{eval-rst}}\n{directive}\n```"
