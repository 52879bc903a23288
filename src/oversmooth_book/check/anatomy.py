"""Where a chapter's notebook departs from the form that readers rely on, told without running it."""

import ast

from oversmooth_book.book.book import Book
from oversmooth_book.book.calls import calls, named_claims, texts
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import ALWAYS_HERE, known_graphs
from oversmooth_book.book.modules import parsed
from oversmooth_book.book.needs import cell_needs
from oversmooth_book.book.notebooks import MOST_CODE_CELLS, MOST_COLUMNS, MOST_LINES, code_cells
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.check.prose import typed_numbers


def anatomy(notebook, name: str) -> list[str]:
    """Where a chapter departs from the form that readers rely on.

    Args:
        notebook: the notebook.
        name: the chapter.

    Returns:
        One sentence per departure.
    """
    code, found = code_cells(notebook), []
    page = [cell for cell in code if "hide-cell" not in cell.metadata.get("tags", [])]  # solutions are folded
    if len(page) > MOST_CODE_CELLS:
        found.append(f"{len(page)} code cells; at most {MOST_CODE_CELLS}: functions belong in src/")
    if not any(f'start("{name}")' in cell.source or f"start('{name}')" in cell.source for cell in code):
        found.append(f'no cell calls oversmooth_book.start("{name}")')
    for number, cell in enumerate(code, start=1):
        lines = cell.source.rstrip().split("\n")
        if len(lines) > MOST_LINES:
            found.append(f"code cell {number} has {len(lines)} lines; at most {MOST_LINES}: functions belong in src/")
        if max(map(len, lines)) > MOST_COLUMNS:
            found.append(f"code cell {number} has a line of {max(map(len, lines))} characters; at most {MOST_COLUMNS}")
        drawn = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        shown = cell.metadata.get("mystnb", {})
        if drawn or "figure" in shown:
            figure, image = shown.get("figure", {}), shown.get("image", {})
            lacking = [
                key for key, part in (("caption", figure), ("name", figure), ("alt", image)) if not part.get(key)
            ]
            if lacking:
                found.append(f"code cell {number} draws a figure without {', '.join(lacking)} (metadata: mystnb)")
        numbers = typed_numbers(str(shown.get("figure", {}).get("caption", "")))
        found += [f"code cell {number}: the caption has the typed number {text}" for text in numbers]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            advice = "glue it, or set a definition as mathematics"
            found += [f"cell {number} has the typed number {text}: {advice}" for text in typed_numbers(cell.source)]
    return found


def uncovered(notebook, book: Book, chapter: ChapterProfile) -> list[str]:
    """Where the metadata ``needs`` of the cells do not name the graphs that outputs depend on.

    A cell names what its claims need, for without it they print another line. What ``measured`` measures need only be
    named by some claim or cell of the chapter: a table that is saved shows nothing.

    Args:
        notebook: the notebook.
        book: the book.
        chapter: the chapter.

    Returns:
        One sentence per cell that names an unknown graph, or lacks one.
    """
    found, trees, known = [], {}, {graph for claim in book.claims_of(chapter) for graph in claim.needs}
    for number, cell in enumerate(code_cells(notebook), start=1):
        try:
            needs = cell_needs(cell, f"code cell {number}")
            trees[number] = tree = parsed(cell.source)
        except BookError as error:
            found.append(str(error))
            continue
        except SyntaxError:  # running it will tell
            continue
        known |= set(needs)
        for claim in (book.claims[text] for text in named_claims(tree) if text in book.claims):
            lacking = [graph for graph in claim.needs if graph not in needs]
            if lacking:
                found.append(
                    f"code cell {number}: claim {claim.id} needs {', '.join(lacking)}: name it in metadata 'needs'"
                )
    for number, tree in trees.items():
        lacking = [graph for graph in _measured_graphs(tree) if graph not in known]
        if lacking:
            found.append(
                f"code cell {number}: measures {', '.join(lacking)}, which no claim and no cell of the chapter needs"
            )
    return found


def _measured_graphs(tree) -> list[str]:
    """The graphs that the calls of ``measured`` name: literally, or else anywhere in the cell."""
    named = []
    for call in calls(tree, "measured"):
        given = [*call.args[2:3], *(key.value for key in call.keywords if key.arg == "graphs")]
        literal = bool(given) and isinstance(given[0], (ast.List, ast.Tuple))
        named += texts(given[0] if literal else tree)
    # Block models are drawn, karate and digits come with packages: their rows are never borrowed.
    public = [name for name in known_graphs() if name not in ALWAYS_HERE] if named else []
    return [name for name in public if name in named]
