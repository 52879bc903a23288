"""The counter-example chapter's experiments, on small cases and by another road."""

import math
from fractions import Fraction

import numpy as np
import pandas
import pytest
import torch
from cases import EXACT

import oversmooth as osm
from oversmooth_book.experiments.mlp_counterexample import measure as experiment
from oversmooth_book.experiments.mlp_counterexample import training


@pytest.mark.parametrize("t", [0.0, 0.1, 0.6, 1.0])
def test_the_dial_is_a_mixture_and_has_the_predicted_rate(t):
    P = osm.Propagation.from_data(osm.csbm())
    mixed = experiment.propagation(t)
    X = torch.randn(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (mixed @ X - ((1 - t) * X + t * (P @ X))).abs().max() < EXACT
    eigenvalues = np.linalg.eigvalsh(P.to_dense().numpy())[:-1]
    assert mixed.rate == pytest.approx(np.abs(1 - t * (1 - eigenvalues)).max(), abs=1e-8)


def test_the_trained_gradient_is_autograds():
    table = experiment.trained_last_layers([6], [3])
    x, y = training.reference()
    for name, P in (("mlp", experiment.propagation(0.0)), ("gnn", experiment.propagation(1.0))):
        net = osm.train_last_layer(osm.Network(P, [8, *[32] * 5, 1], seed=3), x, y)
        loss = (net(x) - y).square().mean()
        norms = [g.norm().item() for g in torch.autograd.grad(loss, list(net.weights))]
        row = table[table["network"] == name].iloc[0]
        assert (row["gradient"], row["least"]) == pytest.approx((max(norms[:-1]), min(norms[:-1])), rel=1e-8)
        assert (row["loss"], row["rate"]) == pytest.approx((loss.item(), P.rate))


def made_up_dial(rates, constant=3.0, first=0.01):
    """A dial whose gradients follow C λ_t^depth exactly, except at t = 0, where they do not move."""
    rows = []
    for t, rate in rates.items():
        for depth in (41, 61):
            for seed in (0, 1):
                gradient = first if t == 0 else constant * rate**depth
                rows.append({"t": t, "depth": depth, "seed": seed, "rate": rate, "gradient": gradient, "loss": 0.5})
    return pandas.DataFrame(rows)


def test_rates_and_crossing_recover_an_exact_power_law():
    rates = {0.0: 1.0, 0.25: 0.9, 0.5: 0.8, 1.0: 0.6}
    table = experiment.dial_rates(made_up_dial(rates))
    assert table["measured"].tolist() == pytest.approx([1.0, 0.9, 0.8, 0.6])
    assert table["predicted"].to_numpy()[1:] == pytest.approx(table["gradient"].to_numpy()[1:])
    # between t = 0.25 (3 · 0.9⁴¹ = 0.0399) and t = 0.5 (3 · 0.8⁴¹ = 3.19e-4), on the line between the logarithms
    upper, lower = np.log(3 * 0.9**41), np.log(3 * 0.8**41)
    expected = 0.25 + 0.25 * (upper - np.log(0.01)) / (upper - lower)
    assert experiment.crossing(table, "predicted") == pytest.approx(expected)


def test_slopes_are_exact_on_a_power_law():
    depths, seeds = [10, 25, 30, 40], [0, 1]
    rows = [
        {"network": "gnn", "depth": depth, "seed": seed, "rate": 0.7, "gradient": (seed + 1) * 0.7 ** (1.02 * depth)}
        for depth in depths
        for seed in seeds
    ]
    table = pandas.DataFrame(rows)
    table.loc[table["depth"] == 10, "gradient"] = 1.0  # before the first depth of the fit
    assert experiment.fitted_slopes(table, 25) == pytest.approx([1.02, 1.02])
    bands = experiment.gradient_bands(table, 25)
    assert bands["predicted"].isna().tolist() == [True, False, False, False]
    assert bands["predicted"].iloc[-1] == pytest.approx(bands["median"].iloc[-1])


def test_all_some_or_none():
    finals = {("mlp", 1.0): (0.1, 0.499), ("mlp", 3.0): (0.6, 0.4), ("gnn", 1.0): (1.0, 0.5)}
    rows = [
        {"network": network, "depth": 5, "scale": scale, "optimizer": "Adam", "step": step, "seed": seed, "loss": loss}
        for (network, scale), losses in finals.items()
        for seed, final in enumerate(losses)
        for step, loss in ((0, 0.2), (10, final))
    ]
    table = training.who_learned(pandas.DataFrame(rows), 10).set_index(["network", "scale"])["learned"]
    assert table.to_dict() == {("mlp", 1.0): "all", ("mlp", 3.0): "some", ("gnn", 1.0): "none"}


def test_training_side_by_side():
    table = training.training_curves(4, [7])
    assert sorted(set(table["step"])) == [0, 1, 2, 3, 4] and len(table) == 2 * 2 * 2 * 5
    x, y = training.reference()
    for name, t in (("mlp", 0.0), ("gnn", 1.0)):
        net = osm.Network(training.propagation(t), [8, *[16] * 4, 1], seed=7)
        weights = list(net.weights)
        for _ in range(4):
            gradients = torch.autograd.grad((net(x) - y).square().mean(), weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight -= 0.02 * gradient
        rows = table[(table["network"] == name) & (table["depth"] == 5) & (table["optimizer"] == "gradient descent")]
        assert rows["loss"].iloc[-1] == pytest.approx((net(x) - y).square().mean().item(), abs=EXACT)


def exact_gradient(depth):
    """The twin's closed form in exact fractions: (w/2) |9(w − 1) − (−1)^depth 2a|."""
    a = Fraction(1, 2 * 3**depth)
    w = 9 / (9 + 4 * a * a)
    return w / 2 * abs(9 * (w - 1) - (-1) ** depth * 2 * a)


def exact_slope_error(depths):
    """Least squares through the exact logarithms, summed by hand."""
    logarithms = [math.log(exact_gradient(d).numerator) - math.log(exact_gradient(d).denominator) for d in depths]
    middle = sum(depths) / len(depths)
    steps = [d - middle for d in depths]
    slope = sum(s * y for s, y in zip(steps, logarithms, strict=True)) / sum(s * s for s in steps)
    return abs(slope / math.log(1 / 3) - 1)


def test_the_twins_slope_is_what_exact_fractions_give():
    """A model that is 2e-5 off, measured to two digits on any machine: a fit to depth 18 has one."""
    exact = exact_slope_error([8, 10, 12, 14])
    assert exact == pytest.approx(2.14648e-5, rel=1e-5)
    assert experiment.cycle_error(experiment.twin(range(2, 61, 2))) == pytest.approx(exact, rel=2e-3)


def test_the_twins_points_end_where_rounding_begins():
    table = experiment.above_rounding(experiment.twin([2, 22, 24, 26, 60]))
    assert list(table) == ["network", "depth", "measured", "predicted"]
    points = table.dropna()
    assert points.loc[points["network"] == "mlp", "depth"].tolist() == [2, 22, 24, 26, 60]
    assert points.loc[points["network"] == "gnn", "depth"].tolist() == [2, 22, 24]
    # a digit of every point is right on every machine, and the closed form goes on
    assert points["measured"].to_numpy() == pytest.approx(points["predicted"].to_numpy(), rel=0.1)
    assert table["predicted"].to_numpy()[5:] == pytest.approx([float(exact_gradient(d)) for d in table["depth"][5:]])


def test_the_exact_tables():
    table = experiment.exact_mlp([2, 9], widths=(3,))
    assert len(table) == 4 and table["error"].max() < 1e-12
    assert table["stepped"].to_numpy() == pytest.approx(table["stepped"].iloc[0]) and table["stepped"].max() < 0.45
    twin = experiment.twin([4])
    assert twin["measured"].to_numpy() == pytest.approx(twin["predicted"].to_numpy(), rel=1e-10)
