"""The experiments of the chapter on other operators: profiles, tables, summaries, training."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT
from operator_cases import looped, loss_to

import oversmooth as osm
from oversmooth.models.attention import backward_paths, node_weights, sequence_weights
from oversmooth.models.operators import trace_operator, value_map
from oversmooth.moments import backward_moments
from oversmooth_book.experiments.other_operators import checks, claims, tables
from oversmooth_book.experiments.other_operators import measure as experiment

SETTING = experiment.REFERENCE


def karate(depth, seed=0, **changes):
    return replace(SETTING, graph="karate", depth=depth, seeds=(seed,), **changes)


def test_no_layer_above_rounding_has_no_rate():
    rows = {"operator": "sum", "seed": 0, "layer": range(3), "forward": 1e-17, "backward": 1e-17}
    table = tables.slopes(pd.DataFrame(rows))
    assert table[tables.WAYS].isna().all(axis=None)


def test_a_profile_is_what_its_columns_say():
    one = karate(5, activation="identity")
    table = experiment.profile(one, "gat")
    net, (x, y) = experiment.network(one, "gat"), experiment.problem(one)
    assert float(y.mean()) == pytest.approx(0, abs=EXACT) and float(y.var(correction=0)) == pytest.approx(1)
    edges = osm.karate().edge_index
    signals = trace_operator(net, x, loss_to(y + 1))
    weights = sequence_weights(signals.attention)
    for k, row in table.iterrows():
        X, psi = signals.features[k + 1].numpy(), weights[k + 1]
        centred = X - psi @ X
        expected = np.sqrt(psi @ (centred**2).sum(1) / (psi @ (X**2).sum(1)))
        assert row["forward"] == pytest.approx(expected, abs=EXACT)
        B = signals.backward[k].numpy() / psi[:, None]
        centred = B - psi @ B
        assert row["backward"] == pytest.approx(np.sqrt(psi @ (centred**2).sum(1) / (psi @ (B**2).sum(1))), abs=EXACT)
        assert row["dirichlet"] == pytest.approx(float(osm.dirichlet_energy(signals.features[k + 1], edges)))
    assert table["fixed"].iloc[-1] == pytest.approx(table["backward"].iloc[-1], abs=EXACT)
    assert (table["fixed"] != table["backward"]).iloc[0]
    fixed, extra = backward_paths(net, 2, signals.features[2], signals.backward[2])
    share = 1 / (1 + float(fixed.norm(dim=1).sum() / extra.norm(dim=1).sum()))
    assert table["extra"].isna().tolist() == [False, True, False, True] and table["extra"][2] == pytest.approx(share)
    walk = signals.attention[0].toarray() * looped("karate").sum(1).numpy()[:, None]
    assert table["uneven"].iloc[0] == pytest.approx(np.abs(walk[walk > 0] - 1).max())
    assert list(experiment.profile(karate(5), "gat")) == ["layer", "forward", "backward", "uneven"]


def test_a_saturated_sum_is_measured_in_the_uniform_norm():
    """Features of equal rows have ratio 0 there, but not in Perron's norm, which is for homogeneous activations."""
    for activation, norm in (("tanh", None), ("relu", "sum")):
        one = karate(4, activation=activation)
        net, (x, _) = experiment.network(one, "sum"), experiment.problem(one)
        norms = experiment.layer_norms(net, trace_operator(net, x, loss_to(1.0)))
        assert [P and P.kind for P in norms] == [norm] * 3
    signs = torch.ones(34, 2, dtype=torch.float64)
    assert float(osm.relative_deviation(signs, norms[0])) > 0.1


def test_held_fixed_is_a_network_on_the_attention_matrices():
    """`fixed`, by autograd through the same attention as constants."""
    one = karate(5, 1, activation="identity")
    table = experiment.profile(one, "transformer")
    net, (x, y) = experiment.network(one, "transformer"), experiment.problem(one)
    signals = trace_operator(net, x, loss_to(y + 1))
    H, current = [], x
    for layer, P in zip(net.layers, signals.attention, strict=True):
        H.append(torch.from_numpy(P.toarray()) @ value_map(layer)(current))
        current = H[-1]
    errors = torch.autograd.grad(loss_to(y + 1)(current @ net.head), H)
    weights = sequence_weights(signals.attention)[1:]
    ratios = [experiment._ratio(backward_moments(B, node_weights(w))) for B, w in zip(errors, weights, strict=True)]
    assert table["fixed"].tolist() == pytest.approx(ratios, abs=1e-9)


