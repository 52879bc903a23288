"""Figures as SVG: where their panels stand, what a run keeps of them, and how a page shows them in a real browser."""

import base64
import hashlib
import io
import json
import re
import shutil

import matplotlib.pyplot as plt
import nbformat
import pytest
from browsing import pages, soup
from bs4 import BeautifulSoup
from miniature import REPOSITORY, call

from oversmooth_book.book.vectors import FOLDER, name_vectors, vector
from oversmooth_book.sphinx.vector_figures import in_page

FILES = sorted(REPOSITORY.glob(f"data/published/*/{FOLDER}/*.svg"))


def draw():
    """Four panels, one with a colour bar, one with axes in axes; a legend of the whole figure."""
    figure, axes = plt.subplots(2, 2, layout="constrained", figsize=(7, 6))
    for k, ax in enumerate(axes.ravel()):
        ax.plot([0, 1], [k, 1], label="one")
        ax.plot([0, 1], [1, k], label="the other, with more words")
        ax.set(xlabel="a long name of what runs here", ylabel="value")
    figure.colorbar(plt.cm.ScalarMappable(), ax=axes[0, 0], label="colour")
    axes[1, 1].inset_axes([0.6, 0.6, 0.3, 0.3])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@pytest.fixture
def drawn():
    figure = draw()
    yield figure
    plt.close(figure)


def tags(svg):
    return BeautifulSoup(svg[svg.index("<svg") :], "html.parser")


def boxes(svg, part):
    """x, y, width and height of every panel, or entry of the legend."""
    text = re.search(rf'data-{part}="([^"]*)"', svg).group(1)
    return [tuple(map(float, place.split()[:4])) for place in text.split(";") if place]


def groups(svg):
    """The names of the groups of every panel."""
    return [place.split()[4:] for place in re.search(r'data-panels="([^"]*)"', svg).group(1).split(";")]


def extent(group):
    """Left, top, right and bottom of the first path of a group: of axes, their own rectangle."""
    numbers = [float(text) for text in re.findall(r"-?\d+\.?\d*", group.select_one("path")["d"])]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def holds(box, inner):
    x, y, wide, high = box
    return x <= inner[0] and y <= inner[1] and inner[2] <= x + wide and inner[3] <= y + high


def test_every_axes_stand_in_their_own_panel(drawn):
    svg = vector(drawn)
    page, panels = tags(svg), boxes(svg, "panels")
    assert len(panels) == 4
    for k in range(4):
        own = extent(page.find("g", id=f"panel-{k + 1}"))
        assert [holds(panel, own) for panel in panels] == [j == k for j in range(4)]
    inset = page.find("g", id="panel-4").find("g", id=re.compile("axes_"))
    assert holds(panels[0], extent(page.find("g", id="panel-5"))) and holds(panels[3], extent(inset))
    assert groups(svg) == [["panel-1", "panel-5"], ["panel-2"], ["panel-3"], ["panel-4"]]
    wide, high = map(float, page.svg["viewbox"].split()[2:])
    assert all(holds((0, 0, wide, high), (x, y, x + w, y + h)) for x, y, w, h in panels)


def test_every_entry_of_the_legend_has_its_words(drawn):
    svg = vector(drawn)
    page = tags(svg)
    entries, texts = boxes(svg, "legend"), page.find("g", id="legend-1").find_all("text")
    assert len(entries) == len(texts) == 2
    for (x, y, wide, high), text in zip(entries, texts, strict=True):
        left, base = float(text["x"]), float(text["y"])
        assert x < left < x + wide and y < base < y + high
        # A mark of two letters and 0.8 between, and the point left free: the second column stood elsewhere at 100 dpi.
        assert left - x == pytest.approx(1 + 2.8 * 10, abs=0.1)
        assert wide > 5 * len(text.get_text())  # wide enough for the words: no letter is narrower than 5 points here


