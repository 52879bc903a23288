"""One table from a grid and seeds: the same here, in processes and on a cluster, and after any accident."""

import functools
import itertools
import math
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from dask_cluster import Cluster

import oversmooth as osm
from oversmooth import _sweep_cluster

GRID = {"depth": [3, 2], "kind": ["gcn", "metropolis"]}
AWKWARD = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, math.inf, math.nan, 1 / 3]


def measure(depth, kind, seed):
    """Sums whose last bits depend on the number of threads, from torch's, NumPy's global and the seed's generators."""
    a, b = torch.randn(300, 300, dtype=torch.float64), np.random.standard_normal((200, 200))
    own = np.random.default_rng([seed, len(kind)]).standard_normal(400)
    values = [float((a @ a).sum()), float((b @ b).sum()), float(own.sum())]
    return [{"layer": k, "value": values[k], "positive": values[k] > 0} for k in range(depth)]


def naive(run, cells, seeds):
    """The table by a plain loop."""
    rows = []
    for cell, seed in itertools.product(cells, seeds):
        torch.manual_seed(seed)
        np.random.seed(seed)
        rows += [{**cell, "seed": seed, **row} for row in run(**cell, seed=seed)]
    return pd.DataFrame(rows)


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    for name in one.select_dtypes("float64"):
        assert one[name].to_numpy().tobytes() == other[name].to_numpy().tobytes()
    return True


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.add(2)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def table():
    return osm.sweep(measure, GRID, range(3))


# ---- the table


def test_the_table_is_that_of_a_plain_loop(table):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cells = [{"depth": d, "kind": k} for d in (3, 2) for k in ("gcn", "metropolis")]
        with torch.random.fork_rng():
            same(table, naive(measure, cells, range(3)))
    finally:
        torch.set_num_threads(threads)
    assert list(table.columns) == ["depth", "kind", "seed", "layer", "value", "positive"]


def test_two_processes_give_the_same_table(table):
    same(table, osm.sweep(measure, GRID, range(3), jobs=2))


def slow_first(depth, seed):
    time.sleep(0.6 if depth == 0 else 0)
    return pd.DataFrame({"squared": [depth**2, depth**2 + 1], "half": np.array([0.5, depth], dtype=np.float32)})


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
        ({"grid": [3]}, "grid holds 3; a list of dictionaries"),
        ({"grid": {"seed": [1]}}, "the seeds go to the argument seeds"),
        ({"seeds": 3}, r"seeds is 3; .* such as range\(20\)"),
        ({"seeds": [0, 0.5]}, r"seeds holds \[0.5\]"),
        ({"seeds": [1, 1]}, "seeds holds a number twice"),
        ({"run": 3}, "run is a int; a function"),
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


# ---- a cell that fails


def fails_at_two(depth, seed):
    if depth == 2:
        raise KeyError("no such layer")
    return {"v": depth + seed}


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


def dies(depth, seed):
    if depth == 2:
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"v": depth}


def test_errors_that_cannot_travel_and_processes_that_die(tmp_path):
    with pytest.raises(osm.SweepError, match="Unsendable: hidden"):
        osm.sweep(raises_unsendable, {}, [0, 1], jobs=2)
    with pytest.raises(osm.SweepError, match=r"depth=2, seed=0.*unexpectedly terminated") as caught:
        osm.sweep(dies, {"depth": [1, 2]}, [0], jobs=2, cache=tmp_path)
    assert caught.value.table["v"].tolist() == [1] and len(list(tmp_path.iterdir())) == 1


# ---- the cache


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


def awkward(count, seed):
    row = {"yes": True, "whole": 2**53 + 1, "big": 2**70, "text": 'a,"b"\nπ', "none": None, "numpy": np.int64(3)}
    return [{**row, "float": value, "single": np.float32(seed + 0.1)} for value in AWKWARD[:count]]


