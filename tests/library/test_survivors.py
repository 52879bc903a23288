"""Faults that once went unseen: planted in the code, they passed every other test. Each value is pinned by hand."""

import math

import numpy as np
import pytest
import torch
import torch_geometric.nn as gnn
from cases import EXACT, GRAPHS, edge_index_of, propagation_of, signal
from probe_cases import run
from torch_geometric.utils import degree

import oversmooth as osm
from oversmooth.losses import Objective
from oversmooth.moments import feature_moments


def test_one_propagation_measures_in_two_dtypes():
    X, P = signal(34, 3), osm.Propagation.from_edges(edge_index_of(GRAPHS["karate"]), 34, kind="gcn")
    double = float(osm.mean(X, P).norm()), float(osm.deviation(X, P))
    single = float(osm.mean(X.float(), P).norm()), float(osm.deviation(X.float(), P))
    assert single == pytest.approx(double, rel=1e-5)


def test_a_nearly_symmetric_matrix_has_an_adjoint_of_its_own():
    dense = np.full((3, 3), 1 / 3)
    dense[0] += (0, 1e-4, -1e-4)
    P, B = osm.Propagation.from_matrix(dense), signal(3, 2)
    assert torch.allclose(P.adjoint(B), torch.from_numpy(dense.T) @ B, rtol=0, atol=1e-15)


def test_gamma_of_a_deflated_step():
    """γ = s_{k+1} (λ² σ² + ‖m‖²)^{1/2} with m what P hands on of the mean: nothing, if it is deflated."""
    X = signal(34, 2)
    for P in (propagation_of("karate"), osm.deflate(propagation_of("karate"))):
        net = osm.Network(P, [2, 5, 4, 3], "tanh", weight_scale=1.7, seed=3)
        signals = osm.trace(net, X, lambda output: (output - 1).square().sum())
        gamma = osm.backward_step(signals).gamma
        for k in range(2):
            s = float(np.linalg.norm(signals.weights[k + 1].numpy(), 2))
            tilde = 34 * signals.backward[k + 1].numpy()
            spread = math.sqrt((np.abs(tilde - tilde.mean(0)) ** 2).sum() / 34)
            handed = 0.0 if P.kind == "deflated" else np.linalg.norm(tilde.mean(0))
            assert float(gamma[k]) == pytest.approx(s * math.hypot(P.rate * spread, handed), rel=1e-8)


@pytest.mark.parametrize("seed", range(8))  # rounding below zero would hide the fault in every second draw
def test_dirichlet_energy_of_two_far_components(seed):
    """Two chains, far apart, with noise of 1e-8: squares cancel, differences do not."""
    chain = torch.arange(999)
    one_way = torch.stack([chain, chain + 1])
    edges = torch.cat([part + shift for part in (one_way, one_way.flip(0)) for shift in (0, 1000)], 1)
    noise = np.random.default_rng(seed).standard_normal(2000) * 1e-8
    X = torch.from_numpy(np.repeat([-1.0, 1.0], 1000) + noise)[:, None]
    values = X[:, 0].tolist()
    exact = math.fsum((values[s] - values[t]) ** 2 for s, t in edges.T.tolist()) / 2000
    assert float(osm.dirichlet_energy(X, edges)) == pytest.approx(exact, rel=1e-6, abs=0)


@pytest.mark.parametrize("seed", range(8))
def test_effective_rank_of_a_badly_conditioned_signal(seed):
    singular = np.array([1, 0.5, 1e-8, 1e-8, 1e-8, 1e-8])
    left, right = (np.linalg.qr(signal(size, 6, seed=size + seed).numpy())[0] for size in (50, 6))
    share = singular / singular.sum()
    expected = math.exp(-float((share * np.log(share)).sum()))
    found = float(osm.effective_rank(torch.from_numpy(left @ np.diag(singular) @ right.T)))
    assert found == pytest.approx(expected, rel=1e-13)


def by_loops(pi, scaling, B):
    """σ(B̃), B̃_i = scaling_i B_i / π_i, node by node."""
    tilde = [scaling[i] * B[i] / pi[i] for i in range(len(B))]
    centre = sum(p * b for p, b in zip(pi, tilde, strict=True))
    return float(sum(p * (b - centre).square().sum() for p, b in zip(pi, tilde, strict=True))) ** 0.5


