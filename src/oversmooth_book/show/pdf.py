"""The book as one PDF: all pages of the built HTML joined into one document, and printed by Chromium.

    python -m oversmooth_book.show.pdf --profile published

One document, so that references between chapters stay links and pages are numbered through. It is opened once and
printed twice: the second time with the page numbers of the first in the table of contents.
"""

import argparse
import posixpath
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.profiles import PROFILES
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show.chromium import opened
from oversmooth_book.show.command import run

STYLE = Path(__file__).with_name("print.css")
# What a sheet of paper has no use for; a claim's small figure stands in its chapter, large.
SCREEN_ONLY = (
    ".headerlink, .copybtn, script, noscript, link, .explore, button, .toggle-details__summary, form, .claim-how, "
    ".claim-figure, .figure-panels, .landscape"
)
FOOT = (
    '<div style="font: 8px sans-serif; width: 100%; text-align: center; color: #333">'
    '<span class="pageNumber"></span></div>'
)

# Fills in the table of contents, from what `first_pages` found.
NUMBER_CONTENTS = """pages => {
    for (const line of document.querySelectorAll(".title-page nav p:has(span)"))
        line.querySelector("span").textContent = pages[line.querySelector("a").textContent.replace(/\\s+/g, "")] ?? "";
}"""


def make_pdf(book: Book, profile: str = "published") -> Path:
    """Print the built book.

    Args:
        book: the book; its HTML must have been built.
        profile: which build.

    Returns:
        The PDF, ``_build/<profile>/book.pdf``.

    Raises:
        BookError: if the HTML or Chromium is missing, or a formula cannot be drawn.
    """
    html = book.build(profile) / "html"
    if not (html / "index.html").is_file():
        raise BookError(f"there is no HTML to print: first call python -m oversmooth_book build --profile {profile}")
    pages = contents(read_yaml(book.root / "_toc.yml"))
    title = str(read_yaml(book.root / "_config.yml")["title"])
    # Beside the pages, whose images and styles it uses.
    joined, target = html / ".book.html", book.build(profile) / "book.pdf"
    try:
        draft = target.with_suffix(".draft.pdf")
        joined.write_text(join(html, pages, title), encoding="utf-8")
        with opened(joined) as page:
            _print(page, draft)
            page.evaluate(NUMBER_CONTENTS, first_pages(draft))
            _print(page, target)
        draft.unlink()
    finally:
        joined.unlink(missing_ok=True)
    return target


def contents(toc: dict) -> list[str]:
    """The pages in reading order.

    Args:
        toc: the content of ``_toc.yml``.

    Returns:
        Names such as ``chapters/index``.
    """
    parts = toc.get("parts") or [toc]
    return [toc["root"], *(row["file"] for part in parts for row in part.get("chapters", []))]


def join(html: Path, pages: list[str], title: str) -> str:
    """All pages in one HTML document.

    Args:
        html: the built book.
        pages: what `contents` returned.
        title: of the book.

    Returns:
        HTML, to be laid into ``html``.
    """
    from bs4 import BeautifulSoup

    soups = {page: BeautifulSoup((html / f"{page}.html").read_text("utf-8"), "html.parser") for page in pages}
    articles = [_article(soups[page], page, pages) for page in pages]
    first = soups[pages[0]]
    styles = [link["href"] for link in first.select('link[rel="stylesheet"]')]
    head = "".join(f'<link rel="stylesheet" href="{_resolve(pages[0], href)}">' for href in styles)
    scripts = [s for soup in soups.values() for s in soup.select("script") if "mathjax" in str(s).lower()]
    seen = dict.fromkeys(re.sub(r'src="[./]*', 'src="', str(script)) for script in scripts)
    listing = "".join(_line(article) for article in articles)
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>{head}'
        f"<style>{STYLE.read_text('utf-8')}</style>{''.join(seen)}</head><body><main class='bd-main'>"
        f'<div class="bd-content"><div class="title-page"><p class="book-title">{title}</p>'
        f'<nav aria-label="Contents"><p class="contents">Contents</p>{listing}</nav></div>'
        f"{''.join(map(str, articles))}</div></main></body></html>"
    )


def _article(soup, page: str, pages: list[str]):
    """One page's text, its identifiers and links made unique in the whole document."""
    article = soup.select_one("article.bd-article")
    for useless in article.select(SCREEN_ONLY):
        useless.decompose()
    for folded in article.select("details"):
        folded["open"] = ""
    mark = pages.index(page)
    # What a drawn figure names inside begins with the figure's own name, and is referred to in several ways.
    drawn = {id(tag) for tag in article.select(".vector *")}
    for tag in article.find_all(id=True):
        if id(tag) not in drawn:
            tag["id"] = f"p{mark}-{tag['id']}"
    for use in article.select('use[href^="#"]'):
        if id(use) not in drawn:
            use["href"] = f"#p{mark}-{use['href'][1:]}"
    for image in article.select("img[src]"):
        image["src"] = _resolve(page, image["src"])
        image.attrs.pop("loading", None)  # nobody scrolls on paper
    for link in article.select("a[href]"):
        link["href"] = _target(link["href"], page, pages)
        if not link["href"]:
            del link["href"]
    article["id"] = f"p{mark}"
    return article


def _resolve(page: str, address: str) -> str:
    """An address in a page, as seen from the root of the book."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), address))


def _target(address: str, page: str, pages: list[str]) -> str:
    """Where a link leads in the joined document: a page's mark, another site, or nowhere (a file)."""
    parts = urlsplit(address)
    if parts.scheme:
        return address
    wanted = _resolve(page, unquote(parts.path)).removesuffix(".html") if parts.path else page
    if wanted not in pages:
        return ""
    return f"#p{pages.index(wanted)}" + (f"-{parts.fragment}" if parts.fragment else "")


def _line(article) -> str:
    """A chapter's line in the table of contents, with room for its page's number."""
    name = re.sub(r"\s+", " ", article.find("h1").get_text()).strip()
    return f'<p><a href="#{article["id"]}">{name}</a><span></span></p>'


def first_pages(pdf: Path) -> dict[str, int]:
    """The page on which each chapter begins.

    Args:
        pdf: with an outline.

    Returns:
        Title of the outline's entry, without its spaces -> page, from 1.
    """
    from pypdf import PdfReader

    reader, found = PdfReader(pdf), {}
    for entry in _flat(reader.outline):
        # Without spaces: Chromium's outline loses the one at which a heading breaks into two lines.
        found.setdefault(re.sub(r"\s+", "", entry.title), reader.get_destination_page_number(entry) + 1)
    return found


def _flat(outline):
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry


def _print(page, target: Path) -> None:
    """The book's sheets, with a number at their foot."""
    margins = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}
    page.pdf(
        path=target, format="A4", margin=margins, print_background=True, outline=True, tagged=True,
        display_header_footer=True, header_template="<span></span>", footer_template=FOOT,
    )  # fmt: skip


def main(arguments=None) -> int:
    """Print the book from the command line.

    Args:
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 if all went well.
    """
    parser = argparse.ArgumentParser(prog="python -m oversmooth_book.show.pdf", description="Print the built book.")
    parser.add_argument("--profile", choices=PROFILES, default="published")
    return run(parser, lambda book, options: [make_pdf(book, options.profile)], arguments)


if __name__ == "__main__":
    sys.exit(main())
