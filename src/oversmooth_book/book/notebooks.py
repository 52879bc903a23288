"""Notebooks as data: their parameters cell, what is wrong with one, and what identifies its source."""

import ast
import copy
import hashlib
import json
import re
from pathlib import Path

from oversmooth_book.book.errors import BookError, first_line
from oversmooth_book.book.modules import parsed
from oversmooth_book.book.profiles import MOST_PARAMETERS, is_literal

MOST_CODE_CELLS, MOST_LINES, MOST_COLUMNS = 30, 25, 120
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|tmp|Users|var/folders)/[\w.-]+|[A-Z]:\\\\?Users\\")


def read_notebook(path: Path):
    """A notebook, as nbformat reads it.

    Args:
        path: the ``.ipynb`` file.

    Returns:
        The notebook, in format 4.

    Raises:
        BookError: if it is missing or damaged.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)  # reading only logs what is wrong
        _require_figures(notebook)
        glued_texts(notebook)
        json.dumps(notebook, ensure_ascii=False).encode()  # half a surrogate pair is no text that a page can hold
        return notebook
    except FileNotFoundError:
        raise BookError(f"{path.name} is missing: profiles.yml names this chapter") from None
    except Exception as error:
        raise BookError(f"{path.name} is not a readable notebook: {first_line(error)}") from error


def title(notebook) -> str:
    """The heading of a notebook's first page; empty if it begins with none."""
    first = notebook.cells[0].source if notebook.cells else ""
    return first.split("\n")[0].removeprefix("# ").strip() if first.startswith("# ") else ""


def _require_figures(notebook) -> None:
    for number, cell in enumerate(notebook.cells, start=1):
        shown = cell.metadata.get("mystnb", {})
        parts = [shown, *(shown.get(part, {}) for part in ("figure", "image"))] if isinstance(shown, dict) else [shown]
        if not all(isinstance(part, dict) for part in parts):
            raise ValueError(f"cell {number}: metadata mystnb, and figure and image in it, need mappings")
        strange = [key for part in parts[1:] for key, value in part.items() if not isinstance(value, str | int | bool)]
        named, tables = parts[1].get("name", "") if parts[1:] else "", cell.metadata.get("tables", [])
        strange += ["name"] if not isinstance(named, str) else []
        if strange:
            raise ValueError(f"cell {number}: metadata mystnb: {', '.join(map(str, strange))} needs text")
        if not isinstance(tables, list):
            raise ValueError(f"cell {number}: metadata tables needs a list of names")


def write_notebook(notebook, path: Path) -> None:
    """Write a notebook so that equal content gives equal bytes."""
    import nbformat

    nbformat.write(notebook, path)


def tags(cell) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))


def code_cells(notebook) -> list:
    """The code cells that hold something."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def parameters_cell(notebook, name: str):
    """The one cell tagged ``parameters``.

    Args:
        notebook: the notebook.
        name: how errors call it.

    Returns:
        The cell.

    Raises:
        BookError: if there is none, or more than one.
    """
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise BookError(f"{name}: needs exactly one code cell tagged 'parameters', has {len(cells)}")
    return cells[0]


def _assignments(cell, name: str) -> list[tuple[str, ast.expr]]:
    try:
        statements = parsed(cell.source).body
    except SyntaxError as error:
        raise BookError(f"{name}: the parameters cell does not parse: {first_line(error)}") from None
    found = []
    for statement in statements:
        plain = isinstance(statement, ast.Assign) and len(statement.targets) == 1
        if not plain or not isinstance(statement.targets[0], ast.Name):
            raise BookError(
                f"{name}: the parameters cell holds plain 'name = 1' lines only, got {ast.unparse(statement)!r}"
            )
        found.append((statement.targets[0].id, statement.value))
    if len(found) > MOST_PARAMETERS:
        raise BookError(f"{name}: {len(found)} parameters; a chapter has at most {MOST_PARAMETERS}")
    return found


def parameters(notebook, name: str) -> dict:
    """The values in the parameters cell.

    Args:
        notebook: the notebook.
        name: how errors call it.

    Returns:
        Parameter name to value.

    Raises:
        BookError: if the cell holds anything but literal assignments, or too many.
    """
    values = {}
    for key, expression in _assignments(parameters_cell(notebook, name), name):
        try:
            values[key] = ast.literal_eval(expression)
        except (ValueError, TypeError, RecursionError, MemoryError):  # {[]: 1}, nested too deep
            values[key] = object()
        if not is_literal(values[key]):
            raise BookError(
                f"{name}: parameter {key} needs a literal number, text or list, got {ast.unparse(expression)!r}"
            )
    return values


def with_parameters(notebook, values: dict, name: str):
    """A copy whose parameters cell holds ``values``: the reader sees one cell, not an overridden and an overriding one.

    Args:
        notebook: the notebook.
        values: every parameter of the cell, no other.
        name: how errors call it.

    Returns:
        The copy.

    Raises:
        BookError: if ``values`` and the cell do not name the same parameters.
    """
    known = parameters(notebook, name)
    if set(known) != set(values):
        unknown = ", ".join(sorted(set(values) - set(known))) or "none"
        absent = ", ".join(sorted(set(known) - set(values))) or "none"
        raise BookError(
            f"{name}: profiles.yml and the parameters cell differ: unknown to the cell: {unknown}; "
            f"not in profiles.yml: {absent}"
        )
    filled = copy.deepcopy(notebook)
    cell = parameters_cell(filled, name)
    lines = [line.encode() for line in cell.source.split("\n")]
    for key, node in reversed(_assignments(cell, name)):
        # ast counts bytes in a line, and a value may span several lines.
        head, tail = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
        if known[key] != values[key] or type(known[key]) is not type(values[key]):
            lines[node.lineno - 1 : node.end_lineno] = [head + repr(values[key]).encode() + tail]
    cell.source = b"\n".join(lines).decode()
    return filled


def clean(notebook):
    """A copy without what tells of one machine and one moment: papermill's and the kernel's timings and paths."""
    cleaned = copy.deepcopy(notebook)
    cleaned.metadata.pop("papermill", None)
    cleaned.metadata.get("language_info", {}).pop("version", None)
    for cell in cleaned.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if not tags(cell):
            # papermill gives every cell an empty list.
            cell.metadata.pop("tags", None)
    return cleaned


def glued_texts(notebook) -> dict[str, str]:
    """The texts that a notebook's outputs keep for ``{glue:text}``: name to text."""
    found = {}
    for cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                found[name] = ast.literal_eval("".join(map(str, output["data"].values())))
    return found


