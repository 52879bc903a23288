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
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"cache is {str(self.folder)!r}, where no folder can be: {error.strerror}") from None
        text = text_of(run)
        self.name, self.key = text["name"], _digest(_json([text, versions(), str(arithmetic())]))

    def read(self, cells: list) -> dict[int, list[dict]]:
        """Position -> rows of the cells that are here and sound."""
        found = {}
        for index, (cell, seed) in enumerate(cells):
            path = self._path(cell, seed)
            if path.exists():
                rows = _sound_rows(path, self._record(cell, seed))
                if rows is None:
                    message = f"{path} is damaged, edited or another cell's: this cell is computed anew"
                    warnings.warn(message, stacklevel=3)
                else:
                    found[index] = rows
        return found

    def write(self, cell: dict, seed: int, rows: list[dict]) -> None:
        """Keep one cell; a rename, so that no reader ever sees half a file. On a full disk it is not kept."""
        path = self._path(cell, seed)
        record = self._record(cell, seed) | {"rows": rows}
        part = path.with_name(f".{path.stem}.{os.getpid()}.part")
        text = json.dumps({"sha256": _digest(_json(record)), **json.loads(_json(record))}, indent=1)
        try:
            part.write_text(text + "\n", encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            warnings.warn(f"{path} cannot be written ({error.strerror}): this cell is not kept", stacklevel=3)

    def _record(self, cell, seed) -> dict:
        return {"cell": cell, "seed": seed, "function": self.name}

    def _path(self, cell, seed) -> Path:
        return self.folder / f"{_digest(_json([self.key, sorted(cell.items()), seed]))[:32]}.json"


def _sound_rows(path: Path, expected: dict) -> list[dict] | None:
    """The rows of a file that is whole and that cell's own, or None."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("sha256") != _digest(_json(record)):
            return None
        rows = record.pop("rows")
        # As text: a cell may hold NaN, which equals nothing.
        own = _json(record, sort_keys=True) == _json(expected, sort_keys=True)
        own = own and all(isinstance(row, dict) for row in rows)
        return rows if own else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _json(value, **options) -> str:
    return json.dumps(value, default=_scalar, **options)


def _scalar(value):
    if isinstance(value, (np.generic, torch.Tensor)) and np.ndim(value) == 0:
        return value.item()
    raise ValueError(
        f"a cell holds a {type(value).__name__}; with a cache, cells hold numbers, text, truth values, None or lists"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
