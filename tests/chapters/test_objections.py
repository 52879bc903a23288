"""The experiments of the chapter on objections, by other roads."""

import itertools
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT, close

import oversmooth as osm
from oversmooth_book.book.book import find_book
from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import second_modes
from oversmooth_book.experiments.objections import (
    axioms,
    claims,
    constants,
    corrected,
    figures,
    jacobians,
    measure,
    norms,
    pitchfork,
    ranks,
    starts,
    verdicts,
)
from oversmooth_book.experiments.settings import Setting, graph, propagation

SMALL = Setting(graph="CSBM 100", width=5, depth=4, seeds=(0, 1), steps=3)


def dense(name, kind):
    return propagation(name, kind=kind).to_dense().numpy()


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# What the sections share


def test_features_are_those_of_the_trace():
    net, X = SMALL.network(), SMALL.data().x
    expected = osm.trace(net, X, lambda output: output.sum((-1, -2))).features
    for found, wanted in zip(measure.features(net, X), expected, strict=True):
        assert close(found.expand(2, *found.shape[-2:]), wanted.expand(2, *wanted.shape[-2:]))


def test_least_losses_are_those_of_each_seed_alone():
    """Two parabolas of different size under Adam, together and apart; the least is not the last."""
    start = torch.tensor([[0.3], [4.0]], dtype=torch.float64)

    def run(rows):
        weight = start[rows].clone().requires_grad_()
        return measure.least_losses([weight], lambda: (weight**2).sum(-1), 7, 0.1)

    together = run([0, 1])
    assert close(together, torch.cat([run([0]), run([1])]))
    values, weight = [], torch.nn.Parameter(start[0].clone())
    optimizer = torch.optim.Adam([weight], lr=0.1)
    for _ in range(8):
        loss = (weight**2).sum()
        values.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(together[0]) == pytest.approx(min(values)) and min(values) < values[-1]


def test_a_gradient_below_epsilon_moves_nothing():
    def left(epsilon):
        weight = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
        return float(measure.least_losses([weight], lambda: 1e-12 * weight.sum(-1) ** 2, 10, 0.1, epsilon)[0])

    assert left(1e-8) == pytest.approx(1e-12, rel=1e-2) and left(1e-16) < 0.2e-12


# Constant features


def test_constant_features_are_powers_of_the_matrix_whatever_the_weights():
    table = constants.recovery(replace(SMALL, width=16, seeds=(3, 4, 5)), graphs=("karate",), last=6)
    gcn = table[table["propagation"] == "gcn"].set_index("layer")
    matrix = dense("karate", "gcn")
    root = np.sqrt([degree + 1 for _, degree in sorted(nx.karate_club_graph().degree())])
    column = np.ones(34)
    for k in range(7):
        assert gcn.loc[k, "uniform"] == pytest.approx(column.std() / np.sqrt((column**2).mean()), abs=1e-12)
        coordinates, weights = column / root, root**2 / (root**2).sum()
        mean = weights @ coordinates
        own = np.sqrt(weights @ (coordinates - mean) ** 2 / (weights @ coordinates**2))
        assert gcn.loc[k, "own"] == pytest.approx(own, rel=1e-9)
        column = matrix @ column
    assert gcn["limit"].iloc[0] == pytest.approx(root.std() / np.sqrt((root**2).mean()))
    assert (table.loc[table["propagation"] == "random_walk", ["uniform", "own"]] == 0).all(axis=None)


def test_training_finds_one_class_in_constant_features_and_more_in_others(monkeypatch):
    setting = replace(SMALL, width=16)
    table = constants.trained(setting, depths=(2, 4), steps=30)
    assert (table["classes"] == 1).all() and (table["loss"] > 0.9).all()
    assert table["deviation"].nunique() <= 4  # the seeds of a depth agree but for rounding
    monkeypatch.setattr(constants.torch, "ones", lambda *shape, **_: normal(*shape))
    assert (constants.trained(setting, depths=(2,), steps=30)["classes"] > 1).all()


# Jacobians


