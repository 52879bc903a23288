"""The remedies chapter's experiments, tables and figures, on small cases and by another road."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from cases import EXACT, signal
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

import oversmooth as osm
from oversmooth_book.experiments import common, settings
from oversmooth_book.experiments.remedies import claims, figures, graphs, tables
from oversmooth_book.experiments.remedies import measure as experiment
from oversmooth_book.experiments.settings import Setting


def case(depth, seed=0, **changes):
    return replace(experiment.REFERENCE, depth=depth, seeds=(seed,), **changes)


def rows(**columns):
    return pd.DataFrame(columns)


def test_the_groups_name_every_remedy_once():
    members = [remedy for family in experiment.FAMILIES.values() for remedy in family]
    assert sorted(["plain", *members]) == sorted([*osm.REMEDIES, "no graph"]) and len(members) == len(set(members))


def test_every_seed_draws_a_graph_and_halves_it():
    data, P, train, test = graphs.problem(case(4, 1))
    assert abs(int(train.sum()) - data.num_nodes / 2) <= 0.5 and bool((train ^ test).all())
    assert P.kind == "metropolis" and P.num_components == 1
    other = graphs.problem(case(4, 2))[0]
    assert other.num_edges != data.num_edges
    assert graphs.problem(replace(case(9, 1), kind="random_walk"))[1].kind == "random_walk"


def test_a_variation_reaches_the_graph():
    plain, blocks = graphs.problem(case(4, 1))[0], osm.largest_component(osm.csbm(seed=1))
    assert torch.equal(plain.x, blocks.x) and torch.equal(plain.edge_index, blocks.edge_index)
    other = graphs.problem(case(4, 1, graph="CSBM 50", graph_seed=2, feature_shift=1.0))[0]
    blocks = osm.largest_component(settings.block_model(50, 3))
    assert torch.equal(other.x, blocks.x + 1) and torch.equal(other.edge_index, blocks.edge_index)


def test_reducing_features_leaves_the_graph_of_the_other_chapters_alone(monkeypatch):
    wide = osm.csbm(30, p_in=0.5, p_out=0.3, num_features=70, seed=1)
    wide.train_mask = wide.test_mask = torch.arange(30) % 2 == 0
    monkeypatch.setattr(settings, "graph", lambda name, *how: wide)
    data, P, train, test = graphs.problem(case(4, graph="wide"))
    assert data.num_features == 64 and wide.num_features == 70 and torch.equal(data.edge_index, wide.edge_index)
    assert P.num_nodes == 30 and torch.equal(train, wide.train_mask) and torch.equal(test, wide.test_mask)


def test_principal_components_are_those_of_the_singular_values():
    X = signal(30, 6) @ torch.diag(torch.tensor([3.0, 0.1, 2.0, 0.5, 1.0, 0.2], dtype=torch.float64)) + 5
    parts = graphs.principal(X, 3)
    U, S, _ = torch.linalg.svd(X - X.mean(0), full_matrices=False)
    expected = (U * S)[:, :3].flip(1)  # the largest last
    expected = expected * (parts * expected).sum(0).sign() / expected.square().mean().sqrt()
    assert (parts - expected).abs().max() < EXACT and parts.square().mean().item() == pytest.approx(1)
    assert (graphs.principal(X, 3) == parts).all()


def test_only_the_output_layer_is_trained_and_by_adam():
    setting = case(4, steps=5, step_size=0.02)
    model, twin = (experiment.build(setting, "BatchNorm") for _ in range(2))
    experiment.train_output(setting, model)
    optimizer = torch.optim.Adam(twin.output.parameters(), lr=0.02)
    for _ in range(5):
        optimizer.zero_grad()
        experiment.loss(setting, twin).backward()
        optimizer.step()
    for (name, a), b in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert (a - b).abs().max() < EXACT, name
    fresh = experiment.build(setting, "BatchNorm")
    assert all(torch.equal(a, b) for a, b in zip(model.layers.parameters(), fresh.layers.parameters(), strict=True))
    assert not torch.equal(model.output.lin.weight, fresh.output.lin.weight)


def test_descent_ends_at_the_least_loss_it_met():
    x, twin = (torch.tensor([3.0], dtype=torch.float64, requires_grad=True) for _ in range(2))
    common.descend(iter([x]), lambda: x.square().sum(), steps=4, step_size=2.0)
    optimizer = torch.optim.Adam([twin], lr=2.0)
    met = [twin.item()]
    for _ in range(4):
        optimizer.zero_grad()
        twin.square().sum().backward()
        optimizer.step()
        met.append(twin.item())
    assert abs(met[-1]) > 1.5 * min(abs(value) for value in met), "the last step is not the best one"
    assert x.item() == min(met, key=abs)


@pytest.mark.parametrize("remedy", ["plain", "residual", "no graph"])
def test_the_probed_numbers_are_autograds_and_numpys(remedy):
    data, _, train, _ = graphs.problem(case(3))
    model = experiment.build(case(3), remedy)
    table = experiment.probed(case(3), model)
    P = torch.eye(data.num_nodes, dtype=torch.float64) if remedy == "no graph" else model.propagation.to_dense()
    first, second = (layer.conv.lin.weight.T for layer in model.layers)
    H0 = P @ data.x @ first
    X1 = torch.tanh(H0)
    H1 = P @ X1 @ second
    X2 = torch.tanh(H1) + (X1 if remedy == "residual" else 0)
    slope = 1 - torch.tanh(H1.detach()) ** 2
    expected = (slope - slope.mean(0)).norm() / slope.norm()
    assert table["slope"].iloc[1] == pytest.approx(expected.item(), rel=1e-10) and math.isnan(table["slope"].iloc[2])
    assert table["feature_ratio"].iloc[2] == pytest.approx(((X2 - X2.mean(0)).norm() / X2.norm()).item(), rel=1e-10)
    output = P @ X2 @ model.output.lin.weight.T + model.output.bias
    loss = torch.nn.functional.cross_entropy(output[train], data.y[train])
    g, b = torch.autograd.grad(loss, [model.layers[0].conv.lin.weight, output])
    assert table["gradient"].iloc[0] == pytest.approx(g.norm().item(), rel=1e-10)
    assert table["backward_mean"].iloc[-1] == pytest.approx(b.sum(0).norm().item(), rel=1e-10)
    assert not any(layer.act._forward_hooks for layer in model.layers)


def test_one_row_a_network_from_the_sweep_and_step_by_step():
    table = experiment.compare(case(64, steps=4), [3], [0.02], ["DropEdge"], jobs=1)
    data, _, train, test = graphs.problem(case(3))
    model = experiment.build(case(3), "DropEdge")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(4):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(data.x)[train], data.y[train]).backward()
        optimizer.step()
    output = model.eval()(data.x)
    shares = data.y[train].bincount() / train.sum()
    entropy = -(shares * shares.log()).sum().item()
    row = table.iloc[0]
    loss = torch.nn.functional.cross_entropy(output[train], data.y[train]).item()
    assert row["loss"] == pytest.approx(loss / entropy, rel=1e-6)
    assert row["score"] == pytest.approx((output.argmax(1) == data.y)[test].double().mean().item())
    assert (row["graph"], row["remedy"], row["depth"], row["seed"]) == ("CSBM", "DropEdge", 3, 0)
    assert 0 < row["output_loss"] < 2 and row["gradient"] > 0


def test_chaotic_networks_are_drawn_more_often_at_the_greatest_depth(monkeypatch):
    run = []

    def pretend(setting, depths, rates, remedies=experiment.ALL):
        run.append((setting.seeds, depths, remedies))
        return rows(remedy=["x"])

    monkeypatch.setattr(experiment, "compare", pretend)
    experiment.compare_all(Setting(seeds=(0, 1, 2)), [4, 16], [0.01])
    experiment.compare_all(Setting(seeds=tuple(range(8))), [4, 16], [0.01])
    experiment.compare_all(Setting(seeds=(0, 1)), [2, 4], [0.01])
    assert run == [
        ((0, 1, 2), [4, 16], experiment.ALL),
        ((3, 4, 5, 6, 7), [16], ("BatchNorm", "PairNorm")),
        (tuple(range(8)), [4, 16], experiment.ALL),
        ((0, 1), [2, 4], experiment.ALL),
    ]


def test_a_variation_reaches_every_network():
    """A setting's width, activation and propagation are the model's, whatever the sweep asks for."""
    setting = Setting(width=5, activation="elu", kind="random_walk", steps=1, seeds=(4, 5), loss="cross_entropy")
    model = experiment.build(replace(setting, depth=3), "plain")
    assert [layer.conv.lin.weight.shape[0] for layer in model.layers] == [
        5,
        5,
    ] and model.propagation.kind == "random_walk"
    assert type(model.layers[0].act).__name__ == "ELU"
    table = experiment.compare(setting, [2], [0.01], ["plain"], jobs=1)
    assert table["seed"].tolist() == [4, 5]
    alone = experiment.outcome(replace(setting, depth=2, step_size=0.01, seeds=(5,)), "plain")
    assert table.iloc[1][list(alone)].to_dict() == pytest.approx(alone)


def test_profiles_hold_both_states_and_end_at_size_one():
    table = experiment.profile(case(4, steps=3, step_size=0.01), "mean subtraction")
    assert table["layer"].tolist() == [0, 1, 2, 3] * 2
    assert table["output_layer"].tolist() == ["random"] * 4 + ["trained"] * 4
    assert (table.loc[table["layer"] == 3, "size"] == 1).all()
    assert table["ratio"].to_numpy() ** 2 + table["mean"].to_numpy() ** 2 == pytest.approx(1)
    assert table.loc[table["layer"] < 3, "mean"].max() < EXACT


def test_the_best_step_size_is_chosen_for_each_network_by_its_training_loss():
    table = rows(
        graph=["a"] * 4, remedy=["x"] * 4, depth=[2] * 4, seed=[0, 0, 1, 1], lr=[1, 2, 1, 2], loss=[0.3, 0.2, 0.1, 0.4]
    )
    assert tables.best_rate(table)["lr"].tolist() == [2, 1]
    assert tables.best_rate(table, table.assign(graph="b"))["lr"].tolist() == [2, 1, 2, 1]


def test_every_graph_has_its_own_greatest_depth():
    table = rows(graph=["a", "a", "b", "b"], depth=[4, 64, 8, 8])
    assert tables.deepest(table)["depth"].tolist() == [64, 8, 8]


def test_families_all_hold_the_plain_network_first():
    table = rows(remedy=list(experiment.ALL), value=range(len(experiment.ALL)))
    found = tables.by_family(table)
    for family, part in found.groupby("family", sort=False):
        assert part["remedy"].tolist() == ["plain", *experiment.FAMILIES[family]]
    assert len(found) == len(experiment.ALL) + 2


def test_a_link_has_its_median_and_the_level_below_which_it_holds():
    values = {"forward": [0.05, 0.07, 9], "slope": [0.2, 0.1, 0.3], "mean_error": [0, 0, 0], "gradient": [3, 3, 0]}
    table = rows(remedy=["x"] * 3 + ["y"], **{k: [*v, 0.0] for k, v in values.items()}, loss=[1.0, 0.995, 0.2, 0.9])
    found = tables.chain(table).set_index(["remedy", "link"])
    assert found.loc["x", "value"].to_dict() == {
        "forward": 0.07, "slope": 0.2, "mean_error": 0, "gradient": 3, "loss": 0.995
    }  # fmt: skip
    assert found.loc["x", "level"].to_dict() == {**tables.LINKS, "loss": 0.99}
    assert set(tables.chain(table.assign(graph="g"), ["graph"])["graph"]) == {"g"}


def test_ranges_stay_where_scores_can_be():
    table = rows(graph="g", remedy="r", depth=[2, 2, 2, 4], score=[0.5, 1.0, 0.6, 1.0])
    found = tables.ranges(table)
    assert found.loc[0, ["low", "median", "high", "seeds"]].tolist() == [0.5, 0.6, 1.0, 3]
    assert found.loc[1, ["low", "median", "high", "seeds"]].tolist() == [1, 1, 1, 1]


def test_a_gentler_budget_frees_networks_and_a_longer_one_is_the_same_run_continued():
    losses = [0.9, 0.8, 0.9, 0.45, 0.9, 0.1, 0.45, 0.3]  # large steps, then small ones; of each two seeds, few and many
    table = rows(depth=16, lr=[0.5] * 4 + [0.1] * 4, seed=[0, 0, 1, 1] * 2, steps=[100, 200] * 4, loss=losses)
    found = tables.learned(table)
    assert found["learned"].tolist() == [0, 1, 1, 2] and set(found["networks"]) == {2}
    assert claims.networks_that_a_gentler_budget_frees(found) == 2
    assert claims.layer_norms_that_learn_with_small_steps(found) == 2
    assert claims.layer_norms_that_learn_with_more_steps(found) == 1
    assert claims.layer_norms_that_learn_within_the_budget(found) == 0
    short, long = experiment.budgets(case(4), "LayerNorm", [0.005], (3, 6))["loss"]
    assert short == pytest.approx(experiment.outcome(case(4, steps=3), "LayerNorm")["loss"], rel=1e-9) and long < short


def test_what_the_chapter_says_of_its_full_table_is_in_it():
    place = Path(__file__).parents[2] / "data" / "published" / "remedies" / "full" / "tables" / "real_losses.csv"
    table = pd.read_csv(place).query("depth == 64")
    middle = "median" if "median" in table else "mean"
    losses = table.pivot(index="remedy", columns="graph", values=middle)
    mines, cora = losses["minesweeper"], losses["Cora"]
    at_the_constant = ["plain", "orthogonal", "large weights", "LayerNorm", "DropEdge"]
    assert (mines[at_the_constant] - 1).abs().max() < 0.001
    assert mines[["PairNorm", "mean subtraction"]].min() > 1.03 and cora["PairNorm"] > 0.5
    for graph in (mines, cora):
        assert set(graph.nsmallest(2).index) == {"residual", "jumping knowledge"}
        assert graph.nsmallest(3).iloc[2] - graph.nsmallest(2).iloc[1] > 0.03


# The claims' own tables, by hand


def outcomes():
    return rows(
        remedy=["a", "a", "a", "large weights", "large weights", "large weights"],
        seed=[0, 1, 2, 0, 1, 2],
        loss=[0.4, 0.4, 0.6, 1.0, 1.0, 1.0],
        forward=[0.5, 0.05, 0.05, 0.0, 0.0, 0.0],
        gradient=[0.0, 0.0, 0.0, 6.0, 2.0, 0.1],
        mean_error=[1.0, 1.0, 1.0, 2.0, 2.0, 2.0],
    )


def test_a_network_that_learns_from_smooth_features_is_counted():
    table = tables.smooth_learners(outcomes())
    assert table.to_numpy().tolist() == [["a", 3, 2, 1], ["large weights", 3, 0, 0]]
    assert claims.networks_that_learned_from_smooth_features(table) == 1, "one fails RM5"


def test_skip_connections_are_judged_by_the_worst_at_the_greatest_depth():
    deep = rows(remedy=[*claims.TRAIN, *claims.DO_NOT], depth=64, median=[0.1, 0.2, 0.4, 0.3, 0.9, 0.2] + [1.0] * 5)
    assert claims.largest_median_loss_with_skip_connections(pd.concat([deep, deep.assign(depth=4, median=2.0)])) == 0.4


def test_every_network_of_those_that_train_is_asked():
    table = rows(remedy=[*claims.TRAIN, *claims.DO_NOT], networks=3, learned=3, smooth_learners=0)
    assert claims.networks_of_those_that_train_that_did_not(table) == 0
    missed = table.assign(learned=[1] + [3] * 4 + [2] + [0] * 5)
    assert claims.networks_of_those_that_train_that_did_not(missed) == 3, "those that need not are not counted"


def test_the_way_back_is_the_median_of_the_ratios_and_not_a_ratio_of_medians():
    table = tables.way_back(outcomes().assign(mean_error=[1, 1, 1, 2, 0.1, 10]))
    assert table.to_numpy().tolist() == [[0, 3], [1, 20], [2, 0.01]]
    assert claims.gradient_over_mean_error_with_larger_weights(table) == 3


def test_what_a_centring_norm_lets_through_is_seen_and_rounding_is_not():
    keys = [(remedy, state, k) for remedy in ("PairNorm", "plain") for state in ("random", "trained") for k in range(3)]
    table = rows(remedy=[r for r, *_ in keys], output_layer=[s for _, s, _ in keys], layer=[k for *_, k in keys])
    honest = table.assign(mean=np.where(table["layer"] == 2, 1.0, 1e-14))
    assert tables.centred_means(honest).to_numpy().tolist() == [["PairNorm", 0]]
    honest.loc[0, "mean"] = 1e-3
    assert claims.largest_mean_behind_a_centring_norm(tables.centred_means(honest)) == 1e-3


def losses_of(**levels):
    """Bands of two depths; a remedy's range at the greater one is given, the rest is learned."""
    table = [{"remedy": r, "depth": d, "low": 0.1, "high": 0.2} for r in experiment.ALL for d in (4, 64)]
    for row in table:
        if row["depth"] == 64:
            row["low"], row["high"] = levels.get(row["remedy"].replace(" ", "_"), (0.1, 0.2))
    return tables.by_family(pd.DataFrame(table))


