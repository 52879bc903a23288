"""The figures of the chapter on other operators draw what their tables hold."""

import numpy as np
import pandas

from oversmooth_book.experiments.other_operators import figures


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines() if len(line.get_xdata())}


def bands(operators, **extra):
    rows = [
        {"operator": name, "layer": x, "median": 10.0 * k + x, "low": x / 2, "high": 20.0 + x}
        for k, name in enumerate(operators)
        for x in (1, 2, 3)
    ]
    return pandas.DataFrame(rows).assign(**extra)


def test_operators_and_prediction(ax):
    theory = pandas.DataFrame({"layer": [1, 3], "predicted": [0.5, 0.1]})
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
    figures.draw_operator_norms(ax, pandas.DataFrame(rows))
    found = lines(ax)
    assert np.allclose(found["the operator's norm"], [[1e-4, 0], [2e-4, 1]])
    assert np.allclose(found["uniform norm"], [[0.1, 0], [0.2, 1]])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["GCN", "sum"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top


def test_paths_apart(ax):
    table = pandas.concat([bands(["gat", "gatv2"], path=path) for path in ("whole", "fixed")])
    figures.draw_attention_paths(ax, table)
    assert set(lines(ax)) == {"GAT, whole", "GATv2, whole", "GAT, fixed", "GATv2, fixed"}
    styles = {line.get_label(): line.get_linestyle() for line in ax.get_lines()}
    assert styles["GAT, whole"] != styles["GAT, fixed"]