def test_the_lemma_is_a_kronecker_product():
    assert (jacobians.lemma(SMALL)["error"] == 0).all()
    P, W = dense("karate", "gcn"), normal(3, 3).numpy()
    found = np.linalg.svd(np.kron(P, W.T), compute_uv=False) ** 2
    expected = np.outer(np.linalg.eigvalsh(P) ** 2, np.linalg.eigvalsh(W @ W.T)).ravel()
    assert np.sort(found) == pytest.approx(np.sort(expected), abs=1e-10)


def test_the_lemma_notices_a_wrong_exponent(monkeypatch):
    honest = torch.outer
    monkeypatch.setattr(jacobians.torch, "outer", lambda a, b: honest(a.sqrt(), b))
    assert (jacobians.lemma(SMALL)["error"] > 0.01).all()


def test_the_spectrum_of_several_layers_is_a_power():
    table = jacobians.spectrum(SMALL, depths=(1, 3)).pivot(index="index", columns="layers", values="value")
    assert table[3].to_numpy() == pytest.approx(table[1].to_numpy() ** 3)
    assert table[1].iloc[0] == pytest.approx(1) and table[1].is_monotonic_decreasing
    power = np.linalg.matrix_power(dense("CSBM 100", "metropolis"), 3)
    assert np.linalg.svd(power, compute_uv=False) == pytest.approx(table[3].to_numpy(), abs=1e-10)


def test_errors_against_autograd():
    parts, _ = jacobians.errors(replace(SMALL, shares=(0.3, 0.7)))
    assert parts.groupby("state")["median"].sum().to_numpy() == pytest.approx(1)
    setting = replace(SMALL, shares=(0.3, 0.7), seeds=(0,))
    net, data = setting.network(1), setting.data()
    P, y = setting.propagation(), 2.0 * data.y[:, None].double() - 1
    weights = [weight[0].detach() for weight in net.weights]
    H = [torch.zeros(data.num_nodes, weight.shape[1], dtype=torch.float64, requires_grad=True) for weight in weights]
    X = data.x
    for k, weight in enumerate(weights):
        out = P @ X @ weight + H[k]
        X = torch.tanh(out)
    B = torch.autograd.grad((out - y).square().mean(), H)
    one = jacobians.errors(setting)[1].query("state == 'output layer random'").set_index("layer")["median"]
    assert one.to_numpy() == pytest.approx([float(b.norm() / B[-1].norm()) for b in B])


# Corrected convolutions


@pytest.mark.parametrize("name", ["plain", "corrected", "centred", "corrected GCN", "deflated"])
def test_operators_are_their_dense_matrices(name):
    P = propagation("CSBM 100", kind="gcn" if name == "corrected GCN" else "random_walk")
    A, pi, n = P.to_dense().numpy(), P.stationary.numpy(), P.num_nodes
    root = np.sqrt(pi)
    expected = {
        "plain": A,
        "corrected": A - np.outer(np.ones(n), pi),
        "centred": A - 1 / n,
        "corrected GCN": A - np.outer(root, root),
        "deflated": (A - np.outer(np.ones(n), pi)) / P.rate,
    }[name]
    operator, X = corrected.operator(name, P), normal(2, n, 3)
    assert close(operator @ X, torch.from_numpy(expected) @ X)
    assert close(operator.adjoint(X), torch.from_numpy(expected.T) @ X)
    if name == "corrected GCN":
        assert np.abs(expected @ root).max() < EXACT


def test_trained_depths_have_every_network_and_their_gradient():
    table = corrected.depths_trained(replace(SMALL, kind="random_walk"), (3, 4), (0,))
    assert len(table) == 5 * 2 * 2
    setting = replace(SMALL, kind="random_walk", depth=3, seeds=(0,), graph_seed=0)
    data = setting.data()
    labelled, _ = corrected.labelled_and_test(data.y, 0.5, 0)
    for name in ("deflated", "corrected", "plain"):
        P = corrected.operator(name, setting.propagation())
        net = osm.Network(P, [data.num_features, 5, 5, 2], seed=0, output_bias=True)
        torch.nn.functional.cross_entropy(net(data.x)[labelled], data.y[labelled]).backward()
        expected = float(net.weights[1].grad.square().mean().sqrt())
        found = table.query("name == @name and epsilon == 1e-8 and depth == 3 and seed == 0")
        assert found["gradient"].to_numpy() == pytest.approx([expected])
    history = osm.fit(net, data.x, data.y, "cross_entropy", labelled, lr=setting.step_size, steps=3).table
    entropy = corrected.label_entropy(data.y[labelled])
    assert found["loss"].to_numpy() == pytest.approx([history["loss"].min() / entropy])
    losses, gradients = corrected.depth_bands(table)
    assert len(losses) == 10 and set(gradients["name"]) == {"plain", "corrected", "deflated"}


