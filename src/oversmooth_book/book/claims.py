"""claims.yml: every checked statement, and its verdict on a run."""

import json
import math
import operator
import re
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import check_graphs
from oversmooth_book.book.profiles import PROFILES, satisfies
from oversmooth_book.book.strict_yaml import check_fields, check_texts, is_number, read_rows

PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"
COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "between": lambda value, ends: ends[0] <= value <= ends[1],
}
TEXTS = ("id", "chapter", "statement", "paper", "quantity", "comparison", "profile")
# Below this a measured value is rounding, which differs from machine to machine: its digits are not printed.
ROUNDING = 1e-9
# A claim that asks for less than this says that two roads lead to the same number, but for rounding.
IDENTITY = 1e-6


@dataclass(frozen=True)
class Claim:
    """One row of claims.yml: a statement, and when a measured quantity upholds it.

    ``needs``: graphs whose raw files the value comes from. ``why``: where no digit is printed, the reason.
    """

    id: str
    chapter: str
    statement: str
    paper: str
    quantity: str
    comparison: str
    threshold: float | list
    profile: str
    digits: int = 3
    needs: tuple = ()
    why: str = ""

    def condition(self) -> str:
        """The threshold in words, such as "< 0.02"."""
        if self.comparison == "between":
            return f"between {_short(self.threshold[0])} and {_short(self.threshold[1])}"
        return f"{self.comparison} {_short(self.threshold)}"

    def show(self, value) -> str:
        """A measured value as a reader sees it: with the claim's significant digits, or as a decade if it has none.

        Args:
            value: the number, None if nothing was measured.

        Returns:
            Text such as "0.0123", "1e-3 to 1e-2" or "below 1e-9"; "" for None, and for None only.
        """
        if value is None:
            return ""
        # Where rounding is what is measured, zero is one, too: the next machine finds something tiny.
        identity = self.comparison in ("<", "<=") and 0 < self.threshold < IDENTITY
        if abs(value) < ROUNDING and (value or identity):
            return self._show_rounding(value)
        if float(value).is_integer() and abs(value) < 1e6:
            return f"{int(value)}"
        return _short(value, f".{self.digits}g") if self.digits else _decade(value)

    def _show_rounding(self, value) -> str:
        """The least that a reader must know of a number that other machines round otherwise."""
        stricter = self.comparison in ("<", "<=") and self.threshold < ROUNDING
        if stricter and not COMPARISONS[self.comparison](value, self.threshold):
            return _short(value, ".0e")
        return f"below {_short(self.threshold if stricter else ROUNDING)}"

    def measured(self, value) -> str:
        """The measured value, if any, and the needed one, in words."""
        return ("" if value is None else f"measured {self.show(value)}, ") + f"needed {self.condition()}"

    def failure(self, value: float) -> str:
        """A failed claim in one line: its name, the measured value and the needed one."""
        return f"{self.id} ({self.chapter}): measured {value:.6g}, needed {self.condition()}"

    def undecided(self, profile: str, missing=()) -> str:
        """Why a run cannot decide the claim, in words; empty if it can.

        Args:
            profile: the run's.
            missing: the graphs whose raw files it lacked.

        Returns:
            "needs Cora", or "needs the full profile".
        """
        lacking = [name for name in self.needs if name in missing]
        if lacking:
            return f"needs {', '.join(lacking)}"
        return "" if satisfies(profile, self.profile) else f"needs the {self.profile} profile"

    def verdict(self, value, profile: str) -> str:
        """PASS, FAIL, or NOT RUN when there is no value or the run was not thorough enough."""
        if value is None or not satisfies(profile, self.profile):
            return NOT_RUN
        return PASS if math.isfinite(value) and COMPARISONS[self.comparison](value, self.threshold) else FAIL


def _short(number: float, spec: str = "g") -> str:
    """A number without the zeros that Python puts into exponents: 1e-9, not 1e-09."""
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", format(number, spec))


