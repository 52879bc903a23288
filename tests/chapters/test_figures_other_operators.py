"""The figures of the chapter on other operators draw what their tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from oversmooth_book.experiments.other_operators import figures


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines() if len(line.get_xdata())}


def bands(operators, **extra):
    rows = [
        {"operator": name, "layer": x, "median": 10.0 * k + x, "low": x / 2, "high": 20.0 + x}
        for k, name in enumerate(operators)
        for x in (1, 2, 3)
    ]
    return pd.DataFrame(rows).assign(**extra)


def test_operators_and_prediction(ax):
    theory = pd.DataFrame({"layer": [1, 3], "predicted": [0.5, 0.1]})
    figures.draw_operators(ax, bands(["gcn", "mlp"]), "layer", "layer", "ratio", theory)
    found = lines(ax)
    assert np.array_equal(found["GCN"], [[1, 1], [2, 2], [3, 3]])
    assert np.array_equal(found["no graph, weights × ½"], [[1, 11], [2, 12], [3, 13]])
    assert np.array_equal(found["predicted slope"], [[1, 0.5], [3, 0.1]])
    assert ax.get_yscale() == "log" and (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "ratio")


def test_norms_from_the_first_operator_down(ax):
    rows = [
        {"operator": name, "norm": norm, "median": value, "low": value / 2, "high": value * 2}
        for norm, scale in (("own", 1e-3), ("uniform", 1.0))
        for name, value in (("gcn", 0.1 * scale), ("sum", 0.2 * scale))
    ]
    figures.draw_operator_norms(ax, pd.DataFrame(rows))
    found = lines(ax)
    assert np.allclose(found["the operator's norm"], [[1e-4, 0], [2e-4, 1]])
    assert np.allclose(found["uniform norm"], [[0.1, 0], [0.2, 1]])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["GCN", "sum"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top


def test_paths_apart(ax):
    table = pd.concat([bands(["gat", "gatv2"], path=path) for path in ("whole", "fixed")])
    figures.draw_attention_paths(ax, table)
    named = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    fixed = "attention held fixed: all three"
    assert {line.get_label() for line in named} == {"GAT", "GATv2", fixed} and len(ax.get_lines()) == 4
    assert [line.get_linestyle() == "-" for line in named] == [line.get_label() != fixed for line in named]


def test_one_panel_for_each_part(ax):
    """The panels of every figure: what stands in them, and their titles."""
    parts = [
        bands(names, family=family, quantity=way)
        for way in ("forward", "backward")
        for family, names in (("fixed averages", ["gcn"]), ("attention", ["gat"]), ("sum and maximum", ["sum", "max"]))
    ]
    theory = pd.DataFrame({"quantity": ["forward", "backward"], "layer": [1, 1], "predicted": [0.5, 0.25]})
    figure = figures.profile_figure(pd.concat(parts), theory)
    assert [panel.get_title() for panel in figure.axes] == ["fixed averages", "attention", "sum and maximum", *[""] * 3]
    predicted = [lines(panel).get("predicted slope") for panel in figure.axes]
    assert predicted[0].tolist() == [[1, 0.5]] and predicted[4].tolist() == [[1, 0.25]]
    assert predicted[2] is None and predicted[5] is None

    both = [
        bands(["gcn", "max"], graph_name=graph, quantity=way)
        for way in ("forward", "backward", "extra")
        for graph in ("csbm", "karate", "Cora")
    ]
    tinted = []
    figure = figures.real_figure(pd.concat(both), lambda panel, graph: tinted.append((panel, graph)))
    assert [graph for _, graph in tinted] == ["karate", "Cora"] * 2 and [p for p, _ in tinted] == figure.axes
    assert all(set(lines(panel)) == {"GCN", "maximum"} for panel in figure.axes)

    quantities = [bands(["gcn", "mlp"], quantity=name) for name in ("forward", "dirichlet", "distance", "rank")]
    figure = figures.measures_figure(pd.concat(quantities))
    assert [panel.get_yscale() for panel in figure.axes] == ["log", "log", "log", "linear"]
    plt.close("all")
