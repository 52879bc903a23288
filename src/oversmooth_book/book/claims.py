"""claims.yml: every statement that is checked or proved, and its verdict on a run."""

import math
import operator
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from oversmooth_book.book.errors import BookError, brief
from oversmooth_book.book.graphs import check_graphs
from oversmooth_book.book.profiles import PROFILES, satisfies
from oversmooth_book.book.proved import WORDS, Proved
from oversmooth_book.book.saved import AGAIN, damaged, read_json
from oversmooth_book.book.schema import Names, Row, Text, parse, require_plain
from oversmooth_book.book.strict_yaml import read_rows

PROVED, PASS, FAIL, NOT_RUN = "PROVED", "PASS", "FAIL", "NOT RUN"
VERDICTS = (PROVED, PASS, FAIL, NOT_RUN)
# An identity, a bound, the code's own arithmetic; what was measured and might have been otherwise; what a computation
# proves of real numbers.
CHECK, FINDING, PROOF = "check", "finding", "proof"
COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "between": lambda value, ends: ends[0] <= value <= ends[1],
}
# Below this a measured value is rounding, which differs from machine to machine: its digits are not printed.
ROUNDING = 1e-9
# A claim that asks for less than this says that two roads lead to the same number, but for rounding.
IDENTITY = 1e-6


