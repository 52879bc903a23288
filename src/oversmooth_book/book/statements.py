"""statements.yml: from each statement of the paper to the chapters, claims, figures and tests that bear on it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from oversmooth_book.book.claims import Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.schema import Names, Row, Text, parse, require_plain
from oversmooth_book.book.strict_yaml import read_rows


class Statement(Row):
    """One statement of the paper, and where the book takes it up."""

    number: Annotated[int, Meta(ge=1, description="its number in the paper's list")] = msgspec.field(name="statement")
    text: Text
    claims: Names
    chapters: Names = ()
    figures: Names = ()
    tests: Names = ()

    def __post_init__(self):
        require_plain("text", self.text)

    def others(self, claims: Mapping[str, Claim]) -> list[Claim]:
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
        statement = parse(where, row, Statement)
        if statement.number in statements:
            raise BookError(f"{where}: statement {statement.number} stands twice")
        statements[statement.number] = statement
    return statements
