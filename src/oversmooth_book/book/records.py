"""Records: what a run depended on, when and where it ran; written beside its outputs, never into a cell."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path

from oversmooth_book.book.claims import of_chapter
from oversmooth_book.book.layout import Book, BookError
from oversmooth_book.book.modules import measuring_modules, modules_of, run_modules
from oversmooth_book.book.needs import missing_of, needed_graphs
from oversmooth_book.book.notebooks import (
    code_cells,
    code_fingerprint,
    fingerprint,
    output_fingerprint,
    read_notebook,
    source_fingerprint,
)
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.chapter import MACHINE_FILE

ROUNDING_VARIABLE = "OVERSMOOTH_ROUNDING"  # read by oversmooth as it is imported
PACKAGES = ("torch", "numpy", "scipy", "pandas", "torch-geometric", "matplotlib", "seaborn", "oversmooth")
INPUTS = {
    "notebook": "the notebook's source",
    "source": "the modules it imports from src/",
    "data": "the data",
    "parameters": "the parameters",
    "claims": "the chapter's rows of claims.yml",
    "lock": "requirements.lock",
}


def fingerprints(book: Book, chapter: ChapterProfile, profile: str, claims: dict) -> dict[str, str]:
    """One hash for each thing a run depends on, keyed as ``INPUTS``.

    Raw graphs count as present or absent: their content is fixed by the SHA-256 sums in ``src/``.

    Args:
        book: the book.
        chapter: the chapter.
        profile: the profile it runs under.
        claims: all claims of the book.

    Returns:
        Input to hash.
    """
    notebook = read_notebook(book.notebook(chapter.name))
    rows = [asdict(claim) for claim in of_chapter(claims, chapter.name)]
    judged = [[row[key] for key in ("id", "comparison", "threshold", "profile", "digits", "needs")] for row in rows]
    needs = needed_graphs(book, chapter.name, claims)
    return {
        "notebook": source_fingerprint(notebook),
        "source": _modules_fingerprint(book, run_modules(_modules(book, notebook))),
        "data": fingerprint([needs, missing_of(needs)]),
        "parameters": fingerprint(chapter.parameters(profile)),
        "claims": fingerprint(judged),
        "lock": _lock_fingerprint(book),
    }


def numbers_fingerprint(book: Book, chapter: ChapterProfile) -> str:
    """One hash for all that can move a number of the published run.

    A spread measured for one run holds for every other with this hash. Captions, figures, verdicts are no part of it.

    Args:
        book: the book.
        chapter: the chapter.

    Returns:
        The hash.
    """
    notebook = read_notebook(book.notebook(chapter.name))
    modules = _modules_fingerprint(book, measuring_modules(_modules(book, notebook)))
    return fingerprint([code_fingerprint(notebook), modules, chapter.parameters("published"), _lock_fingerprint(book)])


def _modules(book: Book, notebook) -> dict[str, Path]:
    return modules_of(book.root / "src", "\n".join(cell.source for cell in code_cells(notebook)))


def _modules_fingerprint(book: Book, modules: dict[str, Path]) -> str:
    """Of the modules, and of the lists that lie beside them, such as the raw files' checksums."""
    lists = [path for path in sorted((book.root / "src").rglob("*.txt")) if "egg-info" not in str(path)]
    rows = [[name, file_hash(path)] for name, path in modules.items()]
    return fingerprint(rows + [[path.name, file_hash(path)] for path in lists])


def _lock_fingerprint(book: Book) -> str:
    path = book.root / "requirements.lock"
    return fingerprint(file_hash(path) if path.is_file() else None)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changes(old: dict, new: dict) -> list[str]:
    """The inputs, in words, whose hashes differ."""
    return [words for key, words in INPUTS.items() if old.get(key) != new.get(key)]


def make_record(book: Book, chapter: ChapterProfile, profile: str, prints: dict, code: tuple, missing=()) -> dict:
    """What is known before a run starts; ``finish_record`` adds what only its end can tell.

    Args:
        book: the book.
        chapter: the chapter.
        profile: the profile it runs under.
        prints: ``fingerprints`` taken at the start.
        code: (commit, dirty), from ``code_version``.
        missing: the graphs that the chapter needs and whose raw files are not here.

    Returns:
        The record, ready for JSON.
    """
    values = chapter.parameters(profile)
    return {
        "chapter": chapter.name,
        "profile": profile,
        "parameters": values,
        "missing": list(missing),
        "seeds": {name: value for name, value in values.items() if "seed" in name},
        "versions": versions(),
        "commit": code[0],
        "dirty": code[1],
        "started": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        # What decides how a run rounds: the chapter's own process tells more, see finish_record.
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "system": platform.system()},
        "rounding": os.environ.get(ROUNDING_VARIABLE, ""),
        "fingerprints": prints,
    }


