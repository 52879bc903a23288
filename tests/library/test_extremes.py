"""Finite signals of any size have finite, right measures, or are refused in words; repeated edges count once each."""

import math

import pytest
import torch
from cases import EXACT, GRAPHS, edge_index_of, propagation_of, signal

import oversmooth as osm

SIZES = {torch.float32: (1e-37, 1e-30, 1e-21, 1e21, 1e30, 1e36), torch.float64: (1e-300, 1e-200, 1e-155, 1e155, 1e300)}
CASES = [(dtype, size) for dtype, sizes in SIZES.items() for size in sizes]
EDGES = edge_index_of(GRAPHS["karate"])
WEIGHINGS = {"uniform": None, "metropolis": propagation_of("karate"), "gcn": propagation_of("karate", "gcn")}
# Measure -> the power of the signal's size with which it grows.
OF_NODES = {
    osm.mean: 1,
    osm.deviation: 1,
    osm.relative_deviation: 0,
    osm.backward_mean: 1,
    osm.backward_deviation: 1,
}
OF_EDGES = {osm.mean_average_distance: 0}


def tolerance(dtype):
    return 2e-6 if dtype == torch.float32 else EXACT


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize(("dtype", "size"), CASES)
def test_measures_of_signals_of_any_size(dtype, size, weighing):
    X, P = signal(34, 3), WEIGHINGS[weighing]
    large = (X * size).to(dtype)
    for measure, power in OF_NODES.items():
        expected, near = measure(X, P), tolerance(dtype)
        found = measure(large, P).double() / (size**power)
        assert torch.allclose(found, expected, rtol=near, atol=near), measure.__name__


@pytest.mark.parametrize(("dtype", "size"), CASES)
def test_measures_without_a_unit(dtype, size):
    X = signal(34, 3)
    large = (X * size).to(dtype)
    for expected, found in (
        (osm.mean_average_distance(X, EDGES), osm.mean_average_distance(large, EDGES)),
        (osm.effective_rank(X), osm.effective_rank(large)),
    ):
        assert float(found) == pytest.approx(float(expected), rel=tolerance(dtype))


def test_one_row_of_another_size_keeps_its_direction():
    X = signal(34, 3)
    expected = float(osm.mean_average_distance(X, EDGES))
    X[5] *= 1e-250
    X[9] *= 1e250
    assert float(osm.mean_average_distance(X, EDGES)) == pytest.approx(expected, rel=EXACT)
    X[7] = 0
    assert math.isfinite(float(osm.mean_average_distance(X, EDGES)))


def test_seeds_of_different_sizes_are_each_measured_in_its_own_unit():
    X = signal(34, 3)
    batch = torch.stack([X, X * 1e200, torch.zeros_like(X), X * 1e-200])
    one = float(osm.relative_deviation(X))
    assert osm.relative_deviation(batch).tolist() == pytest.approx([one, one, 0, one], rel=EXACT)
    sizes = torch.tensor([1, 1e200, 1, 1e-200], dtype=torch.float64)
    assert (osm.deviation(batch) / sizes)[[0, 1, 3]].tolist() == pytest.approx([float(osm.deviation(X))] * 3, rel=EXACT)


@pytest.mark.parametrize("size", [1e-160, 1e-120, 1e120, 1e150])
def test_energies_of_any_size_that_can_be_written(size):
    X = signal(34, 3)
    for energy in (osm.energy, lambda x: osm.dirichlet_energy(x, EDGES)):
        expected = float(energy(X)) * size * size
        assert float(energy(X * size)) == pytest.approx(expected, rel=1e-9 if expected > 1e-300 else 1e-3, abs=0)


def test_a_measure_that_cannot_be_written_is_refused_in_words():
    X = signal(34, 3)
    for energy in (osm.energy, lambda x: osm.dirichlet_energy(x, EDGES)):
        with pytest.raises(ValueError, match=r"features is so large that this measure exceeds torch\.float64"):
            energy(X * 1e200)
    with pytest.raises(ValueError, match="backward is so large"):
        osm.backward_mean(torch.full((34, 1), 1e308, dtype=torch.float64))


