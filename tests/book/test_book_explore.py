"""The explore page: its grid against autograd and against the naive twins, and its panel in a real browser."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from browsing import pages, soup
from miniature import REPOSITORY

import oversmooth as osm
from oversmooth_book.book.errors import BookError
from oversmooth_book.experiments.explore import claims
from oversmooth_book.experiments.explore import measure as experiment
from oversmooth_book.experiments.settings import Setting
from oversmooth_book.sphinx.explore_panel import panel, read_grid, write_files

DEPTHS, SCALES = [3, 4], [0.8, 1.5]
SETTING = Setting(seeds=(0, 1))


def chosen(table, **values):
    """The rows with these values."""
    for name, value in values.items():
        table = table[table[name] == value]
    return table


@pytest.fixture(scope="module")
def data():
    return SETTING.data()


@pytest.fixture(scope="module")
def grid():
    return experiment.grid(SETTING, DEPTHS, SCALES)


def checks(grid):
    return experiment.checks(grid, SETTING, DEPTHS, SCALES)


def test_the_grid_has_every_combination_once(grid):
    keys = [*experiment.CHOICES, "seed", "layer"]
    assert not grid.duplicated(keys).any()
    assert len(grid) == 4 * 4 * (3 + 4) * 2 * 2 * 2
    found = checks(grid)
    assert len(found) == 4 * 4 and found["layers"].sum() == len(grid)
    assert (found[["missing", "above", "below"]] == 0).all(axis=None)
    # all but GCN with tanh and ELU: fourteen of sixteen
    assert claims.certified_layers_in_percent(found) == pytest.approx(87.5)


@pytest.mark.parametrize("operator", experiment.OPERATORS)
@pytest.mark.parametrize("trained", [True, False])
def test_a_cell_is_what_autograd_finds_for_that_network_alone(data, grid, operator, trained):
    """Another road: one network at a time, dense matrices, torch's own backward pass."""
    depth, scale, seed = 4, 1.5, 1
    P = osm.Propagation.from_data(data, operator)
    net = osm.Network(P, [data.num_features, 32, 32, 32, 1], "tanh", scale, seed=seed)
    y = torch.where(data.y > 0, 1.0, -1.0).double()[:, None]
    if trained:
        net = osm.train_last_layer(net, data.x, y, how="budget", budget=3.0)
    dense, X, kept = P.to_dense(), data.x, []
    for k, W in enumerate(net.weights):
        H = dense @ X @ W
        H.retain_grad()
        kept.append((X, H))
        X = torch.tanh(H) if k < depth - 1 else H
    loss = (X - y).square().mean()
    loss.backward()
    here = {"operator": operator, "activation": "tanh", "depth": depth, "scale": scale, "seed": seed}
    rows = chosen(grid, **here, last_layer="trained" if trained else "random").sort_values("layer")
    wanted = [W.grad.norm().item() for W in net.weights]
    if trained and np.isclose(rows["gradient"].iloc[-1], 0):
        wanted[-1] = 0.0
    assert np.allclose(rows["gradient"], wanted, rtol=1e-9, atol=1e-12)
    assert np.allclose(rows["loss"], loss.item(), rtol=1e-10)
    if operator in ("metropolis", "identity"):
        errors = [H.grad * len(data.x) for _, H in kept]
        deviation = [((B - B.mean(0)).square().sum() / len(B)).sqrt().item() for B in errors]
        assert np.allclose(rows["backward_deviation"], deviation, rtol=1e-9)
        ratio = [((X - X.mean(0)).square().sum() / X.square().sum()).sqrt().item() for X, _ in kept]
        assert np.allclose(rows["feature_ratio"], ratio, rtol=1e-9)


def test_certificates_stand_where_the_theory_reaches(grid):
    there = grid.groupby(["operator", "activation"])["certificate"].agg(lambda column: column.notna().all())
    without = {pair for pair, found in there.items() if not found}
    assert without == {("gcn", "tanh"), ("gcn", "elu")}


