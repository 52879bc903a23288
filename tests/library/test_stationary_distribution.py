"""The stationary distribution π: against a linear system, in closed forms, in parts, and where it is refused."""

import networkx as nx
import numpy as np
import pytest
import reference
import scipy.sparse as sparse
from cases import EXACT, MATRICES, all_propagations, close

from oversmooth import Propagation

pytestmark = pytest.mark.usefixtures("random_state_untouched")
NOT_REVERSIBLE = ("non-reversible", "doubly stochastic", "rotation", "de Bruijn")


@pytest.mark.parametrize(("name", "P"), list(all_propagations()))
def test_stationary_distribution(name, P):
    pi, dense = P.stationary.numpy(), P.to_dense().numpy()
    assert (pi > 0).all() and abs(pi.sum() - 1) < EXACT
    if P.scaling is not None:  # GCN: read in the coordinates of the random walk
        dense = dense * P.scaling[None, :] / P.scaling[:, None]
        assert close(P.scaling**2, pi * len(pi))
    assert close(dense.sum(axis=1), np.ones(len(pi)))
    assert close(pi @ dense, pi)
    if P.num_components == 1:
        assert close(pi, reference.stationary(dense))
    flow = pi[:, None] * dense
    assert np.allclose(flow, flow.T, atol=EXACT) == (name not in NOT_REVERSIBLE)


def test_stationary_distribution_of_a_large_weighted_graph():
    """20,000 nodes: reversible, so π is the strength of the nodes; a linear system would take minutes."""
    adjacency = sparse.csr_array(nx.to_scipy_sparse_array(nx.barabasi_albert_graph(20_000, 3, seed=0), dtype=float))
    adjacency.data = np.random.default_rng(0).uniform(0.1, 10, adjacency.nnz)
    weights = adjacency + adjacency.T + sparse.eye_array(20_000)
    strength = weights.sum(axis=1)
    P = Propagation.from_matrix(sparse.diags_array(1 / strength) @ weights)
    assert close(P.stationary, strength / strength.sum())


def test_stationary_distribution_of_a_lopsided_chain():
    """π falls by 1e-3 a node, to 1e-24: each entry keeps its digits."""
    up, nodes = 1e-3, 9
    matrix = np.diag(np.full(nodes - 1, up / 2), 1) + np.diag(np.full(nodes - 1, 0.5), -1)
    matrix += np.diag(1 - matrix.sum(axis=1))
    expected = up ** np.arange(nodes) * (1 - up) / (1 - up**nodes)
    assert close(Propagation.from_matrix(matrix).stationary.numpy(), expected, absolute=0)


def test_closed_classes_weigh_by_their_size():
    block = np.zeros((7, 7))
    block[:3, :3] = MATRICES["reversible"][:3, :3] / MATRICES["reversible"][:3, :3].sum(1, keepdims=True)
    block[3:, 3:] = np.full((4, 4), 0.25)
    pi = Propagation.from_matrix(block).stationary.numpy()
    assert close([pi[:3].sum(), pi[3:].sum()], [3 / 7, 4 / 7])
    assert close(pi @ block, pi)


def test_column_sums_only_nearly_one_are_not_doubly_stochastic():
    matrix = np.full((3, 3), 1 / 3)
    matrix[0] += [1e-6, -1e-6, 0]
    P = Propagation.from_matrix(matrix)
    assert close(P.stationary.numpy() @ matrix, P.stationary, 1e-14)


def test_a_stationary_distribution_beyond_float64_is_refused():
    """A line that drifts to one end, and one shortcut that keeps it from being reversible."""
    size = 30
    matrix = np.diag(np.full(size - 1, 0.9), 1) + np.diag(np.full(size - 1, 0.1), -1)
    matrix[0, 0], matrix[-1, -1] = 0.1, 0.9
    matrix[0, 1], matrix[0, 2] = 0.8, 0.1
    with pytest.raises(ValueError, match="spans more than float64 resolves"):
        _ = Propagation.from_matrix(matrix).stationary
