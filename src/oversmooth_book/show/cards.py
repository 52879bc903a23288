"""The landing page's cards: one a statement of the paper, with a thumbnail, its counts, and how it stood the attack."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import CHECK, FAIL, FINDING, NOT_RUN, PASS, PROOF, PROVED, Claim
from oversmooth_book.book.statements import Statement
from oversmooth_book.show.entries import robustness_of
from oversmooth_book.show.pages import Page

FOLDER = "thumbnails"
WIDTH = 560  # pixels: sharp on a screen with two to the point


def statement_cards(book: Book, pages: dict[str, Page]) -> str:
    """A card for each statement of statements.yml.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text, with the images that `draw_thumbnails` makes.
    """
    attacked = robustness_of(book)
    cards = "\n".join(_card(book, statement, pages, attacked) for statement in book.statements.values())
    return f"::::{{div}} statement-cards\n{cards}\n::::"


def statement_table(book: Book, pages: dict[str, Page]) -> str:
    """A row for each statement of statements.yml: what it says, how its claims came out, and how they stood the attack.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text.
    """
    attacked = robustness_of(book)
    rows = ["| Statement | Its claims | Its findings on other graphs and networks |", "|---|---|---|"]
    for statement in book.statements.values():
        name = f"[{statement.number} {statement.heading}](#{statement.label})"
        rows.append(f"| {name} | {' | '.join(stood(book, statement, pages, attacked))} |")
    return "\n".join(rows)


def _card(book: Book, statement: Statement, pages: dict[str, Page], attacked: dict) -> str:
    image = f"{thumbnail(statement.figures[0], pages.values())}\n\n" if statement.figures else ""
    target = statement.chapters[0] if statement.chapters else "statements"
    first = f"**{{doc}}`{statement.number} {statement.heading} <{target}>`**"
    counted = " ".join(stood(book, statement, pages, attacked))
    lines = [first, statement.text.strip(), f"*{counted}*", f"[Evidence](#{statement.label})"]
    return f":::{{div}} statement-card\n{image}" + "\n\n".join(lines) + "\n:::"


def stood(book: Book, statement: Statement, pages: dict[str, Page], attacked: dict) -> tuple[str, str]:
    """How the claims on a statement came out, and how its findings stood the attack, in a sentence each.

    Args:
        book: the book.
        statement: one of its statements.
        pages: the chapters as they will be shown.
        attacked: what `robustness_of` found.

    Returns:
        Such as ("1 check, 2 findings: all hold.", "Attacked in 40 variations: held in all.").
    """
    claims = [*(book.claims[name] for name in statement.claims), *statement.others(book.claims)]
    return _counts(claims, pages), _attack(claims, attacked)


def _counts(claims: list[Claim], pages: dict[str, Page]) -> str:
    """Such as "1 proof, 4 checks, 7 findings: all hold." or "…: 8 hold, 0 fail, 3 not run."."""
    verdicts = [pages[claim.chapter].judge(claim)[1] for claim in claims]
    kinds = [claim.kind for claim in claims]
    named = [(kinds.count(PROOF), "proof"), (kinds.count(CHECK), "check"), (kinds.count(FINDING), "finding")]
    many = ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in named if number)
    held = sum(pages[claim.chapter].holds(claim) for claim in claims)
    if held == len(claims):
        return f"{many}: all hold."
    return f"{many}: {held} hold, {verdicts.count(FAIL)} fail, {verdicts.count(NOT_RUN)} not run."


def _attack(claims: list[Claim], attacked: dict) -> str:
    """How the statement's findings stood the attack, within their domains."""
    trials = [trial for claim in claims if claim.id in attacked for trial in attacked[claim.id].inside]
    if not trials:
        return "No finding of it was attacked."
    held = sum(trial.holds for trial in trials)
    return f"Attacked in {len(trials)} variations: held in {'all' if held == len(trials) else held}."


def claims_count(book: Book, pages: dict[str, Page]) -> str:
    """How many claims there are and how they came out, in one sentence, and where they stand."""
    return f"{counted_claims(book, pages)} {{doc}}`All of them, a card each <claims>`."


def counted_claims(book: Book, pages: dict[str, Page]) -> str:
    """How many claims there are and how they came out, in one sentence."""
    verdicts = [pages[claim.chapter].judge(claim)[1] for claim in book.claims.values()]
    words = ((PROVED, "proved"), (PASS, "pass"), (FAIL, "fail"), (NOT_RUN, "not run here"))
    counts = ", ".join(f"{verdicts.count(verdict)} {word}" for verdict, word in words)
    return f"{len(verdicts)} claims: {counts}."


def run_time(pages: dict[str, Page]) -> str:
    """How long the runs shown took, in one sentence; empty if no run is shown."""
    records = [page.record for page in pages.values() if page.record]
    if not records:
        return ""
    minutes = max(1, round(sum(record["seconds"] for record in records) / 60))
    cores = sorted({record["machine"]["cores"] for record in records})
    return (
        f"The runs shown here took {minutes} minutes altogether, chapter after chapter, on a machine with "
        f"{' to '.join(map(str, cores))} cores."
    )


def thumbnail(figure: str, pages: Iterable[Page]) -> str:
    """The small copy of a figure, which is loaded when a reader comes to it.

    Args:
        figure: its name.
        pages: the chapters, one of which has it.

    Returns:
        MyST.
    """
    words = figure.removeprefix("fig-").replace("-", " ")
    # The file by its whole name: Sphinx globs `name.*`, and brackets in the path of a clone would be a pattern.
    file = next(page.images[figure][0] for page in pages if figure in page.images)
    return f'```{{image}} /{FOLDER}/{file}\n:alt: The figure "{words}", small\n:loading: lazy\n```'


def draw_thumbnails(pages: dict[str, Page], folder: Path) -> None:
    """Lay down a small copy of every figure.

    Args:
        pages: the chapters as they will be shown.
        folder: made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, image in [named for page in pages.values() for named in page.images.values()]:
        if file.endswith(".svg"):
            (folder / file).write_bytes(image)
        else:
            _small(image, folder / file)


def _small(image: bytes, path: Path) -> None:
    """The upper part of an image, scaled down; a white sheet where there is none."""
    if not image:
        Image.new("RGB", (WIDTH, WIDTH // 2), "white").save(path)
        return
    with Image.open(io.BytesIO(image)) as full:
        high = round(WIDTH * full.height / full.width)
        small = full.convert("RGB").resize((WIDTH, high), Image.Resampling.LANCZOS)
        small.crop((0, 0, WIDTH, min(high, WIDTH * 5 // 8))).quantize(128).save(path, optimize=True)
