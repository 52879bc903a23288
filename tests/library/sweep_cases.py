"""Functions that the tests of `sweep` run over grids, in this process and in others, and what they compare."""

import functools
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import oversmooth as osm

GRID = {"depth": [3, 2], "kind": ["gcn", "metropolis"]}


def measure(depth, kind, seed):
    """Sums whose last bits depend on the number of threads, from torch's, NumPy's global and the seed's generators."""
    a, b = torch.randn(300, 300, dtype=torch.float64), np.random.standard_normal((200, 200))
    own = np.random.default_rng([seed, len(kind)]).standard_normal(400)
    values = [float((a @ a).sum()), float((b @ b).sum()), float(own.sum())]
    return [{"layer": k, "value": values[k], "positive": values[k] > 0} for k in range(depth)]


@functools.cache
def measured():
    """The table of `measure`, made here and once."""
    return osm.sweep(measure, GRID, range(3))


def same(one, other):
    """True if two tables are equal to the last bit, the signs of zeros and the kinds of missing numbers included."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    for name in one.select_dtypes("float64"):
        assert one[name].to_numpy().tobytes() == other[name].to_numpy().tobytes()
    return True


def slow_first(depth, seed):
    time.sleep(0.6 if depth == 0 else 0)
    return pd.DataFrame({"squared": [depth**2, depth**2 + 1], "half": np.array([0.5, depth], dtype=np.float32)})


def fails_at_two(depth, seed):
    if depth == 2:
        raise KeyError("no such layer")
    return {"v": depth + seed}


def dies(depth, seed):
    if depth == 2:
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"v": depth}


def where(depth, seed):
    return {"process": os.getpid()}


def slow_where(depth, seed):
    time.sleep(0.2)
    return {"process": os.getpid()}


def counted(log, value, seed):
    with open(log, "a") as file:
        file.write(f"{value} {seed}\n")
    return {"v": value}


def lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def slowly(log, value, seed):
    time.sleep(0.25)
    counted(log, value, seed)
    return {"v": value / 3 + seed}


def rounded_otherwise(scale, seed):
    """Numbers whose last bits another machine may change, by each way that leads to one."""
    data = osm.csbm(num_nodes=60, seed=1)
    P = osm.Propagation.from_data(data)
    net = osm.Network(P, [data.num_features, 6, 6, 1], "tanh", scale, seed=seed)
    signals = osm.trace(net, data.x, lambda output: (output - 1).square().mean((-1, -2)))
    largest = np.linalg.norm(P.to_dense().numpy(), 2)
    return {"loss": float(signals.loss), "gradient": float(signals.gradients[0].norm()), "largest": float(largest)}
