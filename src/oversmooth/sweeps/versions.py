"""What a number of a sweep depends on besides its cell: the versions of Python, of packages and of this library."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path

import numpy as np
import scipy
import torch

from oversmooth._version import __version__


def versions() -> dict[str, str]:
    """Python, torch, NumPy, SciPy, and this library with a digest of its files."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "oversmooth": f"{__version__} ({library_digest()})",
    }


@functools.cache
def library_digest() -> str:
    """A digest of the library's files, those that draw left out: two checkouts may bear one version number."""
    folder = Path(__file__).resolve().parents[1]
    paths = [path for path in sorted(folder.rglob("*.py")) if "drawing" not in path.parts]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]
