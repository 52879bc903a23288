"""Measures of smoothness against loops over nodes, pairs and edges, and in their limits."""

import functools
import math

import cases
import numpy as np
import pytest
import reference
import torch
from cases import EDGE_KINDS, EXACT, GRAPHS, KINDS, MATRICES, edge_index_of, propagation_of, signal, unfriendly_network

import oversmooth as osm
from oversmooth.moments import Moments

pytestmark = pytest.mark.usefixtures("random_state_untouched")
close = functools.partial(cases.close, absolute=0)
WEIGHINGS = {
    "uniform": None,
    "metropolis": propagation_of("karate"),
    "random walk": propagation_of("karate", "random_walk"),
    "gcn": propagation_of("karate", "gcn"),
    "reversible": osm.Propagation.from_matrix(MATRICES["reversible"]),
    "non-reversible": osm.Propagation.from_matrix(MATRICES["non-reversible"]),
}


def weights_of(P, nodes):
    return np.full(nodes, 1 / nodes) if P is None else P.stationary.numpy()


def coordinates(X, P):
    """X in the coordinates in which P is stochastic."""
    return X.numpy() if P is None or P.scaling is None else X.numpy() / P.scaling[:, None]


def backward_coordinates(B, P):
    """B̃: per unit of π, in the coordinates in which P is stochastic."""
    pi = weights_of(P, len(B))
    scaling = np.ones(len(B)) if P is None or P.scaling is None else P.scaling
    return np.stack([scaling[i] * B[i].numpy() / pi[i] for i in range(len(B))])


@pytest.fixture(params=WEIGHINGS)
def weighing(request):
    P = WEIGHINGS[request.param]
    nodes = 9 if P is None else P.num_nodes
    return P, weights_of(P, nodes), signal(nodes, 4) + torch.tensor([3.0, 0.0, -1.0, 10.0], dtype=torch.float64)


def test_energy_deviation_and_mean_equal_loops(weighing):
    P, pi, X = weighing
    Z = coordinates(X, P)
    assert close(osm.mean(X, P), reference.mean(Z, pi))
    assert close(osm.energy(X, P), reference.energy(Z, pi))
    assert close(osm.energy(X, P), reference.pair_energy(Z, pi))
    assert close(osm.deviation(X, P), reference.energy(Z, pi) ** 0.5)
    norm = sum(p * (z**2).sum() for p, z in zip(pi, Z, strict=True))
    assert close(osm.mean(X, P).square().sum() + osm.energy(X, P), norm)
    assert close(osm.relative_deviation(X, P), (reference.energy(Z, pi) / norm) ** 0.5)


def test_backward_measures_equal_loops(weighing):
    P, pi, B = weighing
    tilde = backward_coordinates(B, P)
    assert close(osm.backward_deviation(B, P), reference.energy(tilde, pi) ** 0.5)
    assert close(osm.backward_mean(B, P), reference.mean(tilde, pi))
    if P is None or P.scaling is None:
        assert close(osm.backward_mean(B, P), B.sum(0))  # theory.md: μ(B̃) = Σ_i B_i


def test_uniform_energy_is_the_measure_of_the_paper():
    X = signal(11, 3)
    assert close(osm.energy(X), sum(float(((x - y) ** 2).sum()) for x in X for y in X) / (2 * 11**2))


def test_by_hand():
    """π = (2, 3, 2)/7 and x = (1, 2, 6): μ = 20/7, σ² = (2·13²+3·6²+2·22²)/343 = 1414/343."""
    P = osm.Propagation.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3, kind="random_walk")
    x = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    assert close(osm.mean(x, P), [20 / 7])
    assert close(osm.energy(x, P), 1414 / 343)
    assert close(osm.mean(x), [3])
    assert close(osm.energy(x), 14 / 3)
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    assert close(osm.dirichlet_energy(x, edges), 2 * (1 + 16) / 3)
    plane = torch.tensor([[1.0, 0.0], [0.0, 5.0], [3.0, 3.0]], dtype=torch.float64)
    assert close(osm.mean_average_distance(plane, edges), 2 * (1 + 1 - 0.5**0.5) / 3)
    assert close(osm.effective_rank(torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))), 4 / 3**0.75)