def test_checks_see_what_is_wrong(grid):
    broken = grid.copy()
    row = broken.index[(broken["certificate"] > 0) & (broken["gradient"] > 0)][0]
    broken.loc[row, "gradient"] = 2 * broken.loc[row, "certificate"]
    broken.loc[broken.index[5], "floor"] = broken.loc[broken.index[5], "loss"] + 1
    broken.loc[broken.index[9], "backward_norm"] = math.inf
    found = checks(broken.drop(broken.index[-1]))
    assert claims.gradients_above_their_certificate(found) == 1
    assert claims.losses_below_their_floor(found) == 1
    assert claims.networks_missing(found) == 2


def test_an_operator_that_is_not_there_is_missed(grid):
    found = checks(grid[grid["operator"] != "gcn"])
    assert claims.networks_missing(found) == 4 * 2 * 2 * 2 * 2


def test_zero_by_theory_is_zero_and_nothing_else_is(grid):
    zero = grid[grid["gradient"] == 0]
    assert set(zero["last_layer"]) == {"trained"}
    assert ((zero["activation"] == "identity") | (zero["layer"] == zero["depth"] - 1)).all()
    assert len(zero) > 0


def test_the_least_gap_leaves_the_linear_mlp_out():
    rows = [("metropolis", "tanh", 1e-3), ("identity", "tanh", 0.1), ("metropolis", "relu", 1e-4)]
    rows += [("identity", "relu", 2e-3), ("metropolis", "identity", 1.0), ("identity", "identity", 0.0)]
    table = pd.DataFrame(rows, columns=["operator", "activation", "gradient_max"])
    table = table.assign(depth=9, scale=1.0, last_layer="trained")
    assert claims.weakest_gap(table) == pytest.approx(20)
    # shallower networks, other scales and random last layers do not count
    others = [table.assign(depth=5), table.assign(scale=1.5), table.assign(last_layer="random")]
    others = [one.assign(gradient_max=1.0) for one in others]
    assert claims.weakest_gap(pd.concat([table, *others])) == pytest.approx(20)