def drawn_as(figure):
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def test_a_panel_by_itself_has_the_numbers_that_it_leaves_to_its_neighbour():
    figure, axes = plt.subplots(2, 2, sharex=True, sharey="row", layout="constrained")
    for k, ax in enumerate(axes.ravel()):
        ax.plot([0, 1], [10 * (k // 2), 10 * (k // 2) + 7])
        ax.set_yticks([10 * (k // 2), 10 * (k // 2) + 5])
    axes[1, 0].set_xlabel("layer"), axes[1, 1].set_xlabel("depth"), axes[0, 0].set_ylabel("size")
    before = drawn_as(figure)
    page, panels = tags(vector(figure)), boxes(vector(figure), "panels")
    for k, words in enumerate((["layer", "size"], ["depth", "size", "5"], ["layer"], ["depth", "15"]), start=1):
        own = page.find("g", id=f"panel-{k}")
        assert set(words) <= {text.get_text() for text in own.find_all("text")}
        for text in own.find_all("text"):
            x, y, wide, high = panels[k - 1]
            left, base = place(text)
            assert x < left < x + wide and y < base < y + high
    hidden = [text.get_text() for text in page.select('g.figure-inner[visibility="hidden"] text')]
    assert [hidden.count(word) for word in ("layer", "depth", "size")] == [1, 1, 1]
    assert hidden.count("15") == 1 and set(hidden) - {"layer", "depth", "size"} <= {
        text.get_text() for text in page.select("text") if text.find_parent("g", class_="figure-inner") is None
    }
    assert drawn_as(figure) == before
    plt.close(figure)


def test_axes_without_numbers_on_purpose_get_none():
    figure, axes = plt.subplots(1, 2, sharey=True)
    axes[0].tick_params(labelleft=False)
    assert "inner-" not in vector(figure)
    plt.close(figure)


def test_words_of_its_own_stay_where_they_stand():
    """Numbers above them would push them into the panel below."""
    figure, axes = plt.subplots(2, 1, sharex=True, layout="constrained")
    axes[0].set_xlabel("words of its own"), axes[1].set_xlabel("layer")
    assert "inner-" not in vector(figure)
    plt.close(figure)


def test_the_same_figure_is_the_same_file(drawn):
    svg = vector(drawn)
    assert svg == vector(draw()) and "<text" in svg and "<dc:date>" not in svg
    plt.close("all")


def test_files_are_named_after_the_figures_whose_images_they_belong_to(tmp_path):
    images = {"fig-one": b"first", "fig-two": b"second", "": b"third"}
    cells = []
    for name, image in images.items():
        data = {"image/png": base64.b64encode(image).decode()}
        cell = nbformat.v4.new_code_cell("draw()", outputs=[nbformat.v4.new_output("display_data", data)])
        cell.metadata["mystnb"] = {"figure": {"name": name}}
        cells.append(cell)
        (tmp_path / f"{hashlib.sha256(image).hexdigest()}.svg").write_bytes(b"<svg>" + image)
    (tmp_path / f"{hashlib.sha256(b'cleared').hexdigest()}.svg").write_bytes(b"<svg>")
    name_vectors(tmp_path, nbformat.v4.new_notebook(cells=cells))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "fig-one.svg": b"<svg>first",
        "fig-two.svg": b"<svg>second",
    }


def test_names_inside_a_figure_are_its_own(drawn):
    page = BeautifulSoup(in_page(vector(drawn), "fig-a", 'What "it" shows'), "html.parser")
    names = [tag["id"] for tag in page.find_all(id=True)]
    assert len(names) == len(set(names)) and all(name.startswith("fig-a-") for name in names)
    meant = re.findall(r'(?:url\(#|href="#)([^)"]+)', str(page))
    assert meant and set(meant) <= set(names)
    assert page.select_one("svg")["aria-label"] == 'What "it" shows' and not page.select("metadata")
    assert len(page.select(".figure-panels > div:not(.figure-legend) svg")) == 4
    assert len(page.select(".figure-legend svg")) == 2


def test_error_bars_have_an_entry_with_ends():
    """matplotlib knows no extent of their mark in a legend."""
    figure, ax = plt.subplots()
    bars = ax.errorbar([0, 1], [0, 1], [0.1, 0.2], label="with its range")
    figure.legend([bars], ["with its range"], loc="outside lower center")
    ((x, y, wide, high),) = boxes(vector(figure), "legend")
    plt.close(figure)
    assert 60 < wide < 150 and 8 < high < 30 and x > 0 and y > 0


def test_one_panel_is_shown_once():
    figure, ax = plt.subplots()
    ax.plot([1, 2])
    page = BeautifulSoup(in_page(vector(figure), "fig-a", "A line"), "html.parser")
    plt.close(figure)
    assert len(page.select("svg")) == 1 and not page.select(".figure-panels")


# ---- a run, what is published, and what is damaged


def test_a_run_keeps_its_figures_and_publish_takes_them(good):
    assert call(good, "publish").returncode == 0
    file = good.published("tiny") / FOLDER / "fig-powers.svg"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "data-panels" in file.read_text(encoding="utf-8")
    said = f"data/published/tiny/{FOLDER}/{file.name}: not that of the published record"
    assert said not in call(good, "check").stderr
    file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert said in call(good, "check").stderr


def test_a_run_without_figures_as_svg_is_shown_all_the_same(good):
    """Published before there were any: the page has the image of the notebook."""
    shutil.rmtree(good.run("published", "tiny") / FOLDER)
    record = good.run("published", "tiny") / "record.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    del content["outputs"][FOLDER]
    record.write_text(json.dumps(content), encoding="utf-8")
    assert call(good, "build").returncode == 0
    figure = soup(good.build("published") / "html" / "chapters" / "tiny.html").find(id="fig-powers")
    assert figure.select("img") and not figure.select(".vector")


# ---- pages


@pytest.fixture(scope="module")
def figures(site):
    """Pages that show figures as SVG: path to names."""
    found = {path: [tag.parent["id"] for tag in soup(path).select("figure > .vector")] for path in pages(site)}
    return {path: names for path, names in found.items() if names}


def test_every_published_svg_is_in_its_page_with_its_words(site, figures):
    for file in FILES:
        page = soup(site / "chapters" / f"{file.parts[-3]}.html").find(id=file.stem)
        words = {text.get_text(strip=True) for text in tags(file.read_text(encoding="utf-8")).find_all("text")}
        assert words <= {text.get_text(strip=True) for text in page.select(".figure-whole text")}
        assert len(page.select_one(".figure-whole")["aria-label"]) > 40 and not page.select("img")
    assert figures


def place(text):
    """Where a word begins: its own x and y, or where it or its formula was moved."""
    transforms = text.get("transform", "") + text.parent.get("transform", "")
    moved = re.search(r"translate\(([\d.-]+) ([\d.-]+)\)", transforms)
    return tuple(map(float, moved.groups() if moved else (text["x"], text["y"])))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_no_word_lies_in_another_panel(file):
    panels = tags(file.read_text(encoding="utf-8")).find_all("g", id=re.compile(r"^panel-\d+$"))
    frames = {panel["id"]: extent(panel) for panel in panels if panel.find("g", id=re.compile("^patch_"))}
    for panel in panels:
        for text in panel.find_all("text"):
            if text.find_parent("g", class_="figure-inner"):
                continue  # of a panel by itself
            x, y = place(text)
            within = {name for name, (left, top, right, low) in frames.items() if left < x < right and top < y < low}
            assert within <= {panel["id"]}, text.get_text()


SMALLEST = 9.0  # pixels of the smallest word on any screen; exponents are smaller
SIZES = """() => [...document.querySelectorAll("figure > .vector")].map(figure => {
  const width = svg => svg.getBoundingClientRect().width;
  const shown = [...figure.querySelectorAll("svg")].filter(svg => width(svg) > 0);
  const letters = [...figure.querySelectorAll("text")].map(text => parseFloat(getComputedStyle(text).fontSize));
  const scales = shown.map(svg => width(svg) / svg.viewBox.baseVal.width);
  return {
    whole: shown.some(svg => svg.matches(".figure-whole")), several: figure.matches(".several"), shown: shown.length,
    letter: Math.min(...letters.filter(size => size > 0)) * Math.min(...scales)
  };
})"""


@pytest.mark.parametrize(("width", "mode"), [(1280, "light"), (390, "dark")])
def test_a_phone_shows_panels_and_a_desk_the_whole(site, figures, visit, width, mode):
    open_page, complaints = visit
    for path, names in figures.items():
        page = open_page(path.relative_to(site).as_posix(), width=width, mode=mode)
        shown = page.evaluate(SIZES)
        assert len(shown) == len(names)
        for one in shown:
            assert one["whole"] == (width > 600 or not one["several"]) and (one["shown"] == 1) == one["whole"]
            assert one["letter"] >= SMALLEST, (path.name, one)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