def test_values_come_back_from_the_cache_to_the_last_bit(tmp_path):
    plain = osm.sweep(awkward, {"count": [7, 2]}, [0])
    first = osm.sweep(awkward, {"count": [7, 2]}, [0], cache=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = osm.sweep(awkward, {"count": [7, 2]}, [0], cache=tmp_path)
    same(plain, first)
    same(plain, again)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} and len(files) == 2
    assert plain["yes"].dtype == bool and plain["whole"].tolist() == [2**53 + 1] * 9 and plain["big"][0] == 2**70
    assert math.copysign(1, again["float"][3]) == -1 and again["none"].isna().all()


def counted(log, value, seed):
    with open(log, "a") as file:
        file.write(f"{value} {seed}\n")
    return {"v": value}


def lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def test_only_new_cells_are_computed(tmp_path):
    run, cache = functools.partial(counted, str(tmp_path / "log")), tmp_path / "cache"
    osm.sweep(run, {"value": [1, 2]}, [0], cache=cache)
    got = osm.sweep(run, {"value": [3, 2, 1]}, [0, 1], cache=cache)
    assert got["v"].tolist() == [3, 3, 2, 2, 1, 1]
    assert sorted(lines(tmp_path / "log")) == ["1 0", "1 1", "2 0", "2 1", "3 0", "3 1"]
    osm.sweep(run, {"value": [1.0, True]}, [0], cache=cache)
    assert sorted(lines(tmp_path / "log"))[1:4:2] == ["1 1", "2 0"] and len(lines(tmp_path / "log")) == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"v": 1', '"v": 2'),
        lambda text: text.replace('"sha256": "', '"sha256": "0'),
        lambda text: "[]",
        lambda text: "",
    ],
)
def test_a_damaged_file_is_told_and_computed_anew(tmp_path, damage):
    cache = tmp_path / "cache"
    run = functools.partial(counted, str(tmp_path / "log"))
    osm.sweep(run, {"value": [1]}, [0], cache=cache)
    (file,) = cache.iterdir()
    sound = file.read_text()
    assert damage(sound) != sound
    file.write_text(damage(sound))
    with pytest.warns(UserWarning, match="is damaged or was edited: this cell is computed anew"):
        got = osm.sweep(run, {"value": [1]}, [0], cache=cache)
    assert got["v"].tolist() == [1] and len(lines(tmp_path / "log")) == 2 and file.read_text() == sound


MODULE = """
import functools
FACTOR = 2
@functools.cache
def table():
    return {"a": FACTOR}
def helper(x):
    return x + 1
class Model:
    @staticmethod
    def go():
        return 1
EXPONENT = 1
import own
def run(a, seed, exponent=EXPONENT):
    return {"v": [helper(a) * table()["a"] for _ in range(1)][0] ** exponent * Model.go() * own.one()}
"""
OWN = "def one():\n    return 1\n"


def module_of(folder, text, name="written"):
    path = folder / f"{name}.py"
    path.write_text(text)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    exec(compile(text, path, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("x + 1", "x + 2", 6),
        ("FACTOR = 2", "FACTOR = 3", 6),
        ('{"a": FACTOR}', '{"a": FACTOR + 3}', 10),
        ("helper(a) *", "helper(a) +", 4),
        ("        return 1", "        return 7", 28),
        ("EXPONENT = 1", "EXPONENT = 2", 16),
        ("import functools", "import functools  # nothing the result depends on", 4),
    ],
)
def test_the_cache_sees_what_the_function_calls_and_reads(tmp_path, monkeypatch, old, new, value):
    (tmp_path / "cache").mkdir()
    (tmp_path / "code").mkdir()
    monkeypatch.setitem(sys.modules, "own", module_of(tmp_path / "code", OWN, "own"))
    for text in (MODULE, MODULE.replace(old, new)):
        module = module_of(tmp_path / "code", text)
        monkeypatch.setitem(sys.modules, "written", module)
        got = osm.sweep(module.run, {"a": [1]}, [0], cache=tmp_path / "cache")
    assert got["v"].tolist() == [value]


