"""The contextual stochastic block model: the statistics of its edges and features, its extremes and its cost."""

import math

import networkx as nx
import numpy as np
import pytest
import torch
from graph_cases import networkx_graph, tidy

from oversmooth.graphs import datasets as graphs

SIGMAS = 6.0  # a correct sampler leaves this band about twice in a thousand million draws


@pytest.mark.parametrize(
    ("n", "classes", "p_in", "p_out"),
    [(400, 2, 0.06, 0.02), (401, 3, 0.02, 0.3), (99, 7, 0.5, 0.1), (60, 4, 0.9, 0.7), (3000, 2, 2e-3, 1e-3)],
)
def test_csbm_edge_counts_are_binomial(n, classes, p_in, p_out):
    seeds = range(20)
    counts = np.zeros((classes, classes))
    for seed in seeds:
        data = graphs.csbm(n, classes, p_in, p_out, seed=seed)
        ends = data.y[data.edge_index[:, data.edge_index[0] < data.edge_index[1]]].numpy()
        np.add.at(counts, (ends[0], ends[1]), 1)
    assert tidy(data)
    sizes = np.bincount(data.y.numpy())
    assert sizes.max() - sizes.min() <= 1 and sizes.sum() == n
    for a in range(classes):
        for b in range(a, classes):
            pairs = sizes[a] * (sizes[a] - 1) / 2 if a == b else sizes[a] * sizes[b]
            p = p_in if a == b else p_out
            expected, variance = len(seeds) * pairs * p, len(seeds) * pairs * p * (1 - p)
            assert abs(counts[a, b] - expected) <= SIGMAS * math.sqrt(variance), (a, b)


def test_csbm_every_pair_is_equally_likely_inside_its_block():
    n, p_in, p_out, draws = 11, 0.3, 0.6, 3000
    total = np.zeros((n, n))
    for seed in range(draws):
        i, j = graphs.csbm(n, 3, p_in, p_out, num_features=1, seed=seed).edge_index.numpy()
        total[i, j] += 1
    y = graphs.csbm(n, 3, seed=0).y.numpy()
    p = np.where(y[:, None] == y[None, :], p_in, p_out) * (1 - np.eye(n))
    assert (np.abs(total - draws * p) <= SIGMAS * np.sqrt(draws * p * (1 - p))).all()


@pytest.mark.parametrize(("classes", "separation"), [(2, 1.0), (5, 3.0), (1, 2.0), (3, 0.0)])
def test_csbm_features_are_class_mean_plus_standard_noise(classes, separation):
    n, d = 20_000, 6
    data = graphs.csbm(n, classes, 0, 0, num_features=d, separation=separation, seed=3)
    means = torch.stack([data.x[data.y == c].mean(dim=0) for c in range(classes)])
    residual = data.x - means[data.y]
    size = n // classes
    # |mean|^2 = separation^2 + chi-square(d)/size + a cross term of variance 4 separation^2/size
    slack = (d + SIGMAS * math.sqrt(2 * d)) / size + SIGMAS * 2 * separation / math.sqrt(size)
    assert ((means**2).sum(dim=1) - separation**2).abs().max() <= slack
    assert abs(residual.var().item() - 1) <= SIGMAS * math.sqrt(2 / (n * d)) + classes / n
    covariance = residual.T @ residual / n - torch.eye(d, dtype=torch.float64)
    assert covariance.abs().max() <= SIGMAS * math.sqrt(2 / n) + classes / n
    if classes == 2:
        assert (means[0] + means[1]).abs().max() <= SIGMAS * math.sqrt(2 / size)


def test_csbm_same_seed_same_graph_and_features_do_not_depend_on_edges():
    a, b, c = graphs.csbm(seed=5), graphs.csbm(seed=5), graphs.csbm(seed=6)
    assert torch.equal(a.x, b.x) and torch.equal(a.edge_index, b.edge_index)
    assert not torch.equal(a.x, c.x) and not torch.equal(a.edge_index, c.edge_index)
    other = graphs.csbm(p_in=0.5, p_out=0.5, seed=5)
    assert torch.equal(a.x, other.x) and a.edge_index.shape != other.edge_index.shape


def test_csbm_extremes():
    assert graphs.csbm(50, 2, 0, 0).edge_index.shape == (2, 0)
    assert graphs.csbm(50, 2, 1, 1).edge_index.shape == (2, 50 * 49)
    data = graphs.csbm(7, 2, 1, 0)
    assert sorted(len(c) for c in nx.connected_components(networkx_graph(data))) == [3, 4]
    assert nx.is_bipartite(networkx_graph(graphs.csbm(9, 2, 0, 1)))
    single = graphs.csbm(1, 1, 1, 1)
    assert single.x.shape == (1, 8) and single.edge_index.shape == (2, 0)
    assert graphs.csbm(5, 5, 1, 0).y.tolist() == [0, 1, 2, 3, 4]
    assert graphs.csbm(10_000, 2, 1e-300, 1e-12).edge_index.shape[1] <= 2


def test_csbm_costs_edges_not_pairs():
    data = graphs.csbm(200_000, 4, p_in=3e-5, p_out=1e-5, num_features=2, seed=0)
    expected = 200_000 * (50_000 * 3e-5 + 150_000 * 1e-5)
    assert abs(data.edge_index.shape[1] - expected) <= SIGMAS * 2 * math.sqrt(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_nodes": 1}, "num_nodes is 1; an integer of at least 2 is needed"),
        ({"num_nodes": 40.0}, "num_nodes"), ({"num_classes": 0}, "num_classes"),
        ({"num_features": 0}, "num_features"),
        ({"seed": -1}, "seed"), ({"seed": 0.5}, "seed"), ({"p_in": 1.1}, r"p_in is 1\.1; a probability"),
        ({"p_out": -0.1}, "p_out"), ({"p_out": math.nan}, "p_out"), ({"separation": math.inf}, "separation"),
    ],
)  # fmt: skip
def test_csbm_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        graphs.csbm(**arguments)


def test_classes_have_the_shares_that_were_asked_for():
    labels = graphs.csbm(num_nodes=400, shares=(0.1, 0.9)).y
    assert labels.bincount().tolist() == [40, 360] and (labels.diff() >= 0).all()
    assert graphs.csbm(num_nodes=10, num_classes=3, shares=(0.2, 0.3, 0.5)).y.bincount().tolist() == [2, 3, 5]
    plain, equal = graphs.csbm(seed=3), graphs.csbm(seed=3, shares=(0.5, 0.5))
    assert torch.equal(plain.x, equal.x) and torch.equal(plain.edge_index, equal.edge_index)
    for shares in ((1.0,), (0.5, 0.6), (0.0, 1.0)):
        with pytest.raises(ValueError, match="2 positive numbers that sum to 1 are needed"):
            graphs.csbm(shares=shares)
