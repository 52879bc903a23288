"""Graphs that need no file: digits and karate; the largest component; names; global random states."""

import random

import networkx as nx
import numpy as np
import pytest
import torch
from graph_cases import networkx_graph, tidy
from torch_geometric.data import Data

from oversmooth.graphs import datasets as graphs


def test_digits_are_the_symmetrised_nearest_neighbour_graph():
    k = 4
    data = graphs.digits(neighbors=k)
    assert tidy(data)
    assert data.x.shape == (1797, 64) and data.x.min() == 0 and data.x.max() == 1 and data.y.max() == 9
    neighbors = [set() for _ in range(data.num_nodes)]
    for i, j in data.edge_index.T.tolist():
        neighbors[i].add(j)
    pixels = (data.x * 16).round().to(torch.int64).numpy()
    expected = [set() for _ in neighbors]
    for i in range(data.num_nodes):  # a loop over nodes, in integers; ties to the lower number
        distance = ((pixels - pixels[i]) ** 2).sum(axis=1).tolist()
        for _, j in sorted((d, j) for j, d in enumerate(distance) if j != i)[:k]:
            expected[i].add(j)
            expected[j].add(i)
    assert neighbors == expected


def test_digits_default_is_connected_and_bad_neighbors_are_refused():
    assert nx.is_connected(networkx_graph(graphs.digits()))
    for neighbors in (0, 1797, 2.5):
        with pytest.raises(ValueError, match="neighbors"):
            graphs.digits(neighbors)


def test_karate_is_networkx_karate_club():
    data = graphs.karate()
    assert tidy(data)
    reference = nx.karate_club_graph()
    assert set(map(frozenset, reference.edges())) == set(map(frozenset, networkx_graph(data).edges()))
    assert torch.equal(data.x, torch.eye(34, dtype=torch.float64))
    assert data.y.unique().tolist() == [0, 1, 2, 3] and data.train_mask.sum() == 4


def test_largest_component_against_networkx():
    data = graphs.csbm(300, 3, p_in=0.012, p_out=0.001, seed=1)
    data.mask = torch.arange(300)[:, None] % torch.tensor([2, 3]) == 0
    graph = networkx_graph(data)
    nodes = sorted(max(nx.connected_components(graph), key=len))
    assert 1 < len(nodes) < 300
    part = graphs.largest_component(data)
    assert tidy(part)
    assert torch.equal(part.x, data.x[nodes]) and torch.equal(part.y, data.y[nodes])
    assert torch.equal(part.mask, data.mask[nodes])
    expected = nx.convert_node_labels_to_integers(graph.subgraph(nodes), ordering="sorted")
    assert set(map(frozenset, expected.edges())) == set(map(frozenset, networkx_graph(part).edges()))
    assert data.num_nodes == 300


@pytest.mark.parametrize("name", ["digits", "Karate"])
def test_built_in_graphs_load_by_name_without_a_root(name, tmp_path):
    assert graphs.available(name, tmp_path / "nowhere")
    assert isinstance(graphs.load(name, tmp_path / "nowhere"), Data)


def test_global_random_states_are_untouched():
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()[1].copy()
    graphs.csbm(seed=1)
    graphs.digits()
    graphs.karate()
    if graphs.available("Cora"):
        graphs.load("Cora")
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all() and random.getstate() == python_state
