"""Propagation: entries, forms of a matrix, products and their gradients, and what is refused."""

import copy
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sparse
import torch
from cases import (
    EXACT,
    GRAPHS,
    ITERATIVE,
    MATRICES,
    all_propagations,
    close,
    edge_index_of,
    in_a_new_process,
    propagation_of,
    signal,
)
from cases import KINDS as CASES
from torch_geometric.data import Data

from oversmooth import KINDS, Propagation, deflate, deviation
from oversmooth.probe.norms import NodeWeights
from oversmooth.propagation import kinds
from oversmooth.propagation.averaging import Averaging, Weighting

pytestmark = pytest.mark.usefixtures("random_state_untouched")


# --- entries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("name", GRAPHS)
def test_entries_are_those_of_the_definition(name, kind):
    assert close(propagation_of(name, kind).to_dense(), reference.propagation_matrix(GRAPHS[name], kind))


def test_three_nodes_by_hand():
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    by_hand = {
        "metropolis": [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 3, 2 / 3]],
        "random_walk": [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]],
        "gcn": [[1 / 2, 6**-0.5, 0], [6**-0.5, 1 / 3, 6**-0.5], [0, 6**-0.5, 1 / 2]],
    }
    for kind, matrix in by_hand.items():
        assert close(Propagation.from_edges(path, 3, kind=kind).to_dense(), matrix)
    assert close(Propagation.from_edges(path, 3, kind="random_walk").stationary, [2 / 7, 3 / 7, 2 / 7])
    assert abs(Propagation.from_edges(path, 3).rate - 2 / 3) < EXACT


def test_identity_needs_no_edges():
    P = Propagation.identity(4, dtype=torch.float32)
    assert torch.equal(P.to_dense(), torch.eye(4)) and (P.kind, P.num_nodes, P.rate) == ("identity", 4, 1.0)
    with pytest.raises(ValueError, match="num_nodes is 0"):
        Propagation.identity(0)


def test_the_list_of_kinds_is_public_and_says_what_each_is():
    assert tuple(kinds.BUILDERS) == KINDS and set(kinds.EDGE_KINDS) < set(KINDS)
    for kind, builder in kinds.BUILDERS.items():
        assert builder.__doc__ and kind in Propagation.from_edges.__doc__


@pytest.mark.parametrize("kind", CASES)
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
        assert close(P.to_dense(), MATRICES[name], 1e-15)
        assert P.kind == "matrix"


def test_from_matrix_keeps_its_own_copy():
    matrix = sparse.csr_array(MATRICES["non-reversible"])
    P = Propagation.from_matrix(matrix)
    matrix.data[:] = 7.0
    assert close(P.to_dense(), MATRICES["non-reversible"], 1e-15)


def test_from_matrix_in_float32_is_made_exactly_stochastic():
    P = Propagation.from_matrix(MATRICES["non-reversible"].astype(np.float32))
    assert close(P.to_dense(), MATRICES["non-reversible"], 1e-6)
    assert close(P.to_dense().sum(1), np.ones(7), 1e-15)
    assert close(P.adjoint(P.stationary[:, None])[:, 0], P.stationary, 1e-15)


def test_stored_zeros_are_no_edges():
    rows, columns = np.array([0, 0, 1, 1, 2]), np.array([0, 2, 1, 0, 2])
    matrix = sparse.csr_array((np.array([1.0, 0.0, 1.0, 0.0, 1.0]), (rows, columns)), shape=(3, 3))
    P = Propagation.from_matrix(matrix)
    assert P.num_components == 3
    assert matrix.nnz == 5, "the caller's matrix was changed"


# --- products ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [None, 4])
@pytest.mark.parametrize(("name", "P"), list(all_propagations()))
def test_products_equal_dense_products(name, P, seeds):
    X, dense = signal(P.num_nodes, 3, seeds), P.to_dense()
    assert close(P @ X, dense @ X)
    assert close(P.adjoint(X), dense.T @ X)
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
    assert close(gradient, P.adjoint(B))
    assert not torch.allclose(gradient, P @ B)  # the case would be blind to a missing transpose


def test_products_of_views_and_single_columns():
    P, dense = (make(MATRICES["non-reversible"]) for make in (Propagation.from_matrix, torch.from_numpy))
    wide = signal(3, 7)
    assert close(P @ wide.T, dense @ wide.T)
    assert close(P @ signal(7, 1).expand(7, 4), dense @ signal(7, 1).expand(7, 4))
    assert close(P @ signal(7, 2).expand(3, 7, 2), dense @ signal(7, 2).expand(3, 7, 2))
    assert close(P @ signal(7, 1, 5), dense @ signal(7, 1, 5))


