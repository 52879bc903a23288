"""The experiments of the chapter on other operators: profiles, tables, summaries, training."""

import numpy as np
import pandas
import pytest
import torch
from cases import EXACT
from operator_cases import looped, loss_to

import oversmooth as osm
from oversmooth.models.attention import node_weights, sequence_weights
from oversmooth.models.operators import trace_operator, value_map
from oversmooth.moments import backward_moments
from oversmooth_book.experiments.other_operators import checks, tables
from oversmooth_book.experiments.other_operators import measure as experiment


def test_a_profile_is_what_its_columns_say():
    table = experiment.profile("karate", "gat", "tanh", 5, 0)
    net, x, y = experiment.network("karate", "gat", "tanh", 5, 0)
    edges = experiment.graph("karate")[0].edge_index
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
    walk = signals.attention[0].toarray() * looped("karate").sum(1).numpy()[:, None]
    assert table["uneven"].iloc[0] == pytest.approx(np.abs(walk[walk > 0] - 1).max())


def test_a_saturated_sum_is_measured_in_the_uniform_norm():
    """Features of equal rows have ratio 0 there, but not in Perron's norm, which is for homogeneous activations."""
    for activation, norm in (("tanh", None), ("relu", "sum")):
        net, x, _ = experiment.network("karate", "sum", activation, 4, 0)
        norms = experiment.layer_norms(net, trace_operator(net, x, loss_to(1.0)))
        assert [P and P.kind for P in norms] == [norm] * 3
    signs = torch.ones(34, 2, dtype=torch.float64)
    assert float(osm.relative_deviation(signs, norms[0])) > 0.1


def test_held_fixed_is_a_network_on_the_attention_matrices():
    """`fixed` of a tanh network, by autograd through the same attention as constants."""
    table = experiment.profile("karate", "transformer", "tanh", 5, 1)
    net, x, y = experiment.network("karate", "transformer", "tanh", 5, 1)
    signals = trace_operator(net, x, loss_to(y + 1))
    H, current = [], x
    for layer, P in zip(net.layers, signals.attention, strict=True):
        H.append(torch.from_numpy(P.toarray()) @ value_map(layer)(current))
        current = torch.tanh(H[-1])
    errors = torch.autograd.grad(loss_to(y + 1)(current @ net.head), H)
    weights = sequence_weights(signals.attention)[1:]
    ratios = [experiment._ratio(backward_moments(B, node_weights(w))) for B, w in zip(errors, weights, strict=True)]
    assert table["fixed"].tolist() == pytest.approx(ratios, abs=1e-9)


def test_the_trained_head_is_the_constrained_least_squares_one():
    row = experiment.trained_head("karate", "gcn", 4, 0)
    net, x, y = experiment.network("karate", "gcn", "tanh", 4, 0)
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
    assert (row["gradient"], row["least"], row["where"]) == pytest.approx(
        (max(norms), min(norms), np.argmax(norms)), rel=1e-6
    )


def test_slopes_of_an_exact_power_law():
    rate = tables.rate("random_walk")
    layers = np.arange(33)
    rows = [
        pandas.DataFrame({"operator": name, "seed": 0, "layer": layers, "forward": rate**layers}).assign(
            backward=rate ** (1.5 * (32 - layers)), fixed=np.maximum(rate ** (2.0 * (32 - layers)), 3e-12)
        )
        for name in ("random_walk", "gat")
    ]
    slopes = tables.slopes(pandas.concat(rows)).set_index("operator")
    assert slopes["forward"].tolist() == pytest.approx([1, 1])
    assert slopes["backward"].tolist() == pytest.approx([1.5, 2.0])


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
    table = pandas.DataFrame(rows)
    smallest = tables.smallest(table).set_index(["operator", "direction", "norm"])
    assert smallest.loc[("gat", "forward", "own"), "median"] == pytest.approx(0.1)
    assert smallest.loc[("gat", "backward", "own"), ["low", "median", "high"]].tolist() == pytest.approx(
        [0.1, 0.2, 0.3]
    )
    assert smallest.loc[("gat", "backward", "own"), "limit"] == "uneven"
    assert smallest.loc[("gat", "forward", "uniform"), "limit"] == "constant"
    bands = tables.bands(table, ["operator", "layer"], ["forward", "extra"])
    assert len(bands) == 4 + 2 and set(bands["family"]) == {"fixed averages", "attention"}
    paths = tables.paths(table)
    assert set(paths["operator"]) == {"gat"} and set(paths["path"]) == {"whole", "fixed"}


def test_profiles_of_the_graphs_asked_for(monkeypatch):
    def pretend(run, grid, seeds, jobs):
        return pandas.DataFrame([cell | {"seed": seed} for cell in grid for seed in seeds])

    monkeypatch.setattr(experiment.osm, "sweep", pretend)
    everything = experiment.profiles(["csbm", "karate", "Cora"], 3, 5, 1)
    counts = everything.groupby("graph_name").size()
    assert counts.to_dict() == {"csbm": 18 * 3, "karate": 8 * 3, "Cora": 8}
    assert experiment.profiles(["karate"], 3, 5, 1)["graph_name"].tolist() == ["karate"] * 24


def test_only_what_is_drawn_is_kept():
    columns = {"operator": "gat", "layer": 0, "seed": 0, "forward": 0.5, "backward": 0.4, "extra": 0.1, "uneven": 3.0}
    cases = [("csbm", "identity"), ("csbm", "tanh"), ("csbm", "relu"), ("karate", "tanh")]
    table = pandas.DataFrame([columns | {"graph_name": name, "activation": kind} for name, kind in cases])
    kept = tables.drawn(table).groupby(["graph_name", "activation"])["quantity"].unique().map(list).to_dict()
    ways = ["forward", "backward"]
    assert kept == {("csbm", "identity"): ["extra"], ("csbm", "tanh"): ways, ("karate", "tanh"): ways}


def test_the_control_only_shrinks():
    table = checks.mlp_control(6, 1)
    assert table["forward"].tolist() == pytest.approx([table["forward"].iloc[0]] * 5, abs=EXACT)
    assert (table["dirichlet"].to_numpy()[1:] / table["dirichlet"].to_numpy()[:-1]) == pytest.approx([0.25] * 4)


def test_bounds_and_training_run_and_agree_with_a_plain_loop():
    bounds = checks.attention_bounds("karate", "gatv2", 4, 0)
    assert (bounds[["forward", "backward", "extra"]] <= 1 + 1e-9).all().all() and (bounds["rate"] < 1).all()
    table = pandas.DataFrame(checks.train("random_walk", 2, 4, 1, 0))
    net, x, y = experiment.network("csbm", "random_walk", "tanh", 4, 0)
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
