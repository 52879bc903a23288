"""Passes that hold a few layers at a time, against those that hold all: equal numbers, less memory, one more pass."""

from copy import deepcopy

import pytest
import torch
from cases import WAVE, close, close_tables, propagation_of, signal, unfriendly_network

import oversmooth as osm
from oversmooth import checkpointing, signals

pytestmark = pytest.mark.usefixtures("random_state_untouched")
ACTIVATIONS = ["identity", "tanh", "relu", "gelu", WAVE]
name_of = lambda a: a if isinstance(a, str) else a.name  # noqa: E731
WIDTHS = {depth: (3, *[5, 2, 4, 6, 7, 3, 1, 2, 8, 3, 5][: depth - 1], 3) for depth in (1, 2, 3, 4, 5, 9, 10, 12)}


def each(output):
    return torch.stack([one.pow(3).sum() + one[0, 0] * one[-1, -1] for one in output])


def alone(output):
    return each(output[None])[0]


@pytest.mark.parametrize("depth", WIDTHS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=name_of)
def test_streamed_profile_is_the_profile_of_the_trace(activation, depth):
    network, X = unfriendly_network(activation, widths=WIDTHS[depth], output_bias=True), signal(7, 3)
    plain = osm.layer_profile(osm.trace(network, X, alone))
    assert close_tables(osm.streamed_profile(network, X, alone), plain, 1e-12, 0)
    assert (plain["gradient"] > 0).any()


@pytest.mark.parametrize("batched", ["weights", "features", "both"])
@pytest.mark.parametrize("graph", ["two components", "random with an isolated node"])
def test_streamed_profile_of_a_batch(batched, graph):
    P = propagation_of(graph, "random_walk")
    X = signal(P.num_nodes, 3, None if batched == "weights" else 2)
    network = unfriendly_network("tanh", P, seed=4 if batched == "features" else [4, 1])
    plain = osm.layer_profile(osm.trace(network, X, each))
    assert close_tables(osm.streamed_profile(network, X, each), plain, 1e-12, 0)


@pytest.mark.parametrize("depth", [1, 2, 5, 12])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=name_of)
@pytest.mark.parametrize("seed", [3, [3, 8]], ids=["single", "batch"])
def test_checkpointed_training_is_training(activation, depth, seed):
    network = unfriendly_network(activation, widths=WIDTHS[depth], output_bias=True, seed=seed)
    X, y, twin = signal(7, 3), signal(7, 3, seed=1), deepcopy(network)
    options = {"steps": 4, "record_every": 2, "lr": 0.01}
    plain, lean = osm.fit(network, X, y, **options).table, osm.fit(twin, X, y, checkpoint=True, **options).table
    assert close_tables(lean, plain, 1e-12, 0)
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert close(one, other, 1e-12, 0)


@pytest.mark.parametrize(("depth", "layers"), [(16, 8), (36, 12), (100, 20)])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_holds_two_square_roots_of_the_depth_and_computes_each_layer_twice(monkeypatch, depth, layers, activation):
    P = propagation_of("karate")
    network, held, most, steps = osm.Network(P, [4] * (depth + 1), activation), None, 0, 0
    advance = signals.advance

    def counted(*arguments):
        nonlocal steps
        steps += 1
        return advance(*arguments)

    monkeypatch.setattr(checkpointing, "advance", counted)
    held, output = checkpointing.checkpointed_pass(network, signal(34, 4))
    for _ in signals.backward_pass(network, held, torch.ones_like(output)):
        most = max(most, len(held.kept) + len(held.near))
    assert most <= layers
    assert steps <= 2 * depth


def test_streamed_profile_checks_its_arguments():
    network = unfriendly_network()
    with pytest.raises(ValueError, match="6 rows"):
        osm.streamed_profile(network, signal(6, 3), alone)
    with pytest.raises(ValueError, match="a scalar"):
        osm.streamed_profile(network, signal(7, 3), lambda output: output)
    X = signal(7, 3).requires_grad_()
    osm.streamed_profile(network, X, alone)
    assert X.grad is None and all(p.grad is None and p.requires_grad for p in network.parameters())