def _decade(value: float) -> str:
    """The powers of ten around a number, the smaller first: "1e-3 to 1e-2" for 0.004, "1 to 10" for 3.7."""
    low = math.floor(math.log10(abs(value)))
    # Near one people write numbers out.
    plain = -2 <= low <= 2
    ends = [f"{10.0**power:g}" if plain else f"1e{power}" for power in (low, low + 1)]
    return f"-{ends[1]} to -{ends[0]}" if value < 0 else f"{ends[0]} to {ends[1]}"


def read_claims(path: Path) -> dict[str, Claim]:
    """The claims of claims.yml, in the file's order.

    Args:
        path: the file.

    Returns:
        Claim id to claim.

    Raises:
        BookError: naming the row, the field, what was needed and what came.
    """
    claims = {}
    for where, row in read_rows(path, "claim"):
        claim = _claim(where, row)
        if claim.id in claims:
            raise BookError(f"{where}: the id {claim.id!r} is used twice")
        claims[claim.id] = claim
    return claims


def _claim(where: str, row) -> Claim:
    if isinstance(row, dict) and "id" in row:
        where = f"{where} ({row['id']})"
    check_fields(where, row, (*TEXTS, "threshold"), ("digits", "needs", "why"))
    check_texts(where, row, TEXTS)
    if not row["id"].isidentifier():
        raise BookError(f"{where}: an id is letters and digits, such as F2, got {row['id']!r}")
    if row["profile"] not in PROFILES:
        raise BookError(f"{where}: profile {row['profile']!r} is unknown; known: {', '.join(PROFILES)}")
    _check_threshold(where, row["comparison"], row["threshold"])
    digits = row.get("digits", 3)
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 6:
        raise BookError(f"{where}: digits is a whole number from 0 to 6, got {digits!r}")
    _check_why(where, row, digits)
    check_graphs(where, row.get("needs", []))
    return Claim(**{**row, "needs": tuple(row.get("needs", []))})


def _check_why(where: str, row: dict, digits: int) -> None:
    """A claim without digits says why, in a few words; with digits there is nothing to explain."""
    if digits == 0 and "why" not in row:
        raise BookError(f"{where}: digits is 0: say in 'why', in a few words, what moves every digit of the value")
    if digits and "why" in row:
        raise BookError(f"{where}: 'why' says why no digit is printed, but {digits} are: drop it, or set digits to 0")
    check_texts(where, {"why": row.get("why", "-")}, ("why",))


def _check_threshold(where: str, comparison: str, threshold) -> None:
    if comparison not in COMPARISONS:
        raise BookError(f"{where}: comparison {comparison!r} is unknown; known: {'  '.join(COMPARISONS)}")
    ends = threshold if comparison == "between" else [threshold]
    wanted = "two numbers, the smaller first" if comparison == "between" else "a number"
    numbers = isinstance(ends, list) and all(map(is_number, ends))
    right_length = numbers and len(ends) == (2 if comparison == "between" else 1)
    if not right_length or ends != sorted(ends):
        # YAML 1.1 reads 1e-5 as text: it wants 1.0e-5.
        hint = " (write 1.0e-5, not 1e-5, in YAML)" if isinstance(threshold, str) else ""
        raise BookError(f"{where}: threshold for {comparison!r} needs {wanted}, got {threshold!r}{hint}")


def read_values(path: Path) -> dict[str, float]:
    """The measured values of a run's claims.json; empty if there is none.

    Args:
        path: the file.

    Returns:
        Claim id to value.

    Raises:
        BookError: if the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        wrong = [f"{name} is no number" for name, value in values.items() if not is_number(value)]
    except (ValueError, AttributeError, RecursionError) as error:
        wrong = [str(error)]
    if wrong:
        raise BookError(f"{path.parent.name}/{path.name} is damaged ({wrong[0]}); run the chapter again")
    return {name: float(value) for name, value in values.items()}
