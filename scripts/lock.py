"""Write requirements.lock and environment.yml from what is installed: `python scripts/lock.py`.

Install what pyproject.toml asks for, in the versions you want, then run this with that Python. The lock holds
all that the library and its extras need, directly or not, and nothing else. Made on Linux; elsewhere pip adds
what those systems need besides.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
# The torch wheel for NVIDIA devices pins these itself; the processor's wheel has none.
DEVICE_PACKAGES = ("nvidia-", "cuda-", "triton")
HEADER = "# All that the book, its tests and its benchmarks need. Written by scripts/lock.py.\n"


def required(name: str, extras: frozenset[str]) -> list[Requirement]:
    """The requirements of an installed package that hold on this machine for the given extras.

    Args:
        name: name of an installed package.
        extras: names of the extras wanted.

    Returns:
        The requirements, without those of other systems or Python versions.
    """
    requirements = [Requirement(text) for text in importlib.metadata.requires(name) or []]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""})
    ]


def declared() -> list[Requirement]:
    """Every requirement that pyproject.toml declares, its extras and build system included.

    Returns:
        The requirements, without references of the package to its own extras.
    """
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    texts = [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"]]
    for group in pyproject["project"]["optional-dependencies"].values():
        texts += group
    requirements = [Requirement(text) for text in texts]
    return [requirement for requirement in requirements if requirement.name != pyproject["project"]["name"]]


def reached(requirements: list[Requirement], without: tuple[str, ...] = ()) -> set[str]:
    """The installed packages that requirements need, directly or not.

    Args:
        requirements: where to begin.
        without: beginnings of names that are left out, with what only they need.

    Returns:
        Normalised names.
    """
    todo, seen = list(requirements), set()
    while todo:
        one = todo.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in seen or name.startswith(without):
            continue
        seen.add((name, extras))
        todo += required(name, extras)
    return {name for name, _ in seen}


def closure() -> dict[str, str]:
    """Name -> installed version of all that pyproject.toml's requirements need, directly or not.

    Returns:
        A sorted dictionary; names are normalised, versions without a local part such as +cpu.
    """
    names = sorted(reached(declared(), DEVICE_PACKAGES))
    return {name: Version(importlib.metadata.version(name)).public for name in names}


def lock_text(versions: dict[str, str]) -> str:
    """The text of requirements.lock.

    Args:
        versions: name -> version.

    Returns:
        One line a package.
    """
    return HEADER + "".join(f"{name}=={version}\n" for name, version in versions.items())


def environment_text(versions: dict[str, str]) -> str:
    """The text of environment.yml: Python from conda, all else from pip, as in the lock.

    Without the book's own code: Binder reads this file before it has the rest, and then runs postBuild.

    Args:
        versions: name -> version.

    Returns:
        A conda environment, in YAML.
    """
    lines = "".join(f"      - {name}=={version}\n" for name, version in versions.items())
    return (
        f"{HEADER}name: oversmooth\nchannels:\n  - conda-forge\n"
        f"dependencies:\n  - python=3.11\n  - pip\n  - pip:\n{lines}"
    )


def main() -> None:
    """Write both files."""
    versions = closure()
    (ROOT / "requirements.lock").write_text(lock_text(versions))
    (ROOT / "environment.yml").write_text(environment_text(versions))
    print(f"{len(versions)} packages in requirements.lock and environment.yml")


if __name__ == "__main__":
    main()
