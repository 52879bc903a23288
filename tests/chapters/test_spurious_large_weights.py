"""The map of training from large weights, by other roads: autograd, sampling, closed forms, tables made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT

import oversmooth as osm
from oversmooth_book.experiments.settings import Setting, signs
from oversmooth_book.experiments.spurious_stationary_points import claims, large_weights

SETTING = Setting(graph="CSBM 40", width=6, depth=4, seeds=(5, 7), steps=20)


def test_a_batch_of_scales_trains_like_single_networks():
    """Clipped descent by autograd and torch's own clipping, a network at a time."""
    table = large_weights.train(SETTING, (0.5, 3.0), "sgd", 0.1, 1.0)
    data, P = SETTING.data(), SETTING.propagation()
    for _, row in table.iterrows():
        net = osm.Network(P, [data.num_features, 6, 6, 6, 1], "tanh", row["scale"], seed=int(row["seed"]))
        losses, gradients = [], []
        for step in range(21):
            net.zero_grad()
            loss = (net(data.x) - signs(data.y)).square().mean()
            loss.backward()
            gradients.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item())
            losses.append(loss.item())
            with torch.no_grad():
                for weight in net.parameters():
                    weight -= 0.1 * weight.grad if step < 20 else 0.0
        found = row[["loss", "worst", "gradient_start", "gradient"]].tolist()
        late = [losses[-1], max(losses[18:]), gradients[0], np.median(gradients[18:])]
        assert found == pytest.approx(late, rel=1e-4)  # torch adds 1e-6 to the norm
    signals = osm.trace(replace(SETTING, weight_scale=3.0).network(), data.x, SETTING.objective())
    rough = osm.relative_deviation(signals.features[-1], P)
    assert torch.allclose(torch.tensor(table["rough_start"][2:].to_numpy()), rough, rtol=EXACT)


def test_last_roughness_is_that_of_the_trace():
    network, data = SETTING.network(), SETTING.data()
    expected = osm.relative_deviation(osm.trace(network, data.x, SETTING.objective()).features[-1], network.propagation)
    assert np.allclose(large_weights.last_roughness(network, data.x), expected, rtol=EXACT)


def test_outcomes_need_what_they_say():
    rows = [
        (0.49, 50.0, 0.0, "trains"),  # whatever the gradient is
        (0.51, 0.09, 0.09, "trapped"),
        (0.51, 0.09, 0.2, "neither"),  # no gradient, but rough features
        (0.51, 0.5, 0.0, "neither"),
        (9.0, 1.0, 0.0, "explodes"),
    ]
    table = pd.DataFrame(rows, columns=["worst", "gradient", "rough", "expected"])
    assert large_weights.outcomes(table).tolist() == table["expected"].tolist()


def test_a_loss_that_comes_back_has_not_trained():
    steps = np.arange(0, 101, 10)
    history = pd.DataFrame(
        {"step": steps, "seed": 0, "loss": 0.2, "gradient": steps + 1.0, "relative_deviation_2": 0.3}
    )
    history.loc[history["step"] == 90, "loss"] = 0.6
    found = large_weights.measures(history, 3).iloc[0]
    assert (found["loss"], found["worst"], found["gradient_start"], found["gradient"]) == (0.2, 0.6, 1.0, 96.0)
    assert large_weights.outcomes(large_weights.measures(history, 3)).tolist() == ["explodes"]


def test_the_map_counts_networks():
    table = pd.DataFrame({"graph": "g", "recipe": "Adam", "depth": 21, "scale": 8.0, "seed": range(4)})
    table["outcome"] = ["trains", "trains", "explodes", "trapped"]
    table["rough"], table["gradient"] = [0.3, 0.05, 0.2, 0.0], [100.0, 200.0, 900.0, 0.0]
    for name in ("gradient_start", "rough_start"):
        table[name] = 1.0
    row = large_weights.large_weights_map(table).iloc[0]
    assert row[["networks", *large_weights.OUTCOMES[:3], "kept"]].tolist() == [4, 2, 1, 1, 1]
    assert (10 ** row["log_gradient"], row["rough"]) == (pytest.approx(150, rel=EXACT), 0.125)
    table[["gradient", "rough"]] = [3e-9, 3e-8]
    row = large_weights.large_weights_map(table).iloc[0]
    assert (row["log_gradient"], row["rough"]) == (-8, 3e-8)


def test_the_plan_of_a_profile():
    assert large_weights.runs(replace(SETTING, steps=0), 1)[["recipe", "depth"]].drop_duplicates().shape == (3, 2)
    assert [large_weights._for({1: "few", 3: "some"}, n) for n in (1, 2, 3, 9)] == ["few", "few", "some", "some"]


