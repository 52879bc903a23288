"""What code a chapter's numbers rest on: the modules of ``src/`` that its notebook imports, and those that they import.

Read from the sources, not from a run: it is known before anything runs, and holds for the sweeps' worker processes,
too. Imports inside functions count. ``osm.trace`` counts as an import of the module that defines ``trace``: the
library loads its public names when they are first used.
"""

import ast
import functools
from pathlib import Path

from oversmooth_book.book.errors import first_line

# Lists of names: a new one makes no run due.
LISTS = ("oversmooth.public", "oversmooth._version")
# Drawing and names change no number, and any way to round otherwise will do to measure what rounding moves.
NO_NUMBERS = ("oversmooth.drawing", "oversmooth._rounding", *LISTS)
# Loaded by replicas only.
PERTURBING = ("oversmooth._rounding.mode", "oversmooth._rounding.machine")
EXPERIMENTS = "oversmooth_book.experiments"
MEASURING = ("oversmooth.", f"{EXPERIMENTS}.")


def modules_of(source: Path, code: str) -> dict[str, Path]:
    """The modules that code needs, directly or by way of others.

    Args:
        source: the folder that holds the packages.
        code: Python, such as a notebook's code cells.

    Returns:
        Dotted name to file, of modules in ``source`` only.
    """
    found, waiting = {}, _imports(source, "", code)
    while waiting:
        name = waiting.pop()
        path = None if name in found else module_file(source, name)
        if path is None:
            continue
        found[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imports_of(source, package, path)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return dict(sorted(found.items()))


def run_modules(modules: dict[str, Path]) -> dict[str, Path]:
    """Of a chapter's modules those that a run loads which is no replica, and that are more than a list of names."""
    return {name: path for name, path in modules.items() if name not in (*PERTURBING, *LISTS)}


def measuring_modules(modules: dict[str, Path]) -> dict[str, Path]:
    """Of a chapter's modules those that can change a number; not how it is drawn, shown or judged."""
    return {
        name: path
        for name, path in modules.items()
        if f"{name}.".startswith(MEASURING) and not _draws_or_rounds(name) and name != "oversmooth"
    }


def _draws_or_rounds(name: str) -> bool:
    return name.startswith(NO_NUMBERS) or name.endswith(".figures")


def parsed(code: str) -> ast.Module:
    """Code as a syntax tree.

    Args:
        code: Python.

    Returns:
        The tree.

    Raises:
        SyntaxError: for whatever Python does not take: also half a surrogate pair, or brackets nested too deep.
    """
    try:
        return ast.parse(code)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(first_line(error)) from None


def module_file(source: Path, name: str) -> Path | None:
    """The file of a module in ``source``, by its dotted name; None if it is none of ``source``."""
    base = source.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _imports_of(source: Path, package: str, path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return _read_imports(source, package, text)


@functools.lru_cache(maxsize=1024)
def _read_imports(source: Path, package: str, text: str) -> tuple[str, ...]:
    return tuple(_imports(source, package, text))


def _imports(source: Path, package: str, code: str) -> list[str]:
    """Every module that may be meant by an import statement or by a public name of the library."""
    try:
        tree, lazy, found = parsed(code), set(), []
    except SyntaxError:  # told, with its place, by whoever runs it
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
            lazy |= {alias.asname or "oversmooth" for alias in node.names if alias.name == "oversmooth"}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            names = [alias.name for alias in node.names]
            found += [base, *(f"{base}.{name}" for name in names)]
            found += _public(source, names) if base == "oversmooth" else []
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in lazy
    }
    return found + _public(source, sorted(used))


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _public(source: Path, names: list[str]) -> list[str]:
    """The modules that define public names of the library, as its `public.PUBLIC` lists them."""
    listed = _public_names(source)
    return [f"oversmooth.{listed[name]}" for name in names if name in listed]


@functools.lru_cache(maxsize=8)
def _public_names(source: Path) -> dict[str, str]:
    path = source / "oversmooth" / "public.py"
    if not path.is_file():
        return {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PUBLIC":
            return {name: module for module, names in ast.literal_eval(node.value).items() for name in names}
    return {}
