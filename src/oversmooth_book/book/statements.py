"""statements.yml: the paper's statements and the book's theorems, what rests on what, and what bears on each."""

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


class Evidence(Row, kw_only=True):
    """What a row of either kind may name: the theorems that it uses, claims, chapters, figures and tests."""

    uses: Names = ()
    claims: Names = ()
    chapters: Names = ()
    figures: Names = ()
    tests: Names = ()


class Statement(Evidence, kw_only=True):
    """One statement of the paper, and where the book takes it up."""

    number: Annotated[int, Meta(ge=1, description="its number in the paper's list")] = msgspec.field(name="statement")
    text: Text
    title: Annotated[str, Meta(description="text")] = ""
    remark: Annotated[str, Meta(description="text")] = ""

    def __post_init__(self):
        for name in ("text", "title", "remark"):
            require_plain(name, getattr(self, name))

    @property
    def name(self) -> str:
        """How others refer to it."""
        return f"statement {self.number}"

    @property
    def heading(self) -> str:
        """Its title, or "Statement 3" where it has none."""
        return self.title or f"Statement {self.number}"

    @property
    def label(self) -> str:
        """What links to its section are written with."""
        return f"evidence-{self.number}"

    def others(self, claims: Mapping[str, Claim]) -> list[Claim]:
        """The claims that name this statement in their ``paper`` field and do not stand in the list."""
        return [
            claim
            for claim in claims.values()
            if claim.id not in self.claims and self.number in statement_numbers(claim.paper)
        ]


class Theorem(Evidence, kw_only=True):
    """A theorem or lemma of a chapter, by the label that it has there."""

    name: Annotated[str, Meta(pattern=r"^(thm|lem)-[a-z-]+\Z", description="a label such as thm-forward")] = (
        msgspec.field(name="theorem")
    )
    text: Text

    def __post_init__(self):
        require_plain("text", self.text)


def statement_numbers(paper: str) -> list[int]:
    """The statements that a text such as "claims 2 and 3; the number, ours" names."""
    named = re.findall(r"\bclaims? (\d+(?:(?:, | and )\d+)*)", paper)
    return [int(number) for group in named for number in re.findall(r"\d+", group)]


def read_blueprint(path: Path) -> dict[str, Statement | Theorem]:
    """The rows of statements.yml, in the file's order.

    Args:
        path: the file; none means no rows.

    Returns:
        Name ("thm-forward", "statement 4") to theorem or statement.

    Raises:
        BookError: naming the row, the field, what was needed and what came.
    """
    if not path.is_file():
        return {}
    found = {}
    for where, row in read_rows(path, "statement"):
        kind = Theorem if isinstance(row, dict) and "theorem" in row else Statement
        node = parse(where, row, kind)
        if node.name in found:
            raise BookError(f"{where}: {node.name} stands twice")
        found[node.name] = node
    return found


def require_sound(rows: Mapping[str, Evidence], claims: Mapping[str, Claim]) -> None:
    """Check that rows can be shown: nobody draws a circle, nor what is not there.

    Args:
        rows: what `read_blueprint` gives.
        claims: the book's.

    Raises:
        BookError: naming the claims or theorems that are none, or the circle.
    """
    named = {name for row in rows.values() for name in row.claims}
    used = {name for row in rows.values() for name in row.uses}
    if strangers := sorted(named - set(claims)):
        raise BookError(f"statements.yml: {', '.join(strangers)}: no such claim in claims.yml")
    if strangers := sorted(used - set(rows)):
        raise BookError(f"statements.yml: {', '.join(strangers)}: no such theorem or statement")
    if way := circle(rows):
        raise BookError(f"statements.yml: {' uses '.join(way)}: nothing rests on itself")


def circle(rows: Mapping[str, Evidence]) -> list[str]:
    """Rows that use each other in a circle, in order; empty if there is none.

    Args:
        rows: what `read_blueprint` gives; names that it lacks are passed over.

    Returns:
        Names, the first again at the end.
    """
    left = {name: {used for used in row.uses if used in rows} for name, row in rows.items()}
    while free := [name for name, uses in left.items() if not uses & left.keys()]:
        for name in free:
            del left[name]
    if not left:
        return []
    way = [next(iter(left))]
    while len(set(way)) == len(way):
        way.append(min(left[way[-1]] & left.keys()))
    return way[way.index(way[-1]) :]
