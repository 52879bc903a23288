"""A replica's arithmetic: how numbers move and sums run, and how linear algebra under NumPy and SciPy gets it."""

import functools
import importlib
import sys
import zlib

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from oversmooth._rounding.thread import active

# Results are moved block by block, in the processor's cache.
BLOCK = 1 << 14
INTEGERS = {np.dtype(np.float64): np.int64, np.dtype(np.float32): np.int32}
# Where these last bits are zero, a number is taken for exact: a whole number, or a short binary fraction.
LAST_BITS = {np.dtype(np.float64): (1 << 24) - 1, np.dtype(np.float32): (1 << 8) - 1}
# What the library and the book call of LAPACK, SuperLU and ARPACK, and what of NumPy calls it in turn (norm, polyfit).
ENTRIES = {
    "numpy.linalg": ("eigh", "eigvalsh", "inv", "lstsq", "solve", "svd"),
    "scipy.linalg": ("eigh", "eigh_tridiagonal"),
    "scipy.sparse.linalg": ("eigsh", "splu"),
}


class Machine:
    """One way to round and to add: a function of the numbers.

    Args:
        replica: which one, a whole number.
        units: u, in units in the last place; 0 changes no bit.
    """

    def __init__(self, replica: int, units: float):
        self.replica, self.units = replica, units
        self._orders = {}
        xi = np.random.default_rng(replica).uniform(-1, 1, 16 * BLOCK)
        self._factors = {kind: (1 + units * np.finfo(kind).eps * xi).astype(kind) for kind in INTEGERS}

    def move(self, values: np.ndarray, name: str) -> None:
        """Multiply the inexact numbers among `values`, which operator `name` has just written, by 1 + u ξ."""
        if values.dtype not in INTEGERS or not values.size:
            return
        if values.flags.c_contiguous or values.flags.f_contiguous or _dense(values):
            self._move(values.ravel(order="K"), _number(name))
        else:  # part of a larger array, with gaps
            whole = values.copy(order="C")
            self.move(whole, name)
            values[...] = whole

    def _move(self, flat, operator):
        bits, factors, last = flat.view(INTEGERS[flat.dtype]), self._factors[flat.dtype], LAST_BITS[flat.dtype]
        for start in range(0, flat.size, BLOCK):
            numbers, block = flat[start : start + BLOCK], bits[start : start + BLOCK]
            # Python's hash of whole numbers, unlike that of text, is the same in every process.
            key = hash((self.replica, operator, flat.size, start, *block[:: block.size // 8 + 1].tolist()))
            place = key % (factors.size - BLOCK + 1)
            factor, ends = factors[place : place + numbers.size], block & last
            if np.count_nonzero(ends) == ends.size:  # a mask takes twice as long
                np.multiply(numbers, factor, out=numbers)
            else:
                np.multiply(numbers, factor, out=numbers, where=ends != 0)

    def moved(self, values: np.ndarray, name: str) -> np.ndarray:
        """A copy of an operator's input, moved."""
        values = np.array(values)
        self.move(values, f"{name} takes")
        return values

    def order(self, length: int) -> np.ndarray | None:
        """The order in which this machine adds so many numbers, or None if it is theirs."""
        if not self.units or length < 3:
            return None
        if length not in self._orders:
            self._orders[length] = np.random.default_rng([self.replica, length]).permutation(length)
        return self._orders[length]


@functools.cache
def _number(name: str) -> int:
    return zlib.crc32(name.encode())


def _dense(values) -> bool:
    """Whether an array fills a block of memory, its axes in any order: then its flat form is a view."""
    return np.may_share_memory(values.ravel(order="K"), values)


@functools.cache
def wrap_linear_algebra() -> None:
    """Put wrappers in the place of `ENTRIES`, also where a module has imported one by name."""
    wrappers = {}
    for module, names in ENTRIES.items():
        for name in names:
            original = getattr(importlib.import_module(module), name)
            wrappers[id(original)] = original, _wrapped(original)
    for module in list(sys.modules.values()):
        space = getattr(module, "__dict__", {})
        for name, value in list(space.items()):
            if id(value) in wrappers:
                space[name] = wrappers[id(value)][1]


def _wrapped(original):
    name = original.__name__

    @functools.wraps(original)
    def wrapper(*args, **options):
        machine = active()
        if machine is None:
            return original(*args, **options)
        if name == "eigsh" and options.get("sigma") is None:  # so that each product of the iteration is moved
            args = (aslinearoperator(args[0]), *args[1:])
        found = original(*(_moved_input(machine, value, name) for value in args), **options)
        for part in found if isinstance(found, tuple) else (found,):
            if isinstance(part, np.ndarray):
                machine.move(part, name)
        return found

    return wrapper


def _moved_input(machine, value, name):
    """A matrix or an operator as another machine would have come by it; other arguments as they are."""
    if isinstance(value, LinearOperator):
        return LinearOperator(value.shape, lambda x: machine.moved(value.matvec(x), name), dtype=value.dtype)
    if sparse.issparse(value):
        value = value.copy()
        machine.move(value.data, name)
        return value
    return machine.moved(value, name) if isinstance(value, (np.ndarray, list)) else value