def test_batches_equal_their_parts(weighing):
    P, _, X = weighing
    batch = torch.stack([X, X.flip(0), 5 * X + 1])
    measures = [osm.mean, osm.energy, osm.deviation, osm.relative_deviation, osm.backward_deviation, osm.backward_mean]
    for measure in measures:
        parts = torch.stack([measure(x, P) for x in batch])
        assert measure(batch, P).shape == parts.shape
        assert close(measure(batch, P), parts)
    assert close(osm.effective_rank(batch), torch.stack([osm.effective_rank(x) for x in batch]))


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_moments_add_up_and_zero_is_smooth(kind):
    found = Moments(kind(9.0), kind(16.0))
    assert [float(found.deviation), float(found.norm)] == pytest.approx([3, 5])
    assert [float(found.ratio), float(found.relative_deviation)] == pytest.approx([0.6, 0.6])
    assert Moments(kind(0.0), kind(0.0)).ratio == Moments(kind(0.0), kind(0.0)).relative_deviation == 0
    assert Moments(kind(1e-30), kind(0.0)).ratio == Moments(kind(2.0), kind(0.0)).relative_deviation == 1
    assert math.isnan(Moments(kind(math.nan), kind(math.nan)).ratio)


def test_what_each_operator_leaves_alone_is_smooth():
    for kind in KINDS:
        P = propagation_of("karate", kind)
        fixed = torch.ones(34, 1, dtype=torch.float64)
        if kind == "gcn":
            fixed = torch.tensor([[(len(GRAPHS["karate"][i]) + 1) ** 0.5] for i in range(34)], dtype=torch.float64)
            assert osm.deviation(fixed) > 0.1 and osm.relative_deviation(fixed) > 0.1  # not constant, yet smooth
        assert close(P @ fixed, fixed)
        assert osm.deviation(fixed, P) < 1e-14 * fixed.norm()
        assert osm.relative_deviation(fixed, P) < 1e-14


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_the_backward_limit_is_smooth(kind):
    """Pᵀ leaves π alone (for GCN √d̃ again), so a backward signal ∝ π has deviation 0."""
    P = propagation_of("karate", kind)
    fixed = (P.stationary if kind != "gcn" else P.stationary.sqrt())[:, None] * torch.tensor([[1.0, -3.0]])
    assert close(P.adjoint(fixed), fixed)
    assert osm.backward_deviation(fixed, P) < 1e-14
    if kind == "random_walk":
        assert osm.deviation(fixed, P) > 1e-3  # the unweighted reading of B would not see it


def test_propagation_contracts_both_ways():
    for name in ("reversible", "non-reversible", "doubly stochastic"):
        P = osm.Propagation.from_matrix(MATRICES[name])
        X = signal(P.num_nodes, 3, 500)
        assert (osm.deviation(P @ X, P) <= P.rate * osm.deviation(X, P) * (1 + EXACT)).all()
        assert (osm.backward_deviation(P.adjoint(X), P) <= P.rate * osm.backward_deviation(X, P) * (1 + EXACT)).all()
        assert close(osm.mean(P @ X, P) + 10, osm.mean(X, P) + 10)
        assert close(osm.backward_mean(P.adjoint(X), P) + 10, osm.backward_mean(X, P) + 10)


def test_relative_deviation_limits(weighing):
    P, _, X = weighing
    scale = 1.0 if P is None or P.scaling is None else torch.from_numpy(P.scaling)[:, None]
    constant = torch.ones_like(X) * scale
    assert osm.relative_deviation(constant, P) < 1e-14
    assert osm.relative_deviation(torch.zeros_like(X), P) == 0
    assert close(osm.relative_deviation(X - osm.mean(X, P) * scale, P), 1)
    assert close(osm.relative_deviation(-7 * X, P), osm.relative_deviation(X, P))


def test_nearly_constant_signals_keep_their_digits(weighing):
    P, pi, X = weighing
    scale = 1.0 if P is None or P.scaling is None else torch.from_numpy(P.scaling)[:, None]
    noise = 2.0**-30 * torch.round(1024 * X) / 1024  # 1 + noise is exact
    assert close(osm.energy((1 + noise) * scale, P), reference.energy(noise.numpy(), pi), 1e-6)


# --- edges -------------------------------------------------------------------------------------------------------

KARATE = edge_index_of(GRAPHS["karate"])
EDGES = {
    "undirected": KARATE,
    "directed": KARATE[:, KARATE[0] < KARATE[1]],
    "unsorted": KARATE[:, torch.randperm(KARATE.shape[1], generator=torch.Generator().manual_seed(1))],
    "repeated": torch.cat([KARATE, KARATE[:, :40], KARATE[:, 3:4].expand(-1, 5)], dim=1),
    "with self-loops": torch.cat([KARATE, torch.arange(34).repeat(2, 1)], dim=1),
    "32 bit": KARATE.int(),
    "one": torch.tensor([[33], [0]]),
}


@pytest.mark.parametrize("width", [1, 5, 40])
@pytest.mark.parametrize("name", EDGES)
def test_edge_measures_equal_loops(name, width):
    X = signal(34, width) + 0.5
    X[3] = X[0] = 0
    assert close(osm.dirichlet_energy(X, EDGES[name]), reference.dirichlet_energy(X, EDGES[name]))
    assert close(osm.mean_average_distance(X, EDGES[name]), reference.mean_average_distance(X, EDGES[name]))