def test_who_does_not_train_is_judged_at_the_greatest_depth_and_by_the_worst_seed():
    stuck = {name.replace(" ", "_"): (1.0, 1.0) for name in claims.DO_NOT}
    table = losses_of(**stuck | {"plain": (0.97, 1.001), "orthogonal": (0.9, 1.0)})
    assert claims.farthest_loss_of_the_plain_network(table) == 0.97
    assert claims.smallest_loss_of_those_that_do_not(table) == 0.9
    assert {*claims.TRAIN, *claims.DO_NOT, "plain", "no graph"} == set(experiment.ALL)


def test_the_largest_loss_is_that_of_the_worst_seed():
    runs = rows(graph="Cora", remedy="orthogonal", depth=[8, 64, 64, 64], loss=[0.9, 0.1, 0.2, 0.6])
    table = tables.ranges(pd.concat([runs, runs.iloc[:1].assign(loss=0.8)]), "loss")
    assert table["high"].tolist() == [0.9, 0.6] and table["seeds"].tolist() == [2, 3]
    assert claims.largest_loss_with_orthogonal_weights_on_cora(table) == 0.6, "at the greatest depth"


def test_medians_of_links():
    table = pd.concat(
        rows(remedy=["initial residual", "GCNII", "jumping knowledge", "plain"], link=link, value=[0.1, 0.3, 0.2, 9.0])
        for link in ("slope", "mean_error")
    )
    assert claims.largest_spread_of_slopes(table) == 0.3 and claims.largest_mean_error(table) == 9


