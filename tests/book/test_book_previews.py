"""Claims named in a text are links; links and symbols say what they mean where one points; a page's first paint."""

import gzip
import json
import re

import pytest
from browsing import pages, soup
from bs4 import BeautifulSoup
from docutils import nodes
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.sphinx.previews import DATA, link_claims, previews

CHAPTER = "chapters/spurious_stationary_points.html"


@pytest.fixture(scope="module")
def data(site):
    text = (site / DATA).read_text(encoding="utf-8")
    return json.loads(text.removeprefix("window.oversmoothPreviews=").removesuffix(";\n"))


def linked(*children):
    paragraph = nodes.paragraph("", "", *children)
    link_claims(paragraph, {"SP1", "SP12"}, "claims.html")
    return [(link.astext(), link["refuri"]) for link in paragraph.findall(nodes.reference) if "refuri" in link]


def test_claims_in_a_text_are_links():
    links = linked(nodes.Text("As SP1 says (SP12), and neither SP123, nor XSP1, nor SP2"))
    assert links == [("SP1", "claims.html#claim-sp1"), ("SP12", "claims.html#claim-sp12")]
    paragraph = nodes.paragraph("", "", nodes.Text("As SP1 says."))
    link_claims(paragraph, {"SP1"}, "c.html")
    assert paragraph.astext() == "As SP1 says."


@pytest.mark.parametrize("kind", [nodes.literal, nodes.reference, nodes.math, nodes.title, nodes.literal_block])
def test_no_link_in_code_links_formulas_and_titles(kind):
    assert not linked(kind("", "", nodes.Text("of SP1, too")))
    assert len(linked(nodes.emphasis("", "", nodes.Text("of SP1, too")))) == 1


def test_a_preview_has_no_links_and_no_ids():
    html = """<div class="proof theorem admonition" id="thm-a"><p>Let <a href="b.html">b</a><a class="headerlink">#</a>
    <span id="c">c</span></p></div><div class="proof admonition" id="proof"><p>Proof</p></div>"""
    found = previews("chapters/a.html", BeautifulSoup(html, "html.parser"))
    assert list(found) == ["chapters/a.html#thm-a"]
    assert found["chapters/a.html#thm-a"].split() == ["<p>Let", "b", "<span>c</span></p>"]


def test_every_claim_work_and_theorem_has_a_preview(site, data):
    book = Book(REPOSITORY)
    for name, claim in book.claims.items():
        text = BeautifulSoup(data[f"chapters/claims.html#claim-{name.lower()}"], "html.parser").get_text()
        start = re.split(r"[$`*\\'\"]", claim.statement)[0]
        assert name in text and start in text
    works = soup(site / "chapters" / "references.html").select("div.citation[id]")
    assert works and all(data[f"chapters/references.html#{work['id']}"] for work in works)
    for page in pages(site):
        for link in soup(page).select(
            "article a.reference.internal[href*='#thm-'], article a[href*='#equation-'].internal"
        ):
            target = (page.parent / link["href"].partition("#")[0]).resolve() if link["href"][0] != "#" else page
            assert f"chapters/{target.name}#{link['href'].partition('#')[2]}" in data
    assert "smoothing rate" in data[r"tex:\lambda"]


def test_no_claim_is_named_in_a_text_without_a_link(site):
    names = {name for name in Book(REPOSITORY).claims if name[:2] in ("SP", "BW", "RG")}
    page = BeautifulSoup((site / CHAPTER).read_text(encoding="utf-8"), "html.parser")
    for part in page.select("article a, article pre, article code, article h1, article h2"):
        part.decompose()
    assert not names & set(re.findall(r"\b[A-Z]{2}\d+\b", page.select_one("article").get_text()))


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_what_a_link_means_shows_where_it_is_pointed_at(visit, mode):
    open_page, complaints = visit
    page = open_page(CHAPTER, mode=mode)
    tip = page.locator(".preview")
    for link, words in (
        ("a.claim-link", "Needed"),
        ("a[href*='#thm-forward']", "Forward oversmoothing"),
        ("a.reference[href*='references.html#']", "Conference"),
    ):
        page.locator(f".bd-article p {link}").first.hover()
        tip.wait_for()
        assert words in tip.inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
        page.keyboard.press("Escape")
        assert tip.count() == 0
    page.evaluate(
        r"""() => { for (const item of MathJax.startup.document.math)
                      if (item.math.trim() === "\\lambda") { item.typesetRoot.dataset.here = ""; break } }"""
    )
    page.locator("[data-here]").hover()
    tip.wait_for()
    assert "smoothing rate" in tip.inner_text()
    page.mouse.move(2, 2)
    tip.wait_for(state="detached")
    assert complaints == []


def test_a_preview_is_for_the_keyboard_too(visit):
    open_page, complaints = visit
    page = open_page(CHAPTER)
    link = page.locator(".bd-article p a.claim-link").first
    link.focus()
    page.locator(".preview").wait_for()
    assert link.get_attribute("aria-describedby") == page.locator("[role=tooltip]").get_attribute("id")
    page.keyboard.press("Escape")
    assert page.locator(".preview").count() == 0 and link.get_attribute("aria-describedby") is None
    assert complaints == []


@pytest.mark.parametrize("width", [1200, 1280, 1400, 1600])
def test_the_sections_are_listed_on_a_laptop(visit, width):
    open_page, _ = visit
    page = open_page(CHAPTER, width=width)
    boxes = [page.locator(name).bounding_box() for name in (".bd-article", ".bd-sidebar-secondary")]
    assert boxes[1]["width"] > 150 and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1
    assert boxes[1]["x"] + boxes[1]["width"] <= width


def test_little_is_loaded_before_the_landing_page_shows(site):
    """Slow 4G brings 200 kB a second, a round trip takes 0.15 s: with these bytes it shows in about two seconds."""
    page = site / "chapters" / "index.html"
    html = soup(page)
    blocking = html.select("link[rel=stylesheet]") + [
        script for script in html.select("script[src]") if not script.has_attr("defer")
    ]
    files = {(page.parent / (part.get("href") or part["src"]).partition("?")[0]).resolve() for part in blocking}
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in [page, *files]}
    assert sum(sizes.values()) < 300_000, sizes
    assert not [name for name in sizes if "fontawesome" in name or "mathjax" in name or "chtml" in name]
