"""What the tests of the graphs share: raw files that may be missing, and what every graph must look like."""

import networkx as nx
import numpy as np
import pytest
import torch

from oversmooth.graphs import datasets as graphs
from oversmooth.graphs import files


def raw_root(*names):
    """The folder of raw files that this machine has, or a skip."""
    root = files.data_root()
    missing = [name for name in names if not graphs.available(name)]
    if missing:
        pytest.skip(f"no raw files of {', '.join(missing)} in {root}: set OVERSMOOTH_DATA")
    return root


def snapshot(root):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}


def tidy(data):
    """True if types and shapes are the agreed ones, edges stand both ways, once, and no node is its own neighbour."""
    n, edges = data.num_nodes, data.edge_index
    assert data.x.dtype == torch.float64 and data.x.shape[0] == n
    assert data.y.dtype == torch.int64 and data.y.shape == (n,)
    assert edges.dtype == torch.int64 and edges.min() >= 0 and edges.max() < n
    i, j = edges.numpy()
    forth, back = np.unique(i * n + j), np.unique(j * n + i)
    assert len(forth) == edges.shape[1], "duplicate edges"
    assert np.array_equal(forth, back) and (i != j).all()
    return True


def networkx_graph(data):
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    return graph
