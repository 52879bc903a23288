"""Whether the book holds what statements.yml promises: claims, chapters, figures, tests."""

import ast

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError, brief, first_line
from oversmooth_book.book.figures import is_figure
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.statements import statement_numbers


def check_statements(book: Book) -> list[str]:
    """What statements.yml promises and the book does not hold.

    Args:
        book: the book.

    Returns:
        One sentence per missing claim, chapter, figure or test, and per statement without a claim.
    """
    statements = book.statements
    there = {"chapters": set(book.profiles), "claims": set(book.claims), "figures": _figures(book)}
    problems = []
    for number, statement in statements.items():
        where = f"statements.yml: statement {number}"
        for kind, known in there.items():
            strangers = [name for name in getattr(statement, kind) if name not in known]
            problems += [f"{where} names {name!r}, which is none of the book's {kind}" for name in strangers]
        problems += [f"{where}: {why}" for test in statement.tests if (why := _missing_test(book, test))]
        if not statement.claims:
            problems.append(f"{where}: no claim is listed: what checks it?")
    gone = {number for claim in book.claims.values() for number in statement_numbers(claim.paper)} - set(statements)
    if statements and gone:
        problems.append(f"statements.yml: lacks statement {', '.join(map(str, sorted(gone)))}, which claims.yml names")
    return problems


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
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        return f"the test {brief(test)} is in no readable Python file ({first_line(error)})"
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return "" if function in known else f"{file} has no test {function!r}"