def faults(notebook, machine_paths=()) -> list[str]:
    """What must not be published: errors, stderr, cells never run, timings, a machine's paths.

    Args:
        notebook: an executed notebook.
        machine_paths: further paths that must not occur, such as the book's own folder.

    Returns:
        One sentence per fault, empty if there is none.
    """
    found = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        where = f"code cell {number}"
        if cell.get("execution_count") is None:
            found.append(f"{where} was never run")
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"{where} raised {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where} wrote to stderr: {output.text.strip()[:200]}")
    if any({"papermill", "execution"} & set(part.metadata) for part in (notebook, *notebook.cells)):
        found.append("holds run times or paths in its metadata")
    text = _readable_text(notebook)
    paths = [str(path) for path in machine_paths if _names(text, path)] or MACHINE_PATH.findall(text)
    if paths:
        found.append(f"holds a machine's path, {paths[0]!r}")
    return found


def _names(text: str, path) -> bool:
    """Whether a text holds a path; "/" is in every text, and short ones such as /b only count if they stand alone."""
    depth = len(Path(path).parts)
    if depth != 2:
        return depth > 2 and str(path) in text
    return re.search(rf"(?<![\w.:/-]){re.escape(str(path))}(?![\w-])", text) is not None


def _readable_text(notebook) -> str:
    """Sources, metadata and text outputs; not images, whose base64 may spell anything."""
    parts = [json.dumps(notebook.metadata)]
    for cell in notebook.cells:
        parts += [cell.source, json.dumps(cell.metadata)]
        for output in cell.get("outputs", []):
            parts.append(str(output.get("text", "")))
            parts += [str(text) for kind, text in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(parts)


def source_fingerprint(notebook) -> str:
    """A hash of what an author wrote; outputs, counts and the parameters' values left out."""
    rows = []
    for cell in notebook.cells:
        source = cell.source
        if "parameters" in tags(cell):
            source = sorted(name for name, _ in _assignments(cell, "parameters cell"))
        rows.append([cell.cell_type, source, sorted(tags(cell)), cell.metadata.get("mystnb")])
    return fingerprint(rows)


def code_fingerprint(notebook) -> str:
    """A hash of what the kernel is given; texts, captions and the parameters' values left out."""
    return fingerprint([cell.source for cell in code_cells(notebook) if "parameters" not in tags(cell)])


def output_fingerprint(notebook) -> str:
    """A hash of what the kernel answered."""
    return fingerprint([cell.get("outputs") for cell in code_cells(notebook)])


def with_outputs(notebook, run):
    """A copy with the outputs of a run of the same code, and its parameters: what is written around them may be newer.

    Args:
        notebook: as its author has it now.
        run: the notebook that was run, of equal `code_fingerprint`.

    Returns:
        The copy.
    """
    filled = copy.deepcopy(notebook)
    for cell, ran in zip(code_cells(filled), code_cells(run), strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
        if "parameters" in tags(cell):
            cell.source = ran.source
    filled.metadata = copy.deepcopy(run.metadata)
    return filled


def fingerprint(value) -> str:
    """A short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
