"""The rate λ: against singular values and closed forms, where it is 1, and on a million nodes."""

import warnings

import networkx as nx
import numpy as np
import pytest
import reference
import scipy.sparse as sparse
import torch
from cases import (
    CONNECTED,
    EDGE_KINDS,
    EXACT,
    GRAPHS,
    MATRICES,
    UNSMOOTHING,
    close,
    edge_index_of,
    in_a_new_process,
    propagation_of,
    signal,
)

from oversmooth import Propagation, deviation
from oversmooth.propagation import spectrum

pytestmark = pytest.mark.usefixtures("random_state_untouched")
RATE = 1e-8


@pytest.fixture(params=["dense", "Lanczos"])
def road(request, monkeypatch):
    if request.param == "Lanczos":
        monkeypatch.setattr(spectrum, "DENSE_NODES", 0)


def expected_rate(P):
    dense = P.to_dense().numpy()
    if P.scaling is not None:
        dense = dense * P.scaling[None, :] / P.scaling[:, None]
    return reference.rate(dense, P.stationary.numpy())


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("name", CONNECTED)
def test_rate_on_graphs(name, kind, road):
    P = propagation_of(name, kind)
    assert isinstance(P.rate, float)
    assert abs(P.rate - expected_rate(P)) < RATE
    if P.num_nodes > 1:  # reversible: an eigenvalue, of the plain matrix
        assert abs(P.rate - reference.second_eigenvalue(P.to_dense().numpy())) < RATE


@pytest.mark.parametrize("name", MATRICES)
def test_rate_on_matrices(name, road):
    P = Propagation.from_matrix(MATRICES[name])
    assert abs(P.rate - expected_rate(P)) < RATE
    if name == "reversible":
        assert abs(P.rate - reference.second_eigenvalue(MATRICES[name])) < RATE
    else:  # a singular value, not an eigenvalue: the distinction is visible here
        assert P.rate > reference.second_eigenvalue(MATRICES[name]) + 1e-3


def closed_forms():
    for n in (3, 4, 5, 12, 701):
        yield f"cycle of {n}", nx.cycle_graph(n), max(abs(1 + 2 * np.cos(2 * np.pi * j / n)) / 3 for j in range(1, n))
        yield f"path of {n}", nx.path_graph(n), max(abs(1 + 2 * np.cos(np.pi * j / n)) / 3 for j in range(1, n))
        yield f"star of {n}", nx.star_graph(n - 1), 1 - 1 / n
    for n in (2, 3, 8):
        yield f"complete graph of {n}", nx.complete_graph(n), 0.0
    yield "4-cycle", nx.cycle_graph(4), 1 / 3


@pytest.mark.parametrize(("name", "graph", "rate"), list(closed_forms()))
def test_rate_in_closed_form(name, graph, rate, road):
    assert abs(Propagation.from_edges(edge_index_of(graph), len(graph)).rate - rate) < RATE


def test_rate_of_a_long_cycle_needs_a_long_lanczos_run():
    n = 4000
    P = Propagation.from_edges(edge_index_of(nx.cycle_graph(n)), n)
    assert abs(P.rate - (1 + 2 * np.cos(2 * np.pi / n)) / 3) < RATE


@pytest.mark.parametrize("kind", ["metropolis", "max_degree", "gcn"])
def test_lanczos_beside_a_hub_stays_orthogonal_to_the_constant(kind, monkeypatch):
    """Hubs put the spectrum close to 1 (on the tolokers graph too): the deflated value 1 must not creep back."""
    monkeypatch.setattr(spectrum, "DENSE_NODES", 0)
    graph = nx.disjoint_union(nx.barabasi_albert_graph(500, 2, seed=0), nx.star_graph(600))
    graph.add_edge(0, 500)
    P = Propagation.from_edges(edge_index_of(graph), len(graph), kind=kind)
    assert abs(P.rate - np.sort(np.abs(np.linalg.eigvalsh(P.to_dense().numpy())))[-2]) < RATE


def test_lanczos_separates_values_that_nearly_coincide(monkeypatch):
    """Two nearly equal bottlenecks: the second and third eigenvalue differ by about 1e-6."""
    monkeypatch.setattr(spectrum, "DENSE_NODES", 0)
    graph = nx.disjoint_union_all([nx.gnp_random_graph(60, 0.3, seed=seed) for seed in (0, 0, 0)])
    graph.add_edges_from([(0, 60), (60, 120)])
    weights = nx.to_numpy_array(graph) + np.eye(180)
    weights[5, 7] = weights[7, 5] = 1.0001
    P = Propagation.from_matrix(weights / weights.sum(1, keepdims=True))
    values = np.sort(np.abs(np.linalg.eigvals(P.to_dense().numpy())))
    assert abs(P.rate - values[-2]) < RATE


