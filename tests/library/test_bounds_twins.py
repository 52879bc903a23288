"""Backward step, mean transport and certificate against their naive twins, on graphs, in batches and for GCN."""

import dataclasses

import cases
import numpy as np
import pytest
import reference_bounds as reference
import torch
from bounds_cases import (
    HOMOGENEOUS,
    certified,
    columns,
    each_named,
    edges,
    loss_of,
    make_pass,
    make_signals,
    propagation,
    same_step,
    same_values,
    step_bounded,
    unsmoothing_allowed,
)
from cases import close

import oversmooth as osm

pytestmark = unsmoothing_allowed


ZOO = dict(cases.all_propagations())


@each_named
def test_backward_step_is_its_naive_twin(case):
    signals = make_signals(**case)
    assert same_step(osm.backward_step(signals), columns(reference.backward_step(signals)))


@each_named
def test_mean_transport_is_its_naive_twin(case):
    signals = make_signals(**case, bias=True)
    for value, expected in zip(osm.mean_transport(signals), reference.mean_transport(signals), strict=True):
        assert same_values(value, expected)


@pytest.mark.parametrize("name", ZOO)
def test_every_operator_of_the_zoo_against_the_naive_twins(name):
    activation = "leaky_relu" if ZOO[name].kind == "gcn" else cases.WAVE
    random = np.random.default_rng(sum(map(ord, name)))
    signals = make_pass(ZOO[name], activation, 3, "masked_mse", random)
    assert same_step(osm.backward_step(signals), columns(reference.backward_step(signals)))
    for value, expected in zip(osm.mean_transport(signals), reference.mean_transport(signals), strict=True):
        assert same_values(value, expected)
    for method in ("transport", "plain"):
        value, expected = vars(osm.certificate(signals, method)), reference.certificate(signals, method)
        for field, numbers in expected.items():
            assert same_values(value[field], numbers)
    assert step_bounded(signals)
    assert certified(signals)


@pytest.mark.parametrize("method", ["transport", "plain"])
@each_named
def test_certificate_is_its_naive_twin(case, method):
    signals = make_signals(**case, bias=True)
    value = osm.certificate(signals, method=method)
    for name, expected in reference.certificate(signals, method).items():
        assert same_values(getattr(value, name), expected)


def test_weight_norms_by_eigenvalues():
    random = np.random.default_rng(0)
    weights = [random.standard_normal(shape) for shape in [(3, 5), (5, 2), (2, 2), (1, 4)]]
    assert same_values(osm.weight_norms([torch.from_numpy(w) for w in weights]), reference.weight_norms(weights))
    batch = [torch.from_numpy(random.standard_normal((3, *shape))) for shape in [(2, 4), (4, 1)]]
    expected = [reference.weight_norms([w[seed].numpy() for w in batch]) for seed in range(3)]
    assert same_values(osm.weight_norms(batch), expected)
    parameter = torch.nn.Parameter(batch[0])
    assert not osm.weight_norms([parameter]).requires_grad


@each_named
def test_a_batch_is_its_seeds(case):
    """Seeds with their own weights, and seeds with the same features: every function gives each seed's own answer."""
    signals = make_signals(**case, batch=[3, 4, 5])
    step, bound, plain = osm.backward_step(signals), osm.certificate(signals), osm.certificate(signals, "plain")
    transport = osm.mean_transport(signals)
    for seed in range(3):
        alone = osm.BackwardStep(*(getattr(step, field.name)[seed] for field in dataclasses.fields(step)))
        assert same_step(alone, columns(reference.backward_step(signals, seed)))
        for name in ("gradient", "deviation", "mean"):
            assert same_values(getattr(bound, name)[seed], reference.certificate(signals, "transport", seed)[name])
            assert same_values(getattr(plain, name)[seed], reference.certificate(signals, "plain", seed)[name])
        for value, expected in zip(transport, reference.mean_transport(signals, seed), strict=True):
            assert same_values(value[seed], expected)


def test_one_network_on_a_batch_of_features():
    """The weights have no seeds axis, the signals have."""
    random = np.random.default_rng(5)
    P = propagation("random_walk", "star", 6, random)
    net = osm.Network(P, [3, 4, 2, 2], "tanh", 1.7, seed=1)
    X = torch.from_numpy(random.standard_normal((2, 6, 3)))
    loss = loss_of("mse", 6, 2, random)
    together = osm.trace(net, X, loss)
    for seed in range(2):
        alone = osm.trace(net, X[seed], loss)
        for function in (osm.backward_step, osm.certificate):
            for field in dataclasses.fields(function(alone)):
                value = getattr(function(together), field.name)[seed]
                assert close(value, getattr(function(alone), field.name))
        for value, expected in zip(osm.mean_transport(together), osm.mean_transport(alone), strict=True):
            assert close(value[seed], expected)


@pytest.mark.parametrize("activation", HOMOGENEOUS)
@pytest.mark.parametrize("shape", ["star", "random", "isolated", "two_components"])
def test_gcn_is_the_random_walk_network_in_other_coordinates(shape, activation):
    """X = diag(√d̃) Z up to a factor: the same weights on Z, the loss of diag(√d̃) times the output."""
    n, random = 8, np.random.default_rng(3)
    edge_index = edges(shape, n, 3)
    degree = 1 + torch.bincount(edge_index[0], minlength=n).double()
    scale = (degree / degree.mean()).sqrt()[:, None]
    X, loss = torch.from_numpy(random.standard_normal((n, 3))), loss_of("masked_mse", n, 2, random)
    gcn, walk = (
        osm.Network(osm.Propagation.from_edges(edge_index, n, kind=kind), [3, 5, 4, 2], activation, 1.3, seed=2)
        for kind in ("gcn", "random_walk")
    )
    ours, twin = osm.trace(gcn, X, loss), osm.trace(walk, X / scale, lambda output: loss(scale * output))
    for gradient, expected in zip(ours.gradients, twin.gradients, strict=True):
        assert close(gradient, expected)
    assert same_step(osm.backward_step(ours), {k: v.tolist() for k, v in vars(osm.backward_step(twin)).items()})
    for method in ("transport", "plain"):
        value, expected = osm.certificate(ours, method), osm.certificate(twin, method)
        for field in dataclasses.fields(value):
            assert same_values(getattr(value, field.name), getattr(expected, field.name))
    for value, expected in zip(osm.mean_transport(ours), osm.mean_transport(twin), strict=True):
        assert same_values(value, expected)
