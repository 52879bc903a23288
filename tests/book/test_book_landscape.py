"""The loss around two networks as surfaces: the published table in the page, and what turns them, in a real browser."""

import json

import pandas as pd
import pytest
from browsing import soup
from miniature import REPOSITORY

from oversmooth_book.sphinx.landscape_panel import panel, said, surfaces

PICTURES = "() => [...document.querySelectorAll('.landscape canvas')].map(canvas => canvas.toDataURL())"
CHAPTER = "chapters/spurious_stationary_points.html"
BLUE = """canvas => {
  const seen = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let k = 0; k < seen.length; k += 4) count += seen[k + 3] === 255 && seen[k + 2] > seen[k] + 60;
  return count;
}"""


@pytest.fixture
def table(tmp_path):
    """A plane of one network is first + 10 second, of the other a hundred more; the rows in no order."""
    rows = [
        {"first": a / 10, "second": b / 10, "loss": a + 10 * b + extra, "model": model}
        for model, extra in (("mlp", 100), ("gnn", 0))
        for a in (1, -1, 0)
        for b in (0, 1, -1)
    ]
    path = tmp_path / "curved_planes.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_rows_are_first_and_columns_second(table):
    found = surfaces(table)
    assert found["reach"] == 0.1
    assert found["gnn"] == [[-11, -1, 9], [-10, 0, 10], [-9, 1, 11]]
    assert found["mlp"] == [[value + 100 for value in row] for row in found["gnn"]]
    assert said("gnn", found["gnn"]) == "GNN: loss 0.000 in the middle, -11.000 at the lowest point shown"


def test_nothing_is_left_to_fill_in(table):
    text = panel(surfaces(table))
    assert "[[" not in text.split('type="application/json">')[0] and text.count("<script") == 2


def test_the_page_has_the_numbers_of_the_table(site):
    page = soup(site / CHAPTER).select_one(".landscape")
    grids = json.loads(page.select_one('script[type="application/json"]').string)
    published = surfaces(REPOSITORY / "data/published/spurious_stationary_points/tables/curved_planes.csv")
    assert grids == published and {len(grids[model]) for model in ("gnn", "mlp")} == {len(grids["gnn"][0])}
    assert [figure.get_text(strip=True) for figure in page.select("figcaption")] == [
        f"{said(model, published[model])}." for model in ("gnn", "mlp")
    ]


@pytest.fixture
def landscape(visit):
    """The surfaces of the page, drawn, and what the browser complains of."""
    open_page, complaints = visit

    def open_landscape(**options):
        page = open_page(CHAPTER, **options)
        page.locator(".landscape").scroll_into_view_if_needed()
        page.wait_for_function(f"() => ({PICTURES})().every(picture => picture.length > 5000)")
        return page

    yield open_landscape
    assert complaints == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_perceptron_alone_has_a_way_below_the_best_constant(landscape, mode):
    page = landscape(mode=mode)
    gnn, mlp = (page.locator(f"canvas[data-model={model}]").evaluate(BLUE) for model in ("gnn", "mlp"))
    assert gnn == 0 and mlp > 2000


def test_key_and_pointer_turn_both(landscape):
    page = landscape(width=1000)
    slider, turned = page.get_by_label("Turn both"), f"old => ({PICTURES})().every((picture, k) => picture !== old[k])"
    before, angle = page.evaluate(PICTURES), slider.input_value()
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(turned, arg=before)
    assert float(slider.input_value()) == float(angle) + 5
    before, box = page.evaluate(PICTURES), page.locator(".landscape canvas").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 120)
    page.mouse.up()
    page.wait_for_function(turned, arg=before)
    assert float(slider.input_value()) == pytest.approx(float(angle) + 45, abs=5)
    before = page.evaluate(PICTURES)
    page.mouse.move(box["x"] + 20, box["y"] + 20)  # the button is up: nothing turns
    page.wait_for_timeout(200)
    assert page.evaluate(PICTURES) == before


def test_they_stand_one_below_the_other_on_a_phone(landscape):
    page = landscape(width=390)
    one, other = (page.locator(".landscape canvas").nth(k).bounding_box() for k in (0, 1))
    assert other["y"] >= one["y"] + one["height"] and page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_javascript_the_figure_remains(site):
    assert soup(site / CHAPTER).select_one(".landscape").has_attr("hidden")
