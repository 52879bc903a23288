"""The deflation chapter's experiments, on small cases and by another road; its figures draw what their tables hold."""

import numpy as np
import pandas
import pytest
import torch
from cases import EXACT, GRAPHS, edge_index_of, propagation_of, signal
from torch_geometric.data import Data

import oversmooth as osm
from oversmooth.propagation.averaging import Averaging, Weighting
from oversmooth_book.experiments.a_remedy_from_the_theorem import figures, operators, spectra, training
from oversmooth_book.experiments.a_remedy_from_the_theorem import measure as experiment


@pytest.mark.parametrize("kind", ["metropolis", "random_walk"])
def test_second_modes_are_eigenvectors(kind):
    P = propagation_of("barbell", kind)
    rates, modes = experiment.second_modes(P, 3)
    dense, pi = P.to_dense(), P.stationary
    assert (dense @ modes - modes * rates).abs().max() < EXACT
    assert (modes.T @ (pi[:, None] * modes) - torch.eye(3)).abs().max() < EXACT and (pi @ modes).abs().max() < EXACT
    every = np.sort(np.abs(np.linalg.eigvals(dense.numpy())))[::-1]
    assert rates.abs().tolist() == pytest.approx(every[1:4].tolist())


def test_rotation_is_the_exponential_on_pairs_and_orthogonal():
    P = propagation_of("grid", "gcn")
    rates, vectors = np.linalg.eigh(P.to_dense().numpy())
    rotation = operators.Rotation(P)
    assert isinstance(rotation, Averaging)
    X = signal(15, 4, 2)
    image, back = rotation @ X, rotation.adjoint(rotation @ X)
    Z = X[..., :2].numpy() + 1j * X[..., 2:].numpy()
    expected = (vectors * np.exp(1j * rates)) @ vectors.T @ Z
    assert np.abs(image[..., :2].numpy() - expected.real).max() < EXACT
    assert np.abs(image[..., 2:].numpy() - expected.imag).max() < EXACT
    assert (back - X).abs().max() < EXACT and float(image.norm()) == pytest.approx(float(X.norm()))
    assert float((image * signal(15, 4, 2, seed=5)).sum()) == pytest.approx(
        float((X * rotation.adjoint(signal(15, 4, 2, seed=5))).sum())
    )
    with pytest.raises(ValueError, match="not symmetric"):
        operators.Rotation(propagation_of("grid", "random_walk"))


@pytest.mark.parametrize("base", ["metropolis", "random_walk"])
def test_filter_is_its_polynomial_of_the_spectrum(base):
    Q = osm.deflate(propagation_of("karate", base))
    filtered = operators.Filter(Q, 0.7, 9)
    assert isinstance(filtered, Averaging) and isinstance(filtered, Weighting)
    coefficients = np.polynomial.chebyshev.Chebyshev(filtered.coefficients)
    rates, vectors = np.linalg.eig(Q.to_dense().numpy())
    expected = torch.from_numpy((vectors * coefficients(rates) @ np.linalg.inv(vectors)).real)
    X = signal(34, 3, 2)
    assert (filtered @ X - expected @ X).abs().max() < EXACT
    assert (filtered.adjoint(X) - expected.T @ X).abs().max() < EXACT
    assert (filtered.to_dense() - expected).abs().max() < EXACT
    grid = np.linspace(-1, 1, 2001)
    values = coefficients(grid)
    assert np.abs(values).max() <= 1 + 1e-9 and np.abs(values + values[::-1]).max() < 1e-12
    wanted = np.clip(grid / 0.7, -1, 1)
    far = [
        np.abs(np.polynomial.chebyshev.Chebyshev(operators.clip_coefficients(0.7, d))(grid) - wanted).max()
        for d in (9, 99)
    ]
    assert far[1] < 0.05 < far[0] < 0.4


def test_a_problem_has_its_share_of_labels_in_every_class():
    for classes, share in ((2, 0.1), (3, 0.02), (4, 0.5)):
        data, labelled, test = training.problem(classes, share, 1)
        assert not (labelled & test).any()
        for c in range(classes):
            size = int((data.y == c).sum())
            assert int(labelled[data.y == c].sum()) == max(1, round(share * size))
        rest = data.num_nodes - int(labelled.sum())
        assert abs(int(test.sum()) - rest / 2) <= classes


