"""The machinery's rooms: imports run downwards, none hides in a function to get around a circle."""

import ast

import pytest
from miniature import REPOSITORY

SOURCE = REPOSITORY / "src" / "oversmooth_book"
# From the ground up; a room may use those below it. What notebooks call lies between the book and what runs it.
FLOORS = (
    *("book", "values", "chapter", "borrowing", "experiments", "run"),
    *("attack", "check", "show", "sphinx", "publish", "cli"),
)
FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] in (*FLOORS, "cli.py")]


def imports(path):
    """Every module of the machinery that a file imports: (dotted parts after the package's name, at the top)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oversmooth_book."):
            yield node.module.split(".")[1:], node in tree.body


def floor(parts):
    return FLOORS.index(parts[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_run_downwards(path):
    own = path.relative_to(SOURCE).with_suffix("").parts
    for parts, top in imports(path):
        assert floor(parts) <= floor(own), f"{'/'.join(own)} imports {'.'.join(parts)}, which lies above it"
        # The command line loads what a command needs; nothing else has a reason to wait.
        assert top or own[0] == "cli", f"{'/'.join(own)} imports {'.'.join(parts)} in a function"


def test_no_circle():
    needs = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts): {".".join(parts) for parts, _ in imports(path)}
        for path in FILES
    }
    while free := [name for name, used in needs.items() if not used & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs, f"a circle among {', '.join(needs)}"