def test_the_classifier_is_numpys_least_squares():
    X, train = normal(60, 3) + 5, torch.arange(60) < 40
    y = (X[:, 0] + 0.5 * normal(60, seed=1) > 5).long()
    error, norm = corrected.classified(X, y, train)
    design = np.column_stack([X, np.ones(60)])
    weights = np.linalg.lstsq(design[:40], 2.0 * y[:40].numpy() - 1, rcond=None)[0]
    assert error == pytest.approx(((design[40:] @ weights > 0) != (y[40:].numpy() > 0)).mean())
    assert norm == pytest.approx(np.linalg.norm(weights[:-1])) and 0 < error < 0.5


def test_rounds_are_matrix_powers_and_a_bias_absorbs_the_constant():
    table = corrected.rounds((0,), Setting(graph="CSBM 200"))
    assert corrected.disagreement(table)["difference"].max() == 0
    key = table.set_index(["name", "rounds"])
    ratio = key.loc[("plain", 24), "norm"] / key.loc[("deflated", 24), "norm"]
    data = osm.largest_component(osm.csbm(200, p_in=24 / 200, p_out=8 / 200, separation=1.0, seed=0))
    P = osm.Propagation.from_data(data, kind="random_walk")
    assert ratio == pytest.approx(P.rate**-24, rel=1e-4)
    power = np.linalg.matrix_power(P.to_dense().numpy(), 8) @ data.x.numpy()
    assert key.loc[("plain", 8), "ratio"] == pytest.approx(
        float(osm.relative_deviation(torch.from_numpy(power), P)), rel=1e-9
    )


# The pitchfork


def test_the_prediction_is_the_fixed_point_of_the_mean_map():
    """Iterate ‖a‖² ↦ s²‖a‖²(1 − 2c m₄ s²‖a‖²/(d + 2)) from far below; at s = 1 the same map fades."""
    setting = replace(SMALL, graph="karate", kind="random_walk", seeds=(0,))
    P = setting.propagation()
    mode = pitchfork.second_modes(P, 1)[1][:, 0]
    fourth, d = float((P.stationary * mode**4).sum()), setting.width
    table = pitchfork.amplitudes(setting, [0.25]).set_index("activation")
    for name, cubic in pitchfork.CUBIC.items():
        square, faded = 1e-6, 1e-6
        for _ in range(300):
            square = 1.25**2 * square * (1 - 2 * cubic * fourth * 1.25**2 * square / (d + 2))
            faded = faded * (1 - 2 * cubic * fourth * faded / (d + 2))
        assert table.loc[name, "predicted"] == pytest.approx(square**0.5, rel=1e-6)
        assert faded < 1e-6


def test_amplitudes_against_dense_layers():
    setting = replace(SMALL, graph="karate", kind="random_walk", seeds=(2,))
    P = setting.propagation()
    mode = pitchfork.second_modes(P, 1)[1]
    Q, row = osm.deflate(P).to_dense(), pitchfork.amplitudes(setting, [0.5]).set_index("activation").loc["sine"]
    weights = osm.Network(P, [5] * 11, "identity", 1.5, seed=2).weights
    X, sizes = row["predicted"] / 3 / 5**0.5 * mode.expand(-1, 5), []
    for k, weight in enumerate(weights):
        if k >= 5:
            sizes.append(float(((P.stationary[:, None] * mode).T @ X).square().sum()))
        X = torch.sin(Q @ X @ weight.detach())
    assert row["amplitude"] == pytest.approx(np.sqrt(np.mean(sizes)), rel=1e-9)


