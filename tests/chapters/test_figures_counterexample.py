"""The counter-example's figures draw what their tables hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from oversmooth_book.experiments.mlp_counterexample import figures


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines() if len(line.get_xdata())}


def bands(*networks, **extra):
    rows = [
        {"network": network, "x": x, "median": 10.0 * k + x, "low": x - 1.0, "high": 20.0 + x}
        for k, network in enumerate(networks)
        for x in (1, 2, 3)
    ]
    return pd.DataFrame(rows).assign(**extra)


def test_twin(ax):
    table = pd.DataFrame(
        {
            "network": ["mlp", "mlp", "gnn", "gnn", "gnn"],
            "depth": [2, 4, 2, 4, 6],
            "measured": [0.9, 0.8, 0.1, 0.01, np.nan],
            "predicted": [0.85, 0.85, 0.12, 0.013, 1e-4],
        }
    )
    figures.draw_twin(ax, table, 1e-3)
    found = lines(ax)
    assert np.array_equal(found["MLP ($P = I$)"], [[2, 0.9], [4, 0.8]])
    points = found["its twin on the 4-cycle"]
    assert np.array_equal(points[np.isfinite(points[:, 1])], [[2, 0.1], [4, 0.01]])
    assert np.array_equal(found["closed form"], [[2, 0.85], [4, 0.85]])
    assert any(np.array_equal(data, [[2, 0.12], [4, 0.013], [6, 1e-4]]) for data in found.values())
    assert any(np.array_equal(data[:, 1], [1e-3, 1e-3]) for data in found.values())
    assert [text.get_text() for text in ax.texts] == ["rounding (float64)"]


def test_depth_with_and_without_prediction(ax):
    table = bands("mlp", "gnn").rename(columns={"x": "depth"})
    figures.draw_mlp_gnn_depth(ax, table, "loss")
    assert set(lines(ax)) == {"MLP", "GNN"} and ax.get_ylabel() == "loss"
    table["predicted"] = [np.nan] * 4 + [5.0, 6.0]
    figures.draw_mlp_gnn_depth(ax, table, "loss")
    predicted = [data for label, data in lines(ax).items() if "lambda" in label]
    assert np.array_equal(predicted, [[[2, 5], [3, 6]]])
    assert np.array_equal(lines(ax)["GNN"], [[1, 11], [2, 12], [3, 13]])


def test_training_tells_the_depths_apart(ax):
    table = pd.concat([bands("mlp", "gnn", depth=depth) for depth in (5, 41)]).rename(columns={"x": "step"})
    figures.draw_mlp_gnn_training(ax, table)
    assert set(lines(ax)) == {f"{name}, depth {depth}" for name in ("MLP", "GNN") for depth in (5, 41)}
    styles = {line.get_label(): (line.get_linestyle(), line.get_markerfacecolor()) for line in ax.get_lines()}
    assert styles["GNN, depth 5"] != styles["GNN, depth 41"]


def test_dial(ax):
    names = ("t", "measured", "low", "high", "rate", "gradient", "gradient_low", "gradient_high", "predicted")
    table = pd.DataFrame([range(1, 10), range(2, 11)], columns=names)
    figures.draw_dial_rate(ax, table)
    found = lines(ax)
    assert np.array_equal(found["gradient, measured"], [[1, 2], [2, 3]])
    assert np.array_equal(found[r"predicted $\lambda_t$"], [[1, 5], [2, 6]])
    ax.clear()
    figures.draw_dial_gradient(ax, table)
    found = lines(ax)
    assert np.array_equal(found["measured"], [[1, 6], [2, 7]])
    assert np.array_equal(found["the MLP's"][:, 1], [6, 6])
    assert any(np.array_equal(data, [[1, 9], [2, 10]]) for data in found.values())
    ax.clear()
    figures.draw_dial_loss(ax, table.rename(columns={"measured": "median"}))
    assert np.array_equal(lines(ax)["label variance"][:, 1], [1, 1])
    assert np.array_equal(lines(ax)["loss, depth 41"], [[1, 2], [2, 3]])


def test_outcomes_write_every_word_in_its_place(ax):
    words = ["most", "some", "few", "most", "few", "few", "some", "most"]
    cases = [(n, o, s) for n in ("gnn", "mlp") for o in ("Adam", "gradient descent") for s in (0.5, 3.0)]
    table = pd.DataFrame(cases, columns=["network", "optimizer", "scale"]).assign(learned=words)
    figures.draw_outcomes(ax, table)
    rows = [label.get_text() for label in ax.get_yticklabels()]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert columns == ["0.5", "3"]
    found = {
        (rows[int(text.get_position()[1])], columns[int(text.get_position()[0])]): text.get_text() for text in ax.texts
    }
    names = {"mlp": "MLP", "gnn": "GNN"}
    assert found == {(f"{names[n]}, {o}", f"{s:g}"): word for (n, o, s), word in zip(cases, words, strict=True)}


def test_one_panel_for_each_part(ax):
    """The panels of every figure, with what stands in each."""
    generic = bands("mlp", "gnn").rename(columns={"x": "depth"})
    curves = [bands("mlp", "gnn", depth=d, optimizer=o) for o in ("gradient descent", "Adam") for d in (5, 41)]
    names = ("t", "measured", "low", "high", "rate", "gradient", "gradient_low", "gradient_high", "predicted")
    rates = pd.DataFrame([range(1, 10), range(2, 11)], columns=names)
    losses = pd.concat([rates.rename(columns={"measured": "median"}).assign(kind=kind) for kind in ("last", "all")])
    drawn = {
        "generic": figures.generic_figure(generic, generic),
        "dial": figures.dial_figure(rates, losses),
        "training": figures.training_figure(pd.concat(curves).rename(columns={"x": "step"})),
    }
    titles = {name: [ax.get_title() for ax in figure.axes] for name, figure in drawn.items()}
    assert titles == {
        "generic": ["the GNN's gradient vanishes", "its loss becomes a constant's"],
        "dial": [r"the factor is $\lambda_t$", "the gradient falls with $t$", "last", "all"],
        "training": ["gradient descent", "Adam"],
    }
    assert "label variance" in lines(drawn["generic"].axes[1])
    assert {"MLP", "GNN"} <= set(lines(drawn["generic"].axes[0]))
    assert len(drawn["training"].legends[0].get_texts()) == 4
    plt.close("all")
