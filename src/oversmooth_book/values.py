"""The values of a chapter's claims, and the numbers in its text: named functions of its published tables.

They stand in ``experiments/<chapter>/claims.py``; what a function needs of the tables is said by its arguments::

    @claim("F1")
    def networks_above_their_bound(bound_draws):
        return (bound_draws["used"] > 1 + 1e-9).sum()

    @number("forward_median_use", ".0%")
    def median_use_of_the_bound(bound_draws):
        return bound_draws["used"].median()

So a value can be computed again from ``data/published`` alone, years later, without running anything: ``recheck``.
"""

import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.proved import Proved, read_proofs

EXPERIMENTS = "oversmooth_book.experiments"


@dataclass(frozen=True)
class Number:
    """A number that the text shows by ``{glue:text}`name```: what it is, and how it is rounded."""

    name: str
    spec: str
    function: Callable


def claim(claim_id: str):
    """Mark a function of tables as the value of a claim.

    Args:
        claim_id: a row of claims.yml.

    Returns:
        The decorator.
    """

    def mark(function):
        function.claim = claim_id
        return function

    return mark


def number(name: str, spec: str = ""):
    """Mark a function of tables as a number of the text.

    Args:
        name: the key that the text uses.
        spec: Python format, such as ".3f"; whole numbers and texts need none.

    Returns:
        The decorator.
    """

    def mark(function):
        function.number = Number(name, spec, function)
        return function

    return mark


def values_of(chapter: str) -> tuple[dict[str, Callable], dict[str, Number]]:
    """A chapter's claims and numbers, in the order of its ``claims.py``.

    Args:
        chapter: its name.

    Returns:
        Claim id to function, and name to `Number`.

    Raises:
        BookError: if the chapter has no ``claims.py`` that can be imported, or it names one claim or number twice.
    """
    name = f"{EXPERIMENTS}.{chapter}.claims"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BookError(f"{chapter}: experiments/{chapter}/claims.py cannot be imported ({error})") from error
    claims, numbers = {}, {}
    for function in vars(module).values():
        # Not what the module merely imports.
        if not inspect.isfunction(function) or function.__module__ != name:
            continue
        for found, mark in ((claims, getattr(function, "claim", None)), (numbers, getattr(function, "number", None))):
            key = getattr(mark, "name", mark)
            if key is None:
                continue
            if key in found:
                raise BookError(f"{chapter}: experiments/{chapter}/claims.py has {key} twice")
            found[key] = function if found is claims else mark
    return claims, numbers


def tables_read(function: Callable) -> list[str]:
    """The names of the tables that a function is computed from: its arguments."""
    return list(inspect.signature(function).parameters)


def evaluate(function: Callable, folder: Path):
    """A function of tables, on the tables of a folder, as they are written: with six significant digits.

    Args:
        function: a claim's or a number's.
        folder: with a CSV file for each of its arguments.

    Returns:
        Its value.

    Raises:
        BookError: if a table is missing or damaged, or the function fails on what it finds.
    """
    tables = {}
    for name in tables_read(function):
        path = folder / f"{name}.csv"
        if not path.is_file():
            raise BookError(f"{function.__name__} reads the table {name}, which was not saved: book.save_table first")
        tables[name] = _read(path, path.stat().st_mtime_ns).copy()
    try:
        return function(**tables)
    except Exception as error:
        raise BookError(f"{function.__name__} fails on {', '.join(tables)}: {type(error).__name__}: {error}") from error


def _read(path: Path, changed: int, kept={}):  # noqa: B006 (a table serves several functions: the last few are kept)
    if (path, changed) not in kept:
        while len(kept) > 20:
            kept.pop(next(iter(kept)))
        kept[path, changed] = read_proofs(path)
    return kept[path, changed]


def as_number(claim_id: str, value) -> float:
    """A claim's value as a finite float.

    Args:
        claim_id: for the message.
        value: a number, or a truth value.

    Returns:
        The float; a proved number stays one.

    Raises:
        ValueError: if it is not finite.
    """
    found = value if isinstance(value, Proved) else float(value)
    if not math.isfinite(found):
        raise ValueError(f"claim {claim_id} needs a finite number, got {found}")
    return found


def as_text(name: str, value, spec: str = "") -> str:
    """A number as the text shows it.

    Args:
        name: for the message.
        value: a number, or text.
        spec: Python format; rounded here, because nbval compares what is glued.

    Returns:
        The text.

    Raises:
        ValueError: if a number that is not whole comes without a format.
    """
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str):
        return value
    if not isinstance(value, int) and not spec:
        raise ValueError(f"glue({name!r}) needs a format such as '.3f' to round {value!r} for the text")
    return format(value if isinstance(value, int | Proved) else float(value), spec)