@pytest.mark.parametrize(
    "P",
    [propagation_of("karate", kind) for kind in ("metropolis", "random_walk")]
    + [Propagation.from_matrix(matrix) for matrix in MATRICES.values()],
    ids=["metropolis", "random walk", *MATRICES],
)
def test_rate_is_the_largest_contraction(P):
    """λ = sup σ(PX)/σ(X): no random signal exceeds it, and the singular vector attains it."""
    X = signal(P.num_nodes, 1, 2000) + 3
    assert (deviation(P @ X, P) <= P.rate * deviation(X, P) * (1 + EXACT)).all()
    root = P.stationary.sqrt().numpy()
    _, _, rows = np.linalg.svd(root[:, None] * (P.to_dense().numpy() - P.stationary.numpy()) / root)
    worst = torch.from_numpy(rows[0] / root)[:, None]
    assert close(deviation(P @ worst, P), P.rate * deviation(worst, P))


@pytest.mark.parametrize("name", ["two components", "random with an isolated node", "no edges"])
def test_disconnected_graphs_warn_and_do_not_smooth(name):
    P = propagation_of(name)
    with pytest.warns(UserWarning, match=rf"{P.num_components} connected components, so λ = 1") as caught:
        assert P.rate == 1.0
    assert caught[0].filename == __file__, "the warning points into the library"
    assert P.num_components == nx.number_connected_components(GRAPHS[name])


@pytest.mark.parametrize("name", UNSMOOTHING)
def test_periodic_matrices_warn_and_do_not_smooth(name, road):
    with pytest.warns(UserWarning, match="λ = 1: some signals keep their whole deviation"):
        assert Propagation.from_matrix(UNSMOOTHING[name]).rate == 1.0


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_bipartite_graphs_get_self_loops(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert propagation_of("4-cycle", kind).rate < 0.9


def test_trivial_rates():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert propagation_of("karate", "identity").rate == 1.0
        assert propagation_of("single node").rate == 0.0
        assert propagation_of("two nodes").rate < 1e-15


LARGE_GRAPH = """
import resource, statistics, time
import numpy as np, torch
from oversmooth import Propagation

nodes, edges, rng = 1_000_000, 5_000_000, np.random.default_rng(0)
tree = np.stack([np.arange(1, nodes), (rng.random(nodes - 1) * np.arange(1, nodes)).astype(np.int64)])
pairs = np.concatenate([tree, rng.integers(0, nodes, (2, edges - nodes + 1))], axis=1)
P = Propagation.from_edges(torch.from_numpy(np.concatenate([pairs, pairs[::-1]], axis=1)), nodes, kind=KIND)
x = torch.from_numpy(rng.standard_normal((nodes, 1)))
P @ x

def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

ratio = float("inf")
for attempt in range(3):  # other programs' load falls on the products or on the rate: another try tells
    before = [timed(lambda: P @ x) for _ in range(9)]
    rate = timed(lambda: P.rate)
    after = [timed(lambda: P @ x) for _ in range(9)]
    ratio = min(ratio, rate / statistics.median(before + after))
    if ratio <= 300:
        break
    del P.__dict__["rate"], P.__dict__["num_components"]
print(ratio, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, P.rate)
"""


@pytest.mark.parametrize("kind", ["metropolis", "random_walk"])
def test_rate_of_a_million_nodes(kind):
    """At most the time of 300 sparse products, in at most 4 GiB."""
    products, gibibytes, rate = map(float, in_a_new_process(LARGE_GRAPH.replace("KIND", repr(kind))).split())
    print(f"{kind}: λ = {rate}, {products:.0f} products, {gibibytes:.2f} GiB")
    assert 0.5 < rate < 0.99
    assert products <= 300
    assert gibibytes <= 4


def test_large_rates_agree_with_scipy():
    """3,000 nodes, above the dense limit, against ARPACK on the undeflated matrix."""
    graph = nx.barabasi_albert_graph(3000, 3, seed=1)
    for kind in ("metropolis", "random_walk"):
        P = Propagation.from_edges(edge_index_of(graph), 3000, kind=kind)
        matrix = sparse.csr_array(P.to_dense().numpy())
        values = sparse.linalg.eigs(matrix, k=2, which="LM", tol=1e-12, return_eigenvectors=False)
        assert abs(P.rate - np.sort(np.abs(values))[0]) < RATE