def test_lines_are_the_tables_and_plain_is_grey(ax):
    table = pd.concat(
        rows(remedy=name, depth=[2, 4], median=[k, k + 1], low=[k, k], high=[k + 2, k + 2])
        for k, name in enumerate(("residual", "plain"))
    )
    figures.draw_remedies(ax, table)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert np.array_equal(lines["residual"].get_xydata(), [[2, 0], [4, 1]])
    assert np.array_equal(lines["plain"].get_xydata(), [[2, 1], [4, 2]])
    assert to_rgba(lines["plain"].get_color()) == to_rgba("0.65")


def test_the_backward_signal_has_a_panel_for_each_remedy_beside_the_plain_networks(ax):
    levels = {name: k + 1.0 for k, name in enumerate(experiment.ALL)}
    one = pd.concat(rows(remedy=experiment.ALL, layer=k, median=levels.values(), low=0.5, high=20) for k in range(3))
    ratio = tables.by_family(one)
    figures.profile_figure(ratio, ratio.assign(median=ratio["median"] / 100))
    axes = [panel for panel in plt.gcf().axes if panel.get_title()]
    assert [panel.get_title() for panel in axes] == [name for names in experiment.FAMILIES.values() for name in names]
    for panel in axes:
        drawn = [line.get_ydata()[0] for line in panel.get_lines()]
        own, plain = levels[panel.get_title()], levels["plain"]
        assert drawn == pytest.approx([plain, own, plain / 100, own / 100])


