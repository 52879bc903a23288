"""Poster and slides: one page, twelve slides, numbers that are the claims', nothing cut, nothing fetched."""

import json
import re
import subprocess
import sys

import pytest
import torch
from bs4 import BeautifulSoup
from miniature import REPOSITORY

from oversmooth.probe.rules import VERDICTS
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.check.prose import typed_numbers
from oversmooth_book.show import picture, poster, slides, takeaway

BOOK = Book(REPOSITORY)
LEAST = {"poster": 7 * 96 / 72, "slides": 15}  # CSS pixels: 7 points on A4; of 720 that a slide is high
# Typed numbers that are settings: the loss that a proved time and distance refer to.
SETTINGS = {"0.8"}
# Every text's boxes, and what is wider or higher than its own box.
LOOK = """(selector) => [...document.querySelectorAll(selector)].map((sheet) => {
  const box = (rect) => [rect.left, rect.top, rect.right, rect.bottom], texts = [];
  const walker = document.createTreeWalker(sheet, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, range = document.createRange();
    if (!node.data.trim()) continue;
    range.selectNodeContents(node);
    const inDrawing = node.parentElement.closest("svg");
    for (const rect of range.getClientRects()) texts.push({
      text: node.data.trim(), box: box(rect), size: inDrawing ? rect.height / 1.2
        : Number.parseFloat(getComputedStyle(node.parentElement).fontSize) });
  }
  const wide = [sheet, ...sheet.querySelectorAll("*")].filter((one) => !one.closest("svg") && one.clientWidth &&
    (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1));
  const figures = [...sheet.querySelectorAll("img, svg:not(.picture-shared)")];
  const drawn = figures.map((one) => box(one.getBoundingClientRect()));
  return {box: box(sheet.getBoundingClientRect()), texts, drawn, wide: wide.map((one) => one.outerHTML.slice(0, 90))};
})"""


@pytest.fixture(scope="module")
def sheets():
    """The HTML of both, by name."""
    return {"poster": poster.poster_html(BOOK), "slides": slides.slides_html(BOOK)}