def test_the_sine_s_slope_is_its_derivative():
    H = normal(7).requires_grad_()
    slope = torch.autograd.grad(pitchfork.SINE(H).sum(), H)[0]
    assert close(pitchfork.SINE.slope(H.detach()), slope)
    table = pitchfork.plain_states(SMALL, (1.0, 3.0)).set_index(["activation", "scale"])
    assert table.loc[("sine", 3.0), "median"] > table.loc[("sine", 1.0), "median"]


# Axioms


def test_the_normalised_energy_is_networkx_s():
    club = nx.karate_club_graph()
    loops = nx.Graph(club.edges())
    loops.add_nodes_from(club)
    X = normal(34, 2)
    degrees = np.array([club.degree(i) + 1 for i in range(34)])
    total = sum(
        ((X[i] / degrees[i] ** 0.5 - X[j] / degrees[j] ** 0.5) ** 2).sum() for i, j in loops.edges() for _ in range(2)
    )
    found = axioms.measures("karate")["normalised Dirichlet energy"](X)
    assert float(found) ** 2 == pytest.approx(float(total) / 34)


def test_axioms_where_the_truth_is_known():
    table = axioms.axioms(seed=1).set_index("measure")
    zero = table == 0
    assert zero.loc["Dirichlet energy"].tolist() == [True, False, False, True]
    assert zero.loc["normalised Dirichlet energy"].tolist() == [False, True, False, True]
    assert zero.loc["σ, in GCN's coordinates"].tolist() == [False, True, False, True]
    assert zero.loc["mean average distance"].tolist() == [True, True, True, False]
    held = axioms.verdicts(table.reset_index()).set_index("measure")
    assert held["all"][held["all"] == 1].index.tolist() == ["Dirichlet energy", "σ, uniform"]
    assert held.loc["relative deviation"].tolist() == [1, 1, 0, 0]


# Norms


def test_norms_are_those_of_torch_and_numpy():
    X = normal(2, 9, 4) + 3
    assert close(norms.layer_norm(X), torch.nn.functional.layer_norm(X, (4,)))
    assert close(norms.batch_norm(X), (X - X.mean(1, keepdim=True)) / X.std(1, correction=0, keepdim=True))


@pytest.mark.parametrize("width", [norms.WIDTH, 3])
def test_the_share_in_the_leading_modes_by_projection(width):
    shares, ranks_of = norms.eigenspaces(SMALL, graphs=("CSBM 100",), layers=(0, 2), width=width)
    P, X = dense("CSBM 100", "metropolis"), graph("CSBM 100").x
    rates, vectors = np.linalg.eigh(P)
    order = np.argsort(-np.abs(rates))
    lead = vectors[:, order[1 : width + 1]]
    seeds = []
    for seed in SMALL.seeds:
        weights = osm.Network(propagation("CSBM 100"), [8, *[width] * 3], seed=seed).weights
        H = norms.batch_norm(X @ weights[0].detach())
        for weight in weights[1:]:
            H = norms.batch_norm(torch.from_numpy(P) @ H @ weight.detach())
        seeds.append((np.linalg.norm(lead.T @ H.numpy()) / np.linalg.norm(H)) ** 2)
    found = shares.query("activation == 'identity' and layer == 2").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx((min(seeds), max(seeds)), rel=1e-6)
    assert (ranks_of["high"] <= width + 1e-9).all()


def test_places_of_layer_norm():
    P, X, W = propagation("CSBM 100"), normal(1, 100, 3), normal(1, 3, 3, seed=1)
    P = osm.Propagation.identity(100)
    assert close(norms.placed("plain", X, W, P), torch.tanh(X @ W))
    assert close(norms.placed("Pre-LN", X, W, P), X + torch.tanh(norms.layer_norm(X) @ W))
    assert close(norms.placed("Post-LN", X, W, P), norms.layer_norm(X + torch.tanh(X @ W)))