def test_the_trained_head_is_the_constrained_least_squares_one():
    row = experiment.trained_head(karate(4), "gcn")
    net, (x, y) = experiment.network(karate(4), "gcn"), experiment.problem(karate(4))
    features = trace_operator(net, x, loss_to(y)).features[-1].numpy()
    free = np.linalg.lstsq(features, y.numpy(), rcond=None)[0]
    assert np.linalg.norm(free) > experiment.BUDGET  # so the budget binds, and the head's gradient points along it
    low, high = 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        W = np.linalg.solve(features.T @ features + middle * np.eye(16), features.T @ y.numpy())
        low, high = (middle, high) if np.linalg.norm(W) > experiment.BUDGET else (low, middle)
    assert row["loss"] == pytest.approx(((features @ W - y.numpy()) ** 2).mean(), rel=1e-8)
    with torch.no_grad():
        net.head.copy_(torch.from_numpy(W))
    loss_to(y)(net(x)).backward()
    norms = [float(layer.lin.weight.grad.norm()) for layer in net.layers]
    assert (row["gradient"], row["where"]) == pytest.approx((max(norms), np.argmax(norms)), rel=1e-6)


def test_slopes_of_an_exact_power_law():
    rate = tables.rate("random_walk")
    layers = np.arange(33)
    rows = [
        pd.DataFrame({"operator": name, "seed": 0, "layer": layers, "forward": rate**layers}).assign(
            backward=rate ** (1.5 * (32 - layers)), fixed=np.maximum(rate ** (2.0 * (32 - layers)), 3e-12)
        )
        for name in ("random_walk", "gat")
    ]
    slopes = tables.slopes(pd.concat(rows))
    assert slopes["operator"].tolist() == ["random_walk", "gat"] and slopes["rate"].tolist() == [rate, rate]
    assert slopes["forward"].tolist() == pytest.approx([1, 1])
    assert slopes["backward"].tolist() == pytest.approx([1.5, 2.0])
    assert claims.largest_error_of_a_fixed_operator_s_slope(slopes) == pytest.approx(0.5)
    assert claims.largest_error_of_attention_s_forward_slope(slopes) == pytest.approx(0, abs=EXACT)
    assert claims.largest_error_of_attention_s_backward_slope(slopes) == pytest.approx(1.0)


def test_summaries():
    rows = [
        {
            "operator": name,
            "seed": seed,
            "layer": k,
            "forward": 10.0**-k,
            "forward_uniform": 0.5,
            "backward": 0.1 * (seed + 1),
        }
        | {"backward_uniform": 0.3, "extra": 0.1 if name == "gat" else np.nan, "fixed": 0.01}
        for name in ("random_walk", "gat")
        for seed in (0, 1, 2)
        for k in (0, 1)
    ]
    table = pd.DataFrame(rows)
    smallest = tables.smallest(table).set_index(["operator", "direction", "norm"])
    assert smallest.loc[("gat", "forward", "own"), "median"] == pytest.approx(0.1)
    assert smallest.loc[("gat", "backward", "own"), ["low", "median", "high"]].tolist() == pytest.approx(
        [0.1, 0.2, 0.3]
    )
    assert smallest.loc[("gat", "backward", "own"), "limit"] == "uneven"
    assert smallest.loc[("gat", "forward", "uniform"), "limit"] == "constant"
    # backward is uneven for both: 0.3 in the uniform norm, 0.2 in their own; forward, where 0.5/0.1 is more, is not
    assert claims.smallest_quotient_of_the_norms(smallest.reset_index()) == pytest.approx(1.5)
    bands = tables.bands(table, ["operator", "layer"], ["forward", "extra"])
    assert len(bands) == 4 + 2 and set(bands["family"]) == {"fixed averages", "attention"}
    paths = tables.paths(table)
    assert set(paths["operator"]) == {"gat"} and set(paths["path"]) == {"whole", "fixed"}
    assert claims.smallest_roughening_at_the_input(paths) == pytest.approx(0.2 / 0.01)


def test_profiles_of_the_graphs_asked_for(monkeypatch):
    def pretend(run, grid, seeds, jobs):
        return pd.DataFrame([cell | {"seed": seed} for cell in grid for seed in seeds])

    monkeypatch.setattr(experiment.osm, "sweep", pretend)
    setting = replace(SETTING, seeds=(0, 1, 2))
    everything = experiment.profiles(setting, ["csbm", "karate", "Cora"], 1)
    counts = everything.groupby("graph_name").size()
    assert counts.to_dict() == {"csbm": 18 * 3, "karate": 8, "Cora": 8}
    assert experiment.profiles(setting, ["karate"], 1)["graph_name"].tolist() == ["karate"] * 8


