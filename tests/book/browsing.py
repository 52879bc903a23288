"""Fixtures: the real book, built from its committed outputs, served to a Chromium whose network is closed."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from miniature import REPOSITORY, call

from oversmooth_book.book.book import Book
from oversmooth_book.show.chromium import is_root


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
    """Every page but the first, which only forwards to the landing page, and listings of source, which Sphinx makes."""
    found = [path for path in sorted(site.rglob("*.html")) if not {"_static", "_modules"} & set(path.parts)]
    return [path for path in found if not soup(path).find("meta", attrs={"http-equiv": "Refresh"})]


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
        chromium = driver.chromium.launch(executable_path=path, chromium_sandbox=not is_root())
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page with the network closed; collects complaints."""
    contexts, complaints = [], []

    def closed(route):
        if route.request.url.startswith((address, "data:", "blob:", "file:")):
            return route.continue_()
        complaints.append(f"asks for {route.request.url}")
        return route.abort()

    def open_page(path, width=1280, mode=None, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        if mode:
            context.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')")
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.route("**/*", closed)
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path if "://" in path else f"{address}/{path}", wait_until="load")
        # MathJax is loaded late; wait until it has drawn everything.
        page.evaluate("() => window.MathJax?.startup?.promise")
        return page

    yield open_page, complaints
    for context in contexts:
        context.close()
