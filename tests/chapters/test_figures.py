"""Figures draw what their table holds, compute nothing, and can be read by everyone."""

import ast
import importlib
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import oversmooth as osm
from oversmooth.drawing import theme
from oversmooth_book import experiments
from oversmooth_book.book.book import find_book
from oversmooth_book.experiments.forward_oversmoothing import figures

DRAWING = r"oversmooth\.(_validation|_arguments|drawing)|oversmooth_book\.experiments(\.\w+)?\.figures"


def drawn(ax):
    """Label -> (x, y) of every line that shows data."""
    return {line.get_label(): line.get_xydata().T for line in ax.get_lines() if len(line.get_xdata())}


def series(x, y):
    return np.array([x, y], dtype=float)


def collapse_table():
    rows = [(p, k, p**k / 2, p**k / 3, p**k * 0.9, p**k) for p in (0.5, 2.0) for k in range(4)]
    return pd.DataFrame(rows, columns=["product", "layer", "median", "low", "high", "bound"])


def test_collapse(ax):
    table = collapse_table()
    figures.draw_collapse(ax, table)
    for product in (0.5, 2.0):
        rows = table[table["product"] == product]
        assert np.array_equal(drawn(ax)[f"$\\lambda s = {product:g}$"], series(rows["layer"], rows["median"]))
    dashed = [line for line in ax.get_lines() if line.get_color() == "black"]
    assert [line.get_ydata().tolist() for line in dashed] == [[1, 0.5, 0.25, 0.125], [1, 2, 4, 8]]
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("0.5", (3, 0.125)), ("2", (3, 8))]
    assert ax.get_yscale() == "log"


def test_modes(ax):
    rows = [(kind, k, 0.8**k, 0.81**k, 0.9**k) for kind in ("metropolis", "random_walk") for k in range(5)]
    table = pd.DataFrame(rows, columns=["propagation", "layer", "measured", "predicted", "slowest"])
    figures.draw_modes(ax, table)
    lines = [line.get_ydata() for line in ax.get_lines()]
    for column in ("measured", "predicted", "slowest"):
        assert any(np.array_equal(line, table[column][:5]) for line in lines), column
    assert np.array_equal(drawn(ax)["measured, random walk"][1], table["measured"][5:])


def test_phase(ax):
    rows = [(r, s, r * s) for r in (0.2, 0.6, 1.0) for s in (0.5, 1.0, 4.0, 6.0)]
    table = pd.DataFrame(rows, columns=["rate", "scale", "measured"]).sample(frac=1, random_state=0)
    edge = pd.DataFrame({"rate": [0.6, 1.0], "scale": [4.0, 1.0]})
    mesh = figures.draw_phase(ax, table, edge)
    assert np.array_equal(mesh.get_array(), np.outer([0.5, 1, 4, 6], [0.2, 0.6, 1.0]))
    assert np.array_equal(drawn(ax)[r"tanh: $\lambda g(s) = 1$"], series([0.6, 1.0], [4, 1]))
    rate, scale = drawn(ax)[r"$\lambda s = 1$"]
    assert rate * scale == pytest.approx(np.ones(len(rate)))
    figures.draw_rate_scale([ax], mesh)
    assert [label.get_text() for label in ax.figure.axes[-1].get_yticklabels()] == ["0.25", "0.5", "1", "2", "4"]


def test_measures_are_marked_where_they_mislead(ax):
    falls, stops, stays = [1.0, 0.1, 0.01, 1e-3], [1.0, 0.01, 0.01, 0.01], [1.0] * 4
    cases = {"smoothed": (falls, stops), "GCN limit": (stays, falls), "only shrunk": (falls, stays)}
    rows = [
        (situation, name, layer, value)
        for situation, (first, others) in cases.items()
        for name in figures.MEASURES
        for layer, value in enumerate(first if name == "energy" else others)
    ]
    figures.draw_measures(ax, pd.DataFrame(rows, columns=["situation", "measure", "layer", "value"]))
    bold = np.array([text.get_fontweight() == "bold" for text in ax.texts]).reshape(3, 5)
    energy = np.array([name == "energy" for name in figures.MEASURES])
    assert (bold == [~energy, energy, energy]).all()
    assert [label.get_text()[-1] for label in ax.get_yticklabels()] == ["↓", "↓", "="]
    assert ax.texts[1].get_text() == "$10^{-3}$" and ax.texts[0].get_text() == "0.01"


