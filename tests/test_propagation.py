"""Propagation: entries, stationarity, products and their gradients, the rate λ, and what is refused."""

import copy
import subprocess
import sys
import textwrap
import warnings

import networkx as nx
import numpy as np
import pytest
import reference
import scipy.sparse as sparse
import torch
from cases import (
    CONNECTED,
    EXACT,
    GRAPHS,
    ITERATIVE,
    KINDS,
    MATRICES,
    UNSMOOTHING,
    all_propagations,
    edge_index_of,
    propagation_of,
    signal,
)
from torch_geometric.data import Data

from oversmooth import Propagation, deviation, spectrum

pytestmark = pytest.mark.usefixtures("random_state_untouched")
STOCHASTIC_KINDS = ("metropolis", "max_degree", "random_walk", "identity")
RATE = 1e-8
NOT_REVERSIBLE = ("non-reversible", "doubly stochastic", "rotation", "de Bruijn")


def close(actual, expected, tolerance=EXACT):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


# --- entries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GRAPHS)
def test_entries_are_those_of_the_definition(name, kind):
    close(propagation_of(name, kind).to_dense(), reference.propagation_matrix(GRAPHS[name], kind))


def test_three_nodes_by_hand():
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    by_hand = {
        "metropolis": [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 3, 2 / 3]],
        "random_walk": [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]],
        "gcn": [[1 / 2, 6**-0.5, 0], [6**-0.5, 1 / 3, 6**-0.5], [0, 6**-0.5, 1 / 2]],
    }
    for kind, matrix in by_hand.items():
        close(Propagation.from_edges(path, 3, kind=kind).to_dense(), matrix)
    close(Propagation.from_edges(path, 3, kind="random_walk").stationary, [2 / 7, 3 / 7, 2 / 7])
    assert abs(Propagation.from_edges(path, 3).rate - 2 / 3) < EXACT


@pytest.mark.parametrize("kind", KINDS)
def test_self_loops_repeats_and_order_of_edges_do_not_matter(kind):
    clean = edge_index_of(GRAPHS["karate"])
    loops = torch.arange(5).repeat(2, 1)
    untidy = torch.cat([clean, loops, clean[:, :20], clean[:, :20].flip(0)], dim=1)
    untidy = untidy[:, torch.randperm(untidy.shape[1], generator=torch.Generator().manual_seed(0))]
    actual, expected = (Propagation.from_edges(edges, 34, kind=kind).to_dense() for edges in (untidy, clean))
    assert torch.equal(actual, expected)


def test_from_data_and_integer_types():
    edges = edge_index_of(GRAPHS["grid"])
    expected = Propagation.from_edges(edges, 15, kind="random_walk").to_dense()
    assert torch.equal(Propagation.from_data(Data(edge_index=edges, num_nodes=15), "random_walk").to_dense(), expected)
    for other in (edges.int(), edges.numpy(), edges.tolist()):
        assert torch.equal(Propagation.from_edges(other, np.int64(15), "random_walk").to_dense(), expected)


