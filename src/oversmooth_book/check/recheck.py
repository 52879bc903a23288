"""recheck: every claim and every glued number of the book once more, from the published tables alone."""

import math

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import glued_texts, read_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.values import as_number, as_text, evaluate, values_of

# Another pandas may add in another order; the tables it reads are the same.
SAME = 1e-9


def recheck(book: Book, names=(), say=print) -> list[str]:
    """Compute the claims and numbers of the committed tables again.

    Args:
        book: the book.
        names: chapters; none means all.
        say: takes one line of report at a time.

    Returns:
        What is wrong, one sentence each: a value that the tables do not give, a claim that does not pass on them, a
        claim without a function, a number of the text that the tables do not give.

    Raises:
        BookError: if a chapter is unknown.
    """
    wrong = []
    for chapter in book.chosen(names):
        try:
            functions, numbers = values_of(chapter.name)
        except BookError as error:
            wrong.append(str(error))
            continue
        found = [*_claims(book, chapter, functions), *_numbers(book, chapter.name, numbers)]
        wrong_here = f", {len(found)} wrong" if found else ""
        say(f"{chapter.name}: {len(functions)} claims, {len(numbers)} numbers{wrong_here}")
        wrong += found
    return wrong


def _claims(book: Book, chapter: ChapterProfile, functions: dict) -> list[str]:
    rows, folder, found = book.claims_of(chapter), book.published(chapter.name), []
    values = read_values(folder / "claims.json")
    strangers = functions.keys() - {row.id for row in rows}
    found += [f"{name}: claims.yml has no such claim of {chapter.name}" for name in strangers]
    for row in rows:
        if row.id not in functions:
            found.append(f"{row.id}: experiments/{chapter.name}/claims.py has no function for it")
            continue
        if row.id not in values and row.profile == "full":
            continue  # decided by the full profile only
        try:
            value = as_number(row.id, evaluate(functions[row.id], folder / "tables"))
        except (BookError, ValueError) as error:
            found.append(f"{row.id}: {error}")
            continue
        published = values.get(row.id)
        if published is None or not math.isclose(value, published, rel_tol=SAME, abs_tol=1e-15):
            found.append(f"{row.id}: the published tables give {value!r}, published is {published!r}")
        elif row.profile != "full" and not row.holds(value, "published"):
            found.append(f"{row.id}: {row.verdict(value, 'published')} on the published tables: {row.measured(value)}")
    return found


def _numbers(book: Book, chapter: str, numbers: dict) -> list[str]:
    glued, found = glued_texts(read_notebook(book.notebook(chapter))), []
    for name, number in numbers.items():
        try:
            text = as_text(name, evaluate(number.function, book.published(chapter) / "tables"), number.spec)
        except (BookError, ValueError) as error:
            found.append(f"{name}: {error}")
            continue
        if glued.get(name) != text:
            found.append(f"{name}: the published tables give {text!r}, the text has {glued.get(name)!r}")
    return found
