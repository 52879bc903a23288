"""A sweep on a real Dask cluster: the same table, after failures, killed workers and a lost scheduler."""

import functools
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_cluster import Cluster
from sweep_cases import (
    GRID,
    dies,
    fails_at_two,
    measure,
    measured,
    rounded_otherwise,
    same,
    slow_first,
    slow_where,
    where,
)

import oversmooth as osm
from oversmooth.sweeps import cell
from oversmooth.sweeps import cluster as sweep_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.add(2)
        yield cluster
    finally:
        cluster.stop()


def test_a_cluster_gives_the_same_table(cluster):
    assert same(measured(), osm.sweep(measure, GRID, range(3), cluster=cluster.address))
    got = osm.sweep(where, {"depth": list(range(6))}, [0], cluster=cluster.address)
    assert set(got["process"]) <= {worker.pid for worker in cluster.workers}


def test_workers_compute_as_the_caller_does_whatever_they_were_started_as(cluster, monkeypatch):
    (other,) = cluster.add(OVERSMOOTH_ROUNDING="3")
    grid, tables = {"scale": [1.0, 2.0]}, []
    try:
        ran = set(osm.sweep(slow_where, {"depth": list(range(9))}, [0], cluster=cluster.address)["process"])
        assert other.pid in ran and len(ran) > 1
        for replica in ("1", ""):
            monkeypatch.setenv("OVERSMOOTH_ROUNDING", replica)
            tables.append(osm.sweep(rounded_otherwise, grid, range(4)))
            assert same(tables[-1], osm.sweep(rounded_otherwise, grid, range(4), cluster=cluster.address))
    finally:
        other.kill()
        other.wait()
    assert not tables[0].equals(tables[1])


def test_the_environment_may_name_the_cluster_and_nothing_is_printed(cluster, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("OVERSMOOTH_CLUSTER", cluster.address)
    got = osm.sweep(where, {"depth": [1]}, [0], jobs=2, cache=tmp_path)
    assert got["process"][0] in {worker.pid for worker in cluster.workers}
    assert capfd.readouterr() == ("", "") and len(list(tmp_path.iterdir())) == 1
    monkeypatch.setenv("OVERSMOOTH_CLUSTER", "tcp://127.0.0.1:1")
    assert same(got, osm.sweep(where, {"depth": [1]}, [0], cache=tmp_path))  # all is there: no cluster is needed


def test_a_failure_on_a_cluster_is_named_and_the_others_are_kept(cluster, tmp_path):
    words = r"1 of 3 cells failed, at depth=2, seed=5\. The first: KeyError"
    with pytest.raises(osm.SweepError, match=words) as caught:
        osm.sweep(fails_at_two, {"depth": [2, 1, 3]}, [5], cluster=cluster.address, cache=tmp_path)
    assert caught.value.table["v"].tolist() == [6, 8] and len(list(tmp_path.iterdir())) == 2
    assert any("in fails_at_two" in note for note in caught.value.__cause__.__notes__)


def hangs_after(last, value, seed):
    time.sleep(3 if value > last else 0)
    return {"v": value}


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
    assert same(got, osm.sweep(lambda value, seed: {"v": math.sqrt(value)}, {"value": list(range(18))}, [0]))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A scheduler without workers, that gives a cell up at the first worker it kills."""
    cluster = Cluster(tmp_path_factory.mktemp("small"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    yield cluster
    cluster.stop()


def test_a_cluster_that_is_not_there(monkeypatch):
    monkeypatch.setattr(sweep_cluster, "PATIENCE", 1)
    for address in ("tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786", "nonsense://x:1"):
        with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at '{address}'"):
            osm.sweep(where, {"depth": [1]}, [0], cluster=address)


def test_a_cluster_without_workers(small, monkeypatch):
    monkeypatch.setattr(sweep_cluster, "PATIENCE", 1)
    with pytest.raises(ValueError, match=f"has no workers; start some with `dask worker {small.address}"):
        osm.sweep(where, {"depth": [1]}, [0], cluster=small.address)


def test_workers_with_other_versions_are_refused(small, tmp_path):
    source = Path(osm.__file__).parent
    old = shutil.copytree(source, tmp_path / "old" / "oversmooth") / "_version.py"
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


def test_who_stops_early_waits_for_nobody_and_leaves_no_work_behind(cluster):
    """An interrupt, or an error of the caller's: one cell has come, one hangs, and most have not begun."""
    waiting = [(index, {"value": index}, 0) for index in range(50)]
    run = functools.partial(hangs_after, 0)
    outcomes = sweep_cluster.outcomes_on_cluster(run, waiting, cell.arithmetic(), cluster.address)
    assert next(outcomes).rows == [{"v": 0}]
    start = time.monotonic()
    outcomes.close()
    assert time.monotonic() - start < 10
    with sweep_cluster.connected(cluster.address) as client:
        while (left := sum(map(len, client.processing().values())) + len(client.who_has())) > 2:  # what runs now
            assert time.monotonic() - start < 30, f"{left} cells of a sweep that was given up are still on the cluster"
            time.sleep(0.1)


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
