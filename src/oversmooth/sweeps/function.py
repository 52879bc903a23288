"""What a function computes, as text: the part of a cache's key that changes when the function does."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np
import torch

from oversmooth._validation import require

_HERE = Path(__file__).resolve().parent.parent
_PLAIN = (str, bytes, bool, int, float, complex, type(None), os.PathLike, np.generic, torch.dtype, range, slice)


def text_of(run) -> dict:
    """The function's name, its text and that of all it calls outside installed packages, and the values it reads.

    Args:
        run: a function, or a functools.partial of one.

    Returns:
        A dictionary of text.

    Raises:
        ValueError: if a change of the function could go unseen.
    """
    found = {}
    while isinstance(run, functools.partial):
        found["bound"] = f"{found.get('bound', '')}{_value_text('run', [run.args, run.keywords], run.func, found)}"
        run = run.func
    came = type(run).__name__
    require(inspect.isfunction(run), f"with a cache, run must be a function; a {came} came, whose state has no text")
    _add(run, found)
    return {"name": f"{run.__module__}.{run.__qualname__}", **found}


def _add(function, found: dict) -> None:
    name = function.__qualname__
    if name in found:
        return
    try:
        found[name] = inspect.getsource(function)
    except OSError:
        raise ValueError(
            f"the text of {name} cannot be read, so that a cache could not tell whether it changed: "
            "define the function in a file or a notebook, or use no cache"
        ) from None
    enclosed = inspect.getclosurevars(function).nonlocals
    found[f"{name}: defaults"] = _value_text(
        "defaults", [function.__defaults__, function.__kwdefaults__], function, found
    )
    read = {key: function.__globals__[key] for key in _names(function.__code__) if key in function.__globals__}
    for key, value in {**read, **enclosed}.items():
        found[f"{name}: {key}"] = _value_text(key, value, function, found)


def _names(code) -> list[str]:
    nested = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return sorted({*code.co_names, *(name for inner in nested for name in _names(inner))})


def _add_class(kind: type, found: dict) -> None:
    for member in (*vars(kind).values(), *kind.__bases__):
        member = getattr(member, "__func__", getattr(member, "fget", member))  # behind staticmethod, property and such
        if inspect.isfunction(member) and member.__module__ == kind.__module__:
            _add(member, found)
        elif isinstance(member, type) and member.__module__ == kind.__module__:
            _add_class(member, found)


def _add_file(module: str | None, found: dict) -> None:
    """The whole text of a module of the user's own; what is installed, and this library, the key names by version."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py") or Path(path).resolve().is_relative_to(_HERE):
        return
    if not any(Path(path).is_relative_to(folder) for folder in sysconfig.get_paths().values()):
        found[f"file of {module}"] = Path(path).read_text(encoding="utf-8")


def _value_text(name, value, function, found: dict) -> str:
    """A value as text that is the same in every process."""
    value = inspect.unwrap(value) if callable(value) else value  # behind functools.cache, for one
    if isinstance(value, (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, np.ufunc)):
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if home != getattr(function, "__module__", None):
            _add_file(home, found)
        elif inspect.isfunction(value):
            _add(value, found)
        elif isinstance(value, type):
            _add_class(value, found)
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if isinstance(value, dict):
        value = list(value.items())
    elif isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value_text(name, item, function, found) for item in value)}]"
    if isinstance(value, _PLAIN):
        return repr(value)
    raise ValueError(
        f"{getattr(function, '__qualname__', function)} takes {name!r}, a {type(value).__name__}, from outside itself, "
        "so that a cache could not tell whether it changed: make it inside the function, or use no cache"
    )