def test_the_figure_of_losses_has_the_best_constant_in_every_family(ax):
    table = rows(remedy=experiment.ALL, median=0.5, low=0.4, high=0.6)
    losses = tables.by_family(pd.concat([table.assign(depth=d) for d in (4, 16)]))
    figures.losses_figure(losses)
    axes = plt.gcf().axes
    assert [panel.get_title() for panel in axes] == list(experiment.FAMILIES)
    for panel in axes:
        lines = {line.get_label(): line for line in panel.get_lines()}
        assert lines["best constant"].get_ydata()[0] == 1 and "plain" in lines
        assert [text.get_text() for text in panel.get_xticklabels()] == ["4", "16"]


def test_figures_of_real_graphs_name_their_axes(ax):
    runs = rows(remedy=["a", "b"], forward=0.5, slope=0.1, mean_error=0.04, gradient=7.0, loss=1.0)
    table = tables.chain(pd.concat([runs.assign(graph=g) for g in ("Cora", "minesweeper")]), ["graph"])
    found = figures.real_chain_figure(table)
    assert {graph: panel.get_title(loc="left") for graph, panel in found.items()} == {
        g: g for g in ("Cora", "minesweeper")
    }
    scores = rows(remedy=["a", "b"], depth=8, median=[0.7, 0.9], low=[0.6, 0.8], high=[0.8, 1.0])
    found = figures.scores_figure(pd.concat([scores.assign(graph=g) for g in figures.SCORES]))
    assert [panel.get_xlabel() for panel in found.values()] == [label for label, _ in figures.SCORES.values()]


