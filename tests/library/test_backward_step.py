"""The mean transport by hand and in its conserved case; the backward step: never violated, and attained."""

import math

import numpy as np
import pytest
import torch
from bounds_cases import (
    EDGE_KINDS,
    MATRIX_KINDS,
    ROUNDING,
    loss_of,
    many,
    passes,
    propagation,
    slowest_mode,
    star_with_errors_on_two_leaves,
    step_bounded,
    unsmoothing_allowed,
)
from cases import EXACT
from hypothesis import given

import oversmooth as osm

pytestmark = unsmoothing_allowed


@pytest.mark.parametrize("kind", [*EDGE_KINDS, *MATRIX_KINDS])
def test_without_activation_the_summed_error_is_conserved(kind):
    """40 layers, identity: the transport is Σ_i B_i (for GCN Σ_i √d̃_i B_i) to rounding."""
    n, random = 30, np.random.default_rng(8)
    P = propagation(kind, "random", n, random)
    net = osm.Network(P, [5, *[7] * 39, 3], "identity", seed=4)
    X = torch.from_numpy(random.standard_normal((n, 5)))
    signals = osm.trace(net, X, loss_of("weird", n, 3, random))
    scale = 1.0
    if kind == "gcn":
        degree = 1 / P.to_dense().diagonal()
        scale = (degree / degree.mean()).sqrt()[:, None]
    for value, B in zip(osm.mean_transport(signals), signals.backward, strict=True):
        expected = (scale * B).sum(0)
        assert (value - expected).norm() <= ROUNDING * expected.norm()
        assert expected.norm() > 1e-3, "nothing is tested where the mean error is rounding"


def test_transport_of_three_nodes_by_hand():
    """Path 0-1-2, random walk: π = (2, 3, 2)/7. tanh, one feature; B⁽¹⁾ = (1, 0, 2), W⁽¹⁾ = 2."""
    P = osm.Propagation.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3, kind="random_walk")
    net = osm.Network(P, [1, 1, 1], "tanh")
    with torch.no_grad():
        net.weights[0].fill_(1.0)
        net.weights[1].fill_(2.0)
    X = torch.tensor([[1.0], [0.0], [0.5]], dtype=torch.float64)
    signals = osm.trace(net, X, lambda y: y[0, 0] + 2 * y[2, 0])
    # PX = (1/2, 1/2, 1/4), its mean (2·1/2 + 3·1/2 + 2·1/4)/7 = 3/7
    expected = 3 * 2 * (1 - math.tanh(3 / 7) ** 2)
    transport = osm.mean_transport(signals)
    assert transport[1].item() == pytest.approx(3, rel=EXACT)
    assert transport[0].item() == pytest.approx(expected, rel=EXACT)
    # B̃⁽¹⁾ = 7·(1/2, 0, 2/2), so σ² = 49·(2·1/4 + 2·1)/7 − 9
    assert osm.certificate(signals).deviation[1].item() == pytest.approx(math.sqrt(17.5 - 9), rel=EXACT)


@many
@given(passes())
def test_the_backward_step_is_never_violated(signals):
    assert step_bounded(signals)


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_deviation_bound_is_attained(kind):
    """The error is +1 and −1 on the two active leaves: an eigenvector, of mean zero, untouched by R. σ(B̃) = r_∞ γ."""
    step = osm.backward_step(star_with_errors_on_two_leaves(kind, [0, 1, -1, 0, 0]))
    assert step.delta.item() == 0 and step.r_inf.item() == 1
    assert step.deviation.item() == pytest.approx(step.deviation_bound.item(), rel=EXACT)
    # by hand: λ = 1 − 1/n (metropolis) or 1/2 (random walk), ‖W‖ = 2, σ² of the error = 2π_leaf
    rate, leaf = (0.8, 0.2) if kind == "metropolis" else (0.5, 2 / 13)
    assert step.deviation.item() == pytest.approx(2 * rate * math.sqrt(2 * leaf), rel=EXACT)


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_departure_bound_is_nearly_attained(kind):
    """Cauchy-Schwarz is tight where G is a multiple of R: here the error that propagation turns into almost that."""
    rate = 0.8 if kind == "metropolis" else 0.5
    signals = star_with_errors_on_two_leaves(kind, [0.5, *[0.5 + 0.5 / rate] * 2, *[0.5 - 0.5 / rate] * 2])
    step = osm.backward_step(signals)
    # G̃ = −2·(1/2, 1, 1, 0, 0): all that Cauchy-Schwarz loses is the centre
    leaf, centre = (0.2, 0.2) if kind == "metropolis" else (2 / 13, 5 / 13)
    assert step.departure.item() == pytest.approx(2 * 2 * leaf, rel=EXACT)
    expected = math.sqrt(2 * leaf) * 2 * math.sqrt(2 * leaf + centre / 4)
    assert step.departure_bound.item() == pytest.approx(expected, rel=EXACT)
    assert step.departure_bound.item() < 1.3 * step.departure.item()


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_without_activation_the_step_is_attained_on_the_slowest_mode(kind):
    signals = slowest_mode(kind, depth=2)
    step = osm.backward_step(signals)
    assert step.r_inf.item() == 0 and step.departure_bound.item() == 0
    assert step.deviation.item() == pytest.approx(step.deviation_bound.item(), rel=EXACT)
