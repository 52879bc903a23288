"""Paths that may begin at the user's home folder."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike) -> Path:
    """A path with `~` replaced by the home folder.

    Args:
        path: a path.

    Returns:
        The path.

    Raises:
        ValueError: if it begins at a home folder and there is none, as for a container's user without an entry.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{path} begins at a home folder, and this user has none: set HOME, or name a folder without ~."
        ) from None