def test_a_batch_is_autograds_adam():
    rows = training.batch("deflated, random walk", 4, 2, 0.1, 1, 5, 2, 0)
    data, labelled, test = training.problem(2, 0.1, 0)
    Q = osm.Propagation.from_data(data, kind="deflated", base="random_walk")
    for row in rows:
        net = osm.Network(Q, [8, 16, 16, 16, 2], output_bias=True, seed=row["network"])
        optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
        for _ in range(5):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(data.x)[labelled], data.y[labelled])
            loss.backward()
            optimizer.step()
        output = net(data.x)
        loss = torch.nn.functional.cross_entropy(output[labelled], data.y[labelled])
        assert row["loss"] == pytest.approx(loss.item(), rel=1e-8)
        assert row["accuracy"] == pytest.approx((output.argmax(1) == data.y)[test].double().mean().item())


def test_every_method_has_the_same_shape_and_its_own_remedy():
    losses = {}
    for method in training.METHODS:
        row = training.one(method, 3, 0.1, 0.001, 1, 0)
        assert 0 <= row["accuracy"] <= 1 and 0 <= row["validation"] <= 1
        losses[method] = row["loss"]
    assert len(set(losses.values())) == len(losses)


def test_the_comparison_takes_the_step_size_that_validation_prefers(monkeypatch):
    def pretend(grid, seeds):
        rows = []
        for method in grid["method"]:
            for lr in grid["lr"]:
                for seed in seeds:
                    good = (lr == 0.1) == (method == "plain")
                    row = {"method": method, "depth": 3, "share": 0.1, "lr": lr, "steps": 1, "seed": seed}
                    rows.append(row | {"validation": 0.9 if good else 0.8, "accuracy": 0.3 if good else 1.0})
        return pandas.DataFrame(rows)

    monkeypatch.setattr(training.osm, "sweep", lambda run, grid, seeds, jobs: pretend(grid, seeds))
    table = training.comparison([3], [0.1], [0.1, 0.2], 1, 2)
    assert len(table) == 2 * len(training.METHODS) and set(table["accuracy"]) == {0.3}


def test_sweeps_have_a_row_for_every_case():
    table = training.depths_trained([2, 3], 1, 2, 1, jobs=1)
    assert len(table) == 4 * 2 * 2 and set(table["name"]) == set(training.OPERATORS)
    kept = training.modes_kept(2, [1, 400], 1, 1, 1, jobs=1)
    assert list(kept["name"]) == ["deflated, random walk"] * 2 + ["filter"]
    cases = training.conditions(2, 1, 1, 1, jobs=1)
    assert len(cases) == 3 * (2 + 3 + 3) and set(cases["modes"]) == {1, 2, 3}


def test_runs_on_a_real_graph_take_its_published_split(monkeypatch):
    tiny = osm.csbm(60, p_in=0.5, p_out=0.1, seed=1)
    tiny.train_mask = torch.arange(60) % 3 == 0
    tiny.test_mask = torch.arange(60) % 3 == 1
    monkeypatch.setattr(training, "load", lambda name: tiny)
    table = training.depths_on_graphs(["any"], [3], 2, 1, jobs=1).set_index("name")
    assert list(table["modes"]) == [1, 1, 1] and set(table["depth"]) == {3}
    Q = osm.Propagation.from_data(tiny, kind="deflated", base="random_walk")
    net = osm.Network(Q, [8, 16, 16, 2], seed=0, output_bias=True)
    options = {"mask": tiny.train_mask, "test_mask": tiny.test_mask, "lr": 0.003, "steps": 2}
    last = osm.fit(net, tiny.x, tiny.y, "cross_entropy", **options).table.iloc[-1]
    shares = np.bincount(tiny.y[tiny.train_mask]) / int(tiny.train_mask.sum())
    found = table.loc["deflated, random walk", ["loss", "accuracy"]].iloc[0].to_list()
    assert found == pytest.approx([last["loss"] / -(shares * np.log(shares)).sum(), last["test_accuracy"]])


def test_real_graphs_without_a_split_or_without_test_nodes():
    data, labelled, test = training.real_problem("karate")
    assert int(labelled.sum()) == 4 and (labelled ^ test).all()
    data, labelled, test = training.real_problem("digits")
    sizes = np.bincount(data.y)
    assert np.bincount(data.y[labelled]).tolist() == [round(size / 10) for size in sizes]
    assert not (labelled & test).any() and abs(int(test.sum()) - (len(test) - int(labelled.sum())) / 2) <= len(sizes)