def test_placements_and_their_training():
    ratio, change = norms.placements(SMALL, 3)
    assert len(ratio) == len(change) == 3 * 3 and (ratio["high"] <= 1).all()
    plain = ratio.query("place == 'plain'").set_index("layer")["median"]
    net = replace(SMALL, depth=5).network(2)
    X, P = SMALL.data().x @ net.weights[0].detach(), SMALL.propagation()
    for k in (1, 2):
        X = torch.tanh(P @ X @ net.weights[k].detach())
    assert plain[3] == pytest.approx(np.median(osm.relative_deviation(X, P).numpy()))
    trained = norms.placements_trained(replace(SMALL, steps=20, step_size=0.01))
    assert len(trained) == 2 and trained.set_index("place").loc["Pre-LN", "high"] < 0.9


def test_centring_by_halves():
    X = normal(2, 50, 3) + 4
    for alpha in (0.0, 0.5, 1.0):
        left = X - alpha * X.mean(1, keepdim=True)
        assert close(norms.batch_norm(X, alpha), left / (left**2).mean(1, keepdim=True).sqrt())


def test_a_learned_centring_is_trained_and_a_fixed_one_is_not(monkeypatch):
    asked = []

    def noted(parameters, *rest):
        asked.append([len(parameters), *(sum(p.shape[-2:] == (m, SMALL.width) for p in parameters) for m in (1, 8))])
        return least_losses(parameters, *rest)

    least_losses = norms.least_losses
    monkeypatch.setattr(norms, "least_losses", noted)
    table = norms.centrings_trained(replace(SMALL, depth=6, steps=15, step_size=0.01))
    # six weights, the first of 8 inputs, and an output bias; four shifts or four τ of 8 numbers where they are learned
    assert asked == [[7, 0, 1], [11, 4, 1], [7, 0, 1], [11, 0, 5], [11, 0, 5]]
    names = norms.CENTRINGS + norms.PROJECTIONS
    assert table["centring"].tolist() == [name for name in names for _ in SMALL.seeds]
    losses = [table.query("centring == @name")["loss"].to_numpy() for name in names]
    assert (losses[0] < 0.9).all() and len({tuple(one) for one in losses}) == len(names)
    # No step yet: the projection from the mean on is batch norm.
    untrained = norms.centrings_trained(replace(SMALL, depth=6, steps=0)).set_index("centring")["loss"]
    assert close(untrained["projection"].to_numpy(), untrained["fixed"].to_numpy())


def test_a_projection_along_modes_column_by_column():
    """On a walk, whose π is not uniform: V is orthonormal in π's inner product, and τ of length one projects."""
    P = replace(SMALL, kind="random_walk").propagation()
    modes = torch.cat([torch.ones(100, 1).double(), second_modes(P, 7)[1]], dim=1)
    pi = P.stationary.double()
    assert close(modes.T @ (pi[:, None] * modes), torch.eye(8).double(), 1e-9)
    X, tau = normal(2, 100, 3) + 2, normal(2, 8, 3)
    found = norms.project_and_scale(X, tau, modes, P)
    for seed, j in itertools.product(range(2), range(3)):
        v = modes @ tau[seed, :, j]
        left = X[seed, :, j] - v * ((v * pi) @ X[seed, :, j])
        assert close(found[seed, :, j], left / left.square().mean().sqrt())
    mean = torch.zeros(2, 8, 3).double()
    mean[:, 0] = 1
    uniform = SMALL.propagation()
    flat = torch.cat([torch.ones(100, 1).double(), second_modes(uniform, 7)[1]], dim=1)
    assert close(norms.project_and_scale(X, mean, flat, uniform), norms.batch_norm(X))


# Initial variances


def test_metrics_against_the_trace():
    row = starts.metrics(replace(SMALL, seeds=(3,)), ["CSBM 100"], {"CSBM 100": (2.0,)}).iloc[0]
    data, P = SMALL.data(), SMALL.propagation()
    net = osm.Network(P, [8, 5, 5, 5, 1], "tanh", 2.0, seed=3, init="glorot")
    target = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(50, 1)
    features = measure.features(net, data.x)
    (net(data.x) - target).square().mean().backward()
    assert row["forward"] == pytest.approx(float(features[3].norm() / features[1].norm()))
    assert row["backward"] == pytest.approx(float(net.weights[1].grad.norm() / net.weights[2].grad.norm()))
    assert row["variation"] == pytest.approx(float(osm.relative_deviation(features[3], P)))
    inside = 0.1 <= row["forward"] <= 10 and 0.1 <= row["backward"] <= 10
    assert row["controlled"] == int(inside and row["variation"] >= 0.1)


