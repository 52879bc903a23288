"""The counter-example in rational numbers: every depth, no float."""

from fractions import Fraction

import pytest

import oversmooth as osm
from oversmooth import exact_counterexample


@pytest.mark.parametrize("activation", ["elu", "relu"])
def test_the_perceptron_at_every_depth(activation):
    for depth in range(2, 501):
        found = exact_counterexample(depth, activation=activation)
        assert found.loss == Fraction(19, 40) and found.gradient == (0, Fraction(-171, 200))
        assert found.others == (0,) * (depth - 1) and found.last == Fraction(9, 10)


def test_the_twin_is_its_closed_form():
    # Every depth to 120; beyond, both parities: its fractions grow long, and all of them would take a minute.
    for depth in [*range(2, 121), *range(121, 500, 31), 500]:
        found, a = exact_counterexample(depth, "cycle"), Fraction(1, 2 * 3**depth)
        w = 9 / (9 + 4 * a * a)
        assert found.last == w and found.others == (0,) * (depth - 1)
        assert found.gradient == (0, w / 2 * (9 * (w - 1) - (-1) ** depth * 2 * a))
        assert found.loss == 9 * (w - 1) ** 2 / 4 + w * w * a * a + Fraction(1, 4)


@pytest.mark.parametrize("graph", [None, "cycle"])
@pytest.mark.parametrize("depth", [2, 3, 8, 40])
def test_the_floats_of_the_library_are_these_rounded(graph, depth):
    exact, floats = exact_counterexample(depth, graph), osm.counterexample(depth, graph)
    assert floats.loss == pytest.approx(float(exact.loss), rel=1e-15, abs=0)
    assert floats.gradient[:, 0].tolist() == pytest.approx([float(g) for g in exact.gradient], rel=1e-14, abs=0)
    assert float(floats.network.weights[-1]) == pytest.approx(float(exact.last), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((1,), "depth is 1"), ((3, "star"), "graph is 'star'"), ((3, None, "tanh"), "activation is 'tanh'; rational on")],
)
def test_what_is_not_the_counterexample_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        exact_counterexample(*arguments)