def test_the_moved_trap_is_a_regression_on_the_second_mode():
    table = experiment.moved_trap([31], [0])
    data = osm.csbm()
    P = osm.Propagation.from_data(data, kind="random_walk")
    _, modes = experiment.second_modes(P, 1)
    y, u = 2.0 * data.y.numpy() - 1, modes[:, 0].numpy()
    unexplained = y.var() * (1 - np.corrcoef(y, u)[0, 1] ** 2)
    rows = table.set_index("operator")
    assert rows["unexplained"].to_dict() == pytest.approx({"plain": y.var(), "deflated": unexplained})
    assert rows["loss"].to_dict() == pytest.approx(rows["unexplained"].to_dict(), rel=1e-3)


def test_trap_bands_and_slope_find_a_planted_decay():
    rows = []
    for name in ("plain", "deflated"):
        for depth in (11, 21, 41, 81):
            gradient = 3 * 0.8**depth if name == "deflated" else 1e-18
            row = {"operator": name, "depth": depth, "seed": 0, "loss": 0.2, "unexplained": 0.3}
            rows.append(row | {"gradient": gradient, "ratio": 0.8})
    table = pandas.DataFrame(rows)
    assert experiment.trap_slope(table, 21) == pytest.approx(1)
    loss, gradient = experiment.trap_bands(table)
    assert set(gradient["operator"]) == {"deflated"} and len(loss) == 8  # 1e-18 is rounding
    assert gradient["predicted"].to_numpy() == pytest.approx(gradient["median"].to_numpy())


def test_amplitudes_are_projections():
    table = experiment.amplitudes(4, [7], bases=("random_walk",))
    data = osm.csbm()
    P = osm.Propagation.from_data(data, kind="random_walk")
    _, modes = experiment.second_modes(P, 1)
    X = data.x
    net = osm.Network(osm.deflate(P), [8, 16, 16, 16, 1], seed=7)
    for k in range(3):
        row = table[(table["operator"] == "deflated") & (table["layer"] == k)].iloc[0]
        assert row["amplitude"] == pytest.approx(float(((P.stationary * modes[:, 0]) @ X).norm()))
        X = torch.tanh((net.propagation @ X) @ net.weights[k].detach())
    bands = experiment.amplitude_bands(table)
    assert set(bands["operator"]) == {"plain", "deflated"} and bands["predicted"].notna().sum() == 3


def test_certified_networks_and_their_ratios():
    table = experiment.certified(6)
    assert len(table) == 6 and (table[["forward", "gradient"]] <= 1).all(axis=None) and table["mean"].max() < 1e-12
    assert table["gradient"].min() > 0


def test_label_shares_add_up(monkeypatch):
    tiny = osm.csbm(60, p_in=0.5, p_out=0.1, seed=1)
    monkeypatch.setattr(spectra, "load", lambda name: tiny)
    table = experiment.spectra(["tiny"], count=100)  # more than there are
    assert set(table["mode"]) == set(range(2, 61)) and set(table["classes"]) == {2}
    walk = table[(table["graph"] == "tiny") & (table["base"] == "random_walk")]
    assert walk["cumulative"].iloc[-1] == pytest.approx(1) and walk["relative"].iloc[0] == 1
    assert walk["share"].iloc[0] > 0.5


