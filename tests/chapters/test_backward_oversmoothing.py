"""The experiments of the chapter on backward oversmoothing, by other roads: dense closed forms, loops, autograd."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT, propagation_of, signal, unfriendly_network

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing import draws
from oversmooth_book.experiments.backward_oversmoothing import measure as experiment
from oversmooth_book.experiments.backward_oversmoothing.networks import _extra
from oversmooth_book.experiments.backward_oversmoothing.operators import _ratios


def traced(activation="tanh", **options):
    network = unfriendly_network(activation, **options)
    features = signal(network.propagation.num_nodes, network.widths[0])
    targets = signal(network.propagation.num_nodes, network.widths[-1], seed=1)
    return network, features, targets, osm.trace(network, features, lambda Y: (Y - targets).square().sum())


def largest(left, right):
    return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("activation", ["tanh", "elu", "relu", "gelu"])
def test_freezing_nothing_is_the_plain_backward_pass(activation):
    *_, signals = traced(activation, seed=[0, 1])
    again = experiment.frozen_backward(signals, range(0))
    assert largest(again.backward, signals.backward) < EXACT
    assert largest(again.gradients, signals.gradients) < EXACT
    assert again.preactivations is signals.preactivations


@pytest.mark.parametrize("activation", ["tanh", "elu", "gelu"])
def test_freezing_everything_is_a_linear_pass_in_closed_form(activation):
    """B⁽ᵏ⁾ = (Pᵀ)^{L−k} B⁽ᴸ⁾ Π_j (W⁽ʲ⁺¹⁾ᵀ D⁽ʲ⁾): one matrix power and one product of small matrices."""
    network, *_, signals = traced(activation)
    P, pi = network.propagation.to_dense(), network.propagation.stationary
    frozen = experiment.frozen_backward(signals, range(network.depth - 1))
    rho, last = network.activation, network.depth - 1
    for k in range(network.depth):
        transport = torch.eye(network.widths[-1], dtype=torch.float64)
        for j in reversed(range(k, last)):
            slopes = rho.slope((pi[:, None] * signals.preactivations[j]).sum(0))
            transport = transport @ network.weights[j + 1].detach().T @ torch.diag(slopes)
        expected = torch.linalg.matrix_power(P.T, last - k) @ signals.backward[-1] @ transport
        assert torch.allclose(frozen.backward[k], expected, rtol=EXACT, atol=EXACT)
    means = [osm.backward_mean(b, network.propagation) for b in frozen.backward]
    assert largest(means, osm.mean_transport(signals)) < EXACT


def test_frozen_layers_are_those_named_and_no_others():
    """Autograd through a network whose frozen layers are ρ(H) replaced by H times the slope at the mean."""
    network, features, targets, signals = traced("tanh")
    P, frozen = network.propagation, {1, 3}
    H = [h.clone() for h in signals.preactivations]
    leaves, X = [], features
    for k in range(network.depth):
        leaf = (P @ X) @ network.weights[k].detach()
        leaf = leaf.detach().requires_grad_() if k == 0 else leaf
        leaf.retain_grad()
        leaves.append(leaf)
        slope = network.activation.slope(osm.mean(H[k], P))
        # value of the true activation, gradient of the frozen one
        X = slope * leaf + (torch.tanh(H[k]) - slope * H[k]).detach() if k in frozen else torch.tanh(leaf)
    assert torch.allclose(leaves[-1], signals.output)
    (leaves[-1] - targets).square().sum().backward()
    again = experiment.frozen_backward(signals, frozen)
    assert largest([leaf.grad for leaf in leaves], again.backward) < EXACT
    assert largest(signals.backward[:3], again.backward[:3]) > 1e-6


def test_interventions_repeat_the_plain_profile_and_cover_all_seeds():
    data = osm.csbm(40, p_in=0.4, p_out=0.1)
    P = osm.Propagation.from_data(data)
    table = experiment.interventions(data, P, ["elu"], depth=9, num_seeds=12)
    assert len(table) == 4 * 9 * 12
    plain = experiment.measure(data, P, {"elu": ("elu", 1.0)}, 9, 12, bounds=False)
    both = table[table["frozen"] == "nothing"].merge(plain, on=["seed", "layer"], suffixes=("", "_plain"))
    assert len(both) == 9 * 12
    assert np.allclose(both["backward_ratio"], both["backward_ratio_plain"], rtol=EXACT)
    # the last quarter's layers do not know what happens before them on the way to the input
    deep = table[table["layer"] >= 9 // 4].pivot(index=["seed", "layer"], columns="frozen", values="backward_ratio")
    assert np.allclose(deep["nothing"], deep["first quarter"], rtol=EXACT)
    assert np.allclose(deep["everything"], deep["all but the first quarter"], rtol=EXACT)


def test_a_batch_of_seeds_equals_the_seeds_one_by_one():
    data = osm.csbm(30, p_in=0.5, p_out=0.2)
    P = osm.Propagation.from_data(data, kind="random_walk")
    table = experiment.measure(data, P, {"tanh": ("tanh", 2.0)}, 5, 11)
    assert sorted(table["seed"].unique()) == list(range(11))
    Y = experiment.targets(data)
    for seed in (0, 10):
        network = osm.Network(P, [8, 32, 32, 32, 32, 1], "tanh", 2.0, seed=seed)
        signals = osm.trace(network, data.x, lambda output: (output - Y).square().mean())
        alone = osm.layer_profile(signals)
        mine = table[table["seed"] == seed].sort_values("layer")
        for name in ("backward_deviation", "backward_norm", "backward_ratio", "backward_mean", "feature_ratio"):
            assert np.allclose(mine[name], alone[name], rtol=EXACT)
        transport, tilde = osm.mean_transport(signals), [b / P.stationary[:, None] for b in signals.backward]
        distance = [_norm(t - b, P) / _norm(t, P) for t, b in zip(tilde, transport, strict=True)]
        assert np.allclose(mine["distance"], distance, rtol=1e-9)
        means = [(P.stationary[:, None] * t).sum(0) for t in tilde]
        gap = [float((m - b).norm()) / _norm(t, P) for m, b, t in zip(means, transport, tilde, strict=True)]
        assert np.allclose(mine["mean_departure"], gap, rtol=1e-9, atol=EXACT)
        step = osm.backward_step(signals)
        assert np.allclose(mine["deviation_bound"][:-1], step.deviation_bound, rtol=EXACT)
        assert math.isnan(mine["deviation_bound"].iloc[-1])
        H = signals.preactivations
        mixed = [np.mean([len(set((h[:, j] > 0).tolist())) == 2 for j in range(h.shape[1])]) for h in H]
        assert np.allclose(mine["mixed_signs"], mixed)


def _norm(signal, propagation):
    return float((propagation.stationary[:, None] * signal.square()).sum().sqrt())


def test_targets_are_one_class_against_the_rest():
    assert experiment.targets(osm.karate())[:, 0].tolist() == [-1.0 if y == 0 else 1.0 for y in osm.karate().y.tolist()]


def test_naive_ratio_stops_at_the_degree_profile_and_the_right_one_does_not():
    data = osm.karate()
    table = experiment.norms(data, depth=60, num_seeds=2)
    bands = table.assign(median=table["ratio"], low=0.0, high=0.0)
    stopped = experiment.stopped(bands[bands["seed"] == 0])
    assert set(zip(stopped["operator"], stopped["direction"], strict=True)) == {
        ("gcn", "forward"),
        ("gcn", "backward"),
        ("random_walk", "backward"),
    }
    degrees = torch.bincount(data.edge_index[0]).double() + 1
    for row in stopped.itertuples():
        profile = degrees if row.operator == "random_walk" else degrees.sqrt()
        expected = float(profile.std(correction=0) / profile.square().mean().sqrt())
        assert row.plateau == pytest.approx(expected, rel=EXACT)
        assert row.naive == pytest.approx(expected, rel=0.02)
        assert row.own < 0.02
    # forward under the random walk: a constant is a constant in any norm
    forward = table.query("operator == 'random_walk' and direction == 'forward' and layer == 59")
    assert (forward["plateau"] == 0).all() and (forward["ratio"] < 0.01).all()


def test_own_norm_by_hand():
    """On a star under the random walk, B/π and π from the degrees."""
    P = propagation_of("star", "random_walk")
    network = osm.Network(P, [2, 3, 1], "tanh", seed=[0])
    signals = osm.trace(network, signal(6, 2), lambda Y: Y.square().sum())
    pi = torch.tensor([6.0, 2, 2, 2, 2, 2], dtype=torch.float64) / 16
    tilde = signals.backward[0][0] / pi[:, None]
    mean = (pi[:, None] * tilde).sum(0)
    share = (pi[:, None] * (tilde - mean).square()).sum() / (pi[:, None] * tilde.square()).sum()
    assert float(_ratios(signals)["backward", "own"][0, 0]) == pytest.approx(float(share.sqrt()), rel=EXACT)
    plain = signals.backward[0][0]
    share = (plain - plain.mean(0)).square().sum() / plain.square().sum()
    assert float(_ratios(signals)["backward", "naive"][0, 0]) == pytest.approx(float(share.sqrt()), rel=EXACT)


def test_own_norm_agrees_with_the_layer_profile_under_gcn():
    data = osm.karate()
    P = osm.Propagation.from_data(data, kind="gcn")
    (_, signals), *_ = experiment.traces(data, P, "elu", 1.0, 4, 2)
    profile, ratios = osm.layer_profile(signals), _ratios(signals)
    assert np.allclose(profile["backward_ratio"], ratios["backward", "own"].reshape(-1), rtol=EXACT)
    assert np.allclose(profile["feature_ratio"], ratios["forward", "own"].reshape(-1), rtol=EXACT)


def profile_of(*ratios):
    return pd.concat(
        pd.DataFrame({"network": "n", "seed": i, "layer": range(len(r)), "backward_ratio": r})
        for i, r in enumerate(ratios)
    ).sample(frac=1, random_state=0)


def test_valleys_by_hand():
    table = experiment.valleys(profile_of([0.5, 0.1, 0.2, 0.4, 1.0], [0.1, 0.2, 0.3, 0.4, 0.05])).sort_values("seed")
    assert table["position"].tolist() == [0.25, 1.0]
    assert table["rise"].tolist() == pytest.approx([5, 2])
    assert table["valley"].tolist() == pytest.approx([5, 1])


def test_rises_counts_steps_towards_the_input_that_roughen():
    assert experiment.rises(profile_of([0.1, 0.2, 0.3], [0.3, 0.2, 0.4])) == 1
    assert experiment.rises(profile_of([0.2 * (1 + 1e-14), 0.2, 0.3])) == 0
    assert experiment.rises(profile_of([0.2 * (1 + 1e-14), 0.2, 0.3]), tolerance=0) == 1


def test_violations_see_one_and_forgive_rounding():
    row = {"backward_deviation": [1.0, 1.0], "deviation_bound": [1.5, 1.0 - 1e-15], "backward_norm": [1.0, 1.0]}
    table = pd.DataFrame(row | {"departure": [0.0, math.nan], "departure_bound": [0.0, math.nan]})
    assert experiment.violations(table) == 0
    assert experiment.violations(table.assign(deviation_bound=[0.9, 2.0])) == 1
    assert experiment.violations(table.assign(departure=[1e-6, 0.0])) == 1


def test_matching_depth_gives_equal_smoothing():
    karate, grid = propagation_of("karate"), propagation_of("grid")
    depth = experiment.matching_depth(karate, grid, 30)
    assert karate.rate ** (depth - 1) == pytest.approx(grid.rate**29, rel=1 - karate.rate)


def test_random_draws_cover_every_operator_and_activation_and_never_violate():
    table = draws.random_draws(600)
    networks = table.groupby(["batch", "seed"]).ngroups
    assert networks == 600 and len(table) == 5 * networks
    assert set(table["operator"]) == set(draws.OPERATORS) and set(table["activation"]) == set(osm.ACTIVATIONS)
    assert draws.violations(table, draws.STEPS + draws.CERTIFICATE) == 0
    # a claim about bounds that are never approached would be empty
    assert table.groupby("statement")["tightness"].max().min() > 0.5
    assert draws.summary(table)["networks"].sum() == len(table)


def test_a_bound_that_forgets_the_slopes_would_be_caught(monkeypatch):
    """Without r_∞γ and r_2γ the statements are false, and the draws must say so."""
    true_step = osm.backward_step

    def forgetful(signals):
        step = true_step(signals)
        linear = step.deviation_bound - step.r_inf * step.gamma
        return type(step)(**{**vars(step), "deviation_bound": linear, "departure_bound": 0 * step.departure_bound})

    monkeypatch.setattr(osm, "backward_step", forgetful)
    assert draws.violations(draws.random_draws(200), draws.STEPS) > 20


def test_linear_networks_only_get_smoother_and_keep_their_mean():
    data = osm.csbm(60, p_in=0.3, p_out=0.1)
    P = osm.Propagation.from_data(data)
    table = experiment.measure(data, P, {"identity": ("identity", 1.0)}, 41, 3)
    assert experiment.rises(table) == 0
    assert table["mean_departure"].max() < 1e-12
    assert experiment.violations(table) == 0


def test_where_signs_agree_the_mean_departs_by_rounding_only():
    """ReLU with unit weights: the mean cancels there, to 1e-7 of the entries, and is no scale for its departure."""
    data = osm.csbm()
    table = experiment.measure(data, osm.Propagation.from_data(data), {"relu": ("relu", 1.0)}, 41, 3)
    for _, rows in table.sort_values("layer").groupby("seed"):
        linear = rows[(rows["mixed_signs"] > 0).iloc[::-1].cumsum().iloc[::-1] == 0]
        assert len(linear) > 10
        assert linear["mean_departure"].max() < 1e-10


def test_departures_in_units_of_the_output_by_hand():
    rows = [("a", 0, 0, 0.5, 2.0), ("a", 0, 1, 0.0, 10.0), ("b", 0, 0, 0.1, 8.0), ("b", 0, 1, 0.0, 4.0)]
    table = pd.DataFrame(rows, columns=["network", "seed", "layer", "mean_departure", "backward_norm"])
    assert experiment.output_departure(table.assign(depth=2)) == pytest.approx(0.2)  # b: 0.1 · 8 / 4; a: 0.5 · 2 / 10
    assert experiment.output_departure(table[table["network"] == "a"].assign(depth=2)) == pytest.approx(0.1)


def test_saved_are_the_rows_that_figures_draw():
    bands = experiment.summary(
        pd.DataFrame({"network": list(experiment.DRAWN), "layer": 0} | dict.fromkeys(experiment.QUANTITIES, 1.0)),
        ["network", "layer"],
        experiment.QUANTITIES,
    )
    kept = experiment.drawn(bands, experiment.RELU_NETWORKS)
    assert kept.groupby("network")["quantity"].agg(set).to_dict() == {
        "relu": {"backward_ratio", "backward_deviation", "deviation_bound", "mixed_signs"},
        "relu, scale √2": {"backward_ratio", "backward_deviation", "deviation_bound"},
    }
    assert set(experiment.DRAWN) == {*experiment.NETWORKS, *experiment.RELU_NETWORKS}
    assert {name for names in experiment.DRAWN.values() for name in names} < set(experiment.QUANTITIES)


def test_extra_measures_keep_the_order_of_the_profile():
    data = osm.csbm(30, p_in=0.5, p_out=0.2)
    (_, signals), *_ = experiment.traces(data, osm.Propagation.from_data(data), "tanh", 1.0, 4, 3)
    for values in _extra(signals).values():
        assert values.shape == (4, 3)
