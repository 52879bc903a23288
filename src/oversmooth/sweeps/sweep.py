"""Sweeps: one function over a grid and seeds, here or on a cluster, resumable, as one tidy table."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from numbers import Integral
from typing import TYPE_CHECKING

import joblib

from oversmooth._arguments import checked
from oversmooth._validation import came, require
from oversmooth.sweeps import cell as work
from oversmooth.sweeps.cache import Cache
from oversmooth.sweeps.cluster import outcomes_on_cluster

if TYPE_CHECKING:
    import pandas as pd

CLUSTER_VARIABLE = "OVERSMOOTH_CLUSTER"


class SweepError(RuntimeError):
    """Some cells of a sweep failed; all others were finished first.

    `failures` lists (cell, seed, exception); `table` holds the finished rows.
    """

    def __init__(self, message, failures=(), table=None):
        super().__init__(message)
        self.failures, self.table = list(failures), table


@checked
def sweep(
    run: Callable,
    grid: Mapping[str, Sequence] | Iterable[Mapping],
    seeds: Iterable[int],
    jobs: int = 1,
    cluster: str | None = None,
    cache: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """One tidy table of run(**cell, seed=s) for every cell of a grid and every seed s.

    The table is the same, bit for bit in float64, for any `jobs` and on a cluster of like processors: each cell
    runs with one thread (two would add in another order), with torch's and NumPy's global generators set to its
    seed (and put back), and rows stand in the grid's order, whatever finished first. One thread a process is also
    the fastest: the threads of two processes on two cores wait for one another. With OVERSMOOTH_ROUNDING=N set, every
    cell is computed as rounding replica N, wherever it runs, and kept apart in the cache.

    Args:
        run: called as run(**cell, seed=s); returns one row (a dictionary), a list of rows, or a DataFrame, with
            values that are numbers, text, truth values or None. It draws all its randomness from `seed`.
        grid: name -> list of values, for all combinations in order, the last name fastest; or a list of
            dictionaries, one a cell.
        seeds: the seeds of every cell.
        jobs: processes on this machine; 1 computes in this process, -1 takes every core.
        cluster: address of a Dask scheduler, "tcp://host:port", whose workers compute instead; default:
            $OVERSMOOTH_CLUSTER, else none.
        cache: a folder. Each cell is written there as soon as it is finished; the next call with the same function,
            cell, seed, replica and versions reads it. None: keep nothing.

    Returns:
        A DataFrame: the cell's columns, `seed`, then what `run` returned, as pandas.DataFrame makes it of the rows.

    Raises:
        ValueError: if an argument is not as described.
        ConnectionError: if the cluster cannot be reached.
        SweepError: if a cell failed; it names the cells and seeds, and every other cell was finished and kept.
    """
    cells = [(cell, seed) for cell in _cells(grid) for seed in _seeds(seeds)]
    require(jobs != 0, "jobs is 0; a number of processes (-1: all cores) is needed")
    store = None if cache is None else Cache(cache, run)
    rows = {} if store is None else store.read(cells)
    failures = {}
    waiting = [(index, *cells[index]) for index in range(len(cells)) if index not in rows]
    cluster = cluster or os.environ.get(CLUSTER_VARIABLE) or None
    for outcome in _progress(_outcomes(run, waiting, jobs, cluster), len(cells), len(rows)):
        if outcome.error is not None:
            failures[outcome.index] = outcome.error
            continue
        rows[outcome.index] = outcome.rows
        if store is not None:
            store.write(*cells[outcome.index], outcome.rows)
    table = _table(cells, rows)
    if failures:
        _raise(cells, failures, table)
    return table


def _cells(grid) -> list[dict]:
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            unfit = isinstance(values, (str, Mapping)) or not isinstance(values, Iterable)
            require(not unfit, f"grid[{name!r}] is {values!r}; a list of values is needed, [{values!r}] for one")
        combinations = itertools.product(*(list(values) for values in grid.values()))
        cells = [dict(zip(grid, values, strict=True)) for values in combinations]
    else:
        cells = list(grid)
        unfit = [cell for cell in cells if not isinstance(cell, Mapping)]
        require(not unfit, f"grid holds {came(unfit)}; a list of dictionaries, or one dictionary of lists, is needed")
        cells = [dict(cell) for cell in cells]
    names = {name for cell in cells for name in cell}
    unfit = [name for name in names if not isinstance(name, str) or name == "seed"]
    require(not unfit, f"grid has the name {unfit}; names are text, and the seeds go to the argument seeds")
    return cells


def _seeds(seeds) -> list[int]:
    seeds = list(seeds)
    unfit = [seed for seed in seeds if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0]
    require(not unfit, f"seeds holds {came(unfit)}; whole numbers from 0 are needed")
    require(len(set(seeds)) == len(seeds), f"seeds holds a number twice: {came(seeds)}")
    return [int(seed) for seed in seeds]


def _outcomes(run, waiting, jobs, cluster):
    arithmetic = work.arithmetic()
    if not waiting:
        return
    if cluster is not None:
        yield from outcomes_on_cluster(run, waiting, arithmetic, cluster)
    elif jobs == 1:
        for index, cell, seed in waiting:
            yield work.compute(run, index, cell, seed, arithmetic)
    else:
        yield from _in_processes(run, waiting, jobs, arithmetic)


def _in_processes(run, waiting, jobs, arithmetic):
    unfinished, packed = {index for index, *_ in waiting}, work.pack(run)
    with warnings.catch_warnings(), joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        # loky replaces a process that waited for minutes, or that has grown by 300 MB (a graph it keeps), and warns.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        parallel = joblib.Parallel(batch_size=1, return_as="generator_unordered")
        tasks = (joblib.delayed(work.compute_below)(os.getpid(), packed, *task, arithmetic) for task in waiting)
        try:
            for outcome in parallel(tasks):
                unfinished.remove(outcome.index)
                yield outcome
        except BrokenExecutor as error:  # a process was killed, and joblib ended the others
            for index in sorted(unfinished):
                yield work.Outcome(index, error=error)


def _progress(outcomes, total, done):
    from tqdm import tqdm

    # disable=None: a bar on a terminal, nothing elsewhere.
    return tqdm(outcomes, total=total, initial=done, disable=None, leave=False, unit="cell")


def _table(cells, rows):
    import pandas as pd

    names = list(dict.fromkeys(name for cell, _ in cells for name in cell))
    records = []
    for index in sorted(rows):
        cell, seed = cells[index]
        records += [{**cell, "seed": seed, **row} for row in rows[index]]
    measured = dict.fromkeys(name for record in records for name in record)
    columns = list(dict.fromkeys([*names, "seed", *measured]))
    return pd.DataFrame(records, columns=columns)


def _raise(cells, failures, table):
    names = [work.name_of(*cells[index]) for index in sorted(failures)]
    first = failures[min(failures)]
    shown = "; ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise SweepError(
        f"{len(names)} of {len(cells)} cells failed, at {shown}. The first: {type(first).__name__}: {first}. "
        f"The other cells are finished: they are in this error's table, and in the cache if you gave one.",
        [(*cells[index], failures[index]) for index in sorted(failures)],
        table,
    ) from first