class Claim(Row):
    """One row of claims.yml: a statement, and when a measured quantity upholds it.

    ``kind``: a check cannot come out otherwise if theory and code are right; a finding can, beyond its ``domain``
    (field of the experiment's `Setting` to what it may be); a proof needs a value that is `Proved`. ``needs``: graphs
    whose raw files the value comes from. ``why``: where no digit is printed, the reason.
    """

    id: Annotated[str, Meta(pattern=r"^[^\W\d]\w*\Z", description="letters and digits, such as F2")]
    chapter: Annotated[str, Meta(pattern=r"^[^\W\d]\w{0,99}\Z", description="a chapter's name")]
    kind: Annotated[Literal[CHECK, FINDING, PROOF], Meta(description=f"{CHECK}, {FINDING} or {PROOF}")]
    statement: Text
    paper: Text
    quantity: Text
    comparison: Annotated[Literal[tuple(COMPARISONS)], Meta(description=f"one of {'  '.join(COMPARISONS)}")]
    threshold: Annotated[
        int | float | list[int | float], Meta(description="a number, or, for 'between', two, the smaller first")
    ]
    profile: Annotated[Literal[PROFILES], Meta(description=f"one of {', '.join(PROFILES)}")]
    digits: Annotated[int, Meta(ge=0, le=6, description="a whole number from 0 to 6")] = 3
    needs: Names = ()
    why: Annotated[Text | None, Meta(description="text")] = None
    domain: Annotated[
        dict[str, Annotated[list[float | str], Meta(min_length=1)]] | None,
        Meta(description="a mapping of fields of a Setting to two numbers or to texts"),
    ] = None

    def __post_init__(self):
        two = self.comparison == "between"
        ends = self.threshold if two else [self.threshold]
        numbers = isinstance(ends, list) and all(isinstance(end, int | float) for end in ends)
        finite = numbers and all(abs(end) <= sys.float_info.max for end in ends)
        if not finite or len(ends) != 1 + two or ends != sorted(ends):
            wanted = "two numbers, the smaller first" if two else "a number"
            raise ValueError(f"threshold: for {self.comparison!r} needs {wanted}, got {brief(self.threshold)}")
        for name in ("statement", "paper", "quantity", "why"):
            require_plain(name, getattr(self, name) or "")
        if self.kind != FINDING and self.domain is not None:
            raise ValueError(f"domain: a {self.kind} has none; findings have domains")
        if self.digits == 0 and not self.why:
            raise ValueError("digits is 0: say in 'why', in a few words, what moves every digit of the value")
        if self.digits and self.why:
            raise ValueError(f"'why' says why no digit is printed, but {self.digits} are: drop it, or set digits to 0")

    @property
    def ends(self) -> list[float]:
        """The threshold, or both ends of the interval."""
        return self.threshold if isinstance(self.threshold, list) else [self.threshold]

    def condition(self) -> str:
        """The threshold in words, such as "< 0.02"."""
        if self.comparison == "between":
            return f"between {short(self.threshold[0])} and {short(self.threshold[1])}"
        return f"{self.comparison} {short(self.threshold)}"

    def show(self, value) -> str:
        """A measured value as a reader sees it: with the claim's significant digits, or as a decade if it has none.

        Args:
            value: the number, None if nothing was measured.

        Returns:
            Text such as "0.0123", "1e-3 to 1e-2" or "below 1e-9"; "" for None, and for None only.
        """
        if value is None:
            return ""
        if isinstance(value, Proved) and not self.digits:
            return short(self.threshold) if self._upheld(value) else short(value, ".2g")
        # Where rounding is what is measured, zero is one, too: the next machine finds something tiny.
        identity = self.comparison in ("<", "<=") and 0 < self.threshold < IDENTITY
        if abs(value) < ROUNDING and (value or identity) and not isinstance(value, Proved):
            return self._show_rounding(value)
        if float(value).is_integer() and abs(value) < 1e6:
            return f"{int(value)}"
        return short(value, f".{self.digits}g") if self.digits else _decade(value)

    def _show_rounding(self, value) -> str:
        """The least that a reader must know of a number that other machines round otherwise."""
        stricter = self.comparison in ("<", "<=") and self.threshold < ROUNDING
        if stricter and not COMPARISONS[self.comparison](value, self.threshold):
            return short(value, ".0e")
        return f"below {short(self.threshold if stricter else ROUNDING)}"

    def measured(self, value) -> str:
        """The measured value, if any, and the needed one, in words."""
        return ("" if value is None else f"{how(value)} {self.show(value)}, ") + f"needed {self.condition()}"

    def failure(self, value: float) -> str:
        """A failed claim in one line: its name, the measured value and the needed one."""
        lacking = ", and a proof of it" if self.kind == PROOF and self._upheld(value) else ""
        return f"{self.id} ({self.chapter}): {how(value)} {value:.6g}, needed {self.condition()}{lacking}"

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
        """PASS (of a proof: PROVED), FAIL, or NOT RUN: there is no value, or the run was not thorough enough."""
        if value is None or not satisfies(profile, self.profile):
            return NOT_RUN
        if not self._upheld(value):
            return FAIL
        if self.kind == PROOF:
            return PROVED if isinstance(value, Proved) and value.proves(self.comparison) else FAIL
        return PASS

    def holds(self, value, profile: str = "full") -> bool:
        """Whether a value upholds the claim: PASS, or PROVED where a proof is needed."""
        return self.verdict(value, profile) in (PASS, PROVED)

    def _upheld(self, value) -> bool:
        return math.isfinite(value) and COMPARISONS[self.comparison](value, self.threshold)


def how(value: float) -> str:
    """How a value was come by, in words: "measured", or "proved to be at most"."""
    return WORDS[value.side] if isinstance(value, Proved) else "measured"


def short(number: float, spec: str = "g") -> str:
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
        where += f" ({str(row['id'])[:20]})" if isinstance(row, dict) and isinstance(row.get("id"), str) else ""
        claim = parse(where, row, Claim)
        check_graphs(where, claim.needs)
        if claim.id in claims:
            raise BookError(f"{where}: the id {brief(claim.id)} is used twice")
        claims[claim.id] = claim
    return claims


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
    values = read_json(path, dict[str, float | dict[str, float]])
    try:
        return {name: _from_json(value) for name, value in values.items()}
    except ValueError as error:
        raise BookError(damaged(path, error, AGAIN)) from None


def to_json(value: float):
    """A value as claims.json holds it: a number, or for a proved one {"at_most": number}."""
    return {value.side: float(value)} if isinstance(value, Proved) else value


def _from_json(value):
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("a proved value has one side")
    ((side, number),) = value.items()
    return Proved(number, side)
