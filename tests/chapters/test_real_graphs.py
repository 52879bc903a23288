"""Chapter real_graphs: its experiments on small graphs by other roads, and on the public graphs where at hand."""

import math

import numpy as np
import pandas
import pytest
import reference
import torch
from torch_geometric.data import Data

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.real_graphs import lanczos
from oversmooth_book.experiments.real_graphs import measure as real_graphs
from oversmooth_book.experiments.real_graphs import networks as real_networks
from oversmooth_book.experiments.real_graphs import training as real_training

EXACT, ITERATIVE = 1e-10, 1e-6
PUBLIC = ("Cora", "CiteSeer", "minesweeper", "tolokers")
needs_data = pytest.mark.skipif(
    not all(osm.available(name) for name in PUBLIC), reason="raw files of the public graphs not at hand"
)


def islands():
    """A triangle with a tail, a pair, and an isolated node: sizes 4, 2, 1; nodes of a component not in a row."""
    pairs = torch.tensor([[0, 2], [2, 5], [5, 0], [5, 6], [1, 4]]).T
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Data(x=x + 1, y=torch.arange(7) % 2, edge_index=torch.cat([pairs, pairs.flip(0)], dim=1))


def dense_curve(P, X, layers):
    """σ(PᵏX) by matrix powers and the definition of the deviation."""
    matrix, pi = P.to_dense().numpy(), P.stationary.numpy()
    values = []
    for k in layers:
        Z = np.linalg.matrix_power(matrix, k) @ X.numpy()
        mean = sum(p * z for p, z in zip(pi, Z, strict=True))
        values.append(math.sqrt(sum(p * ((z - mean) ** 2).sum() for p, z in zip(pi, Z, strict=True))))
    return np.array(values)


# ------------------------------------------------------------------------------------------------ quadrature