def matrix_forms(matrix):
    dense = torch.from_numpy(matrix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        csr = dense.to_sparse_csr()
    return [
        matrix,
        dense,
        dense.to_sparse_coo(),
        csr,
        sparse.csr_array(matrix),
        sparse.coo_matrix(matrix),
        matrix.tolist(),
    ]


@pytest.mark.parametrize("name", MATRICES)
def test_from_matrix_takes_every_form(name):
    for form in matrix_forms(MATRICES[name]):
        P = Propagation.from_matrix(form)
        close(P.to_dense(), MATRICES[name], 1e-15)
        assert P.kind == "matrix"


def test_from_matrix_keeps_its_own_copy():
    matrix = sparse.csr_array(MATRICES["non-reversible"])
    P = Propagation.from_matrix(matrix)
    matrix.data[:] = 7.0
    close(P.to_dense(), MATRICES["non-reversible"], 1e-15)


def test_from_matrix_in_float32_is_made_exactly_stochastic():
    P = Propagation.from_matrix(MATRICES["non-reversible"].astype(np.float32))
    close(P.to_dense(), MATRICES["non-reversible"], 1e-6)
    close(P.to_dense().sum(1), np.ones(7), 1e-15)
    close(P.adjoint(P.stationary[:, None])[:, 0], P.stationary, 1e-15)


def test_stored_zeros_are_no_edges():
    rows, columns = np.array([0, 0, 1, 1, 2]), np.array([0, 2, 1, 0, 2])
    matrix = sparse.csr_array((np.array([1.0, 0.0, 1.0, 0.0, 1.0]), (rows, columns)), shape=(3, 3))
    P = Propagation.from_matrix(matrix)
    assert P.num_components == 3
    assert matrix.nnz == 5, "the caller's matrix was changed"


# --- π -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "P"), list(all_propagations()))
def test_stationary_distribution(name, P):
    pi, dense = P.stationary.numpy(), P.to_dense().numpy()
    assert (pi > 0).all() and abs(pi.sum() - 1) < EXACT
    if P.scaling is not None:  # GCN: read in the coordinates of the random walk
        dense = dense * P.scaling[None, :] / P.scaling[:, None]
        close(P.scaling**2, pi * len(pi))
    close(dense.sum(axis=1), np.ones(len(pi)))
    close(pi @ dense, pi)
    if P.num_components == 1:
        close(pi, reference.stationary(dense))
    flow = pi[:, None] * dense
    assert np.allclose(flow, flow.T, atol=EXACT) == (name not in NOT_REVERSIBLE)


def test_stationary_distribution_of_a_large_weighted_graph():
    """20,000 nodes: reversible, so π is the strength of the nodes; a linear system would take minutes."""
    adjacency = sparse.csr_array(nx.to_scipy_sparse_array(nx.barabasi_albert_graph(20_000, 3, seed=0), dtype=float))
    adjacency.data = np.random.default_rng(0).uniform(0.1, 10, adjacency.nnz)
    weights = adjacency + adjacency.T + sparse.eye_array(20_000)
    strength = weights.sum(axis=1)
    close(Propagation.from_matrix(sparse.diags_array(1 / strength) @ weights).stationary, strength / strength.sum())


def test_stationary_distribution_of_a_lopsided_chain():
    """π falls by 1e-3 a node, to 1e-24: each entry keeps its digits."""
    up, nodes = 1e-3, 9
    matrix = np.diag(np.full(nodes - 1, up / 2), 1) + np.diag(np.full(nodes - 1, 0.5), -1)
    matrix += np.diag(1 - matrix.sum(axis=1))
    np.testing.assert_allclose(
        Propagation.from_matrix(matrix).stationary, up ** np.arange(nodes) * (1 - up) / (1 - up**nodes), rtol=EXACT
    )


def test_closed_classes_weigh_by_their_size():
    block = np.zeros((7, 7))
    block[:3, :3] = MATRICES["reversible"][:3, :3] / MATRICES["reversible"][:3, :3].sum(1, keepdims=True)
    block[3:, 3:] = np.full((4, 4), 0.25)
    pi = Propagation.from_matrix(block).stationary.numpy()
    close([pi[:3].sum(), pi[3:].sum()], [3 / 7, 4 / 7])
    close(pi @ block, pi)


def test_column_sums_only_nearly_one_are_not_doubly_stochastic():
    matrix = np.full((3, 3), 1 / 3)
    matrix[0] += [1e-6, -1e-6, 0]
    P = Propagation.from_matrix(matrix)
    close(P.stationary.numpy() @ matrix, P.stationary, 1e-14)


# --- products ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [None, 4])
@pytest.mark.parametrize(("name", "P"), list(all_propagations()))
def test_products_equal_dense_products(name, P, seeds):
    X, dense = signal(P.num_nodes, 3, seeds), P.to_dense()
    close(P @ X, dense @ X)
    close(P.adjoint(X), dense.T @ X)
    assert (P @ X).shape == X.shape


@pytest.mark.parametrize("seeds", [None, 2])
@pytest.mark.parametrize("name", [*MATRICES, "gcn"])
def test_products_differentiate_twice(name, seeds):
    P = propagation_of("star", "gcn") if name == "gcn" else Propagation.from_matrix(MATRICES[name])
    X = signal(P.num_nodes, 2, seeds).requires_grad_()
    with torch.random.fork_rng():  # gradgradcheck draws
        for product in (P.__matmul__, P.adjoint):
            assert torch.autograd.gradcheck(product, (X,))
            assert torch.autograd.gradgradcheck(lambda x, product=product: product(x) ** 2, (X,))


def test_gradient_of_the_product_is_the_adjoint():
    P, X, B = Propagation.from_matrix(MATRICES["non-reversible"]), signal(7, 3).requires_grad_(), signal(7, 3, seed=1)
    (gradient,) = torch.autograd.grad(P @ X, X, B)
    close(gradient, P.adjoint(B))
    assert not torch.allclose(gradient, P @ B)  # the case would be blind to a missing transpose


def test_products_of_views_and_single_columns():
    P, dense = (make(MATRICES["non-reversible"]) for make in (Propagation.from_matrix, torch.from_numpy))
    wide = signal(3, 7)
    close(P @ wide.T, dense @ wide.T)
    close(P @ signal(7, 1).expand(7, 4), dense @ signal(7, 1).expand(7, 4))
    close(P @ signal(7, 2).expand(3, 7, 2), dense @ signal(7, 2).expand(3, 7, 2))
    close(P @ signal(7, 1, 5), dense @ signal(7, 1, 5))


def test_float32_signals_stay_float32():
    P, X = propagation_of("karate", "random_walk", dtype=torch.float32), signal(34, 3).float()
    assert (P @ X).dtype == P.adjoint(X).dtype == P.stationary.dtype == P.to_dense().dtype == torch.float32
    close(P @ X, P.to_dense() @ X, 1e-6)
    assert (P @ X.double()).dtype == torch.float64
    close(P @ X.double(), reference.propagation_matrix(GRAPHS["karate"], "random_walk") @ X.double().numpy())


def test_deep_copies_work():
    P, X = propagation_of("karate", "random_walk"), signal(34, 3)
    expected, rate = P @ X, P.rate
    twin = copy.deepcopy(P)
    close(twin @ X, expected)
    assert twin.rate == rate


# --- λ -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["dense", "Lanczos"])
def road(request, monkeypatch):
    if request.param == "Lanczos":
        monkeypatch.setattr(spectrum, "DENSE_NODES", 0)


def expected_rate(P):
    dense = P.to_dense().numpy()
    if P.scaling is not None:
        dense = dense * P.scaling[None, :] / P.scaling[:, None]
    return reference.rate(dense, P.stationary.numpy())


@pytest.mark.parametrize("kind", ["metropolis", "max_degree", "random_walk", "gcn"])
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
    close(deviation(P @ worst, P), P.rate * deviation(worst, P))


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


@pytest.mark.parametrize("kind", ["metropolis", "max_degree", "random_walk", "gcn"])
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


# --- errors ------------------------------------------------------------------------------------------------------

PAIR = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Propagation.from_edges(PAIR, 2, kind="laplacian"), "'laplacian'; known kinds: metropolis, max_degree"),
        (lambda: Propagation.from_edges(PAIR, 0), "num_nodes is 0"),
        (lambda: Propagation.from_edges(PAIR, -3), "num_nodes is -3"),
        (lambda: Propagation.from_edges(PAIR, None), "num_nodes is None"),
        (lambda: Propagation.from_edges(PAIR, 2.0), r"num_nodes is 2\.0; an integer"),
        (lambda: Propagation.from_edges(None, 2), "edge_index is None"),
        (lambda: Propagation.from_edges(PAIR[0], 2), r"shape \(2,\); \(2, edges\)"),
        (lambda: Propagation.from_edges(torch.zeros(3, 4, dtype=torch.long), 2), r"shape \(3, 4\)"),
        (lambda: Propagation.from_edges(PAIR.double(), 2), "dtype torch.float64; integers"),
        (lambda: Propagation.from_edges(PAIR - 1, 2), "names nodes -1 to 0; with num_nodes = 2 they go from 0 to 1"),
        (lambda: Propagation.from_edges(PAIR, 1), "names nodes 0 to 1; with num_nodes = 1"),
        (lambda: Propagation.from_edges(PAIR[:, :1], 2), "1 edges in one direction only.*to_undirected"),
        (lambda: Propagation.from_matrix(np.ones((2, 3)) / 3), r"shape \(2, 3\); a square"),
        (lambda: Propagation.from_matrix(np.ones(3)), "1 dimensions; a square"),
        (lambda: Propagation.from_matrix(np.ones((1, 1, 1))), "3 dimensions; a square"),
        (lambda: Propagation.from_matrix(np.zeros((0, 0))), "empty; at least one node"),
        (lambda: Propagation.from_matrix([[np.nan, 1], [0.5, 0.5]]), "non-finite"),
        (lambda: Propagation.from_matrix(sparse.csr_array([[np.inf, 1], [0.5, 0.5]])), "non-finite"),
        (lambda: Propagation.from_matrix([[1.5, -0.5], [0.5, 0.5]]), "negative"),
        (lambda: Propagation.from_matrix([[0.5, 0.5], [0.5, 0.4]]), r"row 1 sums to 0\.9, not 1"),
        (lambda: Propagation.from_matrix([[1, 0], [0, 0]]), "row 1 sums to 0, not 1"),
        (lambda: Propagation.from_matrix([[0.5, 0.5], [0.5, 0.5 + 1e-7]]), r"row 1 sums to 1\.0000001, not 1"),
        (lambda: Propagation.from_matrix([[0.5, 0.5], [0, 1]]).stationary, "transient nodes"),
        (lambda: propagation_of("path") @ signal(6, 2), "the signal has 6 rows, the graph has 7 nodes"),
        (lambda: propagation_of("path").adjoint(signal(6, 2)), "the signal has 6 rows, the graph has 7 nodes"),
        (lambda: propagation_of("path") @ signal(7, 2)[:, 0], r"of shape \(7,\)"),
        (lambda: propagation_of("path") @ np.ones((7, 2)), "a ndarray"),
        (lambda: propagation_of("path") @ torch.ones(7, 2, dtype=torch.long), "torch.int64; a floating dtype"),
        (lambda: propagation_of("path", "identity") @ signal(6, 2), "6 rows"),
    ],
)
def test_errors_say_what_was_needed_and_what_came(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- in a process of its own -------------------------------------------------------------------------------------


def in_a_new_process(code, *flags):
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_warning_reaches_the_user():
    in_a_new_process(
        """
        import torch
        warned = torch.tensor([[0, 1], [1, 0]])
        import oversmooth as osm
        P, X = osm.Propagation.from_edges(warned, 2), torch.ones(2, 3, dtype=torch.float64)
        P @ X, P.adjoint(X), P.rate, osm.dirichlet_energy(X, warned), osm.mean_average_distance(X, warned)
        """,
        "-W",
        "error",
    )


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


def test_tolerances_are_as_agreed():
    assert (EXACT, ITERATIVE) == (1e-10, 1e-6)


@pytest.mark.parametrize("seeds", [None, 3])
def test_products_do_not_read_the_memory_that_they_write(seeds, monkeypatch):
    """The result's fresh memory may hold anything: with NaN in it, a product that read it would show."""
    P = Propagation.from_matrix(MATRICES["non-reversible"])
    X = signal(P.num_nodes, 4, seeds)
    expected, fresh = P.to_dense() @ X, torch.empty_like

    def poisoned(*arguments, **options):
        return fresh(*arguments, **options).fill_(torch.nan)

    monkeypatch.setattr(torch, "empty_like", poisoned)
    torch.testing.assert_close(P @ X, expected, rtol=EXACT, atol=EXACT)


def test_a_stationary_distribution_beyond_float64_is_refused():
    """A line that drifts to one end, and one shortcut that keeps it from being reversible."""
    size = 30
    matrix = np.diag(np.full(size - 1, 0.9), 1) + np.diag(np.full(size - 1, 0.1), -1)
    matrix[0, 0], matrix[-1, -1] = 0.1, 0.9
    matrix[0, 1], matrix[0, 2] = 0.8, 0.1
    with pytest.raises(ValueError, match="spans more than float64 resolves"):
        _ = Propagation.from_matrix(matrix).stationary
