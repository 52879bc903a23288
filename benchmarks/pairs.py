"""Ratios of two computations, timed in turn in one process: the median over pairs survives a noisy machine."""

import statistics
import time


def ratio(ours, theirs, pairs=15, warmup=2):
    """Median over pairs of (time of theirs) / (time of ours), with the quartiles.

    Args:
        ours: callable without arguments.
        theirs: callable without arguments.
        pairs: how many times each is run, in turn.
        warmup: runs of each that do not count.

    Returns:
        (lower quartile, median, upper quartile) of the ratio.
    """
    for _ in range(warmup):
        ours(), theirs()
    values = sorted(seconds(theirs) / seconds(ours) for _ in range(pairs))
    lower, median, upper = statistics.quantiles(values, n=4)
    return lower, median, upper


def seconds(function):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def report(name, values, target):
    """Print one line of the table that ``make bench`` shows: name, quartiles of the ratio, target."""
    lower, median, upper = values
    print(f"{name:<68} {median:6.2f}  [{lower:.2f}, {upper:.2f}]  target {target}", flush=True)
