"""Which tables a chapter's figures draw."""

import re
from pathlib import Path


def is_figure(cell) -> bool:
    """Whether a cell draws a figure with a caption."""
    return cell.cell_type == "code" and "figure" in cell.metadata.get("mystnb", {})


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
