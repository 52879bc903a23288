"""The probe's chapter, models that nobody arranged: they are counted as they are, and every kind of layer is tried."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from oversmooth_book.experiments.probe_your_model import claims, figures, grid, measure

ROWS = [
    ("works", "healthy", "healthy"),
    ("works", "vanishing", "healthy"),
    ("fails", "healthy", "dead"),
    ("between", "spurious stationary point", "dead"),
]


def table(*rows):
    words = pd.DataFrame(rows or ROWS, columns=["outcome", "start", "verdict"]).assign(graph="Cora", layer="GCNConv")
    fails, works, ill = words["outcome"] == "fails", words["outcome"] == "works", words["verdict"] != "healthy"
    return words.assign(fails=fails.astype(int), works=works.astype(int), ill=ill.astype(int))


def test_confusion_by_hand():
    found = grid.confusion(table()).set_index(["when", "outcome", "verdict"])
    assert found["count"].sum() == 2 * len(ROWS)
    assert found.loc[("after training", "works", "healthy"), "count"] == 2
    assert found.loc[("before training", "works", "vanishing"), "right"]
    assert not found.loc[("before training", "between", "spurious stationary point"), "right"]
    assert found["right"].xs("after training").all()


@pytest.mark.parametrize(
    ("row", "missed", "alarmed", "spurious"),
    [
        (("fails", "healthy", "healthy"), 1, 0, 0),
        (("works", "healthy", "dead"), 0, 1, 0),
        (("works", "spurious stationary point", "healthy"), 0, 0, 1),
        (("between", "dead", "healthy"), 0, 0, 0),
    ],
)
def test_each_claim_counts_its_own_mistake(row, missed, alarmed, spurious):
    one, none = table(row), table(("works", "healthy", "healthy"))
    assert claims.failures_of_the_grid_that_are_called_healthy(one) == missed
    assert claims.working_models_of_the_grid_that_are_called_ill(one) == alarmed
    assert claims.untrained_models_that_are_called_spurious(one, none) == spurious
    assert claims.untrained_models_that_are_called_spurious(none, one) == spurious


def test_a_kind_of_layer_is_wrong_once_however_many_of_its_models_are():
    bad = [("works", "healthy", "dead"), ("fails", "healthy", "dead"), ("works", "healthy", "healthy")]
    assert claims.kinds_of_layers_called_ill_or_that_do_not_work(table(*bad)) == 1
    assert claims.kinds_of_layers_called_ill_or_that_do_not_work(table(bad[2])) == 0


def test_early_and_late():
    found = table(("works", "dead", "healthy"), ("fails", "healthy", "dead"), ("fails", "dead", "dead"))
    assert claims.working_models_of_the_grid_called_ill_before_training(found) == 1
    assert claims.failing_models_of_the_grid_called_healthy_before_training(found) == 1


def test_the_grid_has_every_model_once(monkeypatch, random_state_untouched):
    data = measure.graph(seed=0, num_nodes=60)
    small = Data(x=torch.cat([data.x] * 9, dim=1), edge_index=data.edge_index, y=data.y)
    small.train_mask = torch.arange(small.num_nodes) % 2 == 0
    monkeypatch.setattr(grid.osm, "load", lambda name: small.clone())
    found = grid.models(["Cora"], [2], [0, 1])
    assert found.groupby("architecture", sort=False).size().to_dict() == dict.fromkeys(grid.ARCHITECTURES, 2)
    works = found["works"] == 1
    assert works.sum() >= 7 and set(found.loc[works, "start"]) == {"healthy"}
    assert (found.loc[works, ["fails", "ill"]] == 0).all(axis=None) and (found.loc[~works, "ill"] == 1).all()
    words = grid.in_words(found)
    assert set(words.loc[works, "outcome"]) == {"works"} and set(words.loc[works, "verdict"]) == {"healthy"}


def test_every_kind_of_layer_is_a_layer_of_its_own():
    data = measure.graph(seed=0, num_nodes=40)
    assert len(set(grid.ZOO)) == len(grid.ZOO) >= 20
    for name in grid.ZOO:
        model = grid.drawn(
            lambda name=name: grid.TwoLayers(getattr(grid.nn, name), 8, **grid.ARGUMENTS.get(name, {})), 0
        )
        assert model(data.x, data.edge_index).shape == (data.num_nodes, 2), name


def test_the_grid_is_drawn_before_and_after():
    axes = figures.grid_figure(grid.confusion(table()))
    assert [ax.get_title() for ax in axes] == ["before training", "after training"]
    drawn = [sum(int(text.get_text()) for text in ax.texts) for ax in axes]
    plt.close(axes[0].figure)
    assert drawn == [len(ROWS), len(ROWS)]