def test_the_chain_shows_every_number_and_bold_where_broken(ax):
    links = {"forward": [0.5, 3e-9], "slope": 0, "mean_error": 0.04, "gradient": 717, "loss": [1, 0.9]}
    table = tables.chain(rows(remedy=["a", "b"], **links))
    figures.draw_remedy_chain(ax, table)
    texts = [(text.get_text(), text.get_fontweight()) for text in ax.texts]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"], "the best first"
    assert texts[:2] == [("✓  0.9", "bold"), ("$10^{-9}$", "normal")], "a tenth of the loss was learned"
    assert texts[5:7] == [("✗  1", "normal"), ("0.5", "bold")]
    assert texts[7:] == [("0", "normal"), ("0.04", "normal"), ("700", "bold")]
    assert ax.get_xticklabels()[0].get_text().startswith("trains?")


def test_scores_stand_at_their_medians_with_their_ranges(ax):
    table = rows(remedy=["a", "b"], depth=8, median=[0.7, 0.9], low=[0.6, 0.8], high=[0.8, 1.0])
    figures.draw_remedy_scores(ax, table, 0.5, "accuracy")
    (container,) = ax.containers
    assert container[0].get_xdata().tolist() == [0.7, 0.9]
    segments = container[2][0].get_segments()
    assert np.allclose([segment[:, 0] for segment in segments], [[0.6, 0.8], [0.8, 1.0]])
