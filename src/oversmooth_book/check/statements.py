"""Whether the book holds what statements.yml promises: claims, chapters, figures, tests, theorems and their proofs."""

import ast
import re

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError, brief, first_line
from oversmooth_book.book.figures import is_figure
from oversmooth_book.book.modules import parsed
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.statements import Statement, Theorem, circle, statement_numbers


def check_statements(book: Book) -> list[str]:
    """What statements.yml promises and the book does not hold.

    Args:
        book: the book.

    Returns:
        One sentence per missing claim, chapter, figure, test or theorem, per statement without a claim, and for a
        circle of theorems.
    """
    statements = book.statements
    there = {"chapters": set(book.profiles), "claims": set(book.claims), "figures": _figures(book)}
    there["uses"], words = set(book.blueprint), {"uses": "theorems and statements"}
    problems = _theorems_against_text(book)
    for name, statement in book.blueprint.items():
        where = f"statements.yml: {name}"
        for kind, known in there.items():
            strangers = [other for other in getattr(statement, kind) if other not in known]
            problems += [
                f"{where} names {other!r}, which is none of the book's {words.get(kind, kind)}" for other in strangers
            ]
        problems += [f"{where}: {why}" for test in statement.tests if (why := _missing_test(book, test))]
        if isinstance(statement, Statement) and not statement.claims:
            problems.append(f"{where}: no claim is listed: what checks it?")
    if way := circle(book.blueprint):
        problems.append(f"statements.yml: {' uses '.join(way)}: nothing rests on itself")
    gone = {number for claim in book.claims.values() for number in statement_numbers(claim.paper)} - set(statements)
    if statements and gone:
        problems.append(f"statements.yml: lacks statement {', '.join(map(str, sorted(gone)))}, which claims.yml names")
    return problems


def _theorems_against_text(book: Book) -> list[str]:
    """Theorems that only statements.yml or only the chapters have, and proofs that cite what their rows do not name."""
    rows = {name: row for name, row in book.blueprint.items() if isinstance(row, Theorem)}
    if not rows:  # a book without a blueprint
        return []
    labels, cited = stated_and_proved(book)
    found = [f"statements.yml: {name}: no chapter states it" for name in rows if name not in labels]
    found += [f"statements.yml: lacks {name}, which {labels[name]} states" for name in labels if name not in rows]
    for name, others in cited.items():
        lacking = sorted(others - set(rows[name].uses)) if name in rows else []
        found += [f"statements.yml: {name}: its proof cites {other}, which stands not in uses" for other in lacking]
    return found


def stated_and_proved(book: Book) -> tuple[dict[str, str], dict[str, set[str]]]:
    """What the chapters say of theorems and lemmas; the notebooks are read once.

    Args:
        book: the book.

    Returns:
        Label to the chapter that states it; and, where the text has a proof, label to the theorems that it cites. A
        proof that names no theorem is of the one above.
    """
    labels, cited = {}, {}
    for chapter in book.profiles:
        try:
            cells = read_notebook(book.notebook(chapter)).cells
        except BookError:  # said elsewhere
            continue
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        labels |= dict.fromkeys(re.findall(r"^:label: ((?:thm|lem)-\S+)", text, re.M), chapter)
        last = None
        for kind, body in re.findall(r"^:::+\{prf:(\w+)\}(.*?)^:::+$", text, re.M | re.S):
            label = re.search(r"^:label: (\S+)", body, re.M)
            last = label[1] if label else last
            if kind == "proof":
                named, *_ = re.findall(r"\A of \{prf:ref\}`([\w-]+)`", body) or [last]
                cited.setdefault(named, set()).update(set(re.findall(r"\{prf:ref\}`([\w-]+)`", body)) - {named})
    return labels, cited


def _figures(book: Book) -> set[str]:
    names = set()
    for chapter in book.profiles:
        try:
            cells = read_notebook(book.notebook(chapter)).cells
        except BookError:
            continue
        names |= {cell.metadata["mystnb"]["figure"].get("name") for cell in cells if is_figure(cell)}
    return names


def _missing_test(book: Book, test: str) -> str:
    """Why ``file::function`` cannot be found, empty if it is there."""
    file, _, function = test.partition("::")
    try:
        path = (book.root / file).resolve()
        if not path.is_relative_to(book.root.resolve()) or not path.is_file():
            return f"the test {brief(test)} names no file of the repository (tests/test_x.py::test_y)"
        tree = parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        return f"the test {brief(test)} is in no readable Python file ({first_line(error)})"
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return "" if function in known else f"{file} has no test {function!r}"
