"""The experiments of the chapter on forward oversmoothing, by other roads."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT, edge_index_of

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.forward_oversmoothing import claims, draws, phase
from oversmooth_book.experiments.forward_oversmoothing import measure as experiment
from oversmooth_book.experiments.forward_oversmoothing import measures as forward_measures
from oversmooth_book.experiments.settings import Setting


@pytest.fixture(scope="module")
def layers():
    return experiment.collapse(Setting(depth=7, seeds=(0, 1, 2)))


@pytest.fixture(scope="module")
def measures():
    table = forward_measures.measures(Setting(depth=5))
    return table.set_index(["situation", "graph", "measure", "layer"])["value"]


def dense_deviation(X):
    return np.sqrt(((X - X.mean(0)) ** 2).sum() / len(X))


def test_over_seeds_against_a_loop():
    rng = np.random.default_rng(0)
    rows = [{"a": a, "k": k, "seed": s, "v": rng.random()} for a in "yx" for k in (1, 0) for s in range(5)]
    table = over_seeds(pd.DataFrame(rows), ["a", "k"], "v")
    assert table[["a", "k"]].to_numpy().tolist() == [["y", 1], ["y", 0], ["x", 1], ["x", 0]]
    for _, row in table.iterrows():
        values = sorted(r["v"] for r in rows if (r["a"], r["k"]) == (row["a"], row["k"]))
        assert (row["low"], row["median"], row["high"]) == (values[0], values[2], values[4])


def test_collapse_against_dense_layers(layers):
    """One network of the table, layer by layer with a dense P and numpy."""
    data = osm.csbm()
    P = osm.Propagation.from_data(data)
    scale = 1.25 / P.rate
    weights = osm.Network(P, [8, *[32] * 7], activation="elu", weight_scale=scale, seed=1).weights
    dense, X = P.to_dense().numpy(), data.x.numpy()
    rows = layers.query("activation == 'elu' and product == 1.25 and seed == 1").set_index("layer")
    start = dense_deviation(X)
    for k in range(7):
        spread = dense_deviation(X)
        assert rows.loc[k, "deviation"] == pytest.approx(spread / start, rel=1e-9)
        assert rows.loc[k, "ratio"] == pytest.approx(spread / np.sqrt((X**2).sum() / len(X)), rel=1e-9)
        assert rows.loc[k, "bound"] == pytest.approx(1.25**k, rel=1e-9)
        H = dense @ X @ weights[k].detach().numpy()
        X = np.where(H > 0, H, np.expm1(H))


def test_collapse_has_every_combination_and_its_bands_cover_the_seeds(layers):
    assert len(layers) == 4 * 4 * 7 * 3
    bands = experiment.collapse_bands(layers)
    assert len(bands) == 4 * 4 * 7
    joined = layers.merge(bands, on=["activation", "product", "layer"])
    assert (joined["low"] <= joined["deviation"]).all()
    assert (joined["deviation"] <= joined["high"]).all()
    assert (bands["high"] <= bands["bound"] * (1 + 1e-9)).all()


def test_relative_deviation_of_linear_networks_ignores_the_scale(layers):
    """Claim F4, and the reason it is one: with tanh it does not hold."""
    spread = layers.groupby(["activation", "layer", "seed"])["ratio"].agg(["min", "max"])
    gap = spread["max"] / spread["min"] - 1
    assert gap["identity"].max() < 1e-8
    assert gap["tanh"].max() > 0.01


def test_decay_rates_read_off_a_geometric_series():
    """A rate of 0.5 after three fast layers; from layer 25 on the signal is rounding and must not count."""
    deviation = np.concatenate([[1, 0.1, 0.01, 0.001], 0.001 * 0.5 ** np.arange(1, 22), [1e-9] * 15])
    ratio = np.concatenate([np.ones(25), [1e-12] * 15])
    table = pd.DataFrame({"layer": range(40), "seed": 0, "deviation": deviation, "ratio": ratio})
    other = table.assign(seed=1, deviation=3 * table["deviation"])
    found = experiment.decay_rates(pd.concat([table, other]))
    assert found["seed"].tolist() == [0, 1]
    assert found["rate"].tolist() == pytest.approx([0.5, 0.5], abs=EXACT)


def test_fitted_slopes_against_matrix_powers():
    row = experiment.fitted_slopes(Setting(depth=41), [0]).iloc[0]
    data = osm.csbm(seed=0)
    dense = osm.Propagation.from_data(data).to_dense().numpy()
    X = (data.x - data.x.mean(0)).numpy()
    log = np.log([dense_deviation(np.linalg.matrix_power(dense, k) @ X) for k in range(41)])
    k = np.arange(20, 41)
    slope = ((k - k.mean()) * log[20:]).sum() / ((k - k.mean()) ** 2).sum()
    eigenvalues = np.sort(np.abs(np.linalg.eigvalsh(dense)))
    assert row["slope"] == pytest.approx(slope, rel=1e-8)
    assert row["rate"] == pytest.approx(eigenvalues[-2], rel=1e-8)
    assert row["error"] == pytest.approx(abs(slope / np.log(eigenvalues[-2]) - 1), rel=1e-6)


def test_scale_shifts_the_slope_by_its_logarithm():
    setting = Setting(depth=41)
    plain, scaled = (experiment.fitted_slopes(replace(setting, weight_scale=s), [0])["slope"][0] for s in (1.0, 2.0))
    assert scaled - plain == pytest.approx(np.log(2), abs=1e-8)


def test_modes_predict_and_lambda_alone_does_not():
    table = experiment.modes(Setting(depth=7))
    assert len(table) == 2 * 2 * 7
    assert table["measured"].to_numpy() == pytest.approx(table["predicted"].to_numpy(), rel=1e-8)
    late = table[table["layer"] == 6]
    assert (late["measured"] < 0.95 * late["slowest"]).all()
    assert table.query("layer == 0")[["measured", "predicted", "slowest"]].to_numpy() == pytest.approx(1.0)


def test_snapshots_are_the_two_main_directions():
    table = experiment.snapshots(Setting(), [0, 3])
    data = osm.csbm()
    covariance = np.cov(data.x.numpy(), rowvar=False, bias=True)
    first = table.query("view == 'same scale' and layer == 0")
    main = np.sort(np.linalg.eigvalsh(covariance))[::-1][:2]
    assert first[["x", "y"]].var(ddof=0).to_numpy() == pytest.approx(main, rel=1e-9)
    same, enlarged = (table[(table["view"] == view) & (table["layer"] == 3)] for view in ("same scale", "enlarged"))
    factor = enlarged["factor"].iloc[0]
    assert factor > 2
    assert enlarged["x"].to_numpy() == pytest.approx(factor * same["x"].to_numpy())
    assert (table.groupby(["view", "layer"])["x"].apply(lambda x: x.iloc[200:].mean()) > 0).all()


# The bound, at random


def test_draws_repeat_and_reach_every_kind():
    table = draws.bound_draws(60)
    pd.testing.assert_frame_equal(table, draws.bound_draws(60))
    assert set(table["kind"]) == {"metropolis", "max_degree", "random_walk", "gcn", "matrix"}
    assert (table["used"] <= 1 + 1e-9).all()
    assert table["used"].max() > 0.3


def test_draws_notice_a_bound_that_is_too_small(monkeypatch):
    """With the squared rate instead of the rate some draw must break it."""
    honest = osm.forward_bound

    def squared(network, features):
        bound = honest(network, features)
        return bound[0] * (bound / bound[0]) ** 2

    monkeypatch.setattr(osm, "forward_bound", squared)
    table = draws.bound_draws(40)
    assert (table["used"] > 1).any()
    assert claims.networks_above_their_bound(table) == (table["used"] > 1 + 1e-9).sum() > 0


def test_a_linear_network_on_the_complete_graph_attains_the_bound():
    """Its GCN propagation is 11ᵀ/n without the loops' share: every mode has the same |λ_j|."""
    P = osm.Propagation.from_edges(phase.ring(8, 3), 8, kind="gcn")
    network = osm.Network(P, [3] * 6, activation="identity", weight_scale=1.7)
    features = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 3)))
    assert draws._share_of_bound(network, features) == pytest.approx(1, abs=1e-9)


