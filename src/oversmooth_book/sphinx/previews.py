"""Sphinx extension: claims named in a text are links, and what a link or a symbol means shows where it is pointed at.

The build collects theorems, equations, references and claims from its pages, and symbols from the table of *Notation*,
and writes them to a script that a page loads when it needs one of them (``_static/previews.js``).
"""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx import addnodes

from oversmooth_book.book.book import find_book

CLAIMS, NOTATION = "chapters/claims", "chapters/notation.html"
DATA = "_static/data/previews.js"  # not beside the scripts that every page loads
NAME = re.compile(r"\b[A-Z]{1,2}[1-9]\d?\b")
# Where a claim's name is no mention of it, or is a link already.
ELSEWHERE = (nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.title, nodes.math, nodes.raw, addnodes.desc)


def link_claims(tree: nodes.Node, names: Collection[str], address: str) -> None:
    """Make every mention of a claim a link, in place.

    Args:
        tree: the page's.
        names: of the claims.
        address: of the page of claims.
    """
    for text in list(tree.findall(nodes.Text)):
        parts = list(_parts(str(text), names, address))
        if len(parts) > 1 and not _within(text, ELSEWHERE):
            text.parent.replace(text, parts)


def _parts(text: str, names: Collection[str], address: str) -> Iterator[nodes.Node]:
    end = 0
    for found in NAME.finditer(text):
        if found[0] in names:
            yield nodes.Text(text[end : found.start()])
            link = {"refuri": f"{address}#claim-{found[0].lower()}", "internal": True, "classes": ["claim-link"]}
            yield nodes.reference("", found[0], **link)
            end = found.end()
    yield nodes.Text(text[end:])


def _within(node: nodes.Node, kinds: tuple) -> bool:
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node is not None


def previews(page: str, soup: BeautifulSoup) -> dict[str, str]:
    """What of one page may be previewed.

    Args:
        page: its address, from the root of the site.
        soup: its HTML.

    Returns:
        ``page#id`` to HTML without links, for what has an address; ``tex:…`` to HTML, for symbols.
    """
    found = {}
    for box in soup.select("div.proof.admonition[id*='-']"):
        found[f"{page}#{box['id']}"] = _plain(box)
    for formula in soup.select("div.math[id^='equation-']"):
        found[f"{page}#{formula['id']}"] = _plain(formula)
    for work in soup.select("div.citation[id]"):
        found[f"{page}#{work['id']}"] = "".join(map(_plain, work.find_all("p")))
    for card in soup.select(".claim-card"):
        name = card.find(id=re.compile("^claim-"))
        said = card.find_all("p", recursive=False, limit=3)  # name and verdict, statement, threshold and value
        found[f"{page}#{name['id']}"] = "".join(f"<p>{_plain(p)}</p>" for p in said)
    if page == NOTATION:
        for row in soup.select("table")[0].select("tbody tr"):
            symbol, meaning, *_ = row.find_all("td")
            found[f"tex:{_symbol(symbol.get_text())}"] = _plain(meaning)
    return found


def _plain(element: Tag) -> str:
    """The inner HTML, without links, permalinks and ids."""
    copy = BeautifulSoup(element.decode_contents(), "html.parser")
    for link in copy.select("a.headerlink, .eqno"):
        link.decompose()
    for link in copy.find_all("a"):
        link.unwrap()
    for part in copy.find_all(id=True):
        del part["id"]
    return str(copy).strip()


def _symbol(text: str) -> str:
    r"""The TeX of a symbol, from ``\(X = …\)``, without spaces."""
    return re.sub(r"\s", "", text.strip().removeprefix(r"\(").removesuffix(r"\)").split(" = ")[0])


def write_data(site: Path) -> None:
    """Collect the previews of all pages of a site into one script.

    Args:
        site: its folder.
    """
    found = {}
    for path in sorted((site / "chapters").glob("*.html")):
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        found |= previews(path.relative_to(site).as_posix(), soup)
    target = site / DATA
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    target.write_text(f"window.oversmoothPreviews={text};\n", encoding="utf-8")


def _link(app, doctree, docname):
    if app.builder.format == "html" and docname != CLAIMS and CLAIMS in app.env.all_docs:
        link_claims(doctree, set(find_book().claims), app.builder.get_relative_uri(docname, CLAIMS))


def _finish(app, error):
    if not error and app.builder.name == "html":
        write_data(Path(app.outdir))


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", _link)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True}
