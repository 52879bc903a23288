"""A zoo of graphs, stochastic matrices, activations and networks: small, and unfriendly where it matters."""

import subprocess
import sys
import textwrap

import networkx as nx
import numpy as np
import pandas as pd
import torch

from oversmooth import KINDS as ALL_KINDS
from oversmooth import Activation, Network, Propagation

EXACT = 1e-10
ITERATIVE = 1e-6
# "deflated" asks for a connected graph that is not complete: test_deflation has its own.
KINDS = tuple(kind for kind in ALL_KINDS if kind != "deflated")
EDGE_KINDS = tuple(kind for kind in KINDS if kind != "identity")  # those that average over neighbours


def close(actual, expected, tolerance=EXACT, absolute=None):
    """True if each entry agrees to the tolerance, relative and absolute alike unless told otherwise; else says where.

    Shapes must be equal; two tensors must be of one dtype and device, too.
    """
    absolute = tolerance if absolute is None else absolute
    if isinstance(actual, torch.Tensor) and isinstance(expected, torch.Tensor):
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=absolute)
        return True
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=absolute, equal_nan=False)
    return True


def close_tables(actual, expected, tolerance=EXACT, absolute=None, **options):
    """The same of two tables: the same rows, columns and labels; missing entries only where both have one."""
    absolute = tolerance if absolute is None else absolute
    pd.testing.assert_frame_equal(actual, expected, rtol=tolerance, atol=absolute, **options)
    return True


def edge_index_of(graph):
    """Both directions of every edge of a networkx graph on nodes 0..n-1, as (2, edges)."""
    pairs = [pair for a, b in graph.edges() for pair in ((a, b), (b, a))]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T


def _with_isolated_node():
    graph = nx.gnp_random_graph(14, 0.3, seed=3)
    graph.add_node(14)
    return graph


GRAPHS = {
    "single node": nx.empty_graph(1),
    "two nodes": nx.path_graph(2),
    "path": nx.path_graph(7),
    "3-cycle": nx.cycle_graph(3),
    "4-cycle": nx.cycle_graph(4),
    "9-cycle": nx.cycle_graph(9),
    "star": nx.star_graph(5),
    "complete": nx.complete_graph(6),
    "grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 5)),
    "karate": nx.Graph(nx.karate_club_graph().edges()),
    "barbell": nx.barbell_graph(5, 2),
    "random with an isolated node": _with_isolated_node(),
    "two components": nx.disjoint_union(nx.cycle_graph(4), nx.path_graph(3)),
    "no edges": nx.empty_graph(4),
}
CONNECTED = [name for name, graph in GRAPHS.items() if nx.is_connected(graph)]


def propagation_of(name, kind="metropolis", dtype=torch.float64):
    graph = GRAPHS[name]
    return Propagation.from_edges(edge_index_of(graph), graph.number_of_nodes(), kind=kind, dtype=dtype)


def _normalised(weights):
    return weights / weights.sum(axis=1, keepdims=True)


def _reversible(nodes=8, seed=0):
    """A random walk on random edge weights: reversible, π unlike a degree."""
    weights = np.random.default_rng(seed).uniform(0.1, 2, (nodes, nodes)) ** 3
    return _normalised(weights + weights.T)


def _non_reversible(nodes=7, seed=1):
    """Random rows with zeros, a directed cycle inside so that all nodes communicate."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(size=(nodes, nodes)) * (rng.uniform(size=(nodes, nodes)) < 0.4)
    return _normalised(weights + np.roll(np.eye(nodes), 1, axis=1) + 0.2 * np.eye(nodes))


def _doubly_stochastic(nodes=6, seed=2):
    """A mixture of permutations: π is uniform and yet P is not symmetric."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(5))
    return sum(share * np.eye(nodes)[rng.permutation(nodes)] for share in shares)


MATRICES = {
    "reversible": _reversible(),
    "non-reversible": _non_reversible(),
    "doubly stochastic": _doubly_stochastic(),
}
# λ = 1 although connected: period 2, period 3, and aperiodic but so far from reversible that one step smooths nothing
UNSMOOTHING = {
    "bipartite": _normalised(nx.to_numpy_array(nx.complete_bipartite_graph(2, 3))),
    "rotation": np.roll(np.eye(3), 1, axis=1),
    "de Bruijn": np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]]) / 2,
}


def all_propagations():
    """(name, Propagation) for every graph with every kind and every matrix."""
    for kind in KINDS:
        for name in GRAPHS:
            yield f"{name}, {kind}", propagation_of(name, kind)
    for name, matrix in (MATRICES | UNSMOOTHING).items():
        yield name, Propagation.from_matrix(matrix)


# No derivative, no constants worth the name: only autograd knows its slope. Not monotone, ρ(0) ≠ 0.
WAVE = Activation("wave", lambda h: torch.cos(1.3 * h) + 0.2 * h, lipschitz=1.5, derivative_range=(-1.1, 1.5))


def signal(nodes, width, seeds=None, seed=0):
    shape = (nodes, width) if seeds is None else (seeds, nodes, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unfriendly_network(activation="tanh", propagation="non-reversible", widths=(3, 5, 2, 4, 6, 3), **options):
    """A network with a different width at each layer on a P that is not symmetric, unless told otherwise."""
    if isinstance(propagation, str):
        propagation = Propagation.from_matrix(MATRICES[propagation])
    network = Network(propagation, widths, activation=activation, weight_scale=1.4, **options)
    if network.bias is not None:
        with torch.no_grad():
            network.bias.copy_(torch.linspace(-1, 1, network.bias.numel()).view_as(network.bias))
    return network


def in_a_new_process(code, *flags):
    """What a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