def test_a_sweep_s_cells_are_the_setting_s_variations():
    """The tables' "csbm" is the book's block model; a cell changes nothing but what it names."""

    def told(setting, operator):
        return {"graph": setting.graph, "kept": setting.width, "tenth": setting.depth, "seeds": repr(setting.seeds)}

    grid = [
        {"operator": "gcn", "graph_name": "csbm", "depth": 10},
        {"operator": "max", "graph_name": "Cora", "depth": 2},
    ]
    table = experiment.swept(told, replace(SETTING, width=7), grid, (4,))
    assert table[["graph", "kept", "tenth", "seeds"]].to_numpy().tolist() == [
        ["CSBM", 7, 10, "(4,)"],
        ["Cora", 7, 2, "(4,)"],
    ]


def test_only_what_is_drawn_is_kept():
    columns = {"operator": "gat", "layer": 0, "seed": 0, "forward": 0.5, "backward": 0.4, "extra": 0.1, "uneven": 3.0}
    cases = [("csbm", "identity"), ("csbm", "tanh"), ("csbm", "relu"), ("karate", "tanh")]
    table = pd.DataFrame([columns | {"graph_name": name, "activation": kind} for name, kind in cases])
    kept = tables.drawn(table).groupby(["graph_name", "activation"])["quantity"].unique().map(list).to_dict()
    ways = ["forward", "backward"]
    assert kept == {("csbm", "identity"): ["extra"], ("csbm", "tanh"): ways, ("karate", "tanh"): ways}


def test_a_share_has_two_digits():
    """An edge at the kink of GATv2's scores moves the third."""
    columns = {"graph_name": "csbm", "activation": "identity", "operator": "gatv2", "layer": 0}
    table = rows_of(**columns, forward=0.5, backward=0.5, extra=[1.2345e-5, 1.2445e-5, 0.98765])
    found = tables.drawn(table)
    assert found[["median", "low", "high"]].to_numpy().tolist() == [[1.2e-5, 1.2e-5, 0.99]]


def test_the_control_only_shrinks():
    table = checks.mlp_control(replace(SETTING, depth=6))
    assert table["forward"].tolist() == pytest.approx([table["forward"].iloc[0]] * 5, abs=EXACT)
    assert (table["dirichlet"].to_numpy()[1:] / table["dirichlet"].to_numpy()[:-1]) == pytest.approx([0.25] * 4)


def test_bounds_hold_and_a_smaller_rate_would_be_violated(monkeypatch):
    bounds = checks.attention_bounds(karate(4), "gatv2")
    assert (bounds[checks.SIDES] <= 1 + 1e-9).all().all() and (bounds["rate"] < 1).all()
    assert bounds["violated"].tolist() == [0, 0, 0]
    table = checks.check_bounds(replace(SETTING, depth=4, seeds=(0, 1)))
    assert list(table) == ["operator", "seed", *checks.SIDES, "violated"] and len(table) == 3 * 2
    mine = table[(table["operator"] == "gatv2") & (table["seed"] == 0)]
    assert mine[checks.SIDES].to_numpy()[0] == pytest.approx(bounds[checks.SIDES].max().to_numpy())
    assert claims.layers_that_violate_a_bound(table) == 0
    honest = checks.sequence_rates
    monkeypatch.setattr(checks, "sequence_rates", lambda *given: honest(*given) / 10)
    assert claims.layers_that_violate_a_bound(checks.check_bounds(replace(SETTING, depth=4))) == 3 * 3


def test_training_agrees_with_a_plain_loop():
    one = replace(SETTING, depth=4, steps=2)
    table = checks.train(one, "random_walk", record_every=1)
    net, (x, y) = experiment.network(one, "random_walk"), experiment.problem(one)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for step in range(3):
        optimizer.zero_grad()
        loss = loss_to(y)(net(x))
        loss.backward()
        assert table["loss"][step] == pytest.approx(loss.item(), abs=EXACT)
        norms = [float(value_map(layer).weight.grad.norm()) for layer in net.layers]
        assert table["gradient"][step] == pytest.approx(max(norms), rel=1e-9)
        optimizer.step()
    assert len(table) == 3


# Claims and what they read, on tables of known value


def rows_of(**columns):
    """Rows with these columns; a list varies, a single value repeats."""
    return pd.DataFrame(columns)


def test_the_prediction_passes_through_the_walk_s_middle_layer_and_stops_at_one():
    rate, layers = tables.rate("random_walk"), np.arange(9)
    table = pd.concat(
        rows_of(operator=name, quantity=way, layer=layers, median=level)
        for name, level in (("gcn", 0.9), ("random_walk", 0.1))
        for way in tables.WAYS
    )
    found = tables.predicted(table).set_index(["quantity", "layer"])["predicted"]
    assert found["forward", 4] == found["backward", 4] == 0.1
    assert found["forward", 8] == pytest.approx(0.1 * rate**4) == pytest.approx(found["backward", 0])
    assert (found <= 1).all() and 0.1 / rate**4 < 1 < 0.1 / rate**5