def test_the_cache_sees_another_module_of_the_users(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    for text in (OWN, OWN.replace("return 1", "return 5")):
        monkeypatch.setitem(sys.modules, "own", module_of(tmp_path / "code", text, "own"))
        module = module_of(tmp_path / "code", MODULE)
        monkeypatch.setitem(sys.modules, "written", module)
        got = osm.sweep(module.run, {"a": [1]}, [0], cache=tmp_path / "cache")
    assert got["v"].tolist() == [20]


def test_another_library_is_another_key(tmp_path, monkeypatch):
    from oversmooth import _sweep_cache

    osm.sweep(fails_at_two, {"depth": [1]}, [0], cache=tmp_path)
    found = _sweep_cache.versions()
    monkeypatch.setattr(_sweep_cache, "versions", lambda: {**found, "oversmooth": "0.0.9"})
    osm.sweep(fails_at_two, {"depth": [1]}, [0], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_cache_cannot_tell_apart_is_refused(tmp_path):
    graph = torch.ones(3)
    with pytest.raises(ValueError, match="takes 'graph', a Tensor, from outside itself"):
        osm.sweep(lambda seed: {"v": float(graph.sum())}, {}, [0], cache=tmp_path)
    with pytest.raises(ValueError, match="a cell holds a Tensor"):
        osm.sweep(fails_at_two, {"depth": [graph]}, [0], cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


DRIVER = """
import functools, sys, oversmooth as osm
sys.path.insert(0, sys.argv[1])
from test_sweep import slowly
osm.sweep(functools.partial(slowly, sys.argv[2]), {"value": list(range(8))}, [0, 1], jobs=2, cache=sys.argv[3])
"""


def slowly(log, value, seed):
    time.sleep(0.25)
    counted(log, value, seed)
    return {"v": value / 3 + seed}


def test_a_killed_driver_resumes_with_the_finished_cells(tmp_path):
    log, cache = tmp_path / "log", tmp_path / "cache"
    words = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(log), str(cache)]
    driver = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while len(list(cache.glob("*.json"))) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == [], "its processes outlive it"
    kept, before = len(list(cache.glob("*.json"))), len(lines(log))
    assert 4 <= kept < 16
    got = osm.sweep(functools.partial(slowly, str(log)), {"value": list(range(8))}, [0, 1], cache=cache)
    assert len(lines(log)) - before == 16 - kept
    same(got, pd.DataFrame([{"value": k, "seed": s, "v": k / 3 + s} for k in range(8) for s in range(2)]))


# ---- the terminal


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


# ---- a cluster


def where(depth, seed):
    return {"process": os.getpid()}


def test_a_cluster_gives_the_same_table(table, cluster):
    same(table, osm.sweep(measure, GRID, range(3), cluster=cluster.address))
    got = osm.sweep(where, {"depth": list(range(6))}, [0], cluster=cluster.address)
    assert set(got["process"]) <= {worker.pid for worker in cluster.workers}


def test_the_environment_may_name_the_cluster_and_nothing_is_printed(cluster, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("OVERSMOOTH_CLUSTER", cluster.address)
    got = osm.sweep(where, {"depth": [1]}, [0], jobs=2, cache=tmp_path)
    assert got["process"][0] in {worker.pid for worker in cluster.workers}
    assert capfd.readouterr() == ("", "") and len(list(tmp_path.iterdir())) == 1
    monkeypatch.setenv("OVERSMOOTH_CLUSTER", "tcp://127.0.0.1:1")
    same(got, osm.sweep(where, {"depth": [1]}, [0], cache=tmp_path))  # all is there: no cluster is needed


def test_a_failure_on_a_cluster_is_named_and_the_others_are_kept(cluster, tmp_path):
    words = r"1 of 3 cells failed, at depth=2, seed=5\. The first: KeyError"
    with pytest.raises(osm.SweepError, match=words) as caught:
        osm.sweep(fails_at_two, {"depth": [2, 1, 3]}, [5], cluster=cluster.address, cache=tmp_path)
    assert caught.value.table["v"].tolist() == [6, 8] and len(list(tmp_path.iterdir())) == 2
    assert any("in fails_at_two" in note for note in caught.value.__cause__.__notes__)


def marked(folder, value, seed):
    Path(folder, f"{os.getpid()}-{value}").touch()
    time.sleep(0.3)
    return {"v": math.sqrt(value)}


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    (victim,) = cluster.add()
    code = f"""
import os, signal, time
while not any(name.startswith("{victim.pid}-") for name in os.listdir({str(tmp_path)!r})): time.sleep(0.02)
time.sleep(0.4)  # in the middle of a later cell, the result of the first perhaps still with it
os.kill({victim.pid}, signal.SIGKILL)
"""
    killer = subprocess.Popen([sys.executable, "-c", code])
    run = functools.partial(marked, str(tmp_path))
    got = osm.sweep(run, {"value": list(range(18))}, [0], cluster=cluster.address)
    killer.wait(timeout=30)
    assert victim.wait(timeout=10) == -signal.SIGKILL
    same(got, osm.sweep(lambda value, seed: {"v": math.sqrt(value)}, {"value": list(range(18))}, [0]))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A scheduler without workers, that gives a cell up at the first worker it kills."""
    cluster = Cluster(tmp_path_factory.mktemp("small"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    yield cluster
    cluster.stop()


def test_a_cluster_that_is_not_there(monkeypatch):
    monkeypatch.setattr(_sweep_cluster, "PATIENCE", 1)
    for address in ("tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786", "nonsense://x:1"):
        with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at '{address}'"):
            osm.sweep(where, {"depth": [1]}, [0], cluster=address)


def test_a_cluster_without_workers(small, monkeypatch):
    monkeypatch.setattr(_sweep_cluster, "PATIENCE", 1)
    with pytest.raises(ValueError, match=f"has no workers; start some with `dask worker {small.address}"):
        osm.sweep(where, {"depth": [1]}, [0], cluster=small.address)


def test_workers_with_other_versions_are_refused(small, tmp_path):
    source = Path(osm.__file__).parent
    old = shutil.copytree(source, tmp_path / "old" / "oversmooth") / "__init__.py"
    old.write_text(old.read_text().replace(f'__version__ = "{osm.__version__}"', '__version__ = "0.0.9"'))
    edited = shutil.copytree(source, tmp_path / "edited" / "oversmooth") / "signals.py"
    edited.write_text(edited.read_text() + "\n")
    (tmp_path / "none" / "oversmooth").mkdir(parents=True)
    (tmp_path / "none" / "oversmooth" / "__init__.py").write_text("raise ImportError\n")
    workers = [small.add(PYTHONPATH=str(tmp_path / name))[0] for name in ("old", "edited", "none")]
    try:
        with pytest.raises(ValueError, match="its workers have other versions than this process") as caught:
            osm.sweep(where, {"depth": [1]}, [0], cluster=small.address)
        words = str(caught.value)
        assert words.count("oversmooth ") == 3 and "oversmooth 0.0.9 (" in words and "instead of 0.1.0 (" in words
        assert f"oversmooth {osm.__version__} (" in words
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_a_cell_that_kills_its_worker_and_a_cluster_of_one(small, tmp_path):
    small.add(2)
    with pytest.raises(osm.SweepError, match=r"1 of 3 cells failed, at depth=2, seed=0\. The first: KilledWorker"):
        osm.sweep(dies, {"depth": [1, 2, 3]}, [0], cluster=small.address, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    got = osm.sweep(where, {"depth": [1, 2]}, [0], cluster=small.address)
    assert os.getpid() not in set(got["process"]) and len(set(got["process"])) == 1


def test_a_scheduler_that_goes_away(small, tmp_path):
    if all(worker.poll() is not None for worker in small.workers):
        small.add()
    code = f"""
import os, signal, time
while not os.listdir({str(tmp_path)!r}): time.sleep(0.02)
os.kill({small.scheduler.pid}, signal.SIGKILL)
"""
    killer = subprocess.Popen([sys.executable, "-c", code])
    with pytest.raises(ConnectionError, match=r"was lost .*the finished cells are kept"):
        osm.sweep(slow_first, {"depth": list(range(40))}, range(50), cluster=small.address, cache=tmp_path)
    killer.wait(timeout=30)
    assert 1 <= len(list(tmp_path.iterdir())) < 2000
