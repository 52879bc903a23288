"""One cell of a sweep: computed alike in this process, in another one, or on another machine."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
import threading
import time
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from oversmooth._rounding import setting as _rounding
from oversmooth._validation import require

# Thread counts, default dtype and global generators belong to the process: one cell at a time.
_ALONE = threading.RLock()


@dataclass
class Outcome:
    """What became of a cell: rows, or the error."""

    index: int
    rows: list[dict] | None = None
    error: Exception | None = None


def arithmetic() -> tuple:
    """How this process computes, and so every cell: its default dtype and its rounding replica."""
    return torch.get_default_dtype(), _rounding.setting()


def compute(run, index: int, cell: dict, seed: int, arithmetic: tuple) -> Outcome:
    """Run one cell with one thread and generators of its own; an error is a result, so that the others go on."""
    dtype, replica = arithmetic
    try:
        with _ALONE, _settings(seed, dtype), _rounding.rounded(replica):
            return Outcome(index, rows=_rows(run(**cell, seed=seed), cell, seed))
    except Exception as error:
        return Outcome(index, error=error)


def pack(run) -> bytes:
    """The function as bytes, by value: what runs elsewhere is what is defined here, even if never saved to a file."""
    import cloudpickle

    function = run
    while isinstance(function, functools.partial):
        function = function.func
    module = sys.modules.get(function.__module__) if isinstance(function, types.FunctionType) else None
    if module is None or module.__name__ == "__main__" or module.__name__.split(".")[0] == "oversmooth":
        return cloudpickle.dumps(run)
    known = module.__name__ in cloudpickle.list_registry_pickle_by_value()
    if not known:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(run)
    finally:
        if not known:
            cloudpickle.unregister_pickle_by_value(module)


def compute_packed(packed: bytes, index: int, cell: dict, seed: int, arithmetic: tuple) -> Outcome:
    """As `compute`, in another process than the caller's."""
    try:
        run = _unpacked(packed)
    except Exception as error:
        return _sendable(Outcome(index, error=error))
    return _sendable(compute(run, index, cell, seed, arithmetic))


def compute_below(parent: int, *task) -> Outcome:
    """As `compute_packed`, in a process that ends when its parent is killed: joblib's would wait five minutes."""
    _end_with(parent)
    return compute_packed(*task)


@functools.lru_cache(maxsize=1)
def _end_with(parent):
    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@functools.lru_cache(maxsize=4)
def _unpacked(packed):
    # Once a process: what the function's module keeps between calls (a graph it has loaded) stays.
    return pickle.loads(packed)


def _sendable(outcome: Outcome) -> Outcome:
    if outcome.error is not None:
        # The traceback stays behind with the process; its text goes along.
        outcome.error.add_note("".join(traceback.format_exception(outcome.error)))
        try:
            pickle.loads(pickle.dumps(outcome.error))
        except Exception:
            outcome.error = RuntimeError(f"{type(outcome.error).__name__}: {outcome.error}")
    return outcome


@contextlib.contextmanager
def _settings(seed, dtype):
    from threadpoolctl import threadpool_limits

    threads, previous, state = torch.get_num_threads(), torch.get_default_dtype(), np.random.get_state()
    with torch.random.fork_rng(devices=[]), threadpool_limits(1):
        try:
            torch.set_num_threads(1)
            torch.set_default_dtype(dtype)
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed % 2**32)
            yield
        finally:
            np.random.set_state(state)
            torch.set_default_dtype(previous)
            torch.set_num_threads(threads)


def _rows(result, cell: dict, seed: int) -> list[dict]:
    if isinstance(result, Mapping):
        result = [result]
    elif hasattr(result, "to_dict") and hasattr(result, "columns"):
        result = result.to_dict("records")
    require(
        isinstance(result, (list, tuple)) and all(isinstance(row, Mapping) for row in result),
        f"run returned a {type(result).__name__}; a dictionary, a list of dictionaries or a DataFrame is needed",
    )
    given = {**cell, "seed": seed}
    return [_row(row, given) for row in result]


def _row(row, given: dict) -> dict:
    plain = {}
    for name, value in row.items():
        require(isinstance(name, str), f"run returned a column named {name!r}; names are text")
        value = _plain(name, value)
        if name not in given:
            plain[name] = value
            continue
        same = value == given[name]
        require(same, f"run returned {name} = {value!r}, but the cell has {name} = {given[name]!r}: rename it")
    return plain


def _plain(name, value):
    """A value as Python's own number, text, truth value or None, which a file keeps to the last bit."""
    if isinstance(value, (np.generic, torch.Tensor)) and np.ndim(value) == 0:
        value = value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if type(value).__name__ == "NAType":
        return None
    came = type(value).__name__
    raise ValueError(f"run returned a {came} as {name!r}; a number, text, truth value or None is needed: a row a value")


def name_of(cell: dict, seed: int) -> str:
    """A cell in words."""
    return ", ".join([*(f"{name}={value!r}" for name, value in cell.items()), f"seed={seed}"])
