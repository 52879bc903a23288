"""The real book: what stands in the repository is in order, and its HTML works offline, in a browser, on a phone."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from browsing import pages, soup
from miniature import REPOSITORY, call

from oversmooth_book.book.book import Book
from oversmooth_book.check.checker import check

SHOWN = "article figure img, article figure .figure-whole"


def test_check_finds_nothing_in_the_committed_book():
    assert check(Book(REPOSITORY)) == []


def test_the_first_page_forwards_to_the_landing_page(site):
    forward = soup(site / "index.html").find("meta", attrs={"http-equiv": "Refresh"})
    assert (site / forward["content"].split("url=")[1]).is_file()


def test_the_quick_book_runs_and_builds(copy):
    answer = call(copy, "run", "--profile", "quick", "--jobs", "2", timeout=3600)
    assert answer.returncode == 0, answer.stdout
    answer = call(copy, "build", "--profile", "quick")
    assert answer.returncode == 0, answer.stderr


def test_no_internal_link_is_broken(site):
    broken = []
    for page in pages(site):
        for tag, key in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href")):
            for found in soup(page).find_all(tag):
                target = urlsplit(found.get(key) or "")
                if target.scheme or target.netloc or not (target.path or target.fragment):
                    continue
                path = (page.parent / unquote(target.path)).resolve() if target.path else page
                wanted = unquote(target.fragment)
                there = path.is_file() and (
                    not wanted or path.suffix != ".html" or soup(path).find(id=wanted) or wanted.startswith("/")
                )
                if not there:
                    broken.append(f"{page.relative_to(site)}: {found.get(key)}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = []
    for page in pages(site):
        for tag, key in (("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")):
            for found in soup(page).find_all(tag):
                if re.match(r"(?:https?:)?//", found.get(key) or ""):
                    loaded.append(f"{page.relative_to(site)}: {found.get(key)}")
        loaded += [f"{page.name}: unpkg" for script in soup(page).find_all("script") if "unpkg" in script.text]
    for sheet in site.rglob("*.css"):
        remote = re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//[^)'\"]+", sheet.read_text(encoding="utf-8"))
        loaded += [f"{sheet.relative_to(site)}: {address}" for address in remote]
    assert loaded == []


def test_every_identifier_stands_for_one_thing(site):
    for page in pages(site):
        names = [tag["id"] for tag in soup(page).find_all(id=True)]
        assert len(names) == len(set(names)), page.name


def test_every_image_has_alt_text(site):
    bare = [
        f"{page.relative_to(site)}: {image.get('src')}"
        for page in pages(site)
        for image in soup(page).select("img, .figure-whole")
        if not (image.get("alt") or image.get("aria-label") or "").strip()
    ]
    assert bare == []


def test_every_figure_has_its_provenance(site):
    for page in pages(site):
        figures = [figure for figure in soup(page).select("article figure") if figure.select("img, .vector")]
        assert len(figures) == len(soup(page).select("article .provenance")), page


def test_pages_open_without_complaint_and_with_their_mathematics(site, visit):
    open_page, complaints = visit
    formulas = 0
    for path in pages(site):
        page = open_page(path.relative_to(site).as_posix())
        wanted = len(soup(path).select("article .math"))
        drawn = page.locator("article .math mjx-container").count()
        assert drawn >= wanted, f"{path.name}: {drawn} of {wanted} formulas drawn"
        assert page.locator("article mjx-merror").count() == 0, f"{path.name}: a formula with an error"
        formulas += drawn
    assert formulas > 0
    assert complaints == []


def test_pages_fit_a_phone(site, visit):
    open_page, _ = visit
    for path in pages(site):
        page = open_page(path.relative_to(site).as_posix(), width=375)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{path.name} is {width} pixels wide on a phone"


def test_figures_are_shown(site, visit):
    open_page, _ = visit
    shown = 0
    for path in pages(site):
        if not soup(path).select(SHOWN):
            continue
        page = open_page(path.relative_to(site).as_posix())
        sizes = page.eval_on_selector_all(SHOWN, "all => all.map(one => one.naturalWidth ?? one.clientWidth)")
        assert min(sizes) > 100, path.name
        shown += len(sizes)
    assert shown > 10


@pytest.mark.parametrize("served", [True, False])
def test_a_typed_query_finds_its_chapter(site, visit, served):
    open_page, complaints = visit
    page = open_page("chapters/index.html" if served else (site / "chapters" / "index.html").as_uri())
    page.keyboard.press("Control+k")
    field = page.locator("input[type=search]:focus")
    field.wait_for()
    page.keyboard.type("Metropolis karate club")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html*")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(one => one.href)")
    assert any("backward_oversmoothing.html" in link for link in found), found
    # From a file the results come without their excerpts: browsers let no page read other files.
    expected = () if served else ("file:", "ERR_FAILED", "Failed to fetch")
    assert [line for line in complaints if not any(word in line for word in expected)] == []


def test_the_first_tab_skips_to_the_text_and_every_stop_shows(visit):
    open_page, _ = visit
    page = open_page("chapters/mlp_counterexample.html")
    page.keyboard.press("Tab")
    focused = page.evaluate("[document.activeElement.textContent.trim(), document.activeElement.getAttribute('href')]")
    assert "skip" in focused[0].lower() and focused[1].startswith("#")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == focused[1] and page.locator(focused[1]).count() == 1
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.tagName, e.outerHTML.slice(0, 120),"
            " e.matches(':focus-visible') && (s.outlineStyle !== 'none' || s.boxShadow !== 'none')]; }"
        )
        stops.append(stop)
    assert len({stop[1] for stop in stops}) > 10
    assert [stop for stop in stops if stop[0] != "BODY" and not stop[2]] == []


def test_dark_mode_switches(visit):
    open_page, _ = visit
    page = open_page("chapters/index.html")
    before = page.evaluate("document.documentElement.dataset.theme")
    for _ in range(2):
        page.locator("button.theme-switch-button").first.click()
    assert page.evaluate("document.documentElement.dataset.mode") in ("light", "dark", "auto")
    seen = {before}
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}
