"""statements.yml: from each statement of the paper to the chapters, claims, figures and tests that bear on it."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.claims import NOT_RUN, Claim
from oversmooth_book.book.layout import Book, BookError
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.strict_yaml import check_fields, check_texts, check_texts_list, read_rows
from oversmooth_book.show.pages import Page, badge, is_figure, link, small

STATEMENTS_MARK = "<!-- statements -->"
LISTS = ("chapters", "claims", "figures", "tests")


@dataclass(frozen=True)
class Statement:
    """One statement of the paper, and where the book takes it up."""

    number: int
    text: str
    chapters: tuple
    claims: tuple
    figures: tuple
    tests: tuple

    def others(self, claims: dict[str, Claim]) -> list[Claim]:
        """The claims that name this statement in their ``paper`` field and do not stand in the list."""
        return [
            claim
            for claim in claims.values()
            if claim.id not in self.claims and self.number in statement_numbers(claim.paper)
        ]


def statement_numbers(paper: str) -> list[int]:
    """The statements that a text such as "claims 2 and 3; the number, ours" names."""
    named = re.findall(r"\bclaims? (\d+(?:(?:, | and )\d+)*)", paper)
    return [int(number) for group in named for number in re.findall(r"\d+", group)]


def read_statements(path: Path) -> dict[int, Statement]:
    """The statements of statements.yml, in the file's order.

    Args:
        path: the file; none means no statements.

    Returns:
        Statement number to statement.

    Raises:
        BookError: naming the row, the field, what was needed and what came.
    """
    if not path.is_file():
        return {}
    statements = {}
    for where, row in read_rows(path, "statement"):
        check_fields(where, row, ("statement", "text", "claims"), ("chapters", "figures", "tests"))
        number = row["statement"]
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise BookError(f"{where}: statement needs its number in the paper's list, got {number!r}")
        if number in statements:
            raise BookError(f"{where}: statement {number} stands twice")
        check_texts(where, row, ("text",))
        check_texts_list(where, row, LISTS)
        lists = {name: tuple(row.get(name, ())) for name in LISTS}
        statements[number] = Statement(number, row["text"], **lists)
    return statements


def check_statements(book: Book, claims: dict[str, Claim], chapters) -> list[str]:
    """What statements.yml promises and the book does not hold.

    Args:
        book: the book.
        claims: all claims of the book.
        chapters: names of the chapters.

    Returns:
        One sentence per missing claim, chapter, figure or test, and per statement without a claim.
    """
    statements = read_statements(book.chapters / "statements.yml")
    there = {"chapters": set(chapters), "claims": set(claims), "figures": _figures(book, chapters)}
    problems = []
    for number, statement in statements.items():
        where = f"statements.yml: statement {number}"
        for kind, known in there.items():
            strangers = [name for name in getattr(statement, kind) if name not in known]
            problems += [f"{where} names {name!r}, which is none of the book's {kind}" for name in strangers]
        problems += [f"{where}: {why}" for test in statement.tests if (why := _missing_test(book, test))]
        if not statement.claims:
            problems.append(f"{where}: no claim is listed: what checks it?")
    gone = {number for claim in claims.values() for number in statement_numbers(claim.paper)} - set(statements)
    if statements and gone:
        problems.append(f"statements.yml: lacks statement {', '.join(map(str, sorted(gone)))}, which claims.yml names")
    return problems


def _figures(book: Book, chapters) -> set[str]:
    names = set()
    for chapter in chapters:
        try:
            cells = read_notebook(book.notebook(chapter)).cells
        except BookError:
            continue
        names |= {cell.metadata["mystnb"]["figure"].get("name") for cell in cells if is_figure(cell)}
    return names


def _missing_test(book: Book, test: str) -> str:
    """Why ``file::function`` cannot be found, empty if it is there."""
    file, _, function = test.partition("::")
    path = (book.root / file).resolve()
    if not path.is_relative_to(book.root.resolve()) or not path.is_file():
        return f"the test {test!r} names no file of the repository (tests/test_x.py::test_y)"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return "" if function in known else f"{file} has no test {function!r}"


def statement_sections(statements: dict[int, Statement], claims: dict, pages: dict[str, Page]) -> str:
    """The reverse index as MyST: a section a statement, its verdicts computed from the runs.

    Args:
        statements: as read from statements.yml.
        claims: all claims of the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text.

    Raises:
        BookError: if a claim is listed that claims.yml has not.
    """
    strangers = sorted({name for statement in statements.values() for name in statement.claims} - set(claims))
    if strangers:
        raise BookError(f"statements.yml: {', '.join(strangers)}: no such claim in claims.yml")
    return "\n\n".join(_section(statement, claims, pages) for statement in statements.values())


def _section(statement: Statement, claims: dict, pages: dict[str, Page]) -> str:
    lines = [f"(statement-{statement.number})=\n## Statement {statement.number}\n\n{statement.text.strip()}\n"]
    rows = "\n".join(_claim_row(claims[name], pages) for name in statement.claims)
    head = "| Id | Claim | Verdict |\n|---|---|---|\n"
    lines.append(f":::{{div}} statement-claims\n{head}{rows}\n:::\n")
    others = [link(claim) for claim in statement.others(claims)]
    parts = (
        ("Also", others),
        ("Chapters", [f"[]({name}.ipynb)" for name in statement.chapters]),
        ("Figures", [f"{{numref}}`{name}`" for name in statement.figures]),
        ("Tests", [f"`{name}`" for name in statement.tests]),
    )
    lines += [f"- {title}: {', '.join(names)}" for title, names in parts if names]
    return "\n".join(lines)


def _claim_row(claim: Claim, pages: dict[str, Page]) -> str:
    page = pages[claim.chapter]
    verdict = page.judge(claim)[1]
    reason = small(claim.undecided(page.profile, page.missing)) if verdict == NOT_RUN else ""
    text = claim.statement.strip().replace("|", "\\|").replace("\n", " ")
    return f"| {link(claim)} | {text} | {badge(verdict)} {reason} |"
