"""Write src/oversmooth/__init__.pyi, which tells editors and type checkers where each public name is defined.

Editors cannot run the `__getattr__` that loads the names. To be run after an edit of `oversmooth.public`; a test holds
the two together.
"""

from pathlib import Path

from oversmooth.public import PUBLIC

STUB = Path(__file__).resolve().parents[1] / "src" / "oversmooth" / "__init__.pyi"


def text():
    """The stub: an import for each name, with the `as` that means "for others", and the list of all."""
    lines = ["# Written by scripts/stub.py.", "from oversmooth._version import __version__ as __version__"]
    for module, names in sorted(PUBLIC.items()):
        lines += [f"from oversmooth.{module} import {name} as {name}" for name in _sorted(names)]
    names = _sorted(name for each in PUBLIC.values() for name in each)
    return "\n".join([*lines, "", "__all__ = [", *(f'    "{name}",' for name in names), "]", ""])


def _sorted(names):
    """Constants, classes, functions: as ruff sorts them."""
    return sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
