"""Figures draw what their table holds, compute nothing, and can be read by everyone."""

import ast
import itertools
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas
import pytest

import oversmooth as osm
from oversmooth.drawing import theme
from oversmooth_book import experiments
from oversmooth_book.experiments.forward_oversmoothing import figures

DRAWING = r"oversmooth\.drawing|oversmooth_book\.experiments(\.\w+)?\.figures"


def drawn(ax):
    """Label -> (x, y) of every line that shows data."""
    return {line.get_label(): line.get_xydata().T for line in ax.get_lines() if len(line.get_xdata())}


def series(x, y):
    return np.array([x, y], dtype=float)


def test_band_draws_median_and_range(ax):
    table = pandas.DataFrame({"k": [0, 1, 3], "median": [3, 2, 1], "low": [2, 1, 0.5], "high": [5, 2.5, 4]})
    theme.band(ax, table, "k", label="tanh", **theme.style("tanh"))
    assert np.array_equal(drawn(ax)["tanh"], series([0, 1, 3], [3, 2, 1]))
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {(0, 2), (1, 1), (3, 0.5), (0, 5), (1, 2.5), (3, 4)} <= corners


def test_floor_lies_at_its_level(ax):
    ax.set_yscale("log")
    theme.draw_floor(ax, 1e-16)
    assert ax.get_lines()[0].get_ydata() == [1e-16, 1e-16]
    assert ax.texts[0].get_text() == "rounding (float64)"
    assert ax.patches[0].get_y() + ax.patches[0].get_height() == pytest.approx(1e-16)


def collapse_table():
    rows = [(p, k, p**k / 2, p**k / 3, p**k * 0.9, p**k) for p in (0.5, 2.0) for k in range(4)]
    return pandas.DataFrame(rows, columns=["product", "layer", "median", "low", "high", "bound"])


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
    table = pandas.DataFrame(rows, columns=["propagation", "layer", "measured", "predicted", "slowest"])
    figures.draw_modes(ax, table)
    lines = [line.get_ydata() for line in ax.get_lines()]
    for column in ("measured", "predicted", "slowest"):
        assert any(np.array_equal(line, table[column][:5]) for line in lines), column
    assert np.array_equal(drawn(ax)["measured, random walk"][1], table["measured"][5:])


def test_phase(ax):
    rows = [(r, s, r * s) for r in (0.2, 0.6, 1.0) for s in (0.5, 1.0, 4.0, 6.0)]
    table = pandas.DataFrame(rows, columns=["rate", "scale", "measured"]).sample(frac=1, random_state=0)
    edge = pandas.DataFrame({"rate": [0.6, 1.0], "scale": [4.0, 1.0]})
    mesh = figures.draw_phase(ax, table, edge)
    assert np.array_equal(mesh.get_array(), np.outer([0.5, 1, 4, 6], [0.2, 0.6, 1.0]))
    assert np.array_equal(drawn(ax)["tanh: contraction ends"], series([0.6, 1.0], [4, 1]))
    rate, scale = drawn(ax)[r"$\lambda s = 1$"]
    assert rate * scale == pytest.approx(np.ones(len(rate)))
    figures.draw_rate_scale([ax], mesh)
    assert [label.get_text() for label in ax.figure.axes[-1].get_yticklabels()] == ["0.25", "0.5", "1", "2", "4"]


def test_measures_put_zero_on_the_edge(ax):
    rows = [(name, k, 10.0 ** (-n * k)) for n, name in enumerate(figures.MEASURES) for k in range(3)]
    table = pandas.DataFrame(rows, columns=["measure", "layer", "value"])
    table.loc[table["measure"] == "energy", "value"] = 0.0
    figures.draw_measures(ax, table)
    assert set(drawn(ax)) == set(figures.MEASURES)
    assert np.array_equal(drawn(ax)["Dirichlet energy"][1], [1, 1e-2, 1e-4])
    assert (drawn(ax)["energy"][1] == ax.get_ylim()[0]).all()


@pytest.mark.parametrize(("view", "title"), [("same scale", "layer 4"), ("enlarged", "enlarged 13×")])
def test_snapshot_draws_every_node(ax, view, title):
    rng = np.random.default_rng(0)
    table = pandas.DataFrame({"view": view, "layer": 4, "factor": 12.8, "label": [0, 1, 1, 0, 1], "x": rng.random(5)})
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


def test_figures_cannot_compute():
    """They import what draws, and nothing that measures."""
    allowed = {"matplotlib", "seaborn", "numpy", "math", "itertools"}
    drawing = [*Path(theme.__file__).parent.glob("*.py"), *Path(experiments.__file__).parent.glob("**/figures.py")]
    assert len(drawing) > 10
    for path in drawing:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in allowed or re.match(DRAWING, name), f"{path}: {name}"


def test_style_is_the_same_for_the_same_thing():
    assert theme.style("tanh") == theme.style("tanh") == theme.style(1)
    looks = [theme.style(k) for k in range(5)]
    for key in ("color", "linestyle", "marker"):
        assert len({str(look[key]) for look in looks}) == 5


def test_panels_are_one_axes_or_a_flat_array():
    _, one = osm.panels()
    _, four = osm.panels(2, 2)
    assert not isinstance(one, np.ndarray)
    assert four.shape == (4,)
    plt.close("all")


def test_text_can_be_read_on_a_phone():
    """A figure of two columns, shrunk to 360 points, keeps its smallest text above 5 points."""
    with matplotlib.rc_context():
        osm.set_theme()
        figure, _ = osm.panels(columns=2)
        smallest = min(plt.rcParams[name] for name in ("xtick.labelsize", "legend.fontsize", "axes.labelsize"))
        assert smallest * 360 / (figure.get_figwidth() * 72) > 5
    plt.close("all")


# Linear RGB as three kinds of dichromats see it (Machado, Oliveira and Fernandes 2009, severity 1).
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, seen=DEFICIENCIES["none"]):
    """CIE Lab of a colour as seen."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(to_xyz @ np.clip(np.array(seen) @ linear, 1e-4, 1) / np.array([0.9505, 1, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_colours_stay_apart_for_every_eye(name):
    seen = [lab(colour, DEFICIENCIES[name]) for colour in theme.PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_colours_stay_apart_in_grey():
    lightness = [lab(colour)[0] for colour in theme.PALETTE]
    assert (np.diff(lightness) > 8).all()