def finish_record(record: dict, folder: Path, seconds: float) -> dict:
    """Add the duration, what the chapter's process said of its machine, and the hashes of every output."""
    machine = folder / MACHINE_FILE
    if machine.is_file():
        record = {**record, "machine": json.loads(machine.read_text(encoding="utf-8"))}
        machine.unlink()
    tables = {path.stem: file_hash(path) for path in sorted((folder / "tables").glob("*.csv"))}
    notebook = read_notebook(folder / f"{record['chapter']}.ipynb")
    outputs = {"notebook": output_fingerprint(notebook), "tables": tables, "claims": file_hash(folder / "claims.json")}
    return {**record, "seconds": round(seconds, 1), "outputs": outputs}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read_record(folder: Path) -> dict | None:
    """The record of a run, None if there is none.

    Args:
        folder: where the run's outputs lie.

    Returns:
        What ``make_record`` and ``finish_record`` wrote.

    Raises:
        BookError: if it is damaged.
    """
    path = folder / "record.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BookError(f"{folder.name}/record.json is damaged ({error}); run the chapter again") from None
    wrong = _wrong_part(record, SHAPE) or _wrong_missing(record)
    if wrong:
        raise BookError(f"{folder.name}/record.json is damaged ({wrong}); run the chapter again")
    return record


TEXTS = {str: str}
# What a reader of records relies on: the type of each part, and of the parts of a mapping.
SHAPE = {
    "chapter": str,
    "profile": str,
    "parameters": dict,
    "seeds": dict,
    "versions": TEXTS,
    "commit": str | None,
    "dirty": bool,
    "machine": {"cores": int, "processor": str},
    "fingerprints": dict.fromkeys(INPUTS, str),
    "seconds": float | int,
    "outputs": {"notebook": str, "tables": TEXTS, "claims": str},
}


def _wrong_missing(record: dict) -> str:
    """Records of full runs may be older than this part: they lacked no graph, or were not published."""
    names = record.setdefault("missing", [])
    right = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return "" if right else "missing is no list of names"


def _wrong_part(value, shape, name: str = "the record") -> str:
    """The first part that is not of its shape, in words; empty if there is none."""
    if not isinstance(shape, dict):
        return "" if isinstance(value, shape) else f"{name} is {type(value).__name__}"
    if not isinstance(value, dict):
        return f"{name} is {type(value).__name__}"
    if shape is TEXTS:
        shape = dict.fromkeys(value, str)
    lacking = [key for key in shape if key not in value]
    if lacking:
        return f"{name} lacks {lacking[0]}"
    return next(filter(None, (_wrong_part(value[key], part, key) for key, part in shape.items())), "")


def outputs_differ(folder: Path, record: dict) -> list[str]:
    """The outputs that no longer are what the run wrote; the notebook counts only where it lies.

    Args:
        folder: where the run's outputs lie.
        record: its record.

    Returns:
        Their names.
    """
    kept, claims = record["outputs"], folder / "claims.json"
    tables = {path.stem: file_hash(path) for path in sorted((folder / "tables").glob("*.csv"))}
    names = sorted(name for name in {*kept["tables"], *tables} if kept["tables"].get(name) != tables.get(name))
    found = [f"tables/{name}.csv" for name in names]
    if not claims.is_file() or kept["claims"] != file_hash(claims):
        found.append("claims.json")
    notebook = folder / f"{record['chapter']}.ipynb"
    if notebook.is_file() and _notebook_altered(notebook, kept["notebook"]):
        found.append(notebook.name)
    return found


def _notebook_altered(path: Path, known: str) -> bool:
    try:
        return output_fingerprint(read_notebook(path)) != known
    except BookError:
        return True


def outputs_intact(folder: Path, record: dict) -> bool:
    """Whether every output of a run is there and still is what the run wrote."""
    return (folder / f"{record['chapter']}.ipynb").is_file() and not outputs_differ(folder, record)


def code_version(book: Book) -> tuple[str | None, bool]:
    """The commit the code is at, and whether the code differs from it.

    Outputs do not count: a chapter being published must not make the next one's code look changed.

    Args:
        book: the book.

    Returns:
        (commit, dirty); (None, True) outside a git checkout.
    """
    head = _git(book, "rev-parse", "HEAD")
    if head is None:
        return None, True
    watched = ("src", "chapters", "requirements.lock", "pyproject.toml")
    answer = _git(book, "status", "--porcelain", "--untracked-files=all", "--", *watched)
    if answer is None:
        return head.strip(), True
    return head.strip(), any(_source_changed(book, line[3:].strip('"')) for line in answer.splitlines())


def has_changes(book: Book, *names: str) -> bool:
    """Whether files differ from the last commit, or there is no commit to tell by."""
    answer = _git(book, "status", "--porcelain", "--", *names)
    return answer is None or bool(answer.strip())


def commit_time(book: Book) -> int:
    """When the last commit was made, in seconds since 1970."""
    return int(_git(book, "show", "--no-patch", "--format=%ct", "HEAD") or 0)


def _source_changed(book: Book, name: str) -> bool:
    committed = _git(book, "show", f"HEAD:./{name}") if name.endswith(".ipynb") else None
    if committed is None or not (book.root / name).is_file():
        return True
    import nbformat

    try:
        before = source_fingerprint(nbformat.reads(committed, as_version=4))
        return before != source_fingerprint(read_notebook(book.root / name))
    except (BookError, ValueError):
        return True


def _git(book: Book, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], cwd=book.root, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
