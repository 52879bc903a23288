"""Measure forward and backward oversmoothing in graph neural networks.

The public names load on first use, so ``import oversmooth`` stays as cheap as ``import torch``.
"""

import importlib
import os
import sys

from oversmooth._version import __version__ as __version__
from oversmooth.public import MODULE_OF, PUBLIC

__all__ = sorted(name for names in PUBLIC.values() for name in names)


def __getattr__(name):
    if name not in MODULE_OF:
        # With name and object Python adds: Did you mean: ...?
        text = f"module 'oversmooth' has no attribute {name!r}; dir(oversmooth) lists what it offers"
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
    value = getattr(importlib.import_module(f"oversmooth.{MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if os.environ.get("OVERSMOOTH_ROUNDING"):
    importlib.import_module("oversmooth._rounding.setting").enter()