@pytest.fixture(scope="module")
def files(copy, browser):
    """Made once, as a reader does it."""
    for name in ("poster", "slides"):
        command = [sys.executable, "-m", f"oversmooth_book.show.{name}", "--root", str(copy.root)]
        answer = subprocess.run(command, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        assert "Open " in answer.stdout and not answer.stderr
    return copy.build("published")


@pytest.fixture(params=["poster", "slides"])
def name(request):
    return request.param


@pytest.fixture
def looked(browser, sheets, name, tmp_path):
    """Each sheet as the printer lays it out."""
    path = tmp_path / f"{name}.html"
    path.write_text(sheets[name], encoding="utf-8")
    page = browser.new_page(viewport={"width": 794, "height": 1123} if name == "poster" else None)
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    page.evaluate("document.fonts.ready")
    found = page.evaluate(LOOK, "main" if name == "poster" else ".slide")
    page.close()
    return found


def measured(html):
    return BeautifulSoup(html, "html.parser").select("b.measured")


def wrong_values(html):
    """Claims whose value on a sheet is not the committed one, read from the file anew."""
    wrong = []
    for mark in measured(html):
        claim = BOOK.claims[mark["data-claim"]]
        folder = BOOK.published(claim.chapter)
        value = json.loads((folder / "claims.json").read_text("utf-8"))[claim.id]
        if isinstance(value, dict):  # a proved one
            (value,) = value.values()
            # Of a proof without digits the threshold is shown, which the value is within.
            shown = read_values(folder / "claims.json")[claim.id]
            assert float(shown) == value
            value = shown
        if mark.text != claim.show(value):
            wrong.append(claim.id)
    return wrong


def all_words():
    words = poster.read_words()
    flat = [words.title, words.message, words.paper, words.code_words, words.remedies_words, words.foot]
    flat += [*words.chain, *words.numbers, *words.helps, *words.fails]
    flat += [text for row in (*words.mathematics, *words.verdicts) for text in row.values()]
    return flat + [text for slide in slides.read_slides() for text in (slide.title, *slide.lines)]


def test_every_number_is_the_committed_claim_s(sheets, name):
    assert len(measured(sheets[name])) > 12 and wrong_values(sheets[name]) == []


def test_a_number_that_is_not_would_be_seen(sheets, name):
    first = measured(sheets[name])[0]
    assert wrong_values(sheets[name].replace(str(first), str(first).replace(">", ">9", 1), 1)) == [first["data-claim"]]


def test_no_measured_number_is_typed():
    for text in all_words():
        assert set(typed_numbers(takeaway.PLACE.sub("", text))) <= SETTINGS, text


def test_key_numbers_bear_on_their_statements():
    for statement, text in zip(BOOK.statements.values(), poster.read_words().numbers, strict=True):
        bearing = {*statement.claims, *(claim.id for claim in statement.others(BOOK.claims))}
        named = set(takeaway.PLACE.findall(text))
        assert named and named <= bearing, (statement.number, named)


def test_ours_is_marked(sheets, name):
    for mark in measured(sheets[name]):
        ours = "†" in BOOK.claims[mark["data-claim"]].paper
        assert str(mark.next_sibling).startswith("†") == ours, mark
    assert "not the paper" in sheets[name] or "† marks what is" in sheets[name]


def test_provenance_names_the_runs(sheets, name):
    text = BeautifulSoup(sheets[name], "html.parser").get_text()
    for mark in measured(sheets[name]):
        record = json.loads(
            (BOOK.published(BOOK.claims[mark["data-claim"]].chapter) / "record.json").read_text("utf-8")
        )
        assert record["commit"][:7] in text and record["profile"] in text, mark


def test_the_six_lines_run():
    code = poster.read_words().code
    assert len(code.strip().splitlines()) == 6
    torch.manual_seed(0)
    gcn = pytest.importorskip("torch_geometric.nn").GCN
    edges = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    names = {"model": gcn(3, 4, 2, out_channels=2), "x": torch.randn(4, 3), "edge_index": edges}
    names |= {"y": torch.tensor([0, 0, 1, 1]), "cross_entropy": torch.nn.functional.cross_entropy}
    exec(compile(code, "poster", "exec"), names)
    assert len(names["probe"].table()) == 2


def test_poster_and_chapter_list_the_verdicts_of_the_probe():
    assert [row["name"] for row in poster.read_words().verdicts] == list(VERDICTS)
    cells = read_notebook(REPOSITORY / "chapters" / "probe_your_model.ipynb").cells
    text = next(cell.source for cell in cells if "| verdict |" in cell.source)
    assert re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) == ["verdict", *VERDICTS]


def test_figures_are_the_book_s_with_their_words(sheets):
    drawn = BeautifulSoup(sheets["slides"], "html.parser").select(".slide")
    assert len(drawn) == 12
    for slide in drawn:
        figures = slide.select("img, [role=img]")
        assert len(figures) == 1 and 1 <= len(slide.select(".lines li")) <= 3
        assert len(figures[0].get("alt") or figures[0].get("aria-label")) > 60
        assert (REPOSITORY / f"{slide.footer.code.text}.md").exists() or (
            REPOSITORY / f"{slide.footer.code.text}.ipynb"
        ).exists()


def test_nothing_is_cut_and_nothing_is_small(looked, name):
    assert len(looked) == (1 if name == "poster" else 12)
    for sheet in looked:
        left, top, right, bottom = sheet["box"]
        assert sheet["wide"] == []
        for text in sheet["texts"]:
            x, y, u, v = text["box"]
            assert left < x and u < right and top < y and v < bottom + 1, text
            assert text["size"] > LEAST[name] - 0.01, text
        for x, y, u, v in sheet["drawn"]:
            assert left <= x and u <= right and top <= y and v <= bottom


def test_no_text_lies_on_another(looked):
    for sheet in looked:
        texts = sheet["texts"]
        for number, one in enumerate(texts):
            for other in texts[:number]:
                (a, b, c, d), (x, y, u, v) = one["box"], other["box"]
                deep = min(min(c, u) - max(a, x), min(d, v) - max(b, y))
                # Letters leave room in their boxes, raised ones reach into the line above.
                assert deep < 0.35 * min(d - b, v - y), (one, other)


