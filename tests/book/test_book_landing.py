"""The landing page: its picture against the library's trace, its cards against the runs, what a link shows of it."""

import json
import re
from collections import Counter

import pytest
import torch
from browsing import pages, soup
from miniature import REPOSITORY

import oversmooth as osm
from oversmooth_book.attack.robustness import read_robustness
from oversmooth_book.book.book import Book
from oversmooth_book.show import picture
from oversmooth_book.show.pages import COMMITTED, read_pages
from oversmooth_book.sphinx.theme import describe, head_tags

PAGE = "chapters/index.html"
PUBLISHED = REPOSITORY / "data" / "published"


@pytest.fixture(scope="module")
def found():
    return picture.read(PUBLISHED)


def test_the_picture_is_what_the_library_traces(found):
    again = json.loads(json.dumps(picture.measure()))
    assert again["edges"] == found["edges"] and again["rate"] == pytest.approx(found["rate"], abs=2e-4)
    for name in picture.ROWS:
        assert torch.allclose(torch.tensor(again[name]), torch.tensor(found[name]), atol=2e-3)


def test_a_share_is_the_deviation_along_one_axis():
    signal = torch.tensor([[3.0, 0.0], [1.0, 0.0], [2.0, 1.0], [2.0, -1.0]], dtype=torch.float64)
    signal[:, 0] += torch.tensor([1.0, -1.0, 0.0, 0.0])
    classes = torch.tensor([-1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
    size = (signal.square().sum(1).mean()).sqrt()
    assert torch.allclose(picture.share_of_signal(signal, classes), torch.tensor([-2.0, 2.0, 0.0, 0.0]).double() / size)


def test_the_picture_shows_what_it_says(found):
    """Colours fade: features upwards, errors downwards; and they are bounded by the relative deviation of the layer."""
    size = {name: [torch.tensor(layer).square().mean().sqrt().item() for layer in found[name]] for name in picture.ROWS}
    assert size["features"] == sorted(size["features"], reverse=True)
    assert size["features"][-1] < 0.01 < 0.3 < size["features"][0]
    assert size["errors"][1:] == sorted(size["errors"][1:])
    assert size["errors"][0] < 0.1 and size["errors"][1] < 0.2 and size["errors"][-1] > 0.9
    data = osm.largest_component(osm.csbm(num_nodes=60, p_in=0.2, p_out=0.06, seed=picture.SEED))
    P = osm.Propagation.from_data(data)
    assert max(size["features"][0], size["errors"][-1]) <= 1 + 1e-3
    assert size["features"][0] <= osm.relative_deviation(data.x, P) + 1e-3


def test_the_readmes_picture_is_made_from_the_same_numbers(found):
    text = (PUBLISHED / "picture.svg").read_text(encoding="utf-8")
    assert text == picture.picture_svg(found)
    assert "data/published/picture.svg" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    circles = re.findall(r'<circle class="(low|high)"[^>]*opacity="([\d.]+)"', text)
    drawn = [round(min(1, abs(v)), 2) for name in picture.ROWS for layer in found[name] for v in layer]
    assert Counter(float(opacity) for _, opacity in circles) == Counter(v for v in drawn if v > 0.01)


def test_the_picture_lasts_eight_seconds_and_can_be_stopped(visit):
    open_page, complaints = visit
    page = open_page(PAGE, reduced_motion="no-preference")
    panels = page.locator(".picture .signal")
    assert panels.count() == 2 * len(picture.LAYERS)
    times = panels.evaluate_all(
        "all => all.map(one => getComputedStyle(one))"
        ".map(style => parseFloat(style.animationDelay) + parseFloat(style.animationDuration))"
    )
    assert max(times) == pytest.approx(8) and times[: len(picture.LAYERS)] == sorted(times[: len(picture.LAYERS)])
    button = page.locator(".picture-play")
    button.click()
    assert "running" not in panels.evaluate_all("all => all.map(one => getComputedStyle(one).animationPlayState)")
    button.click()
    page.wait_for_function("document.querySelector('.picture-play').textContent === 'Play again'")
    button.click()
    assert button.inner_text() == "Pause" and complaints == []


def test_nothing_moves_where_motion_is_unwanted(visit):
    open_page, _ = visit
    page = open_page(PAGE, reduced_motion="reduce")
    names = page.locator(".picture .signal").evaluate_all("all => all.map(one => getComputedStyle(one).animationName)")
    assert set(names) == {"none"} and page.locator(".picture-play").count() == 0
    assert len(page.locator(".picture").get_attribute("aria-label")) > 100


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_nodes_are_white_below_their_colour(visit, mode):
    open_page, _ = visit
    page = open_page(PAGE, mode=mode)
    fill = "s => getComputedStyle(document.querySelector(s)).fill"
    channels = [int(c) for c in re.findall(r"\d+", page.evaluate(fill, ".picture-nodes"))]
    assert min(channels) > 235
    assert page.evaluate(fill, ".picture .low") != page.evaluate(fill, ".picture .high")


def test_on_a_phone_up_is_up(visit):
    open_page, _ = visit
    page = open_page(PAGE, width=390)
    tops = page.locator(".picture-row.features .picture-panel").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().top)"
    )
    assert tops == sorted(tops, reverse=True), "layer 0 stands at the bottom"


