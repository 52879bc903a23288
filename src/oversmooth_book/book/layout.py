"""Where things lie in a book, and how a folder is replaced without ever being half-written."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "OVERSMOOTH_BOOK"


class BookError(Exception):
    """Something a reader or author can mend; its text says what, where and how."""


@dataclass(frozen=True)
class Book:
    """The folders of one book."""

    root: Path

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


def home_folder() -> Path | None:
    """The user's home folder; None where there is none: in a container a user may have no entry and no $HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def with_home(book: Book) -> dict[str, str]:
    """What to add to the environment of programs that keep files in a home folder: one in the book if none is usable.

    Args:
        book: the book.

    Returns:
        Variables, empty if the user's own home will do.
    """
    home = home_folder()
    if home is not None and home.is_dir() and os.access(home, os.W_OK | os.X_OK):
        return {}
    own = book.root / "_build" / "home"
    own.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(own)}


def replace_folder(new: Path, place: Path) -> None:
    """Put ``new`` at ``place``; the old content stays recoverable at every moment in between."""
    place.parent.mkdir(parents=True, exist_ok=True)
    recover_folders(place.parent)
    old = place.with_name(f".{place.name}.old")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def recover_folders(parent: Path) -> None:
    """Finish what a killed ``replace_folder`` left: put the old content back, or drop it if the new is there."""
    for old in parent.glob(".*.old"):
        place = parent / old.name.removeprefix(".").removesuffix(".old")
        if place.exists():
            shutil.rmtree(old)
        else:
            old.rename(place)