def test_no_edges_and_zero_signals():
    none = torch.zeros(2, 0, dtype=torch.int64)
    for measure in (osm.dirichlet_energy, osm.mean_average_distance):
        assert measure(signal(34, 2), none) == 0
        assert measure(torch.zeros(34, 2, dtype=torch.float64), KARATE) == 0
        assert measure(signal(1, 2), torch.tensor([[0], [0]])) < 1e-15
    one_row = torch.zeros(34, 2, dtype=torch.float64)
    one_row[0] = 1
    assert close(osm.mean_average_distance(one_row, KARATE), 2 * len(GRAPHS["karate"][0]) / 34)


@pytest.mark.parametrize("noise", [1e-4, 1e-9, 1e-13])
def test_edge_measures_of_nearly_constant_signals(noise):
    X = 1 + noise * signal(34, 3)
    assert close(osm.dirichlet_energy(X, KARATE), reference.dirichlet_energy(X, KARATE), 1e-8)
    tolerance = max(1e-8, 1e-14 / noise)
    assert close(osm.mean_average_distance(X, KARATE), reference.mean_average_distance(X, KARATE), tolerance)


def test_edge_measures_where_only_components_differ():
    """Each component almost constant, far from the other: no centring helps, differences along edges do."""
    edges = edge_index_of(GRAPHS["two components"])
    X = 1e-9 * signal(7, 2) + torch.tensor([[1.0, 0.0]] * 4 + [[-1.0, 1.0]] * 3, dtype=torch.float64)
    assert close(osm.dirichlet_energy(X, edges), reference.dirichlet_energy(X, edges), 1e-8)
    assert close(osm.mean_average_distance(X, edges), reference.mean_average_distance(X, edges), 1e-5)


def test_dirichlet_energy_of_a_long_smooth_ramp(monkeypatch):
    monkeypatch.setattr(osm.smoothness, "_BLOCK", 1000)  # several blocks, the last one short
    n = 3001
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    ramp = torch.arange(n, dtype=torch.float64)[:, None] / 7 + 1e3
    assert close(osm.dirichlet_energy(ramp, edges), (n - 1) / 49 / n, 1e-9)


def test_edge_measures_in_float32():
    X = signal(34, 3).float()
    for measure, twin in (
        (osm.dirichlet_energy, reference.dirichlet_energy),
        (osm.mean_average_distance, reference.mean_average_distance),
    ):
        assert measure(X, KARATE).dtype == torch.float32
        assert close(measure(X, KARATE), twin(X, KARATE), 1e-5)


# --- effective rank ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "singular",
    [[1, 1, 1], [1, 0, 0], [5, 2, 1], [1, 1e-2, 1e-4], [1, 1e-8, 1e-8], [1e-9, 1e-9, 1e-10], [1e-200, 1e-200, 1e-201]],
    ids=str,
)
@pytest.mark.parametrize("shape", [(9, 3), (3, 9), (3, 3)])
def test_effective_rank_of_a_known_spectrum(singular, shape):
    left, right = (np.linalg.qr(signal(size, 3, seed=size).numpy())[0] for size in shape)
    share = np.array(singular) / np.sum(singular)
    expected = np.exp(-sum(p * np.log(p) for p in share if p > 0))
    X = torch.from_numpy(left @ np.diag(singular) @ right.T)
    assert close(osm.effective_rank(X), expected, 1e-9)
    if min(singular) > 0 or max(singular) == 1:
        assert close(osm.effective_rank(X), reference.effective_rank(X), 1e-9)


def test_effective_rank_of_collapsed_and_empty_signals():
    assert osm.effective_rank(torch.zeros(5, 3, dtype=torch.float64)) == 0
    assert close(osm.effective_rank(torch.ones(50, 8, dtype=torch.float64)), 1, 1e-12)
    assert close(osm.effective_rank(1 + 1e-9 * signal(50, 8)), reference.effective_rank(1 + 1e-9 * signal(50, 8)))
    mixed = torch.stack([torch.zeros(6, 2, dtype=torch.float64), signal(6, 2), torch.ones(6, 2, dtype=torch.float64)])
    assert close(osm.effective_rank(mixed), [0, reference.effective_rank(mixed[1]), 1])
    X = signal(20, 4)
    assert close(osm.effective_rank(X), reference.effective_rank(X))
    assert close(osm.effective_rank(X.float()), reference.effective_rank(X), 1e-5)


