"""The theme: the same look for the same thing, and figures that everyone can read."""

import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import oversmooth as osm
from oversmooth.drawing import theme


def test_band_draws_median_and_range(ax):
    table = pd.DataFrame({"k": [0, 1, 3], "median": [3, 2, 1], "low": [2, 1, 0.5], "high": [5, 2.5, 4]})
    theme.band(ax, table, "k", label="tanh", **theme.style("tanh"))
    (line,) = ax.get_lines()
    assert line.get_label() == "tanh" and line.get_xydata().T.tolist() == [[0, 1, 3], [3, 2, 1]]
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {(0, 2), (1, 1), (3, 0.5), (0, 5), (1, 2.5), (3, 4)} <= corners


def test_floor_lies_at_its_level(ax):
    ax.set_yscale("log")
    theme.draw_floor(ax, 1e-16)
    assert ax.get_lines()[0].get_ydata() == [1e-16, 1e-16]
    assert ax.texts[0].get_text() == "rounding (float64)"
    assert ax.patches[0].get_y() + ax.patches[0].get_height() == pytest.approx(1e-16)


def test_style_is_the_same_for_the_same_thing():
    assert theme.style("tanh") == theme.style("tanh") == theme.style(0)
    looks = [theme.style(k) for k in range(5)]
    for key in ("color", "linestyle", "marker"):
        assert len({str(look[key]) for look in looks}) == 5


def test_every_kind_and_activation_has_a_look_of_its_own_and_no_other_name_has():
    for names in (osm.KINDS, osm.ACTIVATIONS):
        looks = {str(theme.style(name)) for name in names if name != "identity"}
        assert len(looks) == len(set(names) - {"identity"})
    with pytest.raises(ValueError, match=r"style is 'lazy'; known: tanh, .*identity, .*metropolis"):
        theme.style("lazy")


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
    seen = [lab(colour, DEFICIENCIES[name]) for colour in (theme.FORWARD, theme.BACKWARD, *theme.SERIES)]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.mark.parametrize("colours", [theme.SERIES, (theme.FORWARD, theme.BACKWARD)])
def test_colours_stay_apart_in_grey(colours):
    lightness = sorted(lab(colour)[0] for colour in colours)
    assert (np.diff(lightness) > 8).all()


def test_two_colours_are_kept_for_features_and_errors_and_for_networks_with_and_without_a_graph():
    kept = {theme.FORWARD: ("features", "gnn"), theme.BACKWARD: ("errors", "mlp")}
    for colour, names in kept.items():
        assert [theme.style(name)["color"] for name in names] == [colour] * 2
    others = [theme.style(key)["color"] for key in (*theme.STYLES, *range(9))]
    assert set(others) == set(theme.SERIES)