def test_the_gradient_of_a_measure_in_another_unit():
    X = signal(34, 3)
    grads = []
    for size in (1.0, 1e200, 1e-200):
        leaf = (X * size).requires_grad_()
        (grad,) = torch.autograd.grad(osm.relative_deviation(leaf), leaf)
        grads.append(grad * size)
    assert torch.allclose(grads[0], grads[1], rtol=1e-9) and torch.allclose(grads[0], grads[2], rtol=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_profile_of_extreme_signals_equals_the_one_of_usual_size(size):
    """A linear network is linear: all columns but the ratios scale with the signal, and none is lost."""
    P, X = propagation_of("karate"), signal(34, 2)
    net = osm.Network(P, [2, 3, 1], "identity", seed=[0, 1])
    profile, other = (
        osm.layer_profile(osm.trace(net, X * one, lambda output: output.sum((-1, -2)))) for one in (1.0, size)
    )
    for name in profile.columns:
        factor = size if name in ("feature_deviation", "feature_norm", "gradient") else 1.0
        assert other[name].to_numpy() == pytest.approx(profile[name].to_numpy() * factor, rel=1e-9, abs=0), name


@pytest.mark.parametrize("measure", [osm.dirichlet_energy, osm.mean_average_distance])
def test_an_edge_that_stands_three_times_counts_three_times(measure):
    X = signal(34, 3)
    one = float(measure(X, EDGES))
    assert float(measure(X, EDGES.repeat(1, 3))) == pytest.approx(3 * one, rel=EXACT)
    order = torch.randperm(EDGES.shape[1], generator=torch.Generator().manual_seed(0))
    assert float(measure(X, EDGES[:, order])) == pytest.approx(one, rel=EXACT)
    some = torch.cat([EDGES, EDGES[:, :5]], 1)
    assert float(measure(X, some)) == pytest.approx(one + float(measure(X, EDGES[:, :5])), rel=EXACT)


BAD = {
    "sparse": lambda X: X.to_sparse(),
    "meta": lambda X: X.to("meta"),
    "float16": lambda X: X.half(),
    "bfloat16": lambda X: X.bfloat16(),
    "complex128": lambda X: X + 0j,
    "torch.bool": lambda X: X > 0,
    "torch.int64": lambda X: X.long(),
    "at least one node": lambda X: X[:0],
    "at least one node and one feature": lambda X: X[:, :0],
}


@pytest.mark.parametrize("words", BAD)
def test_signals_that_cannot_be_measured_are_refused_by_name(words):
    X, P = signal(34, 2), propagation_of("karate")
    bad, net = BAD[words](X), osm.Network(P, [2, 1])
    calls = [lambda: P @ bad, lambda: P.adjoint(bad), lambda: net(bad), lambda: osm.trace(net, bad, torch.sum)]
    calls += [lambda measure=measure: measure(bad) for measure in (*OF_NODES, osm.effective_rank, osm.energy)]
    calls += [lambda measure=measure: measure(bad, EDGES[:, :0]) for measure in (*OF_EDGES, osm.dirichlet_energy)]
    for call in calls:
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: osm.Propagation.from_edges(EDGES > 0, 34), "torch.bool; integers"),
        (lambda: osm.Propagation.from_edges(EDGES + 0j, 34), "complex64; integers"),
        (lambda: osm.Propagation.from_edges(EDGES, 34, dtype=torch.int64), "dtype is torch.int64"),
        (lambda: osm.Propagation.from_matrix(torch.ones(1, 1) + 0j), "complex64; real"),
        (lambda: osm.Propagation.from_matrix([[1 + 1j]]), "complex; real"),
        (lambda: osm.Network(propagation_of("path"), [3, 1], dtype=torch.int64), "dtype is torch.int64"),
        (lambda: osm.Network(None, [3, 4, 1]), "propagation is None; a Propagation"),
    ],
)
def test_what_is_no_graph_or_network_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()