def test_training_from_a_scale_is_training_scaled_networks():
    table = starts.trained(SMALL, (1.0, 3.0))
    data = SMALL.data()
    net = osm.Network(SMALL.propagation(), [8, 5, 5, 5, 2], "tanh", 3.0, seed=[0, 1], init="glorot")
    history = osm.fit(net, data.x, data.y, "cross_entropy", lr=SMALL.step_size, steps=3).table
    least = history.groupby("seed")["loss"].min() / np.log(2)
    found = table.query("scale == 3").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx((least.min(), least.max()))


# Ranks


def test_ranks_are_entropies_of_singular_values():
    table = ranks.ranks(replace(SMALL, seeds=(1,)), graphs=("karate",), activations=("identity",), last=10)
    net = osm.Network(propagation("karate", kind="gcn"), [34, *[5] * 11], "identity", seed=1)
    X = graph("karate").x
    for weight in net.weights[:10]:
        X = propagation("karate", kind="gcn") @ X @ weight.detach()
    share = np.linalg.svd(X.numpy(), compute_uv=False)
    share = share[share > 0] / share.sum()
    found = table.query("operator == 'GCN' and layer == 10")["median"].iloc[0]
    assert found == pytest.approx(np.exp(-(share * np.log(share)).sum()))


# Verdicts and claims


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"A": PASS, "B": FAIL, "C": FAIL}, "CONFIRMED"),
        ({"A": PASS, "B": PASS, "C": FAIL}, "QUALIFIED"),
        ({"A": PASS, "B": PASS, "C": PASS}, "CONTRADICTED"),
        ({"A": FAIL, "B": PASS, "C": FAIL}, "CONTRADICTED"),
        ({"A": PASS, "B": PASS, "C": NOT_RUN}, "NOT RUN"),
    ],
)
def test_a_verdict_follows_from_claims(found, word):
    assert verdicts.verdict(verdicts.Neighbour("w", "s", ("A",), ("B",), ("C",)), found) == word


def test_every_verdict_rests_on_claims_of_this_chapter():
    book = find_book()
    own = {name for name, row in book.claims.items() if row.chapter == "objections"}
    used = {name for one in verdicts.NEIGHBOURS for name in (*one.holds, *one.limits, *one.denies)}
    assert used <= own
    text = verdicts.as_text(pd.DataFrame([{"work": "w", "statement": "s", "r": "OB1", "l": "–", "d": "–", "v": "X"}]))
    assert text.splitlines()[-1] == "| w | s | OB1 | – | – | **X** |"


def test_depth_claims_tell_the_epsilons_apart():
    rows = [
        {"name": name, "epsilon": epsilon, "depth": depth, "median": value, "low": value - 0.1, "high": value + 0.1}
        for name, epsilon, values in (
            ("plain", 1e-8, (1.0, 1.1)),
            ("corrected", 1e-8, (0.2, 1.2)),
            ("centred", 1e-8, (0.3, 1.3)),
            ("corrected", 1e-14, (0.4, 0.5)),
            ("deflated", 1e-8, (0.6, 0.7)),
        )
        for depth, value in zip((25, 49), values, strict=True)
    ]
    table = pd.DataFrame(rows)
    assert claims.largest_loss_without_the_dominant_mode(table) == pytest.approx(0.4)
    assert claims.least_loss_with_it(table) == pytest.approx(0.9)
    assert claims.least_loss_where_the_rest_has_faded(table) == pytest.approx(1.1)
    assert claims.largest_loss_of_deflated_networks(table) == pytest.approx(0.8)
    assert claims.largest_loss_with_a_tiny_epsilon(table) == pytest.approx(0.6)


