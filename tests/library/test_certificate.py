"""The certificate: never violated, attained, and reading nothing but the last backward signal."""

import dataclasses

import numpy as np
import pytest
import torch
from bounds_cases import (
    certified,
    each_named,
    make_signals,
    many,
    passes,
    propagation,
    same_values,
    slowest_mode,
    star_with_errors_on_two_leaves,
    unsmoothing_allowed,
)
from cases import EXACT
from hypothesis import given

import oversmooth as osm

pytestmark = unsmoothing_allowed


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_certificate_is_attained(kind, method):
    """Every layer's gradient equals its bound: on the slowest mode, and on a constant signal."""
    depth = 6
    signals = slowest_mode(kind, depth)
    value = osm.certificate(signals, method)
    for k in range(depth):
        assert value.gradient[k].item() == pytest.approx(signals.gradients[k].abs().item(), rel=EXACT)


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "one_way"])
def test_the_certificate_is_attained_where_nothing_varies(kind, method):
    """Constant features and a constant error. "plain" multiplies norms, so it needs one feature everywhere."""
    P = propagation(kind, "star", 5, np.random.default_rng(0))
    widths = [1, 4, 2, 3, 2] if method == "transport" else [1] * 5
    net = osm.Network(P, widths, "tanh", weight_scale=1.4, seed=1)
    X = torch.full((5, 1), 0.7, dtype=torch.float64)
    signals = osm.trace(net, X, lambda y: 3 * (P.stationary[:, None] * y).sum())
    value = osm.certificate(signals, method)
    for bound, gradient in zip(value.gradient, signals.gradients, strict=True):
        assert bound.item() == pytest.approx(gradient.norm().item(), rel=EXACT)


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_certified_deviation_is_attained_with_a_jumping_slope(kind, method):
    """The star again: half of the roughness comes through the midpoint of the slopes 0 and 1, half by their range."""
    signals = star_with_errors_on_two_leaves(kind, [0, 1, -1, 0, 0])
    rough = osm.backward_deviation(signals.backward[0], signals.propagation).item()
    assert osm.certificate(signals, method).deviation[0].item() == pytest.approx(rough, rel=EXACT)


@many
@given(passes(min_depth=1))
def test_the_certificate_is_never_violated(signals):
    assert certified(signals)


@each_named
def test_the_certificate_reads_the_last_backward_signal_only(case):
    signals = make_signals(**case)
    generator = torch.Generator().manual_seed(0)

    def noise(tensors):
        return [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]

    garbage = dataclasses.replace(
        signals, backward=[*noise(signals.backward[:-1]), signals.backward[-1]], gradients=noise(signals.gradients)
    )
    for method in ("transport", "plain"):
        value, expected = osm.certificate(garbage, method), osm.certificate(signals, method)
        for field in dataclasses.fields(value):
            assert torch.equal(getattr(value, field.name), getattr(expected, field.name))
    other = dataclasses.replace(signals, backward=[*signals.backward[:-1], 2 * signals.backward[-1]])
    assert same_values(osm.certificate(other).gradient, 2 * osm.certificate(signals).gradient)


@pytest.mark.parametrize(("kind", "factor"), [("random_walk", 30), ("metropolis", 100)])
def test_the_certificate_on_the_reference_network(kind, factor):
    """CSBM, 400 nodes, tanh, depth 33, orthogonal, last layer trained: within 30 of every layer's gradient."""
    data = osm.csbm(seed=0)
    X, y = data.x.double(), 2.0 * data.y.double() - 1
    net = osm.Network(osm.Propagation.from_data(data, kind=kind), [8, *[32] * 32, 1], "tanh", seed=0)
    net = osm.train_last_layer(net, X, y, how="budget", budget=3.0)
    assert torch.linalg.matrix_norm(net.weights[-1], 2) <= 3 + EXACT
    signals = osm.trace(net, X, lambda output: (output[:, 0] - y).square().mean())
    gradient = torch.stack([g.norm() for g in signals.gradients])
    ratio = osm.certificate(signals).gradient / gradient
    assert (ratio >= 1).all() and (ratio <= factor).all()
    loose = osm.certificate(signals, "plain").gradient / gradient
    assert (loose[:-1] > ratio[:-1]).all()
