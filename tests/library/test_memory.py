"""Long runs: what a probe, a training run or a sweep keeps must not grow with what it has seen."""

import subprocess
import sys

import pytest

HEAD = """
import resource
import torch
import torch_geometric.nn as gnn
import oversmooth as osm

torch.set_num_threads(1)
data = osm.csbm(1000, p_in=0.02, p_out=0.005)


def grown(work, warm, count):
    "Megabytes that the process is larger after the work than after its first part."
    work(warm)
    before = resident()
    work(count)
    return resident() - before


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
"""
PROBE = """
torch.manual_seed(0)
model = gnn.GCN(8, 16, num_layers=4, out_channels=8).double()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)


def work(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        model(data.x, data.edge_index).square().mean().backward()
        optimizer.step()


with osm.Probe(model) as probe:
    print(grown(work, 200, 1800))
assert probe.table()["pass"].nunique() == 2000
"""
FIT = """
net = osm.Network(osm.Propagation.from_data(data), [8, 16, 16, 2], seed=[0, 1])


def work(steps):
    history = osm.fit(net, data.x, data.y, "cross_entropy", lr=1e-5, steps=steps)
    assert len(history.table) == 2 * (steps + 1)


print(grown(work, 200, 1800))
"""
SWEEP = """
def cell(value, seed):
    X = torch.full((1000, 8), float(value), dtype=torch.float64)
    return {"size": float(osm.mean(X).norm())}


def work(cells):
    assert len(osm.sweep(cell, {"value": list(range(cells))}, [0], jobs=1)) == cells


print(grown(work, 200, 1800))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
# A kept output would be 64 kB a step, 115 MB in all; a row of the table is some kilobytes.
@pytest.mark.parametrize(("script", "megabytes"), [(PROBE, 40), (FIT, 40), (SWEEP, 40)], ids=["probe", "fit", "sweep"])
def test_two_thousand_steps_do_not_fill_the_memory(script, megabytes, tmp_path):
    (tmp_path / "run.py").write_text(HEAD + script, encoding="utf-8")
    answer = subprocess.run([sys.executable, tmp_path / "run.py"], capture_output=True, text=True, timeout=600)
    assert answer.returncode == 0, answer.stderr
    assert float(answer.stdout.split()[-1]) <= megabytes