def test_the_gradient_s_rate_and_where_it_passes_epsilon():
    depth = np.array([9, 17, 25, 33])
    table = pd.DataFrame({"name": "corrected", "depth": depth, "median": 10.0 ** (-depth / 4), "rate": 10**-0.25})
    assert claims.error_of_the_gradient_s_rate(table) == pytest.approx(0, abs=1e-9)
    assert claims.depth_at_which_the_gradient_passes_adam_s_epsilon(table) == pytest.approx(32)
    assert claims.error_of_the_gradient_s_rate(table.assign(rate=10**-0.5)) == pytest.approx(0.5)


def test_exponent_and_constant_of_the_pitchfork():
    excess = np.array([0.01, 0.02, 0.04, 0.08])
    table = pd.DataFrame({"activation": "tanh", "excess": excess, "predicted": excess**0.5, "median": 2 * excess**0.5})
    assert claims.largest_departure_from_the_square_root(table) == pytest.approx(0, abs=1e-9)
    assert claims.largest_error_of_the_amplitude_nearest_to_one(table) == pytest.approx(1)
    steeper = table.assign(median=excess)
    assert claims.largest_departure_from_the_square_root(steeper) == pytest.approx(0.5)


def test_error_claims_by_hand():
    rounds = [0, 1, 2, 3, 4, 8, 24]
    errors = [0.4, 0.2, 0.1, 0.05, 0.03, 0.02, 0.021]
    table = pd.concat([pd.DataFrame({"name": name, "rounds": rounds, "median": errors}) for name in claims.CORRECTED])
    assert claims.largest_ratio_of_errors_in_the_first_rounds(table) == pytest.approx(0.6)
    assert claims.largest_error_after_saturation_over_the_least(table) == pytest.approx(1.05)


# Figures


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines() if len(line.get_xdata())}


def bands(x, **keys):
    return pd.DataFrame({x: [1, 2, 4], "median": [0.5, 0.2, 0.1], "low": 0.05, "high": 0.9}).assign(**keys)


def test_figures_draw_what_their_tables_hold():
    import matplotlib.pyplot as plt

    recovery = pd.DataFrame({"layer": [0, 1], "uniform": [0.0, 0.3], "own": [0.3, 0.1], "limit": 0.28})
    both = pd.concat([recovery.assign(graph=name, propagation="gcn") for name in ("karate", "CSBM")])
    figures.recovery_figure(both)
    drawn = lines(plt.gcf().axes[0])
    assert np.array_equal(drawn["from a constant"], [[1, 0.3]])  # nothing at zero on a logarithmic axis
    states = pd.concat([bands("excess", activation=name, predicted=0.3) for name in ("tanh", "sine")])
    plain = pd.concat([bands("scale", activation=name) for name in ("tanh", "sine")])
    figures.pitchfork_figure(states, plain)
    left, right = plt.gcf().axes
    assert np.allclose(lines(left)["predicted"][:, 1], 0.3) and np.array_equal(lines(right)["sine"][:, 0], [1, 2, 4])
    errors = pd.concat([bands("rounds", name=name) for name in figures.ROUNDS])
    losses = pd.concat(
        [bands("depth", name=name, epsilon=10.0**power) for name, power in figures.NETWORKS], ignore_index=True
    )
    gradients = pd.concat([bands("depth", name=name) for name in ("plain", "corrected", "deflated")])
    figures.corrected_figure(errors, errors, losses, gradients)
    assert {label for label, _ in figures.NETWORKS.values()} <= set(lines(plt.gcf().axes[2]))
    held = pd.DataFrame({"measure": ["a", "b"], "constants": [1, 0], "only constants": 1, "subadditive": [0, 1]})
    figures.axioms_figure(held)
    assert [text.get_text() for text in plt.gcf().axes[0].texts] == ["✓", "✓", "✗", "✗", "✓", "✓"]
    metrics = pd.DataFrame(
        {"scale": [1.0, 2.0], "forward": 1.0, "backward": 2.0, "variation": 0.5, "controlled": [0, 1]}
    )
    axes = figures.starts_figure(pd.concat([metrics.assign(graph=name) for name in ("CSBM", "Cora")]))
    assert list(axes) == ["CSBM", "Cora"]
    plt.close("all")
