"""One table from a grid and seeds: the same in this process and in others, with cells that fail, and on a terminal."""

import itertools
import os
import pty
import subprocess
import sys
import termios
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sweep_cases import GRID, dies, fails_at_two, measure, measured, same, slow_first

import oversmooth as osm


def naive(run, cells, seeds):
    """The table by a plain loop."""
    rows = []
    for cell, seed in itertools.product(cells, seeds):
        torch.manual_seed(seed)
        np.random.seed(seed)
        rows += [{**cell, "seed": seed, **row} for row in run(**cell, seed=seed)]
    return pd.DataFrame(rows)


def test_the_table_is_that_of_a_plain_loop():
    table, threads = measured(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cells = [{"depth": d, "kind": k} for d in (3, 2) for k in ("gcn", "metropolis")]
        with torch.random.fork_rng():
            assert same(table, naive(measure, cells, range(3)))
    finally:
        torch.set_num_threads(threads)
    assert list(table.columns) == ["depth", "kind", "seed", "layer", "value", "positive"]


def test_two_processes_give_the_same_table():
    assert same(measured(), osm.sweep(measure, GRID, range(3), jobs=2))


def test_rows_stand_in_the_grids_order_whatever_finished_first():
    got = osm.sweep(slow_first, {"depth": [0, 5, 1]}, [7], jobs=2)
    assert got["depth"].tolist() == [0, 0, 5, 5, 1, 1] and got["squared"].tolist() == [0, 1, 25, 26, 1, 2]
    assert got["half"].tolist() == [0.5, 0, 0.5, 5, 0.5, 1]


def test_a_list_of_cells_may_have_unequal_names():
    got = osm.sweep(lambda seed, **cell: {"names": len(cell)}, [{"a": 1}, {"b": "x", "a": 2}, {}], [4])
    assert list(got.columns) == ["a", "b", "seed", "names"]
    assert got["names"].tolist() == [1, 2, 0] and got["b"].isna().tolist() == [True, False, True]
    assert len(osm.sweep(lambda seed: {"v": 1}, {}, range(5))) == 5
    nothing = osm.sweep(lambda a, seed: [], {"a": [1, 2]}, [0])
    assert nothing.empty and list(nothing.columns) == ["a", "seed"]


def settings(seed):
    return {"threads": torch.get_num_threads(), "dtype": str(torch.ones(1).dtype)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_thread_a_cell_and_the_callers_default_dtype(jobs):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    try:
        got = osm.sweep(settings, {}, [0, 1], jobs=jobs)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert set(got["threads"]) == {1} and set(got["dtype"]) == {"torch.float64"}


def meddle(seed):
    torch.set_default_dtype(torch.float16)
    torch.manual_seed(99)
    np.random.seed(99)
    if seed:
        raise ArithmeticError
    return {}


def test_the_callers_settings_and_generators_stay_as_they_were():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        with pytest.raises(osm.SweepError):
            osm.sweep(meddle, {}, [0, 1])
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])
        assert torch.get_num_threads() == 2 and torch.get_default_dtype() == torch.float32
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"grid": {"kind": "gcn"}}, r"grid\['kind'\] is 'gcn'; a list of values is needed"),
        ({"grid": {"depth": 3}}, r"grid\['depth'\] is 3; a list"),
        ({"grid": [3]}, "grid holds \\[3\\]; a list of dictionaries"),
        ({"grid": {"seed": [1]}}, "the seeds go to the argument seeds"),
        ({"seeds": 3}, "seeds is 3; a list"),
        ({"seeds": [0, 0.5]}, r"seeds holds \[0.5\]"),
        ({"seeds": [1, 1]}, "seeds holds a number twice"),
        ({"run": 3}, "run is 3; a function"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        osm.sweep(**{"run": measure, "grid": GRID, "seeds": [0], **arguments})


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda a, seed: 3, "run returned a int; a dictionary"),
        (lambda a, seed: {"v": [1, 2]}, "run returned a list as 'v'"),
        (lambda a, seed: {"v": torch.ones(2)}, "run returned a Tensor as 'v'"),
        (lambda a, seed: {3: 1}, "a column named 3"),
        (lambda a, seed: {"a": 2}, "run returned a = 2, but the cell has a = 1"),
    ],
)
def test_results_that_are_no_rows_are_refused(run, words):
    with pytest.raises(osm.SweepError, match=words):
        osm.sweep(run, {"a": [1]}, [0])


def test_the_cells_own_columns_may_be_repeated():
    got = osm.sweep(lambda a, seed: {"a": a, "seed": seed, "v": torch.tensor(2.0)}, {"a": [1]}, [3])
    assert got.to_dict("records") == [{"a": 1, "seed": 3, "v": 2.0}]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_named_and_the_others_are_finished_and_kept(tmp_path, jobs):
    with pytest.raises(osm.SweepError, match=r"2 of 6 cells failed, at depth=2, seed=0; depth=2, seed=1\.") as caught:
        osm.sweep(fails_at_two, {"depth": [2, 1, 3]}, [0, 1], jobs=jobs, cache=tmp_path)
    assert isinstance(caught.value.__cause__, KeyError) and "KeyError: 'no such layer'" in str(caught.value)
    assert [(cell, seed) for cell, seed, _ in caught.value.failures] == [({"depth": 2}, 0), ({"depth": 2}, 1)]
    assert caught.value.table["v"].tolist() == [1, 2, 3, 4] and len(list(tmp_path.iterdir())) == 4


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__("hidden")


def raises_unsendable(seed):
    raise Unsendable(1, 2)


def test_errors_that_cannot_travel_and_processes_that_die(tmp_path):
    with pytest.raises(osm.SweepError, match="Unsendable: hidden"):
        osm.sweep(raises_unsendable, {}, [0, 1], jobs=2)
    with pytest.raises(osm.SweepError, match=r"depth=2, seed=0.*unexpectedly terminated") as caught:
        osm.sweep(dies, {"depth": [1, 2]}, [0], jobs=2, cache=tmp_path)
    assert caught.value.table["v"].tolist() == [1] and len(list(tmp_path.iterdir())) == 1


KEPT = []


def hoards(depth, seed):
    """A graph that a process keeps: more memory than joblib lets a process grow by before it replaces it."""
    KEPT.append(np.ones(50_000_000))
    time.sleep(1.1)  # joblib looks once a second
    return {"value": depth}


def test_a_process_that_is_replaced_for_its_memory_is_no_event():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        table = osm.sweep(hoards, {"depth": list(range(6))}, [0], jobs=2)
    assert list(table["value"]) == list(range(6))
    assert [str(warning.message) for warning in heard] == []


BAR = "import time, oversmooth as osm; osm.sweep(lambda a, seed: {'v': a}, {'a': [1, 2]}, [0])"


def test_a_bar_on_a_terminal_and_nothing_elsewhere():
    plain = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True, timeout=200, check=True)
    assert plain.stdout == plain.stderr == ""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run([sys.executable, "-c", BAR], stderr=theirs, timeout=200, check=True)
    os.set_blocking(ours, False)
    assert "cell" in os.read(ours, 10000).decode()
    os.close(theirs)
    os.close(ours)