@pytest.fixture(scope="module")
def tables(grid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    for name, table in (("profiles", experiment.profiles(grid)), ("networks", experiment.networks(grid))):
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    return folder


def test_the_panels_data_are_the_tables(tables, tmp_path):
    write_files(read_grid(tables), tmp_path)
    text = (tmp_path / "grid.js").read_text(encoding="utf-8")
    read = json.loads(text.removeprefix("window.oversmoothGrid=").removesuffix(";\n"))
    table = pd.read_csv(tables / "profiles.csv")
    assert read["choices"]["depth"] == ["3", "4"] and read["choices"]["scale"] == ["0.8", "1.5"]
    assert len(read["networks"]) == 4 * 4 * 2 * 2 * 2
    for key, network in read["networks"].items():
        operator, activation, depth, scale, last = key.split(" ")
        rows = table[(table["operator"] == operator) & (table["activation"] == activation)]
        rows = rows[(rows["depth"] == int(depth)) & (rows["scale"] == float(scale)) & (rows["last_layer"] == last)]
        for name in experiment.PROFILES:
            there = np.array([math.nan if value is None else value for value in network[name]])
            assert np.array_equal(there, rows[name].to_numpy(), equal_nan=True), (key, name)
    assert {path.name for path in tmp_path.iterdir()} == {"grid.js", "explore.js", "explore.css", "plotly.min.js"}


# ---- in a browser

PICTURES = "() => [...document.querySelectorAll('.explore-chart .scatterlayer')].map(e => e.innerHTML).join('')"
PAGE = "chapters/explore.html"


def picture(page):
    """The curves as drawn, once the last change has been drawn."""
    page.wait_for_function("document.querySelectorAll('.explore-chart .main-svg').length >= 4")
    return page.evaluate(PICTURES)


def text(page):
    return page.locator(".explore-summary").inner_text()


MOUSE = {
    "operator": lambda page: page.locator("#explore-operator").select_option("gcn"),
    "activation": lambda page: page.locator("#explore-activation").select_option("relu"),
    "depth": lambda page: page.locator("#explore-depth").click(position={"x": 4, "y": 12}),
    "scale": lambda page: page.locator("#explore-scale").click(position={"x": 4, "y": 12}),
    "last layer": lambda page: page.get_by_label("trained", exact=True).click(),
    "mlp": lambda page: page.get_by_label("with the MLP").click(),
}
KEYS = {
    "#explore-operator": "ArrowDown",
    "#explore-activation": "ArrowDown",
    "#explore-depth": "ArrowLeft",
    "#explore-scale": "ArrowRight",
    "input[value=random]": "ArrowDown",
    "input[name=mlp]": "Space",
}


@pytest.mark.parametrize("control", MOUSE)
def test_every_control_changes_the_picture_by_mouse(visit, control):
    open_page, complaints = visit
    page = open_page(PAGE)
    before, said = picture(page), text(page)
    MOUSE[control](page)
    page.wait_for_function(f"old => ({PICTURES})() !== old", arg=before)
    assert control == "mlp" or text(page) != said
    assert complaints == []


def test_every_control_is_reached_and_works_by_keyboard(visit):
    open_page, complaints = visit
    page = open_page(PAGE)
    picture(page)
    page.locator("#explore-operator").focus()
    for position, (selector, key) in enumerate(KEYS.items()):
        if position:
            page.keyboard.press("Tab")
        assert page.evaluate("s => document.activeElement.matches(s)", selector), selector
        before = page.evaluate(PICTURES)
        page.keyboard.press(key)
        page.wait_for_function(f"old => ({PICTURES})() !== old", arg=before)
    assert complaints == []


def test_labels_descriptions_and_announcements_follow_the_choice(visit):
    open_page, _ = visit
    page = open_page(PAGE)
    picture(page)
    assert page.locator(".explore-summary").get_attribute("role") == "status"
    depth = page.get_by_role("slider", name="Depth")
    assert depth.get_attribute("aria-valuetext").endswith("layers")
    before = [page.locator(".explore-chart").nth(k).get_attribute("aria-label") for k in range(4)]
    depth.focus()
    page.keyboard.press("Home")
    after = [page.locator(".explore-chart").nth(k).get_attribute("aria-label") for k in range(4)]
    assert all(old != new and len(new) > 60 for old, new in zip(before, after, strict=True))
    assert depth.get_attribute("aria-valuetext").split()[0] + " layers" in text(page)


def test_the_summary_says_what_the_table_holds(visit):
    open_page, _ = visit
    page = open_page(PAGE + "#operator=metropolis&activation=tanh&scale=1&last_layer=trained")
    picture(page)
    table = pd.read_csv(REPOSITORY / "data/published/explore/tables/networks.csv")
    depth = int(page.get_by_role("slider", name="Depth").get_attribute("aria-valuetext").split()[0])
    here = {"operator": "metropolis", "activation": "tanh", "scale": 1, "last_layer": "trained", "depth": depth}
    row = chosen(table, **here).iloc[0]
    said = float(text(page).split("Loss: ")[1].rstrip("."))
    assert said == pytest.approx(row["loss"], rel=0.06)


def test_it_works_from_a_file_on_a_phone_and_in_the_dark(site, visit):
    open_page, complaints = visit
    page = open_page((site / PAGE).as_uri(), width=375, mode="dark")
    first = picture(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("button.theme-switch-button").first.click()
    page.wait_for_function(f"old => ({PICTURES})() !== old", arg=first)
    assert complaints == []


def test_without_javascript_figures_and_tables_remain(site):
    article = soup(site / PAGE).select_one("article")
    assert article.select_one("#explore").has_attr("hidden")
    assert "needs JavaScript" in article.select_one("noscript").get_text()
    assert len(article.select("figure img, .figure-whole")) == 2
    assert {link.get_text() for link in article.select("a.download")} >= {"profiles.csv", "networks.csv"}


def test_only_this_page_loads_the_plotting_library(site):
    loading = [path.name for path in pages(site) if soup(path).select("script[src*=plotly]")]
    assert loading == ["explore.html"]
    assert not [path for path in (site / "_static").rglob("*") if "plotly" in path.name]


def test_names_of_choices_are_text_not_markup(tables):
    grid = read_grid(tables)
    grid["choices"]["operator"] = ['<script>"', *grid["choices"]["operator"]]
    assert '<script>"' not in panel(grid, "files") and "&lt;script&gt;&quot;" in panel(grid, "files")


def test_a_build_without_plotly_fails_in_words(tables, tmp_path, monkeypatch):
    monkeypatch.setattr("oversmooth_book.sphinx.explore_panel.find_spec", lambda name: None)
    with pytest.raises(BookError, match="plotly is not installed"):
        write_files(read_grid(tables), tmp_path)
