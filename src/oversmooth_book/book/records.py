"""Records: what a run depended on, when and where it ran; written beside its outputs, never into a cell."""

import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import INPUTS, file_hash
from oversmooth_book.book.machine import MACHINE_FILE
from oversmooth_book.book.notebooks import output_fingerprint, read_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.saved import read_json
from oversmooth_book.book.vectors import FOLDER as FIGURES

ROUNDING_VARIABLE = "OVERSMOOTH_ROUNDING"  # read by oversmooth as it is imported
# What a run writes besides its notebook and claims.json, in folders: name, and how its files end.
PARTS = {"tables": ".csv", FIGURES: ".svg"}
PACKAGES = ("torch", "numpy", "scipy", "pandas", "torch-geometric", "matplotlib", "seaborn", "oversmooth")


Fingerprints = TypedDict("Fingerprints", dict.fromkeys(INPUTS, str))


class Machine(TypedDict):
    """What every record says of its machine; `machine` says more."""

    cores: int
    processor: str


class Outputs(TypedDict):
    """Hashes of what a run wrote."""

    notebook: str
    tables: dict[str, str]
    claims: str
    # Older runs drew for their notebooks alone.
    figures: NotRequired[dict[str, str]]


class Record(TypedDict):
    """What a reader of records relies on; a record may hold more."""

    chapter: Annotated[str, Meta(max_length=100)]
    profile: str
    parameters: dict
    seeds: dict
    versions: dict[str, str]
    commit: str | None
    dirty: bool
    machine: Machine
    fingerprints: Fingerprints
    seconds: Annotated[float, Meta(ge=0, le=1e9)]
    outputs: Outputs
    # Records of full runs may be older than this part: they lacked no graph, or were not published.
    missing: NotRequired[list[str]]


def make_record(chapter: ChapterProfile, profile: str, prints: dict, code: tuple, missing=()) -> dict:
    """What is known before a run starts; ``finish_record`` adds what only its end can tell.

    Args:
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
    notebook = read_notebook(folder / f"{record['chapter']}.ipynb")
    outputs = {"notebook": output_fingerprint(notebook), "claims": file_hash(folder / "claims.json")}
    outputs |= {part: _hashes(folder / part, kind) for part, kind in PARTS.items()}
    return {**record, "seconds": round(seconds, 1), "outputs": outputs}


def _hashes(folder: Path, kind: str) -> dict[str, str]:
    return {path.stem: file_hash(path) for path in sorted(folder.glob(f"*{kind}"))}


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
    read_json(path, Record)  # drops what readers do not rely on
    return {"missing": [], **read_json(path, dict)}


def outputs_differ(folder: Path, record: dict) -> list[str]:
    """The outputs that no longer are what the run wrote; the notebook counts only where it lies.

    Args:
        folder: where the run's outputs lie.
        record: its record.

    Returns:
        Their names.
    """
    kept, claims, found = record["outputs"], folder / "claims.json", []
    for part, kind in PARTS.items():
        here, wanted = _hashes(folder / part, kind), kept.get(part, {})
        found += [f"{part}/{name}{kind}" for name in sorted({*here, *wanted}) if here.get(name) != wanted.get(name)]
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
