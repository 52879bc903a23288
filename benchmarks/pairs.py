"""Ratios of two computations, timed in turn in one process: the median over pairs survives a noisy machine."""

import operator
import statistics
import time
from dataclasses import dataclass

COMPARISONS = {"≥": operator.ge, "≤": operator.le}
ROWS = []


@dataclass(frozen=True)
class Row:
    """One line of the table: a ratio (or an exponent), its quartiles over the pairs, and what it should be."""

    group: str
    case: str
    quantity: str
    median: float
    lower: float
    upper: float
    target: str
    met: str
    headline: str = ""  # its words on the page's chart


def ratio(ours, theirs, pairs=15, warmup=2):
    """Median over pairs of (time of theirs) / (time of ours), with the quartiles.

    Args:
        ours: callable without arguments.
        theirs: callable without arguments.
        pairs: how many times each is run, in turn; at least 2.
        warmup: runs of each that do not count.

    Returns:
        (lower quartile, median, upper quartile) of the ratio.
    """
    for _ in range(warmup):
        ours(), theirs()
    values = sorted(seconds(theirs) / seconds(ours) for _ in range(pairs))
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def seconds(function):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def report(group, case, quantity, values, target="", headline=""):
    """Print one line and keep it for the table.

    Args:
        group: what is timed.
        case: on which data.
        quantity: what the number means.
        values: (lower quartile, median, upper quartile).
        target: "≥ 2" or "≤ 1.3"; empty where nothing is promised.
        headline: what the chart above the table calls it; empty for most.

    Returns:
        Whether the target is met; True without one.
    """
    lower, median, upper = values
    met = not target or COMPARISONS[target[0]](median, float(target[1:]))
    words = "" if not target else "yes" if met else "no"
    ROWS.append(Row(group, case, quantity, median, lower, upper, target, words, headline))
    print(f"{f'{group}, {case}: {quantity}':<96} {median:7.3g}  [{lower:.3g}, {upper:.3g}]  {target}", flush=True)
    return met
