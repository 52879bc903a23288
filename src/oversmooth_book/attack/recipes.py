"""How the tables that findings read are measured from one setting: a chapter's ``attack.py``.

It stands beside the chapter's ``measure.py``. ``SETTING`` is what the variations change; ``FIXED`` names the fields
that its measurements set themselves, or that mean nothing to them; every public function is named as a saved table
and measures it, or as much of it as the findings read::

    SETTING = Setting(depth=41)
    FIXED = {"activation", "optimizer"}

    def valleys(setting):
        return measure.all_valleys(measure.profiles(setting))
"""

import importlib
import importlib.util
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from oversmooth_book.attack.variations import Variation
from oversmooth_book.book.claims import Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.experiments.settings import Setting
from oversmooth_book.values import EXPERIMENTS, tables_read, values_of


@dataclass(frozen=True)
class Recipe:
    """What the attack knows of a chapter."""

    setting: Setting
    fixed: frozenset[str]
    tables: dict[str, Callable]
    values: dict[str, Callable]

    def lacking(self, claim: Claim) -> list[str]:
        """The tables that a finding reads and no function here measures."""
        return [name for name in tables_read(self.values[claim.id]) if name not in self.tables]

    def varied_by(self, variation: Variation) -> bool:
        """Whether a variation changes anything that the measurements heed."""
        return not set(variation.changes) & self.fixed

    def varied(self, variation: Variation, num_seeds: int, first_seed: int) -> Setting:
        """The setting of a variation, with so many networks."""
        return variation.of(replace(self.setting, seeds=tuple(range(first_seed, first_seed + num_seeds))))

    def measure(self, claim_ids, setting: Setting) -> dict[str, float]:
        """The values of findings in a setting, each table measured once.

        Args:
            claim_ids: of this chapter.
            setting: the varied setting.

        Returns:
            Claim id to value, NaN where there is none.
        """
        measured, found = {}, {}
        for claim_id in claim_ids:
            function = self.values[claim_id]
            for name in tables_read(function):
                if name not in measured:
                    measured[name] = self.tables[name](setting)
            tables = {name: measured[name].copy() for name in tables_read(function)}
            try:
                found[claim_id] = float(function(**tables))
            except (ValueError, IndexError, KeyError):  # such as a crossing of curves that do not cross: it fails
                found[claim_id] = math.nan
        return found


def recipe_of(chapter: str) -> Recipe | None:
    """A chapter's recipe; None if it has none.

    Args:
        chapter: its name.

    Returns:
        The recipe.

    Raises:
        BookError: if its module lacks what a recipe needs.
    """
    name = f"{EXPERIMENTS}.{chapter}.attack"
    if importlib.util.find_spec(f"{EXPERIMENTS}.{chapter}") is None or importlib.util.find_spec(name) is None:
        return None
    module = importlib.import_module(name)
    parts = vars(module)
    if not isinstance(parts.get("SETTING"), Setting) or not isinstance(parts.get("FIXED"), set):
        raise BookError(f"experiments/{chapter}/attack.py needs SETTING, a Setting, and FIXED, a set of its fields")
    own = {key: value for key, value in parts.items() if inspect.isfunction(value) and value.__module__ == name}
    tables = {key: value for key, value in own.items() if not key.startswith("_")}
    return Recipe(parts["SETTING"], frozenset(parts["FIXED"]), tables, values_of(chapter)[0])