def cycle(n):
    nodes = torch.arange(n)
    ahead = torch.stack([nodes, (nodes + 1) % n])
    labels = torch.zeros(n, dtype=torch.int64)
    labels[[0, 1, n // 2 - 1]] = 1
    return Data(x=signal(n, 3), y=labels, edge_index=torch.cat([ahead, ahead.flip(0)], dim=1))


@pytest.mark.parametrize(("count", "eigenvalues"), [(40, 5), (11, 5), (10, 4), (9, 4), (8, 3), (6, 2)])
def test_a_double_eigenvalue_is_one_row_and_never_cut(monkeypatch, count, eigenvalues):
    """On the cycle shares are those of Fourier's waves; with a loop at each node |λ| = 1/3 even has three of them."""
    monkeypatch.setattr(spectra, "load", lambda name: cycle(12))
    table = experiment.spectra(["cycle"], count)
    walk = table[table["base"] == "random_walk"]
    waves = np.abs(np.fft.fft(cycle(12).y.double().numpy())) ** 2
    rates = (1 + 2 * np.cos(2 * np.pi * np.arange(12) / 12)) / 3
    expected = {}
    for m in range(1, 12):
        size = round(abs(rates[m]), 12)
        expected[size] = expected.get(size, 0) + waves[m] / waves[1:].sum()
    expected = dict(sorted(expected.items(), reverse=True)[: len(walk)])
    assert len(walk) == eigenvalues
    assert walk["rate"].tolist() == pytest.approx(list(expected), abs=1e-11)
    assert walk["share"].tolist() == pytest.approx(list(expected.values()), abs=1e-12)
    assert walk["cumulative"].to_numpy() == pytest.approx(np.cumsum(list(expected.values())), abs=1e-12)


def test_a_share_that_symmetry_forbids_is_zero():
    """Labels that agree on two twins hold nothing of the mode in which the twins differ."""
    karate = experiment.spectra(["karate"])
    walk = karate[karate["base"] == "random_walk"].set_index("mode")
    assert walk.index[-1] == 34 and (walk["share"] == 0).any() and walk["cumulative"].iloc[-1] == pytest.approx(1)


def test_fourth_moment_by_hand():
    P = osm.Propagation.from_data(cycle(4))
    spread, local = torch.tensor([1.0, -1, 1, -1]), torch.tensor([2.0, 0, 0, 0])
    assert experiment.fourth_moment(P, spread.double()) == pytest.approx(1)
    assert experiment.fourth_moment(P, local.double()) == pytest.approx(4)


def lines(ax):
    return {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines() if len(line.get_xdata())}


def rows_of(key, names, x, **extra):
    rows = [
        {key: name, x: at, "median": at + k, "low": at - 1.0, "high": at + 20.0}
        for k, name in enumerate(names)
        for at in (1, 2)
    ]
    return pandas.DataFrame(rows).assign(**extra)


def test_amplitude_figure(ax):
    table = rows_of("operator", ["plain", "deflated"], "layer", predicted=[np.nan, np.nan, 0.5, 0.25])
    figures.draw_amplitude(ax, table)
    found = lines(ax)
    assert found["plain"] == [[1, 1], [2, 2]] and found["deflated"] == [[1, 2], [2, 3]]
    assert [1, 0.5] in found[r"$\propto 1/\sqrt{k}$, predicted"]


def test_trap_figure(ax):
    table = rows_of("operator", ["plain", "deflated"], "depth", predicted=[np.nan, np.nan, 7.0, 8.0])
    figures.draw_moved_trap(ax, table, "gradient", "gradient")
    assert lines(ax)["predicted"] == [[1, 7], [2, 8]] and ax.get_yscale() == "log"


def test_depth_figure(ax):
    figures.draw_depth_training(ax, rows_of("name", list(training.OPERATORS), "depth"), "loss")
    assert set(lines(ax)) == set(training.OPERATORS) and lines(ax)["deflated"] == [[1, 2], [2, 3]]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2"]


def test_comparison_figure(ax):
    table = pandas.DataFrame(
        {"method": ["plain", "deflated"], "median": [0.5, 0.9], "low": [0.4, 0.8], "high": [0.6, 1]}
    )
    figures.draw_compared(ax, table, "accuracy")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["plain", "deflated"]
    points = [line.get_xydata().tolist() for line in ax.get_lines() if line.get_linestyle() == "None"]
    assert [[0.5, 0]] in points and [[0.9, 1]] in points


def test_modes_figure(ax):
    figures.draw_modes_kept(ax, rows_of("quantity", ["accuracy", "loss"], "modes"))
    assert lines(ax) == {"test accuracy": [[1, 1], [2, 2]], "training loss": [[1, 2], [2, 3]]}


def test_spectrum_figure(ax):
    table = pandas.DataFrame({"graph": ["a", "a", "b"], "mode": [2, 3, 2], "relative": [1.0, 0.5, 0.9]})
    figures.draw_label_spectrum(ax, table, "relative", "relative")
    assert lines(ax) == {"a": [[2, 1], [3, 0.5]], "b": [[2, 0.9]]}


def test_conditions_figure(ax):
    cases = [(c, s) for c in (2, 3) for s in (0.02, 0.5)]
    rows = [
        {"operator": name, "group": f"{c} classes", "case": f"{s:.0%}", "median": 0.5, "low": 0.4, "high": 0.6}
        for c, s in cases
        for name in ("plain", "deflated", "more")
        if not (name == "more" and c == 2)
    ]
    figures.draw_conditions(ax, pandas.DataFrame(rows), "share")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2%", "50%", "2%", "50%"]
    assert {text.get_text() for text in ax.texts} == {"2 classes", "3 classes"}


def test_zoo_graphs_that_the_chapter_does_not_use_deflate_too():
    graph = GRAPHS["star"]
    Q = osm.Propagation.from_edges(edge_index_of(graph), graph.number_of_nodes(), kind="deflated")
    rates, _ = experiment.second_modes(osm.Propagation.from_edges(edge_index_of(graph), graph.number_of_nodes()), 1)
    assert float(rates.abs()[0]) == pytest.approx(1 - 1 / 6) and Q.base.rate == pytest.approx(1 - 1 / 6)
