"""profiles.yml: the parameters of every chapter in every profile."""

from dataclasses import dataclass, field
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.strict_yaml import check_fields, read_yaml

PROFILES = ("quick", "published", "full")
MOST_PARAMETERS = 5
SECONDS = {"quick": 1800.0, "published": 3600.0, "full": 86400.0}


@dataclass(frozen=True)
class ChapterProfile:
    """One chapter's row of profiles.yml; quick and full override the published parameters."""

    name: str
    published: dict
    quick: dict = field(default_factory=dict)
    full: dict = field(default_factory=dict)

    def parameters(self, profile: str) -> dict:
        """The value of every parameter in this profile."""
        return {**self.published, **getattr(self, profile)}


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
    return {str(name): _chapter(path.name, str(name), row) for name, row in rows.items()}


def _chapter(file: str, name: str, row) -> ChapterProfile:
    where = f"{file}: chapter {name}"
    if not name.isidentifier():
        raise BookError(f"{where}: a chapter is named like its notebook, letters, digits and underscores")
    check_fields(where, row, ("published",), ("quick", "full"))
    _check_parameters(where, row)
    values = {profile: row.get(profile) or {} for profile in PROFILES}
    return ChapterProfile(name=name, **values)


def _check_parameters(where: str, row: dict) -> None:
    published = row["published"] or {}
    # The published ones first: the others are compared with them.
    for profile in ("published", "quick", "full"):
        values = row.get(profile) or {}
        if not isinstance(values, dict):
            raise BookError(f"{where}: '{profile}' maps parameters to values, got {values!r}")
        for name, value in values.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise BookError(f"{where}: {profile}: a parameter is named like a variable, got {name!r}")
            if name not in published:
                raise BookError(
                    f"{where}: {profile} sets {name!r}, which 'published' does not; "
                    f"published has {', '.join(map(str, published)) or 'no parameter'}"
                )
            if not is_literal(value):
                raise BookError(f"{where}: {profile} {name} needs a number, text, or a list of them, got {value!r}")
    if len(published) > MOST_PARAMETERS:
        raise BookError(f"{where}: {len(published)} parameters; a chapter has at most {MOST_PARAMETERS}")


def is_literal(value) -> bool:
    """Whether a value can stand in a parameters cell: a number, text, truth value, None, or a list of them."""
    if isinstance(value, list):
        return all(is_literal(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