class Weighted(torch.nn.Module):
    """One layer, whose output is kept with its error."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, edges, *weights):
        self.output = self.layer(x, edges, *weights)
        self.output.retain_grad()
        return self.output


def test_improved_convolutions_count_their_loops_twice():
    torch.manual_seed(0)
    edges, X = edge_index_of(GRAPHS["karate"]), signal(34, 3)
    model = Weighted(gnn.GCNConv(3, 2, improved=True)).double()
    table = run(model, X, edges)
    d = degree(edges[1], 34).double() + 2
    expected = by_loops(d / d.sum(), (d / d.mean()).sqrt(), model.output.grad)
    assert table["backward_deviation"][0] == pytest.approx(expected, rel=EXACT)


def test_messages_that_flow_backwards_are_received_at_the_source():
    torch.manual_seed(0)
    edges, X = edge_index_of(GRAPHS["karate"]), signal(34, 3)
    weights = torch.rand(edges.shape[1], dtype=torch.float64) + 0.1
    model = Weighted(gnn.GCNConv(3, 2, flow="target_to_source")).double()
    table = run(model, X, edges, weights)
    d = torch.ones(34, dtype=torch.float64)
    for node, weight in zip(edges[0].tolist(), weights, strict=True):
        d[node] += weight
    expected = by_loops(d / d.sum(), (d / d.mean()).sqrt(), model.output.grad)
    assert table["backward_deviation"][0] == pytest.approx(expected, rel=EXACT)


def test_moments_change_their_unit_only_where_squares_leave_the_dtype():
    X = signal(34, 3)
    assert feature_moments(X, None).scale == feature_moments(X.float(), None).scale == 1
    assert float(feature_moments(X * 1e-200, None).scale) == 2.0 ** math.floor(math.log2(float(X.abs().max()) * 1e-200))


def test_float64_matrices_keep_their_bits():
    """P1 = 1 to rounding is exact enough: only what is off by more is divided by its sums."""
    dense = torch.tensor([[0.7, 0.2, 0.1]] * 3, dtype=torch.float64)
    assert 0.7 + 0.2 + 0.1 != 1
    assert torch.equal(osm.Propagation.from_matrix(dense).to_dense(), dense)
    dense[1, 2] += 1e-11
    assert float(osm.Propagation.from_matrix(dense).to_dense()[1, 2]) == pytest.approx(
        (0.1 + 1e-11) / (1 + 1e-11), rel=1e-15
    )


@pytest.mark.parametrize(
    ("matrix", "words"),
    [([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], "2 connected components"), ([[0, 1], [1, 0]], "P is periodic")],
)
def test_a_warning_points_at_who_asked_for_the_rate(matrix, words):
    P = osm.Propagation.from_matrix(matrix)
    with pytest.warns(UserWarning, match=words) as told:
        assert P.rate == 1
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("output", "targets", "share"),
    [
        ([0.2, -0.1, 3.0, -2.0, 0.0], [1.0, 1, -1, -1, 1], 2 / 5),  # 0 has no sign: it is no class
        ([0.2, -0.1, 3.0, -2.0, 0.0], [1.0, 1, -1, -1, 0.5], None),  # a number, no class
    ],
)
def test_accuracy_of_signs(output, targets, share):
    objective = Objective("mse", torch.tensor(targets)[:, None], torch.full((5, 1), 0.2))
    found = objective.accuracy(torch.tensor(output)[:, None])
    assert found is None if share is None else float(found) == pytest.approx(share)
    if share is not None:
        mask = torch.tensor([True, True, False, False, False])
        assert float(objective.accuracy(torch.tensor(output)[:, None], mask)) == 0.5


@pytest.mark.parametrize("kind", [None, "gcn"])
def test_moments_of_signals_of_more_than_one_block(kind):
    """Rows are taken in blocks of 2^18 entries: here two, the second one shorter."""
    n, d = 3000, 100
    chain = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    P = kind and osm.Propagation.from_edges(torch.cat([chain, chain.flip(0)], 1), n, kind=kind)
    X = signal(n, d) + 1
    pi, scaling = P.measure() if P else (X.new_full((n, 1), 1 / n), X.new_ones(n, 1))
    Z = X / scaling
    centre = (pi * Z).sum(0)
    spread, size = (pi[:, 0] * (Z - centre).square().sum(1)).sum(), centre.square().sum()
    spare = {}
    for _ in range(2):  # the second time in the memory of the first
        found = feature_moments(X, P, spare)
        assert torch.allclose(torch.stack([found.spread, found.centre]), torch.stack([spread, size]), rtol=1e-12)
    batch = feature_moments(torch.stack([X, 2 * X]), P)
    assert torch.allclose(batch.spread, torch.stack([spread, 4 * spread]), rtol=1e-12)
    leaf = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(feature_moments(leaf, P).spread, leaf)
    assert torch.allclose(grad, 2 * pi * (Z - centre) / scaling, rtol=1e-9, atol=1e-15)


@pytest.mark.filterwarnings("error")
def test_a_batch_goes_through_both_passes_without_a_warning():
    """torch warns where the room made for a product has another shape, and makes other room."""
    net = osm.Network(propagation_of("karate"), [2, 5, 4, 1], "tanh", seed=[0, 1, 2])
    signals = osm.trace(net, signal(34, 2), lambda output: output.square().sum((-1, -2)))
    assert [tuple(gradient.shape) for gradient in signals.gradients] == [(3, 2, 5), (3, 5, 4), (3, 4, 1)]
