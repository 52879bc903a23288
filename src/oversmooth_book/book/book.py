"""A book: where its parts lie, and what its files say, read once for as long as they stay the same."""

import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from oversmooth_book.book.claims import Claim, read_claims
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.profiles import ChapterProfile, read_profiles
from oversmooth_book.book.statements import Evidence, Statement, read_blueprint

ROOT_VARIABLE = "OVERSMOOTH_BOOK"
# A file that was changed so short a time ago may change again before its clock has moved on: it is not kept yet.
SETTLED = 10**8


@dataclass(frozen=True)
class Book:
    """The folders of one book, and what its files say."""

    root: Path

    @property
    def profiles(self) -> Mapping[str, ChapterProfile]:
        """The chapters of profiles.yml, in the book's order: name to chapter."""
        return _kept(read_profiles, self.chapters / "profiles.yml")

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims of claims.yml, in the file's order: id to claim."""
        return _kept(read_claims, self.chapters / "claims.yml")

    @property
    def blueprint(self) -> Mapping[str, Evidence]:
        """Theorems and statements of statements.yml, in the file's order, by their names; empty without the file."""
        return _kept(read_blueprint, self.chapters / "statements.yml")

    @property
    def statements(self) -> Mapping[int, Statement]:
        """The statements among them, by their numbers."""
        return {row.number: row for row in self.blueprint.values() if isinstance(row, Statement)}

    def claims_of(self, chapter: ChapterProfile) -> list[Claim]:
        """The claims that a chapter has to measure."""
        return [claim for claim in self.claims.values() if claim.chapter == chapter.name]

    def chosen(self, names=()) -> list[ChapterProfile]:
        """The chapters of some names.

        Args:
            names: of chapters; none means all.

        Returns:
            The chapters, in the order of the names.

        Raises:
            BookError: if the book has no such chapter.
        """
        unknown = [name for name in names if name not in self.profiles]
        if unknown:
            raise BookError(f"unknown chapter {', '.join(unknown)}; the book has {', '.join(self.profiles) or 'none'}")
        return [self.profiles[name] for name in names or self.profiles]

    @property
    def chapters(self) -> Path:
        """What a reader reads: pages, notebooks, claims.yml, profiles.yml."""
        return self.root / "chapters"

    def notebook(self, chapter: str) -> Path:
        """The committed notebook of a chapter."""
        return self.chapters / f"{chapter}.ipynb"

    def published(self, chapter: str) -> Path:
        """The committed tables, claim values and record behind a chapter's outputs."""
        return self.root / "data" / "published" / chapter

    def published_full(self, chapter: str) -> Path:
        """The committed tables, claim values and record of a chapter's full-profile run, if there was one."""
        return self.published(chapter) / "full"

    @property
    def replicas(self) -> Path:
        """Where the replicas of the published run lie: a folder per chapter, one in it per replica."""
        return self.build("replicas") / "runs"

    def build(self, profile: str) -> Path:
        """Everything a profile's runs and builds write."""
        return self.root / "_build" / profile

    def run(self, profile: str, chapter: str) -> Path:
        """The last good run of a chapter: notebook, tables, claim values, record."""
        return self.build(profile) / "runs" / chapter


def _kept(read: Callable[[Path], dict], path: Path) -> Mapping:
    """What a reader makes of a file; read again if its time or its size is another one."""
    try:
        state = path.stat()
    except OSError:  # the reader says what is missing
        return read(path)
    settled = time.time_ns() - state.st_mtime_ns > SETTLED
    return _read(read, path, state.st_mtime_ns, state.st_size) if settled else read(path)


@functools.lru_cache(maxsize=64)
def _read(read: Callable[[Path], dict], path: Path, changed: int, size: int) -> Mapping:
    return MappingProxyType(read(path))


def find_book(root=None) -> Book:
    """The book at ``root``, else at $OVERSMOOTH_BOOK, else around the working folder or this package.

    Args:
        root: folder that holds ``chapters/profiles.yml``; None looks for it.

    Returns:
        The book.

    Raises:
        BookError: if no such folder is found.
    """
    named = root or os.environ.get(ROOT_VARIABLE)
    here, package = Path.cwd(), Path(__file__).resolve()
    candidates = [Path(named).resolve()] if named else [here, *here.parents, *package.parents]
    for folder in candidates:
        if (folder / "chapters" / "profiles.yml").is_file():
            return Book(folder)
    raise BookError(
        f"no book found: {named or here} has no chapters/profiles.yml; "
        f"call from inside the book's folder, give --root FOLDER or set {ROOT_VARIABLE}"
    )
