"""What a sweep adds to each of its cells: a function that does nothing, in one process and in two, cached and not."""

import tempfile

from pairs import report, seconds

import oversmooth as osm

CELLS = 400


def nothing(setting, seed):
    """A cell that costs nothing."""
    return {"value": setting + seed}


def main():
    """Report the milliseconds for each cell; the start of the processes, once a sweep, is left out."""
    grid = {"setting": list(range(CELLS // 4))}
    for jobs in (1, 2):
        osm.sweep(nothing, {"setting": [0, 1]}, range(4), jobs=jobs)  # the processes start, and stay
        costs = [seconds(lambda j=jobs: osm.sweep(nothing, grid, range(4), jobs=j)) / CELLS for _ in range(3)]
        values = sorted(1000 * cost for cost in costs)
        report("sweep", f"{CELLS} cells, {jobs} job(s)", "milliseconds a cell", values, "≤ 5")
        with tempfile.TemporaryDirectory() as cache:
            cost = 1000 * seconds(lambda j=jobs, c=cache: osm.sweep(nothing, grid, range(4), jobs=j, cache=c)) / CELLS
        report("sweep", f"{CELLS} cells, {jobs} job(s), cache on disk", "milliseconds a cell", [cost] * 3, "≤ 5")


if __name__ == "__main__":
    main()
