"""The probe's chapter: planted illnesses are found, and its claims count them; the figures draw the counts."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from torch_geometric.nn import GCN

import oversmooth as osm
from oversmooth_book.experiments.probe_your_model import claims, figures, symptoms
from oversmooth_book.experiments.probe_your_model import measure as planted

SETTING = planted.REFERENCE


@pytest.mark.parametrize("case", planted.CASES)
def test_planted_illnesses_are_found(case):
    table = planted.verdicts(replace(SETTING, seeds=(0, 1)), 200, cases=[case])
    assert (table["verdict"] == table["planted"]).all() and (table["blind"] == table["planted"]).all()


def test_a_model_belongs_to_its_seed_and_is_trained_where_it_says(random_state_untouched):
    data, one = planted.graph(0, 60), replace(SETTING, depth=4, steps=3)
    first, again, other = (
        list(planted.plant("backward", data, replace(one, seeds=(seed,))).parameters()) for seed in (0, 0, 1)
    )
    assert all(map(torch.equal, first, again)) and not all(map(torch.equal, first, other))
    model = planted.plant("backward", data, one)
    planted.train(model, data, torch.optim.SGD(model.parameters(), lr=0.1), 3)
    spurious = planted.plant("spurious", data, one)
    assert all(map(torch.equal, model.parameters(), spurious.parameters()))
    table = planted.profiles(one, data, ["spurious", "healthy"])
    assert table.groupby("case")["steps"].max().to_dict() == {"spurious": 3, "healthy": 0}
    assert claims.depth(table) == 4 and claims.steps_of_training(table) == 3


def made_up_verdicts():
    """Ten healthy, one of them called ill; four of five vanishing ones found, all five without labels."""
    rows = [("healthy", 6, "healthy", "healthy"), ("healthy, deep", 3, "healthy", "healthy")]
    rows += [("healthy, deep", 1, "vanishing", "healthy"), ("vanishing", 4, "vanishing", "vanishing")]
    rows += [("vanishing", 1, "healthy", "vanishing"), ("exploding", 2, "exploding", "exploding")]
    return pd.DataFrame(
        [
            {"case": case, "planted": planted.CASES[case], "verdict": verdict, "blind": blind}
            for case, number, verdict, blind in rows
            for _ in range(number)
        ]
    )


def test_verdicts_are_counted():
    table = planted.counts(made_up_verdicts())
    assert list(table) == ["case", "verdict", "count", "right", "blind"]
    assert table["count"].tolist() == [6, 3, 1, 4, 1, 2] == table["blind"].tolist()
    assert claims.smallest_share_of_an_illness_that_is_found(table) == 0.8
    assert claims.share_of_the_healthy_that_are_called_ill(table) == 0.1
    assert claims.smallest_share_that_is_found_without_labels(table) == 1
    assert (claims.models(table), claims.healthy_models(table)) == (17, 10)
    blind = planted.counts(made_up_verdicts().assign(blind="exploding"))
    assert claims.smallest_share_that_is_found_without_labels(blind) == 0


def test_the_probe_s_numbers_are_the_trace_s(monkeypatch):
    data, one = planted.graph(0, 60), replace(SETTING, depth=5)
    table = planted.against_the_trace(one, data)
    assert {"feature_ratio", "backward_norm", "gradient"} <= set(table["quantity"])
    assert claims.largest_difference_from_the_trace(table) == 0
    honest = osm.layer_profile
    monkeypatch.setattr(
        osm, "layer_profile", lambda signals: honest(signals).assign(gradient=lambda t: 2 * t["gradient"])
    )
    table = planted.against_the_trace(one, data).set_index("quantity")["difference"]
    assert table["gradient"] == pytest.approx(0.5) and table.drop("gradient").max() == 0


def test_a_probe_that_disturbs_is_noticed(monkeypatch):
    data, one = planted.graph(0, 60), replace(SETTING, depth=4)
    table = planted.changes(one, data)
    assert claims.what_the_probe_changes(table) == 0 and (table["gradients"] >= 3).all()
    honest = planted.probed

    def disturbing(model, data):
        torch.rand(1)
        probe = honest(model, data)
        next(model.parameters()).grad.mul_(1 + 1e-15)
        return probe

    monkeypatch.setattr(planted, "probed", disturbing)
    table = planted.changes(one, data)
    assert table["random"].tolist() == [1] * 4 and table["differing"].tolist() == [1] * 4
    assert claims.what_the_probe_changes(table) == 8


def test_verdicts_are_drawn_as_counted():
    rows = [("healthy", "healthy", 19, True), ("healthy", "vanishing", 1, False), ("deep", "vanishing", 20, True)]
    table = pd.DataFrame(rows, columns=["case", "verdict", "count", "right"])
    _, ax = plt.subplots()
    figures.draw_probe_verdicts(ax, table)
    assert {text.get_text() for text in ax.texts} == {"19", "1", "20"}
    where = {text.get_text(): text.get_position() for text in ax.texts}
    assert where == {"19": (0, 0), "1": (1, 0), "20": (1, 1)}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["healthy", "deep"]
    assert len({tuple(colour) for colour in ax.collections[0].get_facecolors()}) == 2
    plt.close("all")


def test_a_row_of_panels_for_each_case():
    columns = ("feature_norm", "feature_ratio", "backward_norm", "backward_ratio", "gradient")
    rows = [{"case": case, "pass": 0, "layer": k} | dict.fromkeys(columns, 0.5) for case in "ab" for k in (0, 1)]
    figure = figures.profiles_figure(pd.DataFrame(rows))
    assert [ax.get_title() for ax in figure.axes] == ["a", "", "b", ""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["features", "errors", "gradient"]
    assert all(ax.get_legend() is None for ax in figure.axes)
    plt.close("all")


def complaint(outcomes, verdicts, model="deep"):
    rows = {"symptom": "flat", "model": model, "seed": range(len(outcomes)), "outcome": outcomes, "verdict": verdicts}
    return pd.DataFrame(rows).assign(advice=[f"do {verdict}" for verdict in verdicts])


def test_what_is_told_of_a_complaint_by_hand():
    table = pd.concat(
        [
            complaint(["works", "fails", "fails"], ["healthy", "dead", "dead"]),
            complaint(["works"], ["healthy"], "cured"),
        ]
    )
    assert symptoms.told(table).splitlines() == [
        "deep: fails 2 of 3, works 1 of 3; verdicts: dead, healthy",
        "cured: works 1 of 1; verdicts: healthy",
        "try: do dead",
    ]
    assert symptoms.told(complaint(["works"], ["healthy"])).count("\n") == 0


@pytest.mark.parametrize(
    ("outcomes", "verdicts", "missed", "alarmed"),
    [
        (["fails", "works", "between"], ["dead", "healthy", "dead"], 0, 0),
        (["fails", "fails", "works"], ["healthy", "dead", "healthy"], 1, 0),
        (["between", "works", "works"], ["healthy", "vanishing", "dead"], 0, 2),
    ],
)
def test_misses_and_alarms_by_hand(outcomes, verdicts, missed, alarmed):
    table, counts = symptoms.counts([complaint(outcomes, verdicts)])
    assert claims.failures_that_are_called_healthy(table) == missed
    assert claims.working_models_that_are_called_ill(table) == alarmed
    assert counts["right"].all() == (missed + alarmed == 0) and counts["count"].sum() == 3


def test_a_treated_model_has_its_outcome_and_leaves_the_random_state():
    data, state = planted.graph(seed=0, num_nodes=40), torch.random.get_rng_state()
    models = {
        "good": (lambda: GCN(8, 8, 2, out_channels=2), 0.05),
        "still": (lambda: GCN(8, 8, 2, out_channels=2), 1e-9),
    }
    table = symptoms.treated("x", models, lambda model: planted.loss(model, data), data.y, (0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    assert table["outcome"].tolist() == ["works", "works", "fails", "fails"]
    assert (table.loc[table["model"] == "good", "verdict"] == "healthy").all()
    assert (table.loc[table["model"] == "still", "verdict"] == "no better than a constant").all()


def test_the_graphs_of_the_complaints():
    shop, batch = symptoms.users_and_items(40, seed=1), symptoms.many_graphs(planted.graph, 4)
    assert torch.equal(shop["user", "rates", "item"].edge_index.flip(0), shop["item", "rated_by", "user"].edge_index)
    users, items = shop["user", "rates", "item"].edge_index
    assert 0.6 < (users % 2 == items % 2).double().mean() < 0.9, "users rate their own genre more often"
    assert batch.y.tolist() == [0, 1, 0, 1] and symptoms.Pooled(2).double()(batch).shape == (4, 2)
    spread = [batch.x[batch.batch == k].std(0).mean() for k in range(4)]
    assert min(spread[1], spread[3]) > 2 * max(spread[0], spread[2])
