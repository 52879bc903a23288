"""check: everything that can be told without running a chapter."""

import ast
from pathlib import Path

from oversmooth_book.book.claims import of_chapter, read_claims
from oversmooth_book.book.layout import Book, BookError
from oversmooth_book.book.needs import ALWAYS_HERE, cell_needs, known_graphs
from oversmooth_book.book.notebooks import (
    MOST_CODE_CELLS,
    MOST_COLUMNS,
    MOST_LINES,
    code_cells,
    faults,
    output_fingerprint,
    parameters,
    read_notebook,
    source_fingerprint,
)
from oversmooth_book.book.profiles import ChapterProfile, read_profiles
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.book.statements import check_statements
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.check.prose import typed_numbers
from oversmooth_book.show.ledger import published_failures


def check(book: Book) -> list[str]:
    """What is wrong with the book as it stands in the repository.

    Args:
        book: the book.

    Returns:
        One sentence per problem, empty if all is in order.
    """
    problems = []
    chapters = _try(problems, read_profiles, book.chapters / "profiles.yml") or {}
    claims = _try(problems, read_claims, book.chapters / "claims.yml") or {}
    contents = str(_try(problems, read_yaml, book.root / "_toc.yml"))
    for claim in claims.values():
        if claim.chapter not in chapters:
            problems.append(f"claims.yml: {claim.id} names the chapter {claim.chapter}, which profiles.yml has not")
    problems += published_failures(book, claims)
    problems += _try(problems, lambda path: check_statements(book, claims, chapters), book.chapters) or []
    for name, chapter in chapters.items():
        if f"chapters/{name}'" not in contents:
            problems.append(f"_toc.yml: lacks the chapter {name} (file: chapters/{name})")
        problems += check_chapter(book, chapter, claims)
    for page in sorted(book.chapters.glob("*.md")):
        problems += [f"{page.name}: typed number {number}" for number in typed_numbers(page.read_text("utf-8"))]
    return problems


def _try(problems: list[str], read, path):
    try:
        return read(path)
    except BookError as error:
        problems.append(str(error))
        return None


def check_chapter(book: Book, chapter: ChapterProfile, claims: dict) -> list[str]:
    """The problems of one committed notebook, each naming it."""
    file = f"{chapter.name}.ipynb"
    try:
        notebook = read_notebook(book.notebook(chapter.name))
        values = parameters(notebook, file)
        found = anatomy(notebook, chapter.name) + uncovered(notebook, chapter.name, claims)
        found += faults(notebook)
        problems = [f"{file}: {problem}" for problem in found]
        if values != chapter.published:
            problems.append(f"{file}: its parameters cell says {values}, profiles.yml says {chapter.published}")
        return problems + _against_record(book, chapter.name, notebook)
    except BookError as error:
        return [str(error)]


def anatomy(notebook, name: str) -> list[str]:
    """Where a chapter departs from the form that readers rely on.

    Args:
        notebook: the notebook.
        name: the chapter.

    Returns:
        One sentence per departure.
    """
    code, found = code_cells(notebook), []
    if len(code) > MOST_CODE_CELLS:
        found.append(f"{len(code)} code cells; at most {MOST_CODE_CELLS}: functions belong in src/")
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


def uncovered(notebook, name: str, claims: dict) -> list[str]:
    """Where the metadata ``needs`` of the cells do not name the graphs that outputs depend on.

    A cell names what its claims need, for without it they print another line. What ``measured`` measures need only be
    named by some claim or cell of the chapter: a table that is saved shows nothing.

    Args:
        notebook: the notebook.
        name: the chapter.
        claims: all claims of the book.

    Returns:
        One sentence per cell that names an unknown graph, or lacks one.
    """
    found, trees, known = [], {}, {graph for claim in of_chapter(claims, name) for graph in claim.needs}
    for number, cell in enumerate(code_cells(notebook), start=1):
        try:
            needs = cell_needs(cell, f"code cell {number}")
            trees[number] = tree = ast.parse(cell.source)
        except BookError as error:
            found.append(str(error))
            continue
        except SyntaxError:  # running it will tell
            continue
        known |= set(needs)
        for claim in (claims[text] for text in _named_claims(tree) if text in claims):
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


def _calls(tree, name: str) -> list[ast.Call]:
    """The calls of ``name(...)`` and ``anything.name(...)``."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if name in (getattr(call.func, "attr", None), getattr(call.func, "id", None))]


def _texts(tree) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _named_claims(tree) -> list[str]:
    """The claims that a cell measures; where the id is no literal, as in a loop, every text of the cell may be one."""
    ids = [call.args[0] for call in _calls(tree, "claim") if call.args]
    ids += [argument for call in _calls(tree, "verify") for argument in call.args]
    literal = all(isinstance(one, ast.Constant) for one in ids)
    return [name for one in ids for name in _texts(one)] if literal else _texts(tree)


def _measured_graphs(tree) -> list[str]:
    """The graphs that the calls of ``measured`` name: literally, or else anywhere in the cell."""
    named = []
    for call in _calls(tree, "measured"):
        given = [*call.args[2:3], *(key.value for key in call.keywords if key.arg == "graphs")]
        literal = bool(given) and isinstance(given[0], (ast.List, ast.Tuple))
        named += _texts(given[0] if literal else tree)
    # Block models are drawn, karate and digits come with packages: their rows are never borrowed.
    public = [name for name in known_graphs() if name not in ALWAYS_HERE] if named else []
    return [name for name in public if name in named]


def _against_record(book: Book, name: str, notebook) -> list[str]:
    """Whether the committed outputs are those that the published record vouches for."""
    folder = book.published(name)
    record = read_record(folder)
    if record is None:
        return [f"{name}.ipynb: data/published/{name} has no record: run and publish it"]
    problems = _against_full_record(book, name)
    if record["fingerprints"]["notebook"] != source_fingerprint(notebook):
        problems.append(f"{name}.ipynb: its source changed after its outputs were published: run and publish it")
    if record["outputs"]["notebook"] != output_fingerprint(notebook):
        problems.append(f"{name}.ipynb: its outputs are not those of the published record")
    return problems + _outputs_against(record, folder, f"data/published/{name}")


def _against_full_record(book: Book, name: str) -> list[str]:
    """Whether the committed full-profile tables are those of their record, which may be older than ``src/``."""
    folder = book.published_full(name)
    record, where = read_record(folder), f"data/published/{name}/full"
    if record is None:
        return [f"{where}: has no record: publish --profile full {name}"] if folder.exists() else []
    if (record["chapter"], record["profile"]) != (name, "full"):
        return [f"{where}: its record is of {record['chapter']}, profile {record['profile']}"]
    return _outputs_against(record, folder, where)


def _outputs_against(record: dict, folder: Path, where: str) -> list[str]:
    return [f"{where}/{name}: not that of the published record" for name in outputs_differ(folder, record)]
