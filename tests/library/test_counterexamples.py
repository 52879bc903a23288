"""The exact counter-example: closed forms against `trace`, autograd and exact fractions, at every depth and width."""

from fractions import Fraction

import pytest
import torch

import oversmooth as osm

ROUNDING = 1e-12


def squared_error(example):
    return lambda output: (output - example.targets).square().mean()


def exact_gradients(depth, kind):
    """∂𝓛/∂W⁽ᵏ⁾ for scalar hidden layers in exact fractions, last layer solved exactly; all signals are positive."""
    third = Fraction(1, 3)
    rows = {"identity": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}
    rows["metropolis"] = [[0 if abs(i - j) == 2 else third for j in range(4)] for i in range(4)]
    P = rows[kind]

    def propagate(x):
        return [sum(p * v for p, v in zip(row, x, strict=True)) for row in P]

    first, y = [Fraction(v) for v in (1, 1, 2, 2)], [Fraction(v) for v in (1, 2, 1, 2)]
    signals = [propagate(first)]
    for _ in range(depth - 1):
        signals.append(propagate(signals[-1]))
    F = signals[-1]
    w = sum(f * t for f, t in zip(F, y, strict=True)) / sum(f * f for f in F)
    B = [2 * (w * f - t) / 4 for f, t in zip(F, y, strict=True)]
    loss = sum((w * f - t) ** 2 for f, t in zip(F, y, strict=True)) / 4
    assert sum(f * b for f, b in zip(F, B, strict=True)) == 0
    B = [w * b for b in B]
    for _ in range(depth - 1):
        B = propagate(B)  # P is symmetric
    second = propagate(y)
    return float(sum(x * b for x, b in zip(second, B, strict=True))), float(loss), float(w)


@pytest.mark.parametrize("activation", ["elu", "relu"])
@pytest.mark.parametrize("depth", [2, 3, 5, 17, 100, 500])
@pytest.mark.parametrize("width", [1, 2, 7, 32])
def test_the_mlp_is_exact(depth, width, activation):
    example = osm.counterexample(depth, activation=activation, width=width)
    signals = osm.trace(example.network, example.features, squared_error(example))
    assert signals.depth == depth
    assert signals.loss.item() == pytest.approx(0.475, abs=ROUNDING)
    expected = torch.zeros(2, width, dtype=torch.float64)
    expected[1, 0] = -0.855
    assert (signals.gradients[0] - expected).abs().max() < ROUNDING
    assert all(gradient.abs().max() < ROUNDING for gradient in signals.gradients[1:])
    assert all(torch.linalg.matrix_norm(weight, 2) <= 1 + ROUNDING for weight in signals.weights)
    assert torch.equal(example.gradient, expected) and example.loss == 0.475


@pytest.mark.parametrize("activation", ["elu", "relu"])
def test_every_depth_from_2_to_60(activation):
    for depth in range(2, 61):
        example = osm.counterexample(depth, activation=activation)
        loss = squared_error(example)(example.network(example.features))
        first, *others = torch.autograd.grad(loss, list(example.network.weights))
        assert first.flatten().tolist() == pytest.approx([0.0, -0.855], abs=ROUNDING)
        assert max(gradient.abs().max() for gradient in others) < ROUNDING


@pytest.mark.parametrize(("graph", "kind"), [(None, "identity"), ("cycle", "metropolis")])
@pytest.mark.parametrize("depth", [2, 3, 8, 21, 40])
def test_closed_forms_are_exact(graph, kind, depth):
    slope, loss, w = exact_gradients(depth, kind)
    example = osm.counterexample(depth, graph)
    assert example.gradient[1, 0].item() == pytest.approx(slope, rel=1e-14)
    assert example.loss == pytest.approx(loss, rel=1e-14)
    assert example.network.weights[-1].item() == pytest.approx(w, rel=1e-15)


@pytest.mark.parametrize("activation", ["elu", "relu"])
@pytest.mark.parametrize("width", [1, 5])
def test_the_twin_on_the_cycle(activation, width):
    for depth in range(2, 41):
        example = osm.counterexample(depth, "cycle", activation, width)
        signals = osm.trace(example.network, example.features, squared_error(example))
        assert (signals.gradients[0] - example.gradient).abs().max() < 2e-15
        assert all(gradient.abs().max() < 2e-15 for gradient in signals.gradients[1:])
        assert signals.loss.item() == pytest.approx(example.loss, abs=1e-15)
        # 3^{−depth}/2 up to terms smaller by another factor 3^{−depth}
        size = example.gradient[1, 0].abs().item() * 2 * 3.0**depth
        assert size == pytest.approx(1, abs=5 * 3.0**-depth + 1e-15)
    assert example.network.propagation.rate == pytest.approx(1 / 3)


@pytest.mark.parametrize("graph", [None, "cycle"])
def test_the_last_layer_is_trained(graph):
    example = osm.counterexample(6, graph)
    for how in ("exact", "budget"):
        again = osm.train_last_layer(example.network, example.features, example.targets, how=how)
        assert (again.weights[-1] - example.network.weights[-1]).abs().max() < ROUNDING


def test_the_mlp_is_not_stuck():
    example = osm.counterexample(50)
    history = osm.fit(example.network, example.features, example.targets, optimizer="sgd", lr=0.05, steps=1)
    before, after = history.table["loss"]
    # to first order the loss falls by lr ‖gradient‖²
    assert before - after == pytest.approx(0.05 * 0.855**2, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1,), "depth is 1"),
        ((2.0,), "depth is 2.0"),
        ((3, "star"), "known: None"),
        ((3, None, "tanh"), "tanh changes positive numbers"),
        ((3, None, "elu", 0), "width is 0"),
    ],
)
def test_errors(arguments, words):
    with pytest.raises(ValueError, match=words):
        osm.counterexample(*arguments)
