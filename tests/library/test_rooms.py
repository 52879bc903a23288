"""The ground plan: imports run downwards only, and no room uses another's private names."""

import ast
import graphlib
import re
from pathlib import Path

import oversmooth

SOURCE = Path(oversmooth.__file__).parents[1]
PATHS = sorted((SOURCE / "oversmooth").rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in PATHS}


def imports_of(tree):
    """Modules of the library that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in (node.module, *names) if name in MODULES)


def test_imports_run_in_no_circle():
    above = {name: set(imports_of(tree)) - {name} for name, tree in MODULES.items()}
    order = list(graphlib.TopologicalSorter(above).static_order())  # raises CycleError, which names the circle
    assert set(order) == set(MODULES) and order.index("oversmooth.sparse") < order.index(
        "oversmooth.propagation.matrix"
    )


def private_names(tree, stored):
    """Private attributes and definitions that a module makes (stored) or reads, and private names that it imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) == stored:
            yield node.attr
        elif stored and isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif not stored and isinstance(node, ast.ImportFrom) and node.module != "oversmooth._rounding":
            yield from (alias.name for alias in node.names if f"{node.module}.{alias.name}" not in MODULES)


def private(tree, stored):
    return {name for name in private_names(tree, stored) if name.startswith("_") and not name.endswith("__")}


def test_no_private_name_is_used_in_another_module():
    made = {name: private(tree, stored=True) for name, tree in MODULES.items()}
    for name, tree in MODULES.items():
        elsewhere = set().union(*(names for other, names in made.items() if other != name))
        assert not (private(tree, stored=False) - made[name]) & elsewhere, name


def test_docstrings_cite_what_a_reader_has():
    """The book's theorems by their labels, and none of the notes that only its authors had."""
    pages = SOURCE.parent / "chapters"
    book = "".join(page.read_text(encoding="utf-8") for page in [*pages.glob("*.ipynb"), *pages.glob("*.md")])
    text = "".join(path.read_text(encoding="utf-8") for path in PATHS)
    cited = set(re.findall(r"\bthm-[a-z-]*[a-z]", text))
    assert cited and cited <= set(re.findall(r":label: (thm-[a-z-]*[a-z])", book))
    assert not re.findall(r"\w+\.md\b", text)
    titles = re.findall(r"chapter \*(.+?)\*", text)
    assert titles and all(f"# {title}" in book for title in titles)