def test_what_only_rounding_leaves_uses_nothing_of_the_bound():
    """On a path of three nodes P sends (1, −2, 1)ᵀ to zero, far below the bound; its mean leaves a rounding."""
    P = osm.Propagation.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3)
    network = osm.Network(P, [1] * 4, activation="identity", seed=0)
    features = torch.tensor([[1.0], [-2.0], [1.0]], dtype=torch.float64)
    left = [float(osm.deviation(P @ (0.1 * features + mean), P)) for mean in (0.7, 3.3)]
    assert 0 < max(left) < EXACT
    assert [draws._share_of_bound(network, 0.1 * features + mean) for mean in (0.7, 3.3)] == [0, 0]


# The phase diagram


@pytest.mark.parametrize(("nodes", "reach"), [(7, 1), (12, 3), (13, 5)])
def test_rings_are_circulant_graphs(nodes, reach):
    edges = phase.ring(nodes, reach)
    expected = edge_index_of(nx.circulant_graph(nodes, range(1, reach + 1)))
    assert {tuple(e) for e in edges.T.tolist()} == {tuple(e) for e in expected.T.tolist()}
    assert edges.shape == expected.shape
    rate = osm.Propagation.from_edges(edges, nodes).rate
    assert phase.ring_rate(nodes, reach) == pytest.approx(rate, abs=EXACT)


