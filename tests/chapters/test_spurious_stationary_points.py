"""The experiments of the chapter on stationary points, by other roads: autograd, loops, closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT, ITERATIVE, signal, unfriendly_network

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import targets
from oversmooth_book.experiments.spurious_stationary_points import landscape, last_layer, training


@pytest.fixture(scope="module")
def data():
    return osm.csbm(num_nodes=40, p_in=0.3, p_out=0.1, num_features=3, seed=1)


@pytest.fixture(scope="module")
def measured(data):
    return last_layer.against_depth(data, [2, 4], 2)


def test_hidden_gradient_is_autograds(data, measured):
    hidden = last_layer.hidden_gradient(measured).set_index(["model", "last_layer", "depth", "seed"])
    for model, kind in last_layer.MODELS.items():
        net = last_layer.network(data, kind, 4, 1)
        (net(data.x) - targets(data)).square().mean().backward()
        expected = math.sqrt(sum(float(weight.grad.square().sum()) for weight in net.weights[:-1]))
        assert hidden.loc[(model, "random", 4, 1), "gradient"] == pytest.approx(expected, rel=EXACT)


def test_graph_network_and_perceptron_share_their_weights(data):
    nets = [last_layer.network(data, kind, 5, [3, 4]) for kind in last_layer.MODELS.values()]
    assert all(torch.equal(a, b) for a, b in zip(*(net.weights for net in nets), strict=True))


def test_total_and_floor_of_a_trained_last_layer(measured):
    one = measured.query("model == 'gnn' and last_layer == 'trained' and depth == 4 and seed == 0")
    assert one["total"].iloc[0] == pytest.approx(math.sqrt((one["gradient"] ** 2).sum()), rel=EXACT)
    assert (one["last_norm"] <= last_layer.BUDGET * (1 + ITERATIVE)).all()
    assert (one["floor"] <= one["loss"]).all()


def test_certified_counts_what_is_wrong(measured):
    good = last_layer.certified(measured)
    assert good["violations"] == 0 and good["below_floor"] == 0 and 1 <= good["low"] <= good["high"]
    ours = measured.query("model == 'gnn' and last_layer == 'trained' and layer < depth - 1")
    assert (ours["plain_certificate"] / ours["certificate"]).median() > 1
    bad = measured.copy()
    row = bad.index[(bad["model"] == "gnn") & (bad["layer"] == 1)][0]
    bad.loc[row, "certificate"] = 0.999 * bad.loc[row, "gradient"]
    bad.loc[row, "floor"] = 1.001 * bad.loc[row, "loss"]
    again = last_layer.certified(bad)
    assert again["violations"] == 1 and again["below_floor"] == 1


def test_by_layer_and_summary_are_medians_over_seeds(measured):
    layers = last_layer.by_layer(measured, 4).set_index(["model", "last_layer", "quantity", "layer"])
    for quantity in ("gradient", "backward_norm"):
        picked = measured.query("model == 'mlp' and last_layer == 'trained' and depth == 4 and layer == 2")[quantity]
        row = layers.loc[("mlp", "trained", quantity, 2)]
        assert (row["low"], row["median"], row["high"]) == (picked.min(), picked.median(), picked.max())
    hidden = last_layer.hidden_gradient(measured)
    assert set(last_layer.summary(hidden, ["loss"])["quantity"]) == {"loss"}
    row = last_layer.summary(hidden).query("model == 'gnn' and last_layer == 'random' and depth == 2")
    loss = hidden.query("model == 'gnn' and last_layer == 'random' and depth == 2")["loss"]
    assert row.query("quantity == 'loss'")["median"].item() == loss.median()


def test_slope_of_an_exponential():
    table = pd.DataFrame({"depth": [1, 24, 30, 30, 40]})
    table["gradient"] = 7.0 * 0.6 ** table["depth"]
    table.loc[0, "gradient"] = 1e9  # too shallow to count
    assert last_layer.slope(table, 24) == pytest.approx(math.log(0.6), rel=EXACT)


def test_slope_leaves_rounding_out():
    table = pd.DataFrame({"depth": [24, 32, 64, 100, 128], "gradient": [0.6**24, 0.6**32, 0.6**64, 3e-17, 0.0]})
    assert last_layer.slope(table, 24) == pytest.approx(math.log(0.6), rel=EXACT)


def test_three_ways_differ_as_they_should(data):
    ways = last_layer.three_ways(data, [3], 2).set_index(["how", "seed"])
    for seed in (0, 1):
        exact, budget, descent = (ways.loc[(how, seed)] for how in ("exact", "budget", "descent"))
        assert exact["loss"] <= budget["loss"] + EXACT and exact["loss"] <= descent["loss"] + EXACT
        assert budget["last_norm"] <= last_layer.BUDGET * (1 + ITERATIVE)


def test_random_networks_have_a_row_each_and_their_share(data):
    many = last_layer.random_networks(data, (2, 3), (1.0,), ("metropolis", "random_walk"), ("tanh", "relu"), 2)
    assert len(many) == 2 * 2 * 2 * 2
    assert np.allclose(many["share"], many["loss"] / float(targets(data).var(correction=0)), rtol=EXACT)


def test_mean_kernel_is_the_squared_gradient_of_the_average_output():
    """In a linear network the average output depends on each weight through the means alone: autograd agrees."""
    network = unfriendly_network("identity")
    widths = [*network.widths[:-1], 1]
    network = osm.Network(network.propagation, widths, "identity", seed=2)
    features = signal(network.propagation.num_nodes, widths[0]) + 1
    average = (network.propagation.stationary[:, None] * network(features)).sum()
    expected = sum(float(g.square().sum()) for g in torch.autograd.grad(average, list(network.weights)))
    signals = osm.trace(network, features, lambda output: output.square().sum())
    assert float(landscape.mean_kernel(signals)) == pytest.approx(expected, rel=EXACT)


def test_mean_kernel_of_a_batch_is_that_of_each(data):
    nets = [last_layer.network(data, "metropolis", 4, seed) for seed in ([0, 1], 0, 1)]
    kernels = [landscape.mean_kernel(osm.trace(net, data.x, lambda o: o.square().mean((-1, -2)))) for net in nets]
    assert torch.allclose(kernels[0], torch.stack(kernels[1:]), rtol=EXACT)


def test_pieces_of_descent_are_one_descent(data, monkeypatch):
    long = training.train(data, "metropolis", 3, 2, "sgd", 60)[1]
    expected = long[long["loss"] < training.LEFT].groupby("seed")["step"].min()
    assert len(expected) == 2 and expected.min() > 0
    monkeypatch.setattr(training, "CHUNK", 1 + int(expected.min()) // 2)
    found = training.plateaus(data, {"sgd": [3]}, 2, 60)
    assert found["steps"].tolist() == expected.tolist() and found["left"].all()


def test_a_plateau_beyond_the_budget_is_marked(data):
    table = training.plateaus(data, {"sgd": [3]}, 1, 1)
    assert table["steps"].tolist() == [1] and not table["left"].any()


def test_growth_of_an_exponential_leaves_out_unfinished_depths():
    rows = [{"depth": d, "seed": s, "steps": 3 * 1.5**d, "left": True} for d in (5, 7, 9) for s in (0, 1)]
    rows += [{"depth": 11, "seed": s, "steps": 10, "left": s == 0} for s in (0, 1)]
    rows += [{"depth": 3, "seed": 0, "steps": 1, "left": True}]
    assert training.growth(pd.DataFrame(rows)) == pytest.approx(1.5, rel=EXACT)


def test_first_steps_start_at_one_and_the_first_is_as_predicted():
    """On a graph whose features oversmooth within the depth; later the means move, and with them the true decay."""
    table = training.first_steps(osm.csbm(num_nodes=60, p_in=0.6, p_out=0.5, num_features=3), 8, 2, 20)
    start, after = table[table["step"] == 0], table[table["step"] == 1]
    assert (start[["mean_error", "gradient", "predicted"]] == 1).all(axis=None)
    assert (after["predicted"] < 0.97).all()
    assert np.allclose(1 - after["mean_error"], 1 - after["predicted"], rtol=0.05)
    bands = training.first_bands(table)
    assert set(bands["quantity"]) == {"loss", "gradient", "mean_error", "predicted"}


def test_figure_one_has_every_network_and_its_layers(data):
    history = training.figure_one(data, (2, 3), 2, 4, 2)
    assert history.groupby(["model", "depth"]).size().to_dict() == {
        (m, d): 3 * 2 for m in ("gnn", "mlp") for d in (2, 3)
    }
    layers = training.layer_gradients(history, 3)
    picked = history.query("model == 'mlp' and depth == 3 and step == 4")["gradient_1"].median()
    assert layers.query("model == 'mlp' and step == 4 and layer == 1")["median"].item() == picked
    assert set(layers["layer"]) == {0, 1, 2}


def test_large_weights_measure_the_last_features(data):
    table = training.large_weights(data, 3, [2.0], 1, 2, 1)
    net = last_layer.network(data, "metropolis", 3, 0, 2.0)
    signals = osm.trace(net, data.x, lambda o: o.square().sum())
    expected = float(osm.relative_deviation(signals.features[-1], net.propagation))
    assert table["smoothness"].iloc[0] == pytest.approx(expected, rel=EXACT)


def test_planes_share_their_directions_and_pass_through_the_network(data):
    table = landscape.planes(data, 3, 3, 1.0)
    middles = table.query("first == 0 and second == 0").set_index("model")["loss"]
    for model, kind in last_layer.MODELS.items():
        net, loss = landscape.trained(data, kind, 3)
        middle = middles[model]
        assert middle == pytest.approx(float(loss(net(data.x)).detach()), rel=EXACT)
    directions = landscape.random_plane(50)
    assert torch.allclose(directions @ directions.T, torch.eye(2, dtype=torch.float64), atol=EXACT)


def test_eigenvalues_agree_with_the_curved_plane(data):
    """Second differences along the eigenvectors give the eigenvalues back."""
    values = landscape.eigenvalues(data, [3]).set_index("model").loc["gnn"]
    h = 1e-3
    plane = landscape.curved_plane(data, 3, 3, (h, h)).pivot(index="first", columns="second", values="loss").to_numpy()
    lowest = (plane[0, 1] - 2 * plane[1, 1] + plane[2, 1]) / h**2
    highest = (plane[1, 0] - 2 * plane[1, 1] + plane[1, 2]) / h**2
    assert -values["lowest"] == pytest.approx(lowest, rel=1e-3)
    assert values["highest"] == pytest.approx(highest, rel=1e-3)


def test_verdicts_read_the_last_step_only():
    rows = [
        {"scale": 3, "seed": k, "step": t, "smoothness": s, "loss": 1.0 + e}
        for k, t, s, e in ((0, 0, 1e-9, 0.0), (0, 9, 1e-2, 0.5), (1, 0, 1.0, 9.0), (1, 9, 1e-6, -1e-4))
    ]
    found = training.verdicts(pd.DataFrame(rows))
    assert found[["smoothed", "at_variance"]].to_numpy().tolist() == [[0, 0], [1, 1]]
