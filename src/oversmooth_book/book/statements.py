"""statements.yml: from each statement of the paper to the chapters, claims, figures and tests that bear on it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.claims import Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.strict_yaml import check_fields, check_texts, check_texts_list, read_rows

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
