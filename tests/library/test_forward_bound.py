"""forward_bound: never violated, attained in a named case, and by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from cases import EXACT, GRAPHS, KINDS, MATRICES, close, propagation_of, signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oversmooth import ACTIVATIONS, Network, Propagation, deviation, forward_bound, trace

HOMOGENEOUS = sorted(name for name, rho in ACTIVATIONS.items() if rho.homogeneous)
OPERATORS = {(name, kind): propagation_of(name, kind) for name in GRAPHS for kind in KINDS} | {
    (name, "matrix"): Propagation.from_matrix(matrix) for name, matrix in MATRICES.items()
}


def measured(network, X):
    """σ(X⁽⁰⁾), …, σ(X⁽ᴸ⁾), σ(Ŷ) by plain formulas: π-weighted, in the operator's own coordinates."""
    P = network.propagation
    pi = P.stationary.numpy()
    scale = np.ones(len(pi)) if P.scaling is None else P.scaling
    signals = trace(network, X, lambda output: output.sum())
    values = []
    for Y in [*signals.features, signals.output]:
        Z = Y.numpy() / scale[:, None]
        centred = Z - np.einsum("i,...id->...d", pi, Z)[..., None, :]
        size = np.abs(centred).max((-2, -1), keepdims=True)
        size[size == 0] = 1  # the squares of a signal below 1e-154 would lose their digits
        values.append(size[..., 0, 0] * np.sqrt(np.einsum("i,...id->...", pi, (centred / size) ** 2)))
    return np.stack(values, axis=-1)


def rounding(network, X):
    """What float64 may add to each σ: 50 units in the last place of the largest entry, grown by the later weights.

    Below the smallest normal number it keeps no digits at all.
    """
    signals = trace(network, X, lambda output: output.sum())
    sizes = [Y.abs().amax((-1, -2)).numpy() for Y in [*signals.features, signals.output]]
    noise = [1e-14 * sizes[0]]
    for W, size in zip(network.weights, sizes[1:], strict=True):
        growth = network.activation.lipschitz * np.linalg.norm(W.detach().numpy(), 2, axis=(-2, -1))
        noise.append(growth * noise[-1] + 1e-14 * size)
    return np.stack(np.broadcast_arrays(*noise), axis=-1) + np.finfo(float).tiny


@st.composite
def networks(draw):
    P = OPERATORS[draw(st.sampled_from(list(OPERATORS)))]
    names = HOMOGENEOUS if P.kind == "gcn" else list(ACTIVATIONS)
    network = Network(
        P,
        draw(st.lists(st.integers(1, 6), min_size=2, max_size=8)),
        activation=draw(st.sampled_from(names)),
        weight_scale=draw(st.floats(0, 4)),
        init=draw(st.sampled_from(["orthogonal", "glorot"])),
        seed=draw(st.one_of(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=3))),
    )
    seeds = draw(st.sampled_from([None, network.num_seeds or 2]))
    size = 10.0 ** draw(st.integers(-3, 3))
    shift = draw(st.floats(-3, 3))
    return network, size * (signal(P.num_nodes, network.widths[0], seeds, draw(st.integers(0, 10**6))) + shift)


