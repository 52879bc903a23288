"""The printed book: every chapter in it, in order, with an outline and page numbers that are right, and nothing cut."""

import contextlib
import os
import re
import subprocess
import sys
import unicodedata
from types import SimpleNamespace

import pytest
from browsing import soup
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show import chromium
from oversmooth_book.show.pdf import contents, join, make_pdf

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def pdf(site, browser):
    """Printed once, as a reader does it; without Chromium the fixture ``browser`` has skipped already."""
    book = Book(site.parents[2])
    command = [sys.executable, "-m", "oversmooth_book.show.pdf", "--root", str(book.root)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert not (site / ".book.html").exists()
    return pypdf.PdfReader(book.build("published") / "book.pdf")


@pytest.fixture(scope="module")
def texts(pdf):
    return [re.sub(r"\s+", " ", page.extract_text()) for page in pdf.pages]


def titles(site):
    wanted = contents(read_yaml(REPOSITORY / "_toc.yml"))
    found = [soup(site / f"{page}.html").select_one("article h1") for page in wanted]
    return [re.sub(r"\s+", " ", heading.get_text()).strip().rstrip("#").strip() for heading in found]


def test_the_order_is_that_of_the_contents():
    toc = {"root": "a", "parts": [{"chapters": [{"file": "b"}]}, {"chapters": [{"file": "c"}, {"file": "d"}]}]}
    assert contents(toc) == ["a", "b", "c", "d"]
    assert contents({"root": "a", "chapters": [{"file": "b"}]}) == ["a", "b"]


@pytest.mark.parametrize("user", [0, 1000])
def test_the_browser_is_started_in_its_sandbox_unless_the_user_is_root(user, monkeypatch, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    started = []

    def launch(**options):
        started.append(options["chromium_sandbox"])
        raise RuntimeError("started")

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(chromium, "chromium", lambda: "chromium")
    # A second driver beside the other tests' is not allowed: only what it is asked for matters here.
    driver = SimpleNamespace(chromium=SimpleNamespace(launch=launch))
    monkeypatch.setattr(sync_api, "sync_playwright", lambda: contextlib.nullcontext(driver))
    with pytest.raises(RuntimeError, match="started"), chromium.opened(tmp_path / "book.html"):
        pass
    assert started == [user != 0]


def test_contents_name_the_page_on_which_each_chapter_begins(site, pdf, texts):
    numbers = []
    for title in titles(site):
        plain = re.escape(title).replace("\\ ", " ")
        numbers.append(int(re.search(plain + r" ?(\d+)", texts[0].split("Contents")[1])[1]))
        assert re.sub(r"\W", "", title) in re.sub(r"\W", "", texts[numbers[-1] - 1]), (title, numbers[-1])
    assert numbers == sorted(set(numbers)) and numbers[0] == 2


def test_the_outline_has_chapters_and_sections(site, pdf):
    flat, todo = [], list(pdf.outline)
    while todo:
        entry = todo.pop(0)
        if isinstance(entry, list):
            todo = entry + todo
        else:
            flat.append(re.sub(r"\s+", "", entry.title))  # where a heading wraps, Chromium drops the space
    assert {title.replace(" ", "") for title in titles(site)} <= set(flat) and len(flat) > 3 * len(titles(site))


def test_pages_are_numbered_and_of_one_size(pdf, texts):
    assert len(pdf.pages) > 30
    for page in pdf.pages:
        assert abs(page.mediabox.width - 595) < 2 and abs(page.mediabox.height - 842) < 2
    assert all(re.search(rf"(^|\D){number}$", text.strip()) or text.strip().startswith(str(number)) for number, text in
               enumerate(texts, 1))  # fmt: skip


def test_no_sidebar_no_button_and_no_raw_formula_is_printed(site, texts):
    whole = " ".join(texts)
    code = " ".join(
        cell.get_text()
        for page in contents(read_yaml(REPOSITORY / "_toc.yml"))
        for cell in soup(site / f"{page}.html").select("article pre")
    )
    for word in (
        "Skip to main content",
        "Search Ctrl",
        "Click to show",
        "\\frac",
        "\\lambda",
        "\\begin{",
        "Choose a file",
    ):
        assert whole.count(word) == code.count(word), word


def test_every_figure_is_printed(site, pdf):
    pages = [soup(site / f"{page}.html") for page in contents(read_yaml(REPOSITORY / "_toc.yml"))]
    wanted = sum(len(page.select("article figure img")) for page in pages)
    drawn = sum(
        1
        for page in pdf.pages
        for thing in (page["/Resources"].get("/XObject") or {}).values()
        if thing.get_object().get("/Subtype") == "/Image" and thing.get_object()["/Width"] > 300
    )
    assert drawn >= wanted
    printed = plain("".join(page.extract_text() for page in pdf.pages))
    visible = {
        plain(text.get_text())
        for page in pages
        for text in page.select(".figure-whole text")
        if not text.find_parent("g", class_="figure-inner")  # what a panel by itself shows on a phone
    }
    labels = {text for text in visible if len(text) > 8}
    lost = {text for text in labels if text not in printed}
    assert labels and len(lost) <= len(labels) // 20, lost  # a few have signs that PDF spells otherwise


def plain(text):
    """Without spaces, and without ligatures: a PDF may write the two letters of fi as one sign."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def test_links_between_chapters_stay_links(site):
    pages = contents(read_yaml(REPOSITORY / "_toc.yml"))
    html = join(site, pages, "A title")
    inner, marks = re.findall(r'href="#([^"]*)"', html), re.findall(r'\bid="([^"]*)"', html)
    assert len([link for link in inner if re.match(r"p\d", link)]) > 50
    assert set(inner) - set(marks) == set(), "parts of drawings are found, too"
    assert len(marks) == len(set(marks))
    assert re.findall(r'href="(?!#|[a-z]+:|_static)[^"]*"', html) == []


def test_without_html_there_is_nothing_to_print(tmp_path):
    (tmp_path / "chapters").mkdir()
    with pytest.raises(BookError, match="first call python -m oversmooth_book build --profile quick"):
        make_pdf(Book(tmp_path), "quick")
