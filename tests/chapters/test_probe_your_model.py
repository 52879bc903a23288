"""The probe's chapter: planted illnesses are found, and its claims count them; the figures draw the counts."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

import oversmooth as osm
from oversmooth_book.experiments.probe_your_model import claims, figures
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
