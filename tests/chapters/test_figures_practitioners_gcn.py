"""The figures of the practitioner's GCN draw every recipe once, in every graph that they are given."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from oversmooth_book.experiments.practitioners_gcn import figures, measure


@pytest.fixture
def table():
    """Two graphs, the second with fewer recipes, two depths; each number names its place."""
    rows = []
    for graph, recipes in (("Cora", measure.EXCHANGED), ("CiteSeer", measure.FEW[:2])):
        for k, recipe in enumerate(recipes):
            for depth in (2, 8):
                for j, quantity in enumerate(measure.SHOWN):
                    value = 0.01 * k + 0.1 * j + depth / 100
                    rows.append((graph, recipe, depth, value, value / 2, value * 2, quantity))
    return pd.DataFrame(rows, columns=["graph", "recipe", "depth", "median", "low", "high", "quantity"])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_recipe_has_a_look_of_its_own():
    assert set(figures.LOOKS) == set(measure.EXCHANGED)
    looks = {(look["color"], look.get("linestyle", "-")) for look in figures.LOOKS.values()}
    assert len(looks) == len(figures.LOOKS)


def test_accuracy_is_drawn_for_each_graph(table):
    constant = pd.DataFrame({"graph": ["Cora", "CiteSeer"], "share": [0.3, 0.2]})
    found = figures.accuracy_figure(table, constant)
    lines = {graph: {line.get_label(): line for line in ax.lines} for graph, ax in found.items()}
    assert set(lines["Cora"]) == {*measure.EXCHANGED, "largest class"}
    assert set(lines["CiteSeer"]) == {*measure.FEW[:2], "largest class"}
    assert list(lines["CiteSeer"]["AdamW"].get_ydata()) == pytest.approx([0.03, 0.09])
    assert lines["CiteSeer"]["largest class"].get_ydata()[0] == 0.2


def test_reasons_are_those_of_one_graph_and_end_at_a_floor(table):
    table.loc[(table["quantity"] == "gradient") & (table["recipe"] == "tanh"), "median"] = 1e-30
    figures.reasons_figure(table)
    loss, spectral, gradient = plt.gcf().axes
    named = {line.get_label(): line for line in gradient.lines}
    assert set(named) == set(measure.EXCHANGED) and list(named["tanh"].get_ydata()) == [figures.FLOOR] * 2
    assert [ax.get_ylabel() for ax in (loss, spectral, gradient)] == list(figures.REASONS.values())
