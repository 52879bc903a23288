"""Sphinx extension: mends what Sphinx and its themes leave for screen readers to stumble over."""


def mend(body: str) -> str:
    """A page's HTML with roles that fit together.

    Args:
        body: as Sphinx wrote it.

    Returns:
        The same, the entries of a list of references being items of a list: their own role, doc-biblioentry, is
        deprecated, and a list that holds such entries has no items.
    """
    return body.replace('role="doc-biblioentry"', 'role="listitem"')


def _on_page(app, pagename, templatename, context, doctree):
    if "body" in context:
        context["body"] = mend(context["body"])


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", _on_page)
    return {"parallel_read_safe": True}
