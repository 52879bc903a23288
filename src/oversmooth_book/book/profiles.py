"""profiles.yml: the parameters of every chapter in every profile."""

import math
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from oversmooth_book.book.errors import BookError, brief
from oversmooth_book.book.schema import Row, parse
from oversmooth_book.book.strict_yaml import read_yaml

PROFILES = ("quick", "published", "full")
MOST_PARAMETERS = 5
SECONDS = {"quick": 1800.0, "published": 3600.0, "full": 86400.0}
# Nothing behind the colon is no parameter.
Parameters = Annotated[dict[Any, Any] | None, Meta(description="a mapping from parameters to values")]


class Parts(Row):
    """One chapter's row of profiles.yml; quick and full override the published parameters."""

    published: Parameters
    quick: Parameters = None
    full: Parameters = None

    def __post_init__(self):
        published = self.published or {}
        # The published ones first: the others are compared with them.
        for profile, values in (("published", published), ("quick", self.quick), ("full", self.full)):
            for name, value in (values or {}).items():
                if not isinstance(name, str) or not name.isidentifier():
                    raise ValueError(f"{profile}: a parameter is named like a variable, got {brief(name)}")
                if name not in published:
                    has = ", ".join(map(str, published)) or "no parameter"
                    raise ValueError(f"{profile} sets {brief(name)}, which 'published' does not; published has {has}")
                if not is_literal(value):
                    wanted = "a finite number, text, or a list of them"
                    raise ValueError(f"{profile} {name} needs {wanted}, got {brief(value)}")
        if len(published) > MOST_PARAMETERS:
            raise ValueError(f"{len(published)} parameters; a chapter has at most {MOST_PARAMETERS}")


class ChapterProfile(Row):
    """A chapter, and its parameters."""

    name: str
    parts: Parts

    @property
    def published(self) -> dict:
        """The parameters of the published profile."""
        return self.parameters("published")

    def parameters(self, profile: str) -> dict:
        """The value of every parameter in this profile."""
        return {**(self.parts.published or {}), **(getattr(self.parts, profile) or {})}


def satisfies(profile: str, needed: str) -> bool:
    """Whether a run of ``profile`` is at least as thorough as ``needed``."""
    return PROFILES.index(profile) >= PROFILES.index(needed)


def read_profiles(path: Path) -> dict[str, ChapterProfile]:
    """The chapters of profiles.yml, in the book's order.

    Args:
        path: the file.

    Returns:
        Chapter name to its profile.

    Raises:
        BookError: naming the chapter, the key, what was needed and what came.
    """
    rows = read_yaml(path)
    if rows is None:
        return {}
    if not isinstance(rows, dict):
        raise BookError(f"{path.name}: needs a mapping from chapter to profiles, got {type(rows).__name__}")
    chapters = {}
    for name, row in rows.items():
        where = f"{path.name}: chapter {str(name)[:100]}"
        if not str(name).isidentifier():
            raise BookError(f"{where}: a chapter is named like its notebook, letters, digits and underscores")
        chapters[str(name)] = ChapterProfile(str(name), parse(where, row, Parts))
    return chapters


def is_literal(value) -> bool:
    """Whether a value can stand in a parameters cell: a finite number, text, truth value, None, or a list of them."""
    if isinstance(value, list):
        return all(is_literal(item) for item in value)
    return value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
