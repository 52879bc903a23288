"""The arguments of a public function, checked against its annotations before it runs: one dialect of error for all.

Written here, not taken from a library of run-time types: those raise their own exceptions, take no integer of numpy for
an int, and read no name that is imported for type checkers only.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import itertools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, Sized
from numbers import Integral, Real
from typing import NamedTuple, TypeVar

import torch

from oversmooth._validation import came

Function = TypeVar("Function", bound=Callable)
# What an annotation admits besides the class itself: a number of numpy is one, too.
_WIDER = {int: Integral, float: Real}
_ONE = {"int": "an integer", "float": "a number", "str": "text", "bool": "True or False", "NoneType": "None"}
_ONE |= {"Callable": "a function", "Sequence": "a list", "Iterable": "a list", "type": "a class"}
_ONE |= {"Averaging": "a Propagation", "Tensor": "a torch.Tensor", "Module": "a torch.nn.Module"}
_MANY = {"int": "integers", "float": "numbers"}
# Their functions say more: what to use instead for another model.
_LEFT = ("Network", "Signals")


class Kind(NamedTuple):
    """One of the types that an annotation joins by |.

    Attributes:
        type: the class; its name where the class is imported for type checkers only.
        elements: of a sequence: the kinds of its elements.
    """

    type: type | str
    elements: tuple[Kind, ...] = ()


def checked(function: Function) -> Function:
    """Wrap a function so that an argument of another type than its annotation is a ValueError that names it.

    Args:
        function: of the public face, in a module with ``from __future__ import annotations``.

    Returns:
        The function, with the check in front.
    """
    names = tuple(inspect.signature(function).parameters)
    passed = set()  # (parameter, class): a class that passed once does so again, unless its elements count

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        wanted = _wanted(function)
        for name, value in itertools.chain(zip(names, args, strict=False), kwargs.items()):
            if (name, type(value)) in passed or name not in wanted:
                continue
            kinds = wanted[name]
            if not _is_one_of(value, kinds):
                needed = " or ".join(dict.fromkeys(_in_words(kind) for kind in kinds))
                raise ValueError(f"{name} is {came(value)}; {needed} is needed")
            if not any(kind.type in (Sequence, Iterable) for kind in kinds):
                passed.add((name, type(value)))
        return function(*args, **kwargs)

    return wrapper


@functools.cache  # at the first call: by then every name of the module is there
def _wanted(function) -> dict[str, tuple[Kind, ...]]:
    """Parameter -> the kinds that its annotation admits; *args and **kwargs are left to the function."""
    wanted = {
        name: _kinds(ast.parse(parameter.annotation, mode="eval").body, function.__globals__)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is not parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    return {name: kinds for name, kinds in wanted.items() if not any(_name(kind) in _LEFT for kind in kinds)}


def _kinds(note, names):
    """The kinds of an annotation: its syntax tree, read with the names of its module."""
    if isinstance(note, ast.BinOp):
        return _kinds(note.left, names) + _kinds(note.right, names)
    if isinstance(note, ast.Constant):
        return (Kind(types.NoneType),)
    if isinstance(note, ast.Subscript):
        (outer,) = _kinds(note.value, names)
        return (Kind(outer.type, _kinds(note.slice, names) if outer.type is Sequence else ()),)
    text = ast.unparse(note)
    try:
        return (Kind(eval(text, vars(builtins) | names)),)
    except NameError:
        return (Kind(text.split(".")[-1]),)


def _is_one_of(value, kinds):
    return any(_is(value, kind) for kind in kinds)


def _is(value, kind):
    if kind.type in (int, float) and isinstance(value, bool):
        return False
    if kind.type in (Sequence, Iterable) and (isinstance(value, str | bytes) or getattr(value, "ndim", 1) != 1):
        return False
    if kind.type is Sequence:
        return _is_sequence(value, kind.elements)
    if isinstance(kind.type, str):
        return any(base.__name__ == kind.type for base in type(value).__mro__)
    return isinstance(value, _WIDER.get(kind.type, kind.type))


def _is_sequence(value, elements):
    """Whether a value is a list in the wide sense: anything with a length and an order, a row of an array too."""
    if isinstance(value, Mapping | Set) or not (isinstance(value, Sized) and isinstance(value, Iterable)):
        return False
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type == "meta":
            return False
        value = value.tolist()
    return not elements or all(_is_one_of(element, elements) for element in value)


def _in_words(kind):
    name = _name(kind)
    words = _ONE.get(name, f"{'an' if name[0] in 'AEIOU' else 'a'} {name}")
    if kind.elements:
        words += " of " + " or ".join(_MANY.get(_name(each), f"{_name(each)}s") for each in kind.elements)
    return words


def _name(kind):
    return kind.type if isinstance(kind.type, str) else kind.type.__name__
