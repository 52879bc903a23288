"""Linear smoothing mode by mode, against matrix powers and closed forms."""

import math

import numpy as np
import pytest
import torch
from cases import EXACT, GRAPHS, KINDS, MATRICES, edge_index_of, propagation_of

import oversmooth as osm


def signal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape) + 1)


def naive_deviation(X, weights):
    """σ(X) by loops over nodes and columns."""
    centre = [sum(w * row[c] for w, row in zip(weights, X, strict=True)) for c in range(len(X[0]))]
    return math.sqrt(
        sum(
            w * (value - middle) ** 2
            for w, row in zip(weights, X, strict=True)
            for value, middle in zip(row, centre, strict=True)
        )
    )


def by_powers(P, X, k):
    """σ(PᵏX) from a dense matrix power; for GCN in its coordinates, with π ∝ scaling²."""
    dense = P.to_dense().numpy()
    scaling = np.ones(P.num_nodes) if P.scaling is None else np.asarray(P.scaling)
    state = np.linalg.matrix_power(dense, k) @ X.numpy() / scaling[:, None]
    return naive_deviation(state.tolist(), P.stationary.tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(set(GRAPHS) - {"single node", "no edges"}))
def test_matrix_powers(name, kind):
    P = propagation_of(name, kind)
    X = signal(P.num_nodes, 3)
    depths = [0, 1, 2, 5, 11]
    expected = torch.tensor([by_powers(P, X, k) for k in depths], dtype=torch.float64)
    assert torch.allclose(osm.spectral_deviation(P, X, depths), expected, rtol=1e-9, atol=EXACT)


def test_reversible_weights_that_are_no_degrees():
    P = osm.Propagation.from_matrix(MATRICES["reversible"])
    X = signal(P.num_nodes, 2)
    expected = [by_powers(P, X, k) for k in (1, 3, 6)]
    assert osm.spectral_deviation(P, X, (1, 3, 6)).tolist() == pytest.approx(expected, abs=EXACT)


def test_one_mode_of_a_cycle():
    """cos(2πij/n) is an eigenvector of C_n with eigenvalue (1 + 2 cos(2πj/n))/3 and deviation 1/√2."""
    n, j = 9, 2
    P = propagation_of("9-cycle")
    X = torch.cos(2 * math.pi * j * torch.arange(n, dtype=torch.float64) / n)[:, None] + 5
    rate = abs(1 + 2 * math.cos(2 * math.pi * j / n)) / 3
    expected = [rate**k / math.sqrt(2) for k in range(6)]
    assert osm.spectral_deviation(P, X, range(6)).tolist() == pytest.approx(expected, abs=EXACT)


def test_complete_graph_forgets_at_once():
    P = propagation_of("complete")
    deviation = osm.spectral_deviation(P, signal(6, 2), [0, 1, 4])
    assert deviation[0] > 0.5
    assert deviation[1:].abs().max() < EXACT


def test_networks_with_square_orthogonal_weights():
    P = propagation_of("barbell", "random_walk")
    X = signal(P.num_nodes, 4)
    network = osm.Network(P, [4] * 10, activation="identity", weight_scale=1.3, seed=[0, 1])
    table = osm.layer_profile(osm.trace(network, X, torch.sum))
    predicted = 1.3 ** np.arange(9) * osm.spectral_deviation(P, X, range(9)).numpy()
    for _, rows in table.groupby("seed"):
        assert rows["feature_deviation"].to_numpy() == pytest.approx(predicted, rel=1e-9)


def test_batches_and_any_order_of_depths():
    P = propagation_of("grid")
    X = signal(3, P.num_nodes, 2)
    together = osm.spectral_deviation(P, X, [4, 0, 4])
    assert together.shape == (3, 3)
    for x, row in zip(X, together, strict=True):
        assert torch.allclose(osm.spectral_deviation(P, x, [4, 0, 4]), row, atol=EXACT)
    assert torch.equal(together[:, 0], together[:, 2])


@pytest.mark.parametrize("name", ["path", "9-cycle", "star"])
def test_late_ratio_is_the_rate(name):
    P = propagation_of(name)
    late = osm.spectral_deviation(P, signal(P.num_nodes, 2), [200, 201])
    assert float(late[1] / late[0]) == pytest.approx(P.rate, abs=1e-6)


def test_refuses_what_has_no_orthogonal_modes():
    P = osm.Propagation.from_matrix(MATRICES["non-reversible"])
    with pytest.raises(ValueError, match="not reversible"):
        osm.spectral_deviation(P, signal(P.num_nodes, 1), [1])


@pytest.mark.parametrize("layers", [[-1], [0.5], []])
def test_refuses_depths_that_are_none(layers):
    P = propagation_of("path")
    with pytest.raises(ValueError, match="layers"):
        osm.spectral_deviation(P, signal(7, 1), layers)


def test_refuses_features_of_another_graph():
    with pytest.raises(ValueError, match="7 nodes"):
        osm.spectral_deviation(propagation_of("path"), edge_index_of(GRAPHS["path"]).double(), [1])
