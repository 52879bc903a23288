"""Which tables a chapter's figures draw, which functions made them, and which claims stand under them."""

import ast
import base64
import functools
import re
from pathlib import Path

from oversmooth_book.book.calls import named_claims
from oversmooth_book.book.modules import EXPERIMENTS, module_file, parsed

SOURCE = Path(__file__).resolve().parents[2]


def is_figure(cell) -> bool:
    """Whether a cell draws a figure with a caption."""
    return cell.cell_type == "code" and "figure" in cell.metadata.get("mystnb", {})


def figure_images(notebook) -> dict[str, tuple[str, bytes]]:
    """The images of a notebook's figures.

    Args:
        notebook: the notebook.

    Returns:
        The figure's name to a file's name and what it holds, SVG or PNG; a PNG file without bytes for a figure that was
        not drawn.
    """
    found = {}
    for cell in filter(is_figure, notebook.cells):
        name = cell.metadata["mystnb"]["figure"].get("name", "")
        found[name] = (f"{name}.png", b"")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/svg+xml" in data:
                found[name] = (f"{name}.svg", "".join(data["image/svg+xml"]).encode())
            elif "image/png" in data:
                found[name] = (f"{name}.png", base64.b64decode("".join(data["image/png"])))
    return found


def figures_of_claims(notebook) -> dict[str, str]:
    """The figure under which each claim stands: the last before the cell that measures it.

    Args:
        notebook: the notebook.

    Returns:
        Claim id to the figure's name; claims before the first figure are left out.
    """
    found, last = {}, None
    for cell in notebook.cells:
        if is_figure(cell):
            last = cell.metadata["mystnb"]["figure"].get("name")
        if cell.cell_type != "code" or not last:
            continue
        try:
            named = named_claims(parsed(cell.source))
        except SyntaxError:  # running it will tell
            continue
        found |= {name: last for name in named if name not in found}
    return found


def drawn_tables(notebook, tables: list[Path]) -> list[list[Path] | None]:
    """For every cell of a notebook the tables it draws, None where it draws no figure."""
    found, before = [], ""
    for cell in notebook.cells:
        if is_figure(cell):
            found.append(figure_tables(cell, tables, before))
            before = ""
        else:
            found.append(None)
            before += cell.source + "\n" if cell.cell_type == "code" else ""
    return found


def figure_tables(cell, tables: list[Path], before: str = "") -> list[Path]:
    """The tables a figure draws.

    Args:
        cell: the figure's cell.
        tables: those of the chapter.
        before: the code since the figure before it.

    Returns:
        The tables that the cell's metadata name (``tables``); else those named like the figure (``fig-forward-phase``
        draws ``phase`` and ``phase_edge``); else those saved since the figure before it; else all of the chapter.
    """
    name = cell.metadata["mystnb"]["figure"].get("name", "").replace("-", "_")
    stems = [path.stem for path in tables]
    alike = [stem for stem in stems if any(f"_{name}".endswith(f"_{part}") for part in _beginnings(stem, stems))]
    saved = re.findall(r"""save_table\(\s*["'](\w+)["']""", before + cell.source)
    for wanted in (cell.metadata.get("tables", []), alike, saved):
        found = [path for path in tables if path.stem in wanted]
        if found:
            return found
    return tables


def _beginnings(stem: str, stems: list[str]) -> list[str]:
    """A table's name and the tables it belongs to: ``phase_edge`` goes with ``phase``."""
    return [other for other in stems if stem == other or stem.startswith(f"{other}_")]


def measuring_functions(notebook, chapter: str) -> dict[str, list[str]]:
    """Which functions of the chapter's experiments each saved table comes from, read off the notebook's code.

    Args:
        notebook: the notebook.
        chapter: its name.

    Returns:
        Table to dotted names of functions, in the order in which they are called.
    """
    modules, made, found = {}, {}, {}
    for statement in _statements(notebook):
        if isinstance(statement, ast.ImportFrom) and statement.module == f"{EXPERIMENTS}.{chapter}":
            modules |= {alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names}
        used = _functions(statement, modules, made)
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            names = _saved(call)
            found |= {name: _functions(call, modules, made) for name in names}
        for target in getattr(statement, "targets", []):
            made |= {node.id: used for node in ast.walk(target) if isinstance(node, ast.Name)}
    return found


def drawing_functions(cell, chapter: str) -> list[str]:
    """The functions of the chapter's ``figures.py`` that a figure's cell calls: dotted names."""
    module = f"{EXPERIMENTS}.{chapter}.figures"
    return [f"{module}.{name}" for name in defined_functions(module) if f"figures.{name}(" in cell.source]


def experiment_modules(chapter: str) -> list[str]:
    """The modules of a chapter's experiments that define public functions, claims.py left out: dotted names."""
    folder = SOURCE.joinpath(*EXPERIMENTS.split("."), chapter)
    names = [f"{EXPERIMENTS}.{chapter}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "claims"]
    return [name for name in names if defined_functions(name)]


def _statements(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            try:
                yield from parsed(cell.source).body
            except SyntaxError:  # running it will tell
                continue


def _saved(call: ast.Call) -> list[str]:
    """The tables that a call saves: ``save_table(name, …)``, ``measured(name or names, …)``."""
    if getattr(call.func, "attr", "") not in ("save_table", "measured") or not call.args:
        return []
    return [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]


def _functions(node, modules: dict[str, str], made: dict[str, list[str]]) -> list[str]:
    """The chapter's functions that an expression mentions, directly or by a name that was made with them."""
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in modules:
            module = modules[part.value.id]
            found += [f"{module}.{part.attr}"] if part.attr in defined_functions(module) else []
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            found += made.get(part.id, [])
    return list(dict.fromkeys(found))


@functools.cache
def defined_functions(module: str) -> tuple[str, ...]:
    """The public functions that a module of the experiments defines itself, in its order; nothing is imported."""
    path = module_file(SOURCE, module)
    if path is None:
        return ()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return tuple(node.name for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))