def test_the_control_s_change_is_kept_and_rounding_is_not():
    ratio = [0.5, 0.5 + 1e-12, 0.5 + 1e-7]
    bands = rows_of(operator="mlp", quantity="forward", layer=[0, 1, 2], median=ratio)
    other = bands.assign(operator="gcn", median=0.1)
    table = tables.control(pd.concat([other, bands, bands.assign(quantity="rank", median=8.0)]))
    assert table["change"].tolist() == [0, 0, pytest.approx(2e-7)]
    # the claim's threshold is 1e-8: what six digits of a ratio would hide must fail it
    assert claims.largest_change_of_the_control(table) > 1e-8


def test_energies_of_first_middle_and_last_layer():
    bands = rows_of(operator="gcn", quantity="dirichlet", layer=range(32), median=[8.0] * 16 + [4.0] + [1.0] * 15)
    assert claims.what_gcn_keeps_of_its_energy_in_the_second_half(bands) == 0.25  # depth 33: the middle is layer 16
    assert claims.growth_of_the_sum_s_energy(bands.assign(operator="sum")) == 0.125


def test_last_layers_of_the_graphs_that_are_always_here():
    table = pd.DataFrame(
        [
            {"graph_name": graph, "activation": "tanh", "operator": name, "seed": seed, "layer": layer}
            | {"forward": layer + seed, "rank": 1.0, "uneven": 0.25 * seed if name == "gat" else np.nan}
            for graph in ("csbm", "karate", "Cora")
            for name in ("gat", "sum")
            for seed in (0, 1, 2)
            for layer in (0, 5)
        ]
    )
    found = tables.last_layers(table)
    assert set(found["graph_name"]) == {"csbm", "karate"} and len(found) == 2 * (2 + 2 + 1)
    assert claims.ratio_of_the_sum_with_tanh(found) == 6 and claims.what_the_sum_leaves_on_karate(found) == 6
    assert claims.largest_distance_of_attention_from_the_random_walk(found) == 0.5


def test_the_first_half_of_the_layers_and_no_more():
    table = rows_of(activation="tanh", layer=range(32), low=[1.0] * 16 + [0.95] + [0.1] * 15)
    assert claims.smallest_backward_ratio_of_the_maximum(table) == 0.95  # layers below 33/2
    assert claims.smallest_backward_ratio_of_the_maximum(table.assign(low=table["low"].shift(-1))) == 0.1
    extra = rows_of(activation="identity", quantity="extra", operator="gat", layer=range(32), median=range(32))
    assert claims.largest_share_of_the_second_path_in_the_middle(extra) == 16


def test_heads_are_judged_at_depth_33():
    trained = pd.DataFrame(
        [
            {"operator": name, "depth": depth, "seed": seed, "gradient": gradient, "loss": 1 - gradient, "where": where}
            for name, gradient, where in (("gcn", 1e-4, 7), ("sum", 0.5, 3), ("max", 0.1, 0))
            for depth in (9, 33)
            for seed in (0, 1)
        ]
    )
    trained.loc[(trained["depth"] == 9) & (trained["operator"] != "sum"), ["gradient", "loss"]] = 0.9, 0.2
    table = tables.bands(trained, ["operator", "depth"], ["gradient", "loss"])
    assert claims.largest_gradient_of_an_average(table) == 1e-4
    assert claims.smallest_loss_of_an_average(table) == pytest.approx(0.9999)
    assert claims.smallest_gradient_of_the_maximum(table) == 0.1 and claims.smallest_loss_of_the_maximum(table) == 0.9
    assert claims.smallest_gradient_of_the_sum(table) == 0.5
    trained.loc[(trained["operator"] == "max") & (trained["seed"] == 1) & (trained["depth"] == 33), "where"] = 2
    places = tables.places(trained)
    assert places.to_numpy().tolist() == [[9, 0], [33, 1]]
    assert claims.seeds_whose_largest_gradient_is_elsewhere(places) == 1


def test_only_averages_count_on_cora():
    table = rows_of(graph_name="Cora", operator=["gcn", "gat", "sum", "max"] * 2, layer=[0] * 4 + [31] * 4)
    table = table.assign(quantity="forward", median=[9.0] * 4 + [0.4, 0.5, 0.3, 0.1])
    both = pd.concat([table, table.assign(quantity="backward", median=0.0)])
    assert claims.smallest_ratio_of_an_average_on_cora(both) == 0.4 and claims.ratio_of_the_maximum_on_cora(both) == 0.1
