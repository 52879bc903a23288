"""robustness.csv: what the attack measured of each finding, and what a reader is told of it."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.claims import FAIL, PASS, Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.saved import damaged

FILE = "robustness.csv"
COLUMNS = ["claim", "variation", "inside", "value", "verdict"]
# A finding that holds in a smaller share of the variations that its own domain admits is not published.
ENOUGH = 0.9
# So many variations under which a finding fails are named; the table has them all.
NAMED = 3


@dataclass(frozen=True)
class Trial:
    """One variation of one finding: whether its domain admits it, what was measured, whether the claim holds."""

    variation: str
    inside: bool
    value: float
    holds: bool


@dataclass(frozen=True)
class Robustness:
    """A finding under all variations."""

    claim: Claim
    trials: tuple[Trial, ...]

    @property
    def inside(self) -> list[Trial]:
        """The trials within the finding's domain."""
        return [trial for trial in self.trials if trial.inside]

    @property
    def outside(self) -> list[Trial]:
        """The trials beyond it."""
        return [trial for trial in self.trials if not trial.inside]

    @property
    def share(self) -> float:
        """The share of the variations within the domain under which the finding holds; 0 if none is."""
        return sum(trial.holds for trial in self.inside) / len(self.inside) if self.inside else 0.0

    def sentence(self) -> str:
        """Such as "holds in 23 of 24 variations; fails at width 256 (0.125)"."""
        failed = [trial for trial in self.inside if not trial.holds]
        text = f"holds in {len(self.inside) - len(failed)} of {len(self.inside)} variations"
        if failed:
            text += f"; fails at {self.named(failed)}"
        return text

    def named(self, trials: list[Trial]) -> str:
        """Some trials with their values."""
        parts = [f"{trial.variation} ({_shown(trial.value)})" for trial in trials[:NAMED]]
        more = f" and {len(trials) - NAMED} more" if len(trials) > NAMED else ""
        return ", ".join(parts) + more


def _shown(value: float) -> str:
    """A value with two digits: the next machine's may differ in the third."""
    return f"{value:.2g}" if math.isfinite(value) else "no value"


def read_robustness(folder: Path, claims: dict[str, Claim]) -> dict[str, Robustness]:
    """What the attack found of a chapter's findings; the verdicts are those of claims.yml as it stands.

    Args:
        folder: the chapter's published data.
        claims: the book's.

    Returns:
        Claim id to robustness, in the file's order; empty without the file. Claims that are gone are left out.

    Raises:
        BookError: if the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        found = _trials(path, claims)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise BookError(damaged(path, error, "attack again")) from None
    return {claim_id: Robustness(claims[claim_id], tuple(rows)) for claim_id, rows in found.items()}


def _trials(path: Path, claims: dict[str, Claim]) -> dict[str, list[Trial]]:
    found = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["claim"] in claims:
                claim, value = claims[row["claim"]], float(row["value"] or "nan")
                inside = {"True": True, "False": False}[row["inside"]]
                found.setdefault(claim.id, []).append(Trial(row["variation"], inside, value, claim.holds(value)))
    return found


def write_robustness(folder: Path, found: dict[str, Robustness]) -> None:
    """Write the table whole, or leave the old one.

    Args:
        folder: where; made if it is not there.
        found: claim id to robustness.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{FILE}.part"
    with part.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(COLUMNS)
        for claim_id, robustness in found.items():
            for trial in robustness.trials:
                value = f"{trial.value:.6g}" if math.isfinite(trial.value) else ""
                verdict = PASS if trial.holds else FAIL
                table.writerow([claim_id, trial.variation, trial.inside, value, verdict])
    part.replace(folder / FILE)


def weak(found: dict[str, Robustness]) -> list[str]:
    """The findings that hold in too few variations of their own domain, one sentence each."""
    return [
        f"finding {claim_id} {robustness.sentence()}, fewer than nine tenths: correct its statement or its domain"
        for claim_id, robustness in found.items()
        if robustness.share < ENOUGH
    ]
