"""Sphinx extension: the loss around two networks as surfaces that turn under the pointer.

The directive ``loss-landscape`` puts them into the page of the chapter on stationary points, from its published table
``curved_planes``: two canvases, a slider, the numbers and the script, and nothing to load.
"""

import csv
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

ASSETS = Path(__file__).with_name("assets") / "landscape"
TABLE = Path("tables") / "spurious_stationary_points" / "curved_planes.csv"
NAMES = {"gnn": "GNN", "mlp": "MLP"}
SAID = "{name}: loss {centre:.3f} in the middle, {least:.3f} at the lowest point shown"


class LossLandscape(Directive):
    """``loss-landscape``: both surfaces and what turns them."""

    def run(self):
        """The surfaces as raw HTML."""
        env = self.state.document.settings.env
        path = Path(env.srcdir) / TABLE
        env.note_dependency(str(path))
        return [nodes.raw("", panel(surfaces(path)), format="html")]


def surfaces(path: Path) -> dict:
    """The losses of both networks on the same grid.

    Args:
        path: the table ``curved_planes``: first, second, loss, model.

    Returns:
        reach, half a side of the grid; and for each model a list over ``first`` of lists over ``second``.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{**row, "first": float(row["first"]), "second": float(row["second"])} for row in csv.DictReader(file)]
    grids = {"reach": max(row["first"] for row in rows)}
    for model in NAMES:
        losses = {(row["first"], row["second"]): float(row["loss"]) for row in rows if row["model"] == model}
        first, second = (sorted({key[axis] for key in losses}) for axis in (0, 1))
        grids[model] = [[losses[a, b] for b in second] for a in first]
    return grids


def panel(grids: dict) -> str:
    """The HTML of the surfaces, which needs nothing else.

    Args:
        grids: what `surfaces` returned.

    Returns:
        HTML.
    """
    text = _asset("landscape.html")
    for name in ("landscape.css", "landscape.js"):
        text = text.replace(f"[[{name}]]", _asset(name))
    for model in NAMES:
        text = text.replace(f"[[{model}]]", said(model, grids[model]))
    return text.replace("[[grids]]", json.dumps(grids, separators=(",", ":")))


def said(model: str, losses: list[list[float]]) -> str:
    """What a surface shows, in words: the loss in the middle and the least one."""
    middle = losses[len(losses) // 2]
    return SAID.format(name=NAMES[model], centre=middle[len(middle) // 2], least=min(map(min, losses)))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_directive("loss-landscape", LossLandscape)
    return {"parallel_read_safe": True}
