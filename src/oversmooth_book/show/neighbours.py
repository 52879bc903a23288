"""Which claims bear on a statement of a neighbouring work, and what became of that statement."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.saved import AGAIN, damaged, read_table
from oversmooth_book.show.pages import Page

CHAPTER, TABLE = "objections", "verdicts.csv"
# Column of the chapter's table -> what its claims do to the statement.
ROLES = {"reproduced": "reproduces", "limited": "limits", "denied": "contradicts"}
NOBODY = "–"


@dataclass(frozen=True)
class Neighbour:
    """A work, its statement as we read it, what a claim does to it, and the verdict: CONFIRMED, QUALIFIED, …."""

    work: str
    statement: str
    role: str
    verdict: str

    def sentence(self) -> str:
        """Such as "limits Ali et al. 2023 (“centred aggregation trains very deep”): QUALIFIED"."""
        return f"{self.role} {self.work} (“{self.statement}”): {self.verdict}"


def neighbours(pages: dict[str, Page]) -> dict[str, list[Neighbour]]:
    """What the claims of the chapter on objections say of other works.

    Args:
        pages: the chapters as they will be shown.

    Returns:
        Claim id to its neighbours; empty without that chapter, or before it has run.

    Raises:
        BookError: if the chapter's table is damaged.
    """
    tables = [path for path in pages[CHAPTER].tables if path.name == TABLE] if CHAPTER in pages else []
    found = {}
    for path in tables:
        for name, one in _rows(path):
            found.setdefault(name, []).append(one)
    return found


def _rows(path: Path) -> Iterable[tuple[str, Neighbour]]:
    table = read_table(path, dtype=str, keep_default_na=False)
    lacking = {"work", "statement", "verdict", *ROLES} - set(table)
    if lacking:
        raise BookError(damaged(path, f"lacks {', '.join(sorted(lacking))}", AGAIN))
    for row in table.to_dict("records"):
        for column, role in ROLES.items():
            for name in row[column].split(", ") if row[column] != NOBODY else ():
                yield name, Neighbour(row["work"], row["statement"], role, row["verdict"])