def test_phase_of_linear_networks_follows_the_product():
    table = phase.phase(Setting(seeds=(0, 1)), 4)
    linear, tanh = (table[table["activation"] == name] for name in ("identity", "tanh"))
    assert linear["measured"].to_numpy() == pytest.approx((linear["rate"] * linear["scale"]).to_numpy(), rel=0.05)
    assert (tanh["measured"] < 1.05).all()
    below = (tanh["rate"] * tanh["scale"] < 1).to_numpy()
    assert (tanh["measured"].to_numpy() <= linear["measured"].to_numpy() * 1.05)[below].all()


def test_features_on_rings_are_those_of_the_setting():
    """Another draw smooths otherwise in the first layers; a scale only tanh sees."""
    shallow = Setting(depth=3, seeds=(0,))
    plain, drawn, larger = (
        phase.phase(replace(shallow, **change), 2).set_index("activation")["measured"]
        for change in ({}, {"graph_seed": 1}, {"feature_scale": 9.0})
    )
    assert (plain != drawn).all() and (plain["tanh"] != larger["tanh"]).all()
    assert plain["identity"].to_numpy() == pytest.approx(larger["identity"].to_numpy())


def test_tanh_smooths_as_its_mean_grows(monkeypatch):
    """The edge is where λ undoes the growth; the growth itself is tested with `mean_growth`."""
    monkeypatch.setattr(phase, "_growth", lambda setting, scales: np.sqrt(scales))
    edge = phase.edge(Setting())
    assert edge["rate"].to_numpy() == pytest.approx(edge["scale"].to_numpy() ** -0.5)
    assert edge["product"].to_numpy() == pytest.approx(edge["scale"].to_numpy() ** 0.5)
    table = phase.phase(Setting(depth=3, seeds=(0,)), 2).query("activation == 'tanh'")
    expected = np.minimum(1, table["rate"] * np.sqrt(table["scale"]))
    assert table["predicted"].to_numpy() == pytest.approx(expected.to_numpy())


def test_the_worst_tanh_network_decides():
    table = pd.DataFrame({"activation": ["identity", "tanh", "tanh"], "measured": [0.1, 0.5, 1.0]})
    assert claims.largest_departure_of_tanh_from_the_growth_of_its_mean(table.assign(predicted=0.6)) == 0.4


# Measures whose truth is known


def test_shrinking_fools_the_energies_only(measures):
    for graph in ("CSBM", "digits"):
        for name in ("energy", "Dirichlet energy"):
            assert measures["only shrunk", graph, name, 4] == pytest.approx(0.7**8)
        for name in ("relative energy", "mean average distance", "effective rank − 1"):
            assert measures["only shrunk", graph, name, 4] == pytest.approx(1)


def test_one_positive_feature_fools_distance_and_rank(measures):
    for graph in ("CSBM", "digits"):
        for name in ("mean average distance", "effective rank − 1"):
            assert measures["one positive feature", graph, name, 0] == 0
        for name in ("energy", "Dirichlet energy", "relative energy"):
            assert measures["one positive feature", graph, name, 4] == pytest.approx(1)