@settings(max_examples=1200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(networks())
def test_never_violated(case):
    network, X = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # λ = 1 on disconnected graphs
        bound = forward_bound(network, X).numpy()
    actual = measured(network, X)
    assert bound.shape == actual.shape
    assert (actual <= bound * (1 + EXACT) + rounding(network, X)).all()


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
@pytest.mark.parametrize("name", ["path", "karate", "grid", "barbell"])
def test_attained_by_the_slowest_mode(name, kind):
    """Identity activation, W = s·I, X the eigenvector of λ: equality at every layer."""
    P, depth, scale = propagation_of(name, kind), 6, 1.3
    values, vectors = np.linalg.eig(P.to_dense().numpy())
    slowest = vectors[:, np.argsort(np.abs(values))[-2]].real
    network = Network(P, [2] * (depth + 1), activation="identity")
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(scale * torch.eye(2, dtype=torch.float64))
    X = torch.from_numpy(np.stack([slowest, -2 * slowest], axis=1))
    if kind != "gcn":
        X = X + 5
    bound = forward_bound(network, X)
    assert close(bound, measured(network, X), 1e-8, 0)
    assert close(bound, float(deviation(X, P)) * (P.rate * scale) ** np.arange(depth + 1), 1e-8, 0)


def test_three_nodes_by_hand():
    """Path with Metropolis weights, λ = 2/3, x = (1, 2, 6), σ = √(14/3); s = 2 and 3, GELU counts its slope once."""
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    x = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    for activation, slope in (("tanh", 1.0), ("gelu", 1.128904145)):
        network = Network(Propagation.from_edges(path, 3), [1, 1, 1], activation=activation)
        with torch.no_grad():
            network.weights[0].fill_(-2)
            network.weights[1].fill_(3)
        sigma = (14 / 3) ** 0.5
        expected = [sigma, sigma * 4 / 3 * slope, sigma * 4 / 3 * slope * 2]
        assert close(forward_bound(network, x), expected, 1e-9, 0)


def test_batches_equal_their_parts():
    P = Propagation.from_matrix(MATRICES["non-reversible"])
    X, seeds = signal(7, 3, 2), [4, 9]
    make = lambda seed: Network(P, [3, 5, 2], seed=seed, init="glorot")  # noqa: E731
    singles = [make(seed) for seed in seeds]
    both = torch.stack([forward_bound(one, x) for one, x in zip(singles, X, strict=True)])
    assert close(forward_bound(make(seeds), X), both, EXACT, 0)
    shared = torch.stack([forward_bound(one, X[0]) for one in singles])
    assert close(forward_bound(make(seeds), X[0]), shared, EXACT, 0)
    one_network = torch.stack([forward_bound(singles[0], x) for x in X])
    assert close(forward_bound(singles[0], X), one_network, EXACT, 0)


@pytest.mark.parametrize("kind", ["random_walk", "gcn"])
@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_the_forward_bound_counts_an_output_bias_where_constants_are_not_constant(kind, seed):
    P, X = propagation_of("star", kind), signal(6, 2, seed=1)
    net = Network(P, [2, 3, 2], "relu", weight_scale=0.3, output_bias=True, seed=seed)
    without = forward_bound(net, X)
    with torch.no_grad():
        net.bias.copy_(torch.tensor([5.0, -1.0]))
    bound = forward_bound(net, X)
    assert (deviation(net(X).detach(), P) <= bound[..., -1]).all()
    # in GCN coordinates the bias is c/√d̃ up to a factor, and π ∝ d̃: d̃ = (6, 2, 2, 2, 2, 2), of mean 8/3
    degree = np.array([6, 2, 2, 2, 2, 2])
    value, pi = np.sqrt(8 / 3 / degree), degree / 16
    added = math.sqrt(26 * (pi @ value**2 - (pi @ value) ** 2)) if kind == "gcn" else 0.0
    assert close(bound[..., -1] - without[..., -1], torch.full_like(bound[..., -1], added))
    assert torch.equal(bound[..., :-1], without[..., :-1])


def test_leaves_no_trace_of_autograd():
    network = Network(propagation_of("karate"), [3, 4, 1])
    assert not forward_bound(network, signal(34, 3).requires_grad_()).requires_grad


def test_refuses_what_the_theory_does_not_cover():
    network = Network(propagation_of("karate", "gcn"), [3, 4, 1], activation="tanh")
    with pytest.raises(ValueError, match=r"GCN propagation .* homogeneous activation .*, not tanh"):
        forward_bound(network, signal(34, 3))
    with pytest.raises(ValueError, match="features has 33 rows"):
        forward_bound(network, signal(33, 3))


def test_gcn_with_a_smooth_activation_would_violate_it():
    """Why it is refused: tanh does not commute with the scaling, so the smoothed direction is left."""
    P = propagation_of("star", "gcn")
    fixed = torch.from_numpy(P.scaling)[:, None].contiguous()
    network = Network(P, [1, 1, 1], activation="tanh")
    signals = trace(network, fixed, lambda output: output.sum())
    assert deviation(fixed, P) < 1e-14 and deviation(signals.features[1], P) > 1e-2