# --- the profile of a pass ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, [3, 8]])
@pytest.mark.parametrize("name", ["reversible", "non-reversible", "gcn"])
def test_layer_profile_equals_the_single_measures(name, seed):
    P = propagation_of("karate", "gcn") if name == "gcn" else osm.Propagation.from_matrix(MATRICES[name])
    network = unfriendly_network("tanh", P, seed=seed)
    signals = osm.trace(network, signal(P.num_nodes, 3), lambda output: output.pow(3).sum())
    table = osm.layer_profile(signals)
    seeds = seed if isinstance(seed, list) else [seed]
    assert len(table) == network.depth * len(seeds)
    assert (table["depth"] == network.depth).all()
    assert ("seed" in table) == isinstance(seed, list)
    for row in table.to_dict("records"):
        k, at = row["layer"], (row["seed"],) if "seed" in row else ()
        X, B, W = signals.features[k][at], signals.backward[k][at], signals.gradients[k][at]
        pi, tilde = P.stationary.numpy(), backward_coordinates(B, P)
        expected = {
            "feature_deviation": osm.deviation(X, P),
            "feature_norm": (pi @ (coordinates(X, P) ** 2).sum(1)) ** 0.5,
            "feature_ratio": osm.relative_deviation(X, P),
            "backward_deviation": osm.backward_deviation(B, P),
            "backward_norm": (pi @ (tilde**2).sum(1)) ** 0.5,
            "backward_ratio": reference.energy(tilde, pi) ** 0.5 / (pi @ (tilde**2).sum(1)) ** 0.5,
            "backward_mean": np.linalg.norm(reference.mean(tilde, pi)),
            "gradient": np.linalg.norm(W.numpy()),
        }
        for column, value in expected.items():
            assert close(row[column], float(value))
        assert set(expected) | {"layer", "depth", "seed"} >= set(table.columns)
    assert table["layer"].tolist() == [k for k in range(network.depth) for _ in seeds]


def test_layer_profile_of_vanished_signals():
    network = unfriendly_network("relu")
    with torch.no_grad():
        network.weights[1].zero_()
    table = osm.layer_profile(osm.trace(network, signal(7, 3), lambda output: output.sum()))
    assert table.notna().all(axis=None)
    assert (table["feature_ratio"][2:] == 0).all() and (table["feature_norm"][2:] == 0).all()


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "measure",
    [osm.mean, osm.energy, osm.deviation, osm.relative_deviation, osm.backward_deviation, osm.backward_mean],
)
def test_signals_are_checked(measure):
    P = propagation_of("path")
    for bad, message in (
        (signal(6, 2), "6 rows, the graph has 7 nodes"),
        (signal(7, 2)[:, 0], r"shape \(7,\)"),
        (signal(7, 2) / 0, "non-finite"),
        (signal(7, 2).int(), "dtype torch.int32"),
        (signal(7, 2).numpy(), "ndarray"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(bad, P)
    huge = torch.full((7, 2), 1.7e308, dtype=torch.float64)  # finite, though its sum is not
    assert measure(torch.stack([huge, -huge])[:, :, :1] / 1e200, P).isfinite().all()


@pytest.mark.parametrize("measure", [osm.dirichlet_energy, osm.mean_average_distance])
def test_edges_are_checked(measure):
    X = signal(34, 2)
    for x, edges, message in (
        (X, KARATE + 1, "names nodes 1 to 34; features has 34, which are 0 to 33"),
        (X, KARATE - 1, "names nodes -1"),
        (X, KARATE[0], r"a tensor \(2, edges\) is needed"),
        (X, KARATE.T, r"shape \(156, 2\)"),
        (X, KARATE.numpy(), "a ndarray"),
        (X, KARATE.double(), "integers"),
        (signal(34, 2, 3), KARATE, r"\(nodes, features\)"),
        (X / 0, KARATE, "non-finite"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(x, edges)


def test_effective_rank_checks_its_signal():
    for bad in (signal(3, 2) / 0, signal(3, 2)[0], signal(3, 2).int()):
        with pytest.raises(ValueError, match="features has"):
            osm.effective_rank(bad)


def test_a_finite_signal_whose_sum_overflows_is_accepted():
    huge = torch.full((7, 2), 1.7e308, dtype=torch.float64)
    assert osm.relative_deviation(huge / 1e160, propagation_of("path")) < 1e-14
    assert osm.mean(huge / 8, propagation_of("path")).isfinite().all()


def test_measures_can_be_differentiated():
    P = propagation_of("karate", "random_walk")
    X = signal(P.num_nodes, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: osm.energy(x, P), X)
    assert torch.autograd.gradcheck(lambda x: osm.backward_deviation(x, P), X)


def test_tiny_signals_of_float32_are_not_taken_for_smooth():
    """Squares below 1e-45 vanish in float32; the deviation of such a signal does not."""
    tiny = torch.tensor([[-1e-24], [1e-24]])
    assert osm.relative_deviation(tiny).item() == 1 and osm.relative_deviation(tiny).dtype == torch.float32
    assert osm.deviation(tiny).item() == pytest.approx(1e-24) and osm.deviation(tiny).dtype == torch.float32
    assert osm.backward_deviation(tiny).item() == pytest.approx(2e-24)
