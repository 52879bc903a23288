"""Folders: the user's home, and how a folder is replaced without ever being half-written."""

import os
import shutil
from pathlib import Path


def home_folder() -> Path | None:
    """The user's home folder; None where there is none: in a container a user may have no entry and no $HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def with_home(root: Path) -> dict[str, str]:
    """What to add to the environment of programs that keep files in a home folder: one in the book if none is usable.

    Args:
        root: the book's folder.

    Returns:
        Variables, empty if the user's own home will do.
    """
    home = home_folder()
    if home is not None and home.is_dir() and os.access(home, os.W_OK | os.X_OK):
        return {}
    own = root / "_build" / "home"
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
    _remove(old)


def recover_folders(parent: Path) -> None:
    """Finish what a killed ``replace_folder`` left: put the old content back, or drop it if the new is there."""
    for old in parent.glob(".*.old"):
        place = parent / old.name.removeprefix(".").removesuffix(".old")
        if place.exists():
            _remove(old)
        else:
            old.rename(place)


def _remove(old: Path) -> None:
    """Drop a folder, or the file that lay where a folder belongs; what stays is dropped by the next recovery."""
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)
