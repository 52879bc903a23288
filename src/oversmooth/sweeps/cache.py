"""The cells of a sweep in a folder: JSON, a checksum in each file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path

import numpy as np
import torch

from oversmooth._paths import expanded
from oversmooth.sweeps.cell import arithmetic
from oversmooth.sweeps.function import text_of
from oversmooth.sweeps.versions import versions


class Cache:
    """A folder of finished cells of one function."""

    def __init__(self, folder, run):
        self.folder = expanded(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = text_of(run)
        self.name, self.key = text["name"], _digest(_json([text, versions(), str(arithmetic())]))

    def read(self, cells: list) -> dict[int, list[dict]]:
        """Position -> rows of the cells that are here and sound."""
        found = {}
        for index, (cell, seed) in enumerate(cells):
            path = self._path(cell, seed)
            if path.exists():
                rows = _sound_rows(path)
                if rows is None:
                    warnings.warn(f"{path} is damaged or was edited: this cell is computed anew", stacklevel=3)
                else:
                    found[index] = rows
        return found

    def write(self, cell: dict, seed: int, rows: list[dict]) -> None:
        """Keep one cell; a rename, so that no reader ever sees half a file."""
        path = self._path(cell, seed)
        record = {"cell": cell, "seed": seed, "function": self.name, "rows": rows}
        part = path.with_name(f".{path.stem}.{os.getpid()}.part")
        text = json.dumps({"sha256": _digest(_json(record)), **json.loads(_json(record))}, indent=1)
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)

    def _path(self, cell, seed) -> Path:
        return self.folder / f"{_digest(_json([self.key, sorted(cell.items()), seed]))[:32]}.json"


def _sound_rows(path: Path) -> list[dict] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record["rows"] if record.pop("sha256") == _digest(_json(record)) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _json(value) -> str:
    return json.dumps(value, default=_scalar)


def _scalar(value):
    if isinstance(value, (np.generic, torch.Tensor)) and np.ndim(value) == 0:
        return value.item()
    raise ValueError(
        f"a cell holds a {type(value).__name__}; with a cache, cells hold numbers, text, truth values, None or lists"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
