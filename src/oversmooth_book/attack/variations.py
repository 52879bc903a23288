"""variations.yml: named changes of an experiment's `Setting`, and the domain within which a finding claims to hold."""

import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from oversmooth_book.book.errors import BookError, brief
from oversmooth_book.book.schema import Row, Text, parse
from oversmooth_book.book.strict_yaml import read_rows
from oversmooth_book.experiments.settings import Setting

FIELDS = {field.name for field in fields(Setting)} - {"seeds"}
# What a domain may bound besides: the rate λ of the graph that the setting draws.
RATE = "rate"
UNCHANGED = "as published"
# How many of the named changes a random variation takes together.
TOGETHER = 3
# Of a short file there are fewer mixtures than are wanted: so many draws, and no more.
DRAWS = 1000


class Variation(Row):
    """One row of variations.yml: what it is called, and which fields of the setting it sets.

    ``first_seed``: of the networks' weights, where the variation is other weights.
    """

    name: Text
    changes: Annotated[
        dict[str, str | int | float | list], Meta(description="a mapping of fields of a Setting to values")
    ] = msgspec.field(default_factory=dict)
    first_seed: Annotated[int | None, Meta(description="a whole number")] = None

    def __post_init__(self):
        unknown = sorted(set(self.changes) - FIELDS)
        if unknown:
            raise ValueError(f"changes: a Setting has no {', '.join(unknown)}; it has {', '.join(sorted(FIELDS))}")

    def of(self, setting: Setting) -> Setting:
        """The setting so varied, with as many networks."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in self.changes.items()}
        if self.first_seed is not None:
            values["seeds"] = tuple(range(self.first_seed, self.first_seed + len(setting.seeds)))
        return replace(setting, **values)


def read_variations(path: Path, mixtures: int = 6) -> list[Variation]:
    """The variations, one change at a time, and some mixtures of three of them, always the same ones.

    Args:
        path: variations.yml.
        mixtures: how many.

    Returns:
        The unchanged setting, the file's rows in their order, the mixtures.

    Raises:
        BookError: naming the row and what is wrong with it.
    """
    rows = [Variation(UNCHANGED)]
    for where, row in read_rows(path, "variation"):
        rows.append(parse(where, row, Variation))
        if rows[-1].name in [row.name for row in rows[:-1]]:
            raise BookError(f"{where}: the name {brief(rows[-1].name)} is used twice")
    return rows + _mixtures(rows[1:], mixtures)


def _mixtures(rows: list[Variation], count: int) -> list[Variation]:
    draw, found = random.Random(0), []
    for _ in range(DRAWS if rows else 0):
        if len(found) == count:
            break
        parts = draw.sample(rows, min(TOGETHER, len(rows)))
        changed = [name for part in parts for name in (part.changes or ["first_seed"])]
        mixture = Variation(
            " + ".join(part.name for part in parts),
            {name: value for part in parts for name, value in part.changes.items()},
            next((part.first_seed for part in parts if part.first_seed is not None), None),
        )
        if len(set(changed)) == len(changed) and mixture not in found:
            found.append(mixture)
    return found


def admits(domain: dict, setting: Setting) -> bool:
    """Whether a setting lies within a domain.

    Args:
        domain: field of the setting, or "rate" (λ of its graph), to what it may be: two numbers, the least and the
            largest, or a list of texts. A graph is named by its first word: "CSBM" stands for block models of any size.
        setting: the setting.

    Returns:
        Whether every bounded field is within its bounds.
    """
    return all(_within(allowed, _value(name, setting)) for name, allowed in domain.items())


def _value(name: str, setting: Setting):
    if name == RATE:
        return setting.propagation().rate
    value = getattr(setting, name)
    return value.split()[0] if name == "graph" else value


def _within(allowed: list, value) -> bool:
    if isinstance(value, str):
        return value in allowed
    if isinstance(value, tuple) or value is None:  # shares of the classes: a bound is one of the smallest
        value = min(value) if value else 0.5
    return allowed[0] <= value <= allowed[1]


def domain_faults(domain: dict) -> list[str]:
    """What is wrong with a domain as claims.yml has it, one sentence each."""
    found = []
    for name, allowed in domain.items():
        if name not in FIELDS | {RATE}:
            found.append(f"domain: a Setting has no {name}; it has {', '.join(sorted(FIELDS | {RATE}))}")
        elif {isinstance(value, str) for value in allowed} != {isinstance(getattr(Setting(), name, 0.0), str)}:
            found.append(f"domain: {name}: needs texts for a field that is text, two numbers for a number")
        elif not isinstance(allowed[0], str) and (len(allowed) != 2 or allowed[0] > allowed[1]):
            found.append(f"domain: {name}: needs two numbers, the smaller first, got {allowed}")
    return found


def in_words(domain: dict) -> str:
    """A domain as a reader sees it, such as "rate 0 to 0.8; width 16 to 256; activation tanh"."""
    parts = []
    for name, allowed in domain.items():
        if isinstance(allowed[0], str):
            words = " or ".join(allowed)
        else:
            words = f"{allowed[0]:g}" if allowed[0] == allowed[1] else f"{allowed[0]:g} to {allowed[1]:g}"
        parts.append(f"{name.replace('_', ' ')} {words}")
    return "; ".join(parts)
