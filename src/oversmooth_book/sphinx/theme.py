"""Sphinx extension: what Jupyter Book and its theme leave to be mended."""


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


def _without_thebe(app, config):
    """Keep Thebe's configuration script out of the pages, which never use it.

    Jupyter Book always loads sphinx-thebe; unconfigured, it still writes another site's address into every page, and
    writes it twice, which a browser reports as an error.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [entry for entry in listeners if getattr(entry.handler, "__name__", "") != "init_thebe_core"]


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", _on_page)
    app.connect("config-inited", _without_thebe)
    return {"parallel_read_safe": True}
