"""The device of the input decides: CUDA against the CPU where there is a CUDA device, and an error for a mixture."""

import pytest
import torch
from cases import ITERATIVE, KINDS, close, close_tables, propagation_of, signal, unfriendly_network

import oversmooth as osm

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def cubes(output):
    return output.pow(3).mean()


def same(actual, expected):
    return actual.device.type == "cuda" and close(actual.cpu(), expected, ITERATIVE, 1e-12)


def test_a_mixture_of_devices_is_named():
    network = unfriendly_network().to("meta")
    for run in (network, lambda x: osm.trace(network, x, cubes), lambda x: osm.fit(network, x, signal(7, 3), steps=1)):
        with pytest.raises(ValueError, match=r"(features|X) is on cpu, the weights on meta: move one"):
            run(signal(7, 3))


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_pass_on_cuda_is_the_pass_on_the_cpu(kind, seeds):
    P = propagation_of("random with an isolated node", kind)
    network, X = unfriendly_network("tanh", P, seed=4 if seeds is None else seeds), signal(P.num_nodes, 3)
    here = osm.trace(network, X, cubes)
    there = osm.trace(network.to("cuda"), X.cuda(), cubes)
    for name in ("features", "propagated", "preactivations", "backward", "gradients"):
        for actual, expected in zip(getattr(there, name), getattr(here, name), strict=True):
            assert same(actual, expected)
    tables = [osm.layer_profile(there), osm.streamed_profile(network, X.cuda(), cubes)]
    for table in tables:
        assert close_tables(table, osm.layer_profile(here), ITERATIVE, 1e-12)


@needs_cuda
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_training_on_cuda_is_training_on_the_cpu(loss, checkpoint):
    P = propagation_of("karate", "random_walk")
    here, there = (osm.Network(P, [3, 5, 4, 2], seed=[0, 1]) for _ in range(2))
    X = signal(34, 3)
    y = signal(34, 2, seed=1) if loss == "mse" else torch.arange(34) % 2
    mask = torch.arange(34) % 3 > 0
    options = {"loss": loss, "steps": 5, "checkpoint": checkpoint, "mask": mask, "test_mask": ~mask}
    expected = osm.fit(here, X, y, **options).table
    actual = osm.fit(there.to("cuda"), X.cuda(), y, **options).table
    assert close_tables(actual, expected, ITERATIVE, 1e-12)
    for one, other in zip(there.weights, here.weights, strict=True):
        assert same(one.detach(), other.detach())


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_measures_and_products_follow_their_signal(kind):
    P, X = propagation_of("karate", kind), signal(34, 3, 2)
    for measure in (osm.mean, osm.deviation, osm.energy, osm.relative_deviation, osm.backward_deviation):
        assert same(measure(X.cuda(), P), measure(X, P))
    assert same(P @ X.cuda(), P @ X)
    assert same(P.adjoint(X[0].cuda()), P.adjoint(X[0]))