def test_float32_signals_stay_float32():
    P, X = propagation_of("karate", "random_walk", dtype=torch.float32), signal(34, 3).float()
    assert (P @ X).dtype == P.adjoint(X).dtype == P.stationary.dtype == P.to_dense().dtype == torch.float32
    assert close(P @ X, P.to_dense() @ X, 1e-6)
    assert (P @ X.double()).dtype == torch.float64
    assert close(P @ X.double(), reference.propagation_matrix(GRAPHS["karate"], "random_walk") @ X.double().numpy())


def test_deep_copies_work():
    P, X = propagation_of("karate", "random_walk"), signal(34, 3)
    expected, rate = P @ X, P.rate
    twin = copy.deepcopy(P)
    assert close(twin @ X, expected)
    assert twin.rate == rate


@pytest.mark.parametrize("seeds", [None, 3])
def test_products_do_not_read_the_memory_that_they_write(seeds, monkeypatch):
    """The result's fresh memory may hold anything: with NaN in it, a product that read it would show."""
    P = Propagation.from_matrix(MATRICES["non-reversible"])
    X = signal(P.num_nodes, 4, seeds)
    expected, fresh = P.to_dense() @ X, torch.empty_like

    def poisoned(*arguments, **options):
        return fresh(*arguments, **options).fill_(torch.nan)

    monkeypatch.setattr(torch, "empty_like", poisoned)
    assert close(P @ X, expected)


def test_measures_and_passes_ask_for_less_than_a_propagation():
    weights = NodeWeights(torch.full((34,), 1 / 34, dtype=torch.float64))
    assert isinstance(weights, Weighting) and not isinstance(weights, Averaging)
    for P in (propagation_of("karate"), deflate(propagation_of("karate"))):
        assert isinstance(P, Weighting) and isinstance(P, Averaging)
    assert close(deviation(signal(34, 2), weights), deviation(signal(34, 2), propagation_of("karate")))


# --- errors ------------------------------------------------------------------------------------------------------

PAIR = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Propagation.from_edges(PAIR, 2, kind="laplacian"), "'laplacian'; known kinds: metropolis, max_degree"),
        (lambda: Propagation.from_edges(PAIR, 0), "num_nodes is 0"),
        (lambda: Propagation.from_edges(PAIR, -3), "num_nodes is -3"),
        (lambda: Propagation.from_edges(PAIR, None), "num_nodes is None"),
        (lambda: Propagation.from_edges(PAIR, 2**31), "num_nodes is 2147483648; a graph has"),
        (lambda: Propagation.from_edges(PAIR, 2**33), "num_nodes is 8589934592; a graph has"),
        (lambda: Propagation.from_edges(PAIR, 2.0), r"num_nodes is 2\.0; an integer"),
        (lambda: Propagation.from_edges(None, 2), "edge_index is None"),
        (lambda: Propagation.from_edges(PAIR[0], 2), r"of shape \(2,\); a tensor \(2, edges\)"),
        (lambda: Propagation.from_edges(torch.zeros(3, 4, dtype=torch.long), 2), r"shape \(3, 4\)"),
        (lambda: Propagation.from_edges(PAIR.double(), 2), "dtype torch.float64; integers"),
        (lambda: Propagation.from_edges(PAIR - 1, 2), "names nodes -1 to 0; the graph has 2, which are 0 to 1"),
        (lambda: Propagation.from_edges(PAIR, 1), "names nodes 0 to 1; the graph has 1"),
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
        (lambda: propagation_of("path") @ signal(7, 2)[:, 0], r"has shape \(7,\)"),
        (lambda: propagation_of("path") @ np.ones((7, 2)), "a ndarray"),
        (lambda: propagation_of("path") @ torch.ones(7, 2, dtype=torch.long), "torch.int64; float32 or float64"),
        (lambda: propagation_of("path", "identity") @ signal(6, 2), "6 rows"),
    ],
)
def test_errors_say_what_was_needed_and_what_came(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_warning_reaches_the_user():
    said = in_a_new_process(
        """
        import torch
        warned = torch.tensor([[0, 1], [1, 0]])
        import oversmooth as osm
        P, X = osm.Propagation.from_edges(warned, 2), torch.ones(2, 3, dtype=torch.float64)
        P @ X, P.adjoint(X), P.rate, osm.dirichlet_energy(X, warned), osm.mean_average_distance(X, warned)
        print(tuple((P @ X).shape))
        """,
        "-W",
        "error",
    )
    assert said == "(2, 3)\n"


def test_tolerances_are_as_agreed():
    assert (EXACT, ITERATIVE) == (1e-10, 1e-6)
