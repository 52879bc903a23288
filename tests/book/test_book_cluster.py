"""run --cluster: chapters here, their sweeps on a real scheduler's workers."""

import json

import pytest
from dask_cluster import Cluster
from miniature import DRAW, MEASURE, call, make_book, processes, write_chapter

from oversmooth_book.book.notebooks import read_notebook

SWEEP = """import os
import oversmooth as osm
def power(step, seed):
    import torch
    return {"value": scale**step / 3 + 0 * float(torch.randn(1)), "process": os.getpid()}
swept = osm.sweep(power, {"step": list(range(num_steps))}, [0], jobs=2)
table = swept[["step", "value"]]
book.save_table("powers", table)
print(os.getpid() in set(swept["process"]), os.environ["OMP_NUM_THREADS"])
print(*sorted(set(swept["process"])), file=open(os.path.join(os.environ["OVERSMOOTH_DATA"], "processes"), "w"))"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def sweeping(tmp_path_factory):
    book = make_book(tmp_path_factory.mktemp("sweeping") / "book")
    write_chapter(book, "tiny", SWEEP, DRAW, MEASURE)
    return book


def test_a_cluster_that_cannot_be_used_is_told_before_anything_runs(book, cluster):
    for address, words in (("tcp://127.0.0.1:1", "no Dask scheduler answers"), (cluster.address, "has no workers")):
        answer = call(book, "run", "--cluster", address)
        assert answer.returncode == 1 and answer.stdout == ""
        assert f"--cluster {address}: " in answer.stderr and words in answer.stderr
        assert "Traceback" not in answer.stderr
    assert not (book.root / "_build").exists()


def test_sweeps_run_on_the_cluster_and_the_tables_are_the_same(sweeping, cluster, tmp_path):
    folder, data = sweeping.run("published", "tiny"), {"OVERSMOOTH_DATA": str(tmp_path)}
    here = call(sweeping, "run", **data)
    assert here.returncode == 0, here.stdout + here.stderr
    tables, local = (folder / "tables" / "powers.csv").read_bytes(), (tmp_path / "processes").read_text()
    cluster.add(2)
    there = call(sweeping, "run", "--cluster", cluster.address, "--force", **data)
    assert there.returncode == 0, there.stdout + there.stderr
    assert (folder / "tables" / "powers.csv").read_bytes() == tables
    workers = {str(worker.pid) for worker in cluster.workers}
    assert set((tmp_path / "processes").read_text().split()) <= workers
    assert not set(local.split()) & workers
    assert "False 1" in json.dumps(read_notebook(folder / "tiny.ipynb"))
    assert processes(sweeping) == []


def test_a_worker_that_dies_in_a_chapter_changes_nothing(sweeping, cluster, tmp_path):
    if not cluster.workers:
        cluster.add(2)
    victim = cluster.workers[0]
    death = f"    if os.getpid() == {victim.pid}: os.kill({victim.pid}, 9)\n"
    dying = SWEEP.replace("    import torch\n", "    import torch\n" + death)
    write_chapter(sweeping, "tiny", dying, DRAW, MEASURE)
    answer = call(sweeping, "run", "--cluster", cluster.address, OVERSMOOTH_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert victim.wait(timeout=10) == -9
    assert set((tmp_path / "processes").read_text().split()) == {str(cluster.workers[1].pid)}