def test_one_page_and_twelve(files):
    pypdf = pytest.importorskip("pypdf")
    for size, width, height in (("A4", 595, 842), ("A3", 842, 1191)):
        pages = pypdf.PdfReader(files / f"poster-{size}.pdf").pages
        assert len(pages) == 1
        assert abs(pages[0].mediabox.width - width) < 2 and abs(pages[0].mediabox.height - height) < 2
    text = re.sub(r"\s+", " ", pypdf.PdfReader(files / "poster-A4.pdf").pages[0].extract_text())
    assert all(word in text for word in ("hard to train", "osm.Probe(model)", "no better than a constant", "commits"))
    pages = pypdf.PdfReader(files / "slides.pdf").pages
    assert len(pages) == 12
    for page, slide in zip(pages, slides.read_slides(), strict=True):
        assert abs(page.mediabox.width / page.mediabox.height - 16 / 9) < 0.01
        assert re.sub(r"\W", "", slide.title) in re.sub(r"\W", "", page.extract_text())


def test_the_slides_need_no_network_and_turn_by_keys(files, browser):
    page, asked = browser.new_page(viewport={"width": 1000, "height": 700}), []
    page.on("request", lambda request: asked.append(request.url))
    errors = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto((files / "slides.html").as_uri())

    def shown():
        return page.evaluate(
            "[...document.querySelectorAll('.slide')].flatMap((s, k) => s.offsetParent ? [k + 1] : [])"
        )

    assert shown() == [1]
    for key, number in (("ArrowRight", 2), ("ArrowLeft", 1), ("End", 12), ("ArrowRight", 12), ("Home", 1), (" ", 2)):
        page.keyboard.press(key)
        assert shown() == [number], key
    page.goto((files / "slides.html").as_uri() + "#5")
    assert shown() == [5]
    assert page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight <= innerHeight"
    )
    assert [url for url in asked if not url.startswith(("data:", (files / "slides.html").as_uri()))] == []
    assert errors == []
    page.close()


@pytest.mark.parametrize("make", [poster.make_posters, slides.make_slides])
def test_without_chromium_there_is_one_sentence(make, copy, monkeypatch):
    pytest.importorskip("playwright.sync_api")
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BookError, match="there is none here: install it"):
        make(copy)


def test_what_is_missing_is_named(monkeypatch):
    shown = takeaway.Takeaway(BOOK)
    with pytest.raises(BookError, match="no figure fig-none"):
        shown.drawing("fig-none")
    monkeypatch.setitem(shown.pages["remedies"].images, "fig-remedies-loss", ("fig-remedies-loss.png", b""))
    with pytest.raises(BookError, match="remedies: the figure fig-remedies-loss has not been drawn"):
        shown.drawing("fig-remedies-loss")
    monkeypatch.setattr(picture, "FILE", "none.json")
    with pytest.raises(BookError, match=r"data/published/none.json is missing"):
        shown.drawing("picture")
    with pytest.raises(BookError, match="no page nowhere"):
        shown.heading("nowhere")
    with pytest.raises(BookError, match="ZZ1: no such claim"):
        shown.words("{ZZ1}")


def test_only_claims_that_hold_are_shown(monkeypatch):
    shown = takeaway.Takeaway(BOOK)
    monkeypatch.setitem(shown.pages["forward_oversmoothing"].values, "F2", 1.0)
    with pytest.raises(BookError, match="F2, which is FAIL"):
        shown.words("{F2}")
    monkeypatch.delitem(shown.pages["forward_oversmoothing"].values, "F2")
    with pytest.raises(BookError, match="F2, which is NOT RUN"):
        shown.words("{F2}")
    monkeypatch.setattr(takeaway, "outputs_differ", lambda folder, record: ["claims.json"])
    with pytest.raises(BookError, match="committed outputs are not those of a run"):
        takeaway.Takeaway(BOOK)
