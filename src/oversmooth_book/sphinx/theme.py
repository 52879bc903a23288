"""Sphinx extension: what Jupyter Book and its theme leave to be mended."""

import html
import re
from pathlib import Path

CARD = "_static/card.png"
TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 200  # characters of a description that search engines and link previews show


def mend(body: str) -> str:
    """A page's HTML with roles, cells and identifiers that fit together.

    Args:
        body: as Sphinx wrote it.

    Returns:
        The same, the entries of a list of references being items of a list: their own role, doc-biblioentry, is
        deprecated, and a list that holds such entries has no items; empty heads of tables being cells, since they head
        nothing; and proofs without the identifier that all of them share.
    """
    body = re.sub(r' id="proof(-content)?"', "", body)
    body = re.sub(r"<th([^>]*)>\s*(?:<p></p>)?\s*</th>", r"<td\1></td>", body)
    return body.replace('role="doc-biblioentry"', 'role="listitem"')


def describe(body: str) -> str:
    """A page's first paragraph as plain text, up to its first formula, cut at a word; empty if it has none.

    Args:
        body: HTML; tables and lists have no paragraphs of their own.

    Returns:
        At most some `LONGEST` characters.
    """
    body = re.sub(r"<(table|ul|ol)\b.*?</\1>", "", body, flags=re.DOTALL)
    for paragraph in re.findall(r"<p>(.*?)</p>", body, re.DOTALL):
        plain, formula, _ = paragraph.partition('<span class="math')
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", plain)).split())
        if formula:  # the sentences before it
            text = text[: text.rfind(". ") + 1]
        if len(text) > 40:
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return ""


def head_tags(context: dict, pagename: str) -> str:
    """What search engines and link previews read: description, title and picture, as HTML.

    Args:
        context: the page's, as Sphinx made it.
        pagename: such as ``chapters/index``.

    Returns:
        HTML.
    """
    root = "../" * pagename.count("/")
    title = html.escape(re.sub(r"<[^>]+>", "", str(context.get("title", ""))))
    text = html.escape(describe(context["body"]))
    tags = {"og:type": "article", "og:title": title, "og:description": text, "og:image": root + CARD}
    found = f'<meta name="description" content="{text}" />\n' if text else ""
    found += '<meta name="twitter:card" content="summary_large_image" />\n'
    return found + "".join(f'<meta property="{name}" content="{value}" />\n' for name, value in tags.items() if value)


def _on_page(app, pagename, templatename, context, doctree):
    if "body" in context:
        context["body"] = mend(context["body"])
        context["metatags"] = context.get("metatags", "") + head_tags(context, pagename)


def _without_thebe(app, config):
    """Keep Thebe's configuration script out of the pages, which never use it.

    Jupyter Book always loads sphinx-thebe; unconfigured, it still writes another site's address into every page, and
    writes it twice, which a browser reports as an error.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [entry for entry in listeners if getattr(entry.handler, "__name__", "") != "init_thebe_core"]


def _own_templates(app, config):
    config.templates_path.insert(0, str(TEMPLATES))  # before the theme's


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", _own_templates)
    app.connect("html-page-context", _on_page)
    app.connect("config-inited", _without_thebe)
    return {"parallel_read_safe": True}