def test_the_landing_page_is_two_screens(visit):
    open_page, _ = visit
    page = open_page(PAGE, width=1400)
    assert page.evaluate("document.documentElement.scrollHeight") < 2.1 * 900  # letters are not as wide everywhere
    beside = [page.locator(part).bounding_box() for part in (".doors", ".picture")]
    assert beside[0]["x"] + beside[0]["width"] < beside[1]["x"]


def test_cards_count_what_the_runs_say(site):
    book = Book(REPOSITORY)
    shown, cards = read_pages(book, COMMITTED), soup(site / PAGE).select(".statement-card")
    assert len(cards) == len(book.statements) == 6
    for card, statement in zip(cards, book.statements.values(), strict=True):
        claims = [book.claims[name] for name in statement.claims] + statement.others(book.claims)
        verdicts = Counter(shown[claim.chapter].judge(claim)[1] for claim in claims)
        text = " ".join(card.get_text(" ").split())
        for kind in ("check", "finding"):
            number = sum(claim.kind == kind for claim in claims)
            assert not number or re.search(rf"\b{number} {kind}s?\b", text), text
        if set(verdicts) == {"PASS"}:
            assert "all hold." in text
        trials = []
        for claim in claims:
            attacked = read_robustness(book.published(claim.chapter), book.claims)
            trials += attacked[claim.id].inside if claim.id in attacked else []
        held = sum(trial.holds for trial in trials)
        assert not trials or f"{len(trials)} variations: held in {'all' if held == len(trials) else held}." in text
        assert statement.title in text and card.select_one("a[href*='statements.html#evidence-']")


def test_the_summary_says_of_each_statement_what_its_card_says(site):
    cards = [" ".join(card.get_text(" ").split()) for card in soup(site / PAGE).select(".statement-card")]
    rows = soup(site / "chapters/reproducibility.html").select("table tbody tr")
    assert len(rows) == len(cards) == 6
    for row, card in zip(rows, cards, strict=True):
        name, *counts = [" ".join(cell.get_text(" ").split()) for cell in row("td")]
        assert name in card and all(text in card for text in counts)
        page, anchor = row.a["href"].split("#")
        assert soup(site / "chapters" / page).find(id=anchor)


@pytest.mark.parametrize("word", ["reproduc", "cite", "exercis", "model", "probe"])
def test_a_reader_who_searches_finds(site, word):
    """Words as Sphinx's search stems them."""
    text = (site / "searchindex.js").read_text(encoding="utf-8").strip()
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert word in index["terms"] or word in index["titleterms"]


def test_all_claims_stand_on_their_own_page_outside_the_search(site):
    table = soup(site / "chapters/claims.html").select("[id^=claim-]")
    assert len(table) == len(Book(REPOSITORY).claims)
    assert not soup(site / PAGE).select("[id^=claim-]")
    text = (site / "searchindex.js").read_text(encoding="utf-8").strip()
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    number = index["docnames"].index("chapters/claims")
    found = {place for where in index["terms"].values() for place in (where if isinstance(where, list) else [where])}
    assert found == set(range(len(index["docnames"]))) - {number}


def test_every_page_says_what_it_is(site):
    for path in (page for page in pages(site) if page.parent.name == "chapters"):
        head = soup(path).head
        said = {tag.get("property") or tag.get("name"): tag["content"] for tag in head("meta") if tag.get("content")}
        assert len(said["description"]) > 40 and said["og:title"] and said["og:image"].endswith("_static/card.png"), (
            path
        )
        assert (path.parent / said["og:image"]).is_file()
        assert (path.parent / head.select_one("link[rel=icon]")["href"]).is_file()


def test_a_description_is_the_first_plain_paragraph():
    body = '<p>Short.</p><p>With <span class="math">x</span> and many words around it, so it is left out.</p>'
    text = "A paragraph with an &amp; and <em>emphasis</em>, and " + "word " * 60
    said = describe(body + f"<p>{text}</p>")
    assert said.startswith("A paragraph with an & and emphasis, and word") and len(said) <= 203 and said.endswith("…")
    assert describe("<p>Short.</p>") == ""
    formula = '<p>A sentence that is plain and long enough to be one. Here is <span class="math">x</span>. More.</p>'
    listed = "<ul><li><p>A paragraph of a list, which is no description of its page.</p></li></ul>"
    assert describe(listed + formula) == "A sentence that is plain and long enough to be one."
    tags = head_tags({"title": '<em>A</em> "b"', "body": f"<p>{text}</p>"}, "chapters/x")
    assert 'content="A &quot;b&quot;"' in tags and 'content="../_static/card.png"' in tags