def test_removed_mean_fools_the_relative_energy(measures):
    assert measures["mean removed", "CSBM", "relative energy", 4] == pytest.approx(1)
    assert measures["mean removed", "CSBM", "energy", 4] < 0.1


def test_gcn_limit_fools_the_energies():
    """In 40 linear GCN layers the features become multiples of √degree: one direction, and an energy that stays."""
    table = forward_measures.measures(Setting(depth=41)).query("graph == 'CSBM' and situation == 'GCN limit'")
    value = table.set_index(["measure", "layer"])["value"]
    degree = np.bincount(osm.csbm().edge_index[0].numpy()) + 1
    assert value["relative energy", 40] < 1e-10
    assert value["energy", 40] == pytest.approx(value["energy", 25], rel=0.01)
    start = osm.csbm().x.numpy()
    limit = np.outer(np.sqrt(degree), np.sqrt(degree) @ start / degree.sum())
    assert value["energy", 40] == pytest.approx((dense_deviation(limit) / dense_deviation(start)) ** 2, rel=1e-6)


def test_energy_identities_against_loops():
    table = forward_measures.energy_identities().set_index(["graph", "propagation", "identity"])
    assert (table["error"] < EXACT).all()
    data = osm.csbm()
    P = osm.Propagation.from_data(data, kind="random_walk")
    pi, X, two = P.stationary.numpy(), data.x.numpy(), np.linalg.matrix_power(P.to_dense().numpy(), 2)
    pairs = sum(pi[i] * (pi * ((X[i] - X) ** 2).sum(1)).sum() for i in range(len(X))) / 2
    removed = sum(pi[i] * (two[i] * ((X[i] - X) ** 2).sum(1)).sum() for i in range(len(X))) / 2
    assert table.loc[("CSBM", "random_walk", "pairs"), "left"] == pytest.approx(pairs)
    assert table.loc[("CSBM", "random_walk", "one layer"), "left"] == pytest.approx(removed)


def test_profiles_leave_the_random_state_alone(random_state_untouched):
    table = experiment.profile(Setting(graph="karate", activation="relu", depth=4, seeds=(0, 1)))
    assert sorted(table["layer"].unique()) == [0, 1, 2, 3]
    assert table["depth"].unique().tolist() == [4]


# Claims, by hand


def collapse_of(*rows):
    columns = ["activation", "product", "rate", "layer", "low", "high", "bound"]
    return pd.DataFrame(rows, columns=columns)


def test_compensation_is_read_at_the_last_layer_and_fails_where_features_shrink():
    rows = [("identity", 1.25, 0.7, 0, 1.0, 1.0, 1.0), ("identity", 1.25, 0.7, 9, 7.0, 7.4, 7.5)]
    others = [("tanh", 1.25, 0.7, 9, 0.1, 0.2, 7.5), ("identity", 0.5, 0.7, 9, 1e-3, 1e-3, 2e-3)]
    assert claims.least_deviation_where_weights_compensate(collapse_of(*rows, *others)) == 7.0
    assert (
        claims.least_deviation_where_weights_compensate(collapse_of(rows[0], ("identity", 1.25, 0, 9, 0.5, 1, 1))) < 1
    )


def test_the_printed_rate_is_compared_with_the_square():
    """σ = 2 at a bound of 4 obeys σ ≤ (λs)ᵏ and σ² ≤ (λs)ᵏ; σ = 3 obeys the first only."""
    assert claims.energy_over_the_rate_printed_beside_it(collapse_of(("identity", 2.0, 0.7, 2, 2, 2, 4))) == 1
    assert claims.energy_over_the_rate_printed_beside_it(collapse_of(("identity", 2.0, 0.7, 2, 2, 3, 4))) == 2.25


def test_the_caught_contracts_most_where_the_product_is_two():
    rows = [("tanh", 0.9, 3.0, 0.8), ("tanh", 0.5, 4.0, 0.4), ("tanh", 0.5, 3.9, 0.1), ("identity", 0.9, 4.0, 0.01)]
    table = pd.DataFrame(rows, columns=["activation", "rate", "scale", "measured"])
    assert claims.product_of_the_caught(table) == pytest.approx(2.0)
    assert (claims.rate_of_the_caught(table), claims.factor_of_the_caught(table)) == (0.5, 0.4)