@pytest.mark.parametrize("kind", ["metropolis", "max_degree", "random_walk"])
def test_quadrature_is_exact_for_the_depths_it_promises(kind):
    P = osm.Propagation.from_data(osm.karate(), kind=kind)
    X = torch.randn(34, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layers = range(13)
    assert lanczos.quadrature_deviation(P, X, layers).numpy() == pytest.approx(dense_curve(P, X, layers), rel=EXACT)


def test_quadrature_on_a_cycle_in_closed_form():
    n, depth = 40, 15
    nodes = torch.arange(n)
    ahead = torch.stack([nodes, (nodes + 1) % n])
    P = osm.Propagation.from_edges(torch.cat([ahead, ahead.flip(0)], dim=1), n)
    spike = torch.eye(n, dtype=torch.float64)[:, :1]
    rates = (1 + 2 * np.cos(2 * np.pi * np.arange(1, n) / n)) / 3
    expected = [math.sqrt((rates ** (2 * k)).sum()) / n for k in range(depth)]
    assert lanczos.quadrature_deviation(P, spike, range(depth)).tolist() == pytest.approx(expected, rel=EXACT)


def test_quadrature_beyond_its_steps_is_a_lower_bound_that_steps_close():
    data = osm.largest_component(osm.csbm(num_nodes=120, seed=4))
    P = osm.Propagation.from_data(data, kind="random_walk")
    true = osm.spectral_deviation(P, data.x, range(25))
    few, more = (lanczos.quadrature_deviation(P, data.x, range(25), steps) for steps in (3, 8))
    assert (few <= true * (1 + EXACT)).all() and (more <= true * (1 + EXACT)).all()
    assert (few >= 0).all() and (few <= more * (1 + EXACT)).all()
    assert few[24] < 0.9 * true[24]


def test_quadrature_survives_signals_of_few_modes():
    P = osm.Propagation.from_data(osm.karate())
    _, modes = np.linalg.eigh(P.to_dense().numpy())
    one_mode, two_modes = modes[:, 5], modes[:, 0] + modes[:, 20]
    X = torch.from_numpy(np.stack([one_mode, two_modes, np.ones(34), np.zeros(34)], axis=1))
    layers = range(20)
    assert lanczos.quadrature_deviation(P, X, layers).numpy() == pytest.approx(dense_curve(P, X, layers), rel=1e-8)


def test_spectral_measure_keeps_each_features_energy():
    data = osm.largest_component(osm.csbm(num_nodes=60, seed=1))
    P = osm.Propagation.from_data(data, kind="random_walk")
    nodes, shares = lanczos.spectral_measure(P, data.x, 6)
    assert (shares >= 0).all() and (nodes.abs() <= P.rate + EXACT).all()
    energies = torch.stack([osm.energy(data.x[:, [j]], P) for j in range(data.num_features)])
    assert torch.allclose(shares.sum(1), energies, rtol=EXACT)


# ------------------------------------------------------------------------------------------------ smoothing


def test_smoothing_measures_predicts_and_counts():
    curves, summary = real_graphs.smoothing(["karate"], 12)
    assert curves["layer"].drop_duplicates().tolist() == [0, 1, 2, 4, 8, 12]
    for kind, rows in curves.groupby("propagation"):
        P = osm.Propagation.from_data(osm.karate(), kind=kind)
        expected = dense_curve(P, osm.karate().x, rows["layer"])
        for column in ("measured", "predicted"):
            assert rows[column].to_numpy() == pytest.approx(expected / expected[0], rel=EXACT)
        assert rows["slowest"].to_numpy() == pytest.approx(P.rate ** rows["layer"].to_numpy(), rel=EXACT)
        row = summary[summary["propagation"] == kind].iloc[0]
        far = dense_curve(P, osm.karate().x, [0, row["hundredth"] - 1, row["hundredth"]])
        assert far[1] > 0.01 * far[0] >= far[2]
        assert row["rate"] == pytest.approx(P.rate) and row["half"] < row["tenth"] < row["hundredth"] and row["exact"]


def test_the_overview_leaves_blank_what_a_shallower_run_has_not():
    counts = pandas.DataFrame({"graph": ["a", "b"], "nodes": 5, "components": 1, "largest": 5, "edges": 7})
    rows = [("a", 8, 0.5), ("a", 32, 0.25), ("b", 8, 0.4), ("b", 32, 0.3), ("b", 64, 0.125)]
    curves = pandas.DataFrame(rows, columns=["graph", "layer", "measured"]).assign(propagation="metropolis")
    kinds = [(graph, kind, 0.9) for graph in ("a", "b") for kind in ("metropolis", "random_walk")]
    shown = real_graphs.overview(counts, curves, pandas.DataFrame(kinds, columns=["graph", "propagation", "rate"]))
    assert shown["left, k = 64"].to_dict() == {"a": "", "b": "0.12"} and shown.loc["a", "left, k = 32"] == "0.25"


def test_large_graphs_are_predicted_by_quadrature_and_say_when_it_is_a_bound(monkeypatch):
    exact, _ = real_graphs.smoothing(["karate"], 12)
    _, dense = real_graphs.smoothing(["karate"], 12)
    monkeypatch.setattr(real_graphs, "DENSE_NODES", 10)
    curves, summary = real_graphs.smoothing(["karate"], 12)
    assert curves["predicted"].to_numpy() == pytest.approx(exact["predicted"].to_numpy(), rel=EXACT)
    assert not summary["exact"].any()
    assert (summary["hundredth"] <= dense["hundredth"]).all() and (summary["hundredth"] > 12).all()


def test_census_counts_components_and_says_that_a_disconnected_graph_has_rate_one(monkeypatch):
    monkeypatch.setattr(
        real_graphs, "load", lambda name, whole=False: islands() if whole else osm.largest_component(islands())
    )
    row = real_graphs.census(["islands"]).iloc[0]
    assert [row[c] for c in ("nodes", "components", "largest", "edges", "features")] == [7, 3, 4, 5, 3]
    assert row["whole_rate"] == 1.0


def test_components_split_the_deviation_into_inside_and_between(monkeypatch):
    data = islands()
    monkeypatch.setattr(real_graphs, "load", lambda name, whole=False: data)
    table = real_graphs.components(["islands"], 8)
    matrix, groups = osm.Propagation.from_data(data).to_dense().numpy(), [[0, 2, 5, 6], [1, 4], [3]]
    start = np.sqrt(((data.x.numpy() - data.x.numpy().mean(0)) ** 2).sum() / 7)
    for row in table.itertuples():
        Z = np.linalg.matrix_power(matrix, row.layer) @ data.x.numpy()
        inside = sum(((Z[g] - Z[g].mean(0)) ** 2).sum() for g in groups) / 7
        between = sum(len(g) * ((Z[g].mean(0) - Z.mean(0)) ** 2).sum() for g in groups) / 7
        assert row.inside == pytest.approx(math.sqrt(inside) / start, rel=EXACT)
        assert row.between == pytest.approx(math.sqrt(between) / start, rel=EXACT)
        assert row.total**2 == pytest.approx(row.inside**2 + row.between**2, rel=EXACT)
    alone = osm.largest_component(data)
    curve = dense_curve(osm.Propagation.from_data(alone), alone.x, [0, 4, 8])
    assert table["largest"].to_numpy() == pytest.approx(curve / curve[0], rel=EXACT)


# ------------------------------------------------------------------------------------------------ networks


def test_read_in_keeps_the_geometry_where_it_can_and_scales():
    X = torch.randn(9, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wide, narrow = real_networks.read_in(X, 6, [0, 1]), real_networks.read_in(X, 3, [0])
    assert wide.shape == (2, 9, 6) and narrow.shape == (1, 9, 3)
    gram = X @ X.T
    for read in wide:
        assert torch.allclose(read @ read.T / read.square().sum(), gram / gram.trace(), atol=EXACT)
        assert float(read.square().mean()) == pytest.approx(1, rel=EXACT)
    assert not torch.allclose(wide[0], wide[1])


def test_linear_networks_follow_their_prediction():
    table = real_networks.orthogonal_network(["karate", "CSBM"], 10, 8)
    assert table["measured"].to_numpy() == pytest.approx(table["predicted"].to_numpy(), rel=1e-8)
    assert (table.groupby("graph")["measured"].last() < 0.4).all()


def test_two_factors_by_a_naive_pass_and_by_the_spectrum():
    table = real_networks.two_factors(["karate"], 5, 6, 2).set_index(["network", "where", "seed", "layer"]).sort_index()
    X, P = real_networks.read_in(osm.karate().x, 6, [0, 1]), osm.Propagation.from_data(osm.karate())
    predicted = osm.spectral_deviation(P, X, range(6))
    for seed in (0, 1):
        linear = table.loc["orthogonal, identity", "graph", seed]["deviation"].to_numpy()
        assert linear == pytest.approx((predicted[seed] / predicted[seed][0]).numpy(), rel=1e-9)
    unchanged = table.loc["orthogonal, identity", "no graph"][["deviation", "norm"]]
    assert np.allclose(unchanged, 1, rtol=0, atol=EXACT)
    weights = osm.Network(P, [6] * 6, init="glorot", seed=1, weight_scale=2**0.5).weights
    Z = X[1].numpy()
    for k in range(5):
        Z = np.maximum(P.to_dense().numpy() @ Z @ weights[k].detach().numpy(), 0)
    row = table.loc["He, ReLU", "graph", 1, 5]
    start = X[1].numpy()
    assert row["norm"] == pytest.approx(np.sqrt((Z**2).sum() / (start**2).sum()), rel=EXACT)
    spread = ((Z - Z.mean(0)) ** 2).sum() / ((start - start.mean(0)) ** 2).sum()
    assert row["deviation"] == pytest.approx(np.sqrt(spread), rel=EXACT)


WHERE = ("graph", "no graph")


def factor_table(curves):
    rows = [
        {"graph": "g", "network": network, "where": where, "seed": seed, "layer": k, "deviation": d, "norm": n}
        for (network, where), seeds in curves.items()
        for seed, curve in enumerate(seeds)
        for k, (d, n) in enumerate(curve)
    ]
    return pandas.DataFrame(rows)


def bands_of(table):
    """The bands of the deviation and of the norm, as the chapter saves them."""
    return [over_seeds(table, ["graph", "network", "where", "layer"], value) for value in ("deviation", "norm")]


def test_onset_is_the_first_layer_where_the_median_is_low_enough():
    falling = [(1, 1), (0.5, 0.9), (0.1, 0.8), (0.05, 0.7)]
    slow = [(1, 1), (0.9, 1), (0.8, 1), (0.7, 1)]
    table = factor_table({("a", "graph"): [falling, falling, slow], ("b", "graph"): [slow, slow, falling]})
    deviation, norm = bands_of(table)
    assert real_networks.onset(deviation, 0.1).to_dict() == {("g", "a", "graph"): 2, ("g", "b", "graph"): -1}
    assert real_networks.onset(norm, 0.75)["g", "a", "graph"] == 3


def test_depths_marks_bounds_and_what_was_not_reached():
    names = {name: [[(1, 1), (0.09, 0.5), (0.009, 0.09)]] for name in real_networks.NETWORKS}
    table = factor_table({(name, where): curve for name, curve in names.items() for where in ("graph", "no graph")})
    summary = pandas.DataFrame(
        [{"graph": "g", "propagation": "metropolis", "half": 3, "tenth": 20, "hundredth": 900, "exact": False}]
    )
    shown = real_networks.depths(summary, *bands_of(table))
    tenth, hundredth = shown.loc["a tenth", "g"], shown.loc["a hundredth", "g"]
    assert tenth["smoothing alone"] == "20" and hundredth["smoothing alone"] == "≥ 900"
    assert tenth["shrinking alone, ReLU"] == "2" and hundredth["shrinking alone, ReLU"] == "> 2"
    assert tenth["both, tanh"] == "1" and hundredth["both, tanh"] == "2"


def test_depths_of_a_borrowed_graph_end_at_its_own_last_layer():
    def graph(name, depth):
        curve = {(network, where): [[(1, 1)] * depth] for network in real_networks.NETWORKS for where in WHERE}
        return factor_table(curve).assign(graph=name)

    summary = pandas.DataFrame(
        [{"graph": g, "propagation": "metropolis", "tenth": 20, "hundredth": 900, "exact": True} for g in ("a", "b")]
    )
    shown = real_networks.depths(summary, *bands_of(pandas.concat([graph("a", 4), graph("b", 7)])))
    assert shown.loc["a tenth", "both, tanh"].to_dict() == {"a": "> 3", "b": "> 6"}


def test_shrinking_exponent_of_a_power_law():
    curve = [(1, 1), *((k**-0.5, 3 * k**-0.7) for k in range(1, 30))]
    table = factor_table({("orthogonal, tanh", "no graph"): [curve], ("orthogonal, tanh", "graph"): [[(1, 1)] * 30]})
    assert real_networks.shrinking_exponents(bands_of(table)[1])["g"] == pytest.approx(-0.7, abs=EXACT)


def test_backward_is_the_gradient_that_autograd_finds(monkeypatch):
    monkeypatch.setattr(real_networks, "BACKWARD", (("karate", "Glorot, tanh"), ("Cora", "Glorot, tanh")))
    table = real_networks.backward(["karate"], 3, 5, 2).set_index(["quantity", "layer"])
    data = osm.karate()
    P = osm.Propagation.from_data(data)
    norms = []

    def loss(output):
        return torch.nn.functional.cross_entropy(output[data.train_mask], data.y[data.train_mask])

    for seed in (0, 1):
        net = osm.Network(P, [34, 5, 5, 4], init="glorot", seed=seed)
        twin = reference.one_pass(P.to_dense(), net.weights, net.activation, data.x, loss)
        norms.append([float((34 * b).square().sum(1).mean().sqrt()) for b in twin["backward"]])
    for k in range(3):
        assert table.loc[("backward_norm", k), "median"] == pytest.approx(np.median([n[k] for n in norms]), rel=EXACT)
        assert table.loc[("backward_norm", k), "low"] == pytest.approx(min(n[k] for n in norms), rel=EXACT)


# ------------------------------------------------------------------------------------------------ public graphs


@needs_data
def test_public_graphs_are_the_ones_of_the_chapter():
    table = real_graphs.census(PUBLIC).set_index("graph")
    assert table["largest"].tolist() == [2485, 2120, 10000, 11758]
    assert table["nodes"].tolist() == [2708, 3327, 10000, 11758]
    assert (table["whole_rate"][["Cora", "CiteSeer"]] == 1).all() and (table["whole_rate"] > 0.99).all()


@needs_data
def test_cora_by_dense_eigenvalues_and_by_quadrature():
    data = real_graphs.load("Cora")
    P = osm.Propagation.from_data(data)
    values = np.abs(np.linalg.eigvalsh(P.to_dense().numpy()))
    assert P.rate == pytest.approx(np.sort(values)[-2], abs=1e-8)
    some = data.x[:, :5]
    layers = [0, 3, 10, 20]
    dense = osm.spectral_deviation(P, some, layers)
    assert torch.allclose(lanczos.quadrature_deviation(P, some, layers), dense, rtol=1e-9)


@needs_data
@pytest.mark.parametrize("name", ["minesweeper", "tolokers"])
def test_quadrature_predicts_repeated_products_on_the_large_graphs(name):
    data = real_graphs.load(name)
    P = osm.Propagation.from_data(data, kind="random_walk")
    predicted = lanczos.quadrature_deviation(P, data.x, range(17))
    X = data.x
    for k in range(17):
        assert float(predicted[k]) == pytest.approx(float(osm.deviation(X, P)), rel=1e-9)
        X = P @ X


# ------------------------------------------------------------------------------------------------ training


def test_training_reports_shares_of_the_label_entropy(monkeypatch):
    monkeypatch.setattr(real_training, "TRAINED", {"karate": (("orthogonal, tanh",), (2, 3))})
    data = osm.karate()
    data.test_mask = ~data.train_mask
    monkeypatch.setattr(real_training, "load", lambda name: data)
    table = real_training.training(["karate"], 6, width=5, lr=0.05)
    assert table["step"].tolist() == [0, 2, 4, 6] * 2
    net = osm.Network(osm.Propagation.from_data(data), [34, 5, 5, 4], seed=0)
    loss = torch.nn.functional.cross_entropy(net(data.x)[data.train_mask], data.y[data.train_mask])
    deep = table[table["depth"] == 3]
    assert deep["loss"].iloc[0] == pytest.approx(
        float(loss.detach()) / math.log(4), rel=EXACT
    )  # one node a class: entropy log 4
    assert deep["loss"].iloc[-1] < deep["loss"].iloc[0]
    assert deep["contrast"].iloc[0] == pytest.approx(float(osm.relative_deviation(_hidden(net, data.x))), rel=EXACT)
    assert table["score"].notna().tolist() == [False, False, False, True] * 2
    assert (table["floor"].dropna() <= table.loc[table["score"].notna(), "loss"]).all()
    assert real_training.outcomes(table).columns.tolist() == ["depth 2", "depth 3"]


def _hidden(net, X):
    for k in range(net.depth - 1):
        X = torch.tanh(net.propagation.to_dense() @ X @ net.weights[k].detach())
    return X


def test_score_by_hand():
    output = torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0], [1.0, 0.0]])
    assert real_training.score(output, torch.tensor([0, 1, 0, 1])) == pytest.approx(0.5)  # pairs: + + - -
    three = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert real_training.score(three, torch.tensor([0, 1])) == 0.5


def test_label_entropy_and_splits_by_hand():
    assert real_training.label_entropy(torch.tensor([0, 0, 0, 1])) == pytest.approx(
        0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    )
    masks = torch.tensor([[True, False], [False, True]])
    train, test = real_training.split(Data(train_mask=masks, test_mask=~masks))
    assert train.tolist() == [True, False] and test.tolist() == [False, True]


def test_the_large_block_model_has_the_reference_graphs_mean_degree():
    assert real_graphs.references(0) == list(real_graphs.REFERENCES)
    assert real_graphs.references(3000) == [*real_graphs.REFERENCES, "CSBM 3000"]
    large, small = (real_graphs.load(name, whole=True) for name in ("CSBM 3000", "CSBM"))
    assert large.num_nodes == 3000 and torch.equal(small.edge_index, osm.csbm().edge_index)
    degree = large.num_edges / 3000
    assert abs(degree - 16) < 6 * math.sqrt(2 * 16 / 3000)  # six standard errors of a mean of n/2 pairs' indicators