@pytest.mark.parametrize(("view", "title"), [("same scale", "layer 4"), ("enlarged", "enlarged 13×")])
def test_snapshot_draws_every_node(ax, view, title):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"view": view, "layer": 4, "factor": 12.8, "label": [0, 1, 1, 0, 1], "x": rng.random(5)})
    table["y"] = rng.random(5)
    figures.draw_snapshot(ax, table)
    for label, points in enumerate(ax.collections):
        assert np.array_equal(points.get_offsets(), table.loc[table["label"] == label, ["x", "y"]])
    assert ax.get_title() == title
    assert len({marker.get_paths()[0].vertices.shape for marker in ax.collections}) == 2


def test_a_figure_leaves_its_table_alone(ax):
    table = collapse_table()
    before = table.copy()
    figures.draw_collapse(ax, table)
    assert table.equals(before) and (table.dtypes == before.dtypes).all()


# chapter, figure, its tables, what else it is told
WHOLE = [
    ("backward_oversmoothing", "profile_figure", ["backward_profile"], {}),
    ("backward_oversmoothing", "interaction_figure", ["interventions", "smoothness_map"], {"boundary": 10}),
    ("backward_oversmoothing", "limit_figure", ["backward_profile"], {}),
    ("backward_oversmoothing", "operators_figure", ["operators"], {}),
    ("backward_oversmoothing", "relu_figure", ["relu"], {}),
    ("backward_oversmoothing", "same_rate_figure", ["karate", "same_rate", "by_depth"], {}),
    ("explore", "choice_figure", ["profiles"], {}),
    ("explore", "grid_figure", ["networks"], {}),
    ("spurious_stationary_points", "figure_one", ["figure_one_gradients", "figure_one_loss"], {"plateau": 0.69}),
    ("spurious_stationary_points", "last_layer_figure", ["last_layer", "layers", "karate"], {"rates": (0.7, 0.97)}),
    ("spurious_stationary_points", "three_numbers_figure", ["layers"], {}),
    ("spurious_stationary_points", "training_figure", ["first_steps", "plateaus", "fall_losses"], {"rate": 0.7}),
    ("spurious_stationary_points", "landscape_figure", ["ways_down", "curved_planes", "eigenvalues"], {}),
]


@pytest.mark.parametrize(("chapter", "name", "tables", "told"), WHOLE, ids=[row[1] for row in WHOLE])
def test_a_whole_figure_needs_its_published_tables_only(chapter, name, tables, told):
    folder = find_book().published(chapter) / "tables"
    read = [pd.read_csv(folder / f"{table}.csv") for table in tables]
    before = [table.copy() for table in read]
    draw = getattr(importlib.import_module(f"oversmooth_book.experiments.{chapter}.figures"), name)
    with matplotlib.rc_context():
        osm.set_theme()
        draw(*read, **told)
    shown = [ax for ax in plt.gcf().axes if ax.axison]
    assert len(shown) > 1 and all(ax.has_data() for ax in shown)
    for table, old in zip(read, before, strict=True):
        pd.testing.assert_frame_equal(table, old)
    plt.close("all")


def test_figures_cannot_compute():
    """They import what draws, and nothing that measures."""
    allowed = {"__future__", "typing", "matplotlib", "seaborn", "numpy", "math", "itertools"}
    drawing = [*Path(theme.__file__).parent.glob("*.py"), *Path(experiments.__file__).parent.glob("**/figures.py")]
    assert len(drawing) > 10
    for path in drawing:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        ]
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in allowed or re.match(DRAWING, name), f"{path}: {name}"
