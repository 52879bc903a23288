"""The real book: what stands in the repository is in order, and its HTML works offline, in a browser, on a phone."""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from miniature import REPOSITORY, call

from oversmooth_book.checker import check
from oversmooth_book.layout import Book

# One worker builds the book, whatever the number of workers.
pytestmark = pytest.mark.xdist_group("book")


def test_check_finds_nothing_in_the_committed_book():
    assert check(Book(REPOSITORY)) == []


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """The committed book in a folder of its own, so that a reader's builds stay as they are."""
    root = tmp_path_factory.mktemp("real") / "book"
    for name in ("chapters", "src", "data/published"):
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, root / name)
    return Book(root)


@pytest.fixture(scope="session")
def site(copy):
    """The HTML of the committed outputs."""
    answer = call(copy, "build", "--committed")
    assert answer.returncode == 0, answer.stderr
    return copy.build("published") / "html"


@functools.cache
def soup(path: Path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site):
    """Every page but the first, which only forwards to the landing page."""
    found = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    return [path for path in found if not soup(path).find("meta", attrs={"http-equiv": "Refresh"})]


def test_the_first_page_forwards_to_the_landing_page(site):
    forward = soup(site / "index.html").find("meta", attrs={"http-equiv": "Refresh"})
    assert (site / forward["content"].split("url=")[1]).is_file()


def test_the_quick_book_runs_and_builds(copy):
    answer = call(copy, "run", "--profile", "quick", "--jobs", "2")
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


def test_every_image_has_alt_text(site):
    bare = [
        f"{page.relative_to(site)}: {image.get('src')}"
        for page in pages(site)
        for image in soup(page).find_all("img")
        if not (image.get("alt") or "").strip()
    ]
    assert bare == []


def test_every_figure_has_its_provenance(site):
    for page in pages(site):
        figures = [figure for figure in soup(page).select("article figure") if figure.find("img")]
        assert len(figures) == len(soup(page).select("article .provenance")), page


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="session")
def address(site):
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.skip("no Chromium here: install it, or name it in CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page with the network closed; collects complaints."""
    contexts, complaints = [], []

    def closed(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        complaints.append(f"asks for {route.request.url}")
        return route.abort()

    def open_page(path, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.route("**/*", closed)
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/{path}", wait_until="load")
        # MathJax is loaded late; wait until it has drawn everything.
        page.evaluate("() => window.MathJax?.startup?.promise")
        return page

    yield open_page, complaints
    for context in contexts:
        context.close()


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


def test_search_works_offline(visit):
    open_page, complaints = visit
    page = open_page("search.html?q=oversmoothing")
    page.wait_for_selector("#search-results li a", timeout=20000)
    assert complaints == []


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
