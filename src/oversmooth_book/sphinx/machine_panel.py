"""Sphinx extension: the live machine, a graph network trained in the page by an engine of our own.

The directive ``live-machine`` puts all of it into the page: an ES module and its worker as text, from which the page
makes a worker of its own, since a browser loads no module for a page that was opened from a file.
"""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

ASSETS = Path(__file__).with_name("assets") / "machine"
PARTS = {"style": ["machine.css"], "engine": ["engine.js", "worker.js"], "script": ["chart.js", "machine.js"]}


class LiveMachine(Directive):
    """``live-machine``: the controls, the pictures and what computes them."""

    def run(self):
        """The machine as raw HTML."""
        return [nodes.raw("", panel(), format="html")]


def panel() -> str:
    """The HTML of the machine, which needs nothing else.

    Returns:
        HTML.
    """
    text = _asset("machine.html")
    for name, files in PARTS.items():
        text = text.replace(f"[[{name}]]", "\n".join(map(_asset, files)))
    return text


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_directive("live-machine", LiveMachine)
    return {"parallel_read_safe": True}