def test_the_phase_line_by_sampling():
    """Wide layers of equal features, as samples: the variance settles; the gain is s² times the mean squared slope."""
    h = np.random.default_rng(0).standard_normal(40_000)
    q = 1.0
    for _ in range(30):
        q = 9 * np.mean(np.tanh(np.sqrt(q) * h) ** 2)
    gain = 9 * (1 - np.tanh(np.sqrt(q) * h) ** 2) ** 2
    error = gain.std() / np.sqrt(len(h))
    assert abs(large_weights.slope_gain(3.0) - gain.mean()) < 6 * error + 6 * gain.mean() / np.sqrt(len(h))
    scale = large_weights.phase_scale(0.7)
    assert 0.49 * large_weights.slope_gain(scale) == pytest.approx(1, rel=1e-6)
    assert large_weights.phase_scale(0.999) < 1.1 < scale  # without a graph chaos begins at 1


def test_the_phase_line_parts_smooth_from_rough():
    """Wide networks on the complete bipartite graph with loops: one mode besides the mean, λ = 0.4.

    Beyond the line a network's state is chaotic, and another machine sees another one: nine of them tell.
    """
    P = osm.Propagation.from_matrix(np.kron([[0.7, 0.3], [0.3, 0.7]], np.full((3, 3), 1 / 3)))
    scale, features = large_weights.phase_scale(P.rate), torch.linspace(-1, 1, 24).double().reshape(6, 4)
    below, beyond = (
        large_weights.last_roughness(
            osm.Network(P, [4, *[200] * 80, 1], "tanh", factor * scale, seed=range(9)), features
        )
        for factor in (0.75, 1.5)
    )
    assert below.max() < 1e-3 and beyond.min() > 1e-2 and np.median(beyond) > 0.05


def test_first_rough_is_above_every_smooth_scale(monkeypatch):
    values = np.array([0.2, 0.05, 0.2, 0.3])  # rough at the first scale, by chance
    monkeypatch.setattr(large_weights, "last_roughness", lambda net, x: np.repeat(values, 3))
    assert large_weights.first_rough([SETTING], 3, np.array([1.0, 2.0, 4.0, 8.0])) == 4.0
    values[:] = 0.0
    assert np.isnan(large_weights.first_rough([SETTING], 3, np.array([1.0, 2.0, 4.0, 8.0])))


def made_up_map():
    """More points than the published Adam map and clipped descent have, nine networks each; every claim holds."""
    rows = []
    for depth in (13, 21, 29, 41):
        for scale in (1.0, 2.0, 4.0, 8.0, 12.0):
            name = "trains" if depth == 13 else "trapped" if scale == 1 else "explodes"
            rows.append(("Adam", depth, scale, name))
    rows.append(("clipped descent", 21, 8.0, "explodes"))
    table = pd.DataFrame(rows, columns=["recipe", "depth", "scale", "outcome"]).assign(networks=9, graph="CSBM 100")
    for name in large_weights.OUTCOMES:
        table[name] = 9 * (table["outcome"] == name)
    table["kept"] = table["trains"]
    for scale in (8.0, 12.0):
        put(table, 21, scale, trains=2, kept=2, explodes=7)
    return table


def put(table, depth, scale, recipe="Adam", **counts):
    """Other counts at one point."""
    point = (table["depth"] == depth) & (table["scale"] == scale) & (table["recipe"] == recipe)
    assert point.sum() == 1
    table.loc[point, list(counts)] = list(counts.values())


def test_the_claims_of_a_map_that_is_as_stated():
    table = made_up_map()
    assert claims.whether_a_fifth_trains_and_stays_rough(table)  # 4 of 18
    assert (
        claims.networks_of_scale_one_that_train(table) == 0 == claims.networks_of_scale_one_that_are_not_trapped(table)
    )
    assert claims.scales_at_which_few_shallow_networks_train(table) == 0 == claims.deepest_networks_that_train(table)
    assert claims.networks_of_large_weights_that_do_not_explode(table) == 0
    assert claims.networks_that_clipped_descent_trains(table) == 0 and claims.networks_at_each_point(table) == 9


def test_every_claim_of_the_map_can_fail():
    table = made_up_map()
    put(table, 21, 12.0, trains=2, kept=1, explodes=7)
    put(table, 21, 1.0, trains=1, trapped=8)
    put(table, 41, 1.0, trapped=8, neither=1)
    put(table, 13, 4.0, trains=5, explodes=4)
    put(table, 41, 12.0, trapped=1, explodes=8)
    put(table, 41, 2.0, trains=1, explodes=8)
    put(table, 21, 8.0, "clipped descent", trains=3, explodes=6)
    assert not claims.whether_a_fifth_trains_and_stays_rough(table)  # 3 of 18 keep rough features
    assert (
        claims.networks_of_scale_one_that_train(table) == 1 == claims.networks_of_scale_one_that_are_not_trapped(table)
    )
    assert claims.scales_at_which_few_shallow_networks_train(table) == 1 == claims.deepest_networks_that_train(table)
    assert claims.networks_of_large_weights_that_do_not_explode(table) == 1
    assert claims.networks_that_clipped_descent_trains(table) == 3
