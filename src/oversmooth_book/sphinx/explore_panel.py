"""Sphinx extension: the what-if panel of the explore page, which works offline from the chapter's published tables.

The directive ``explore-panel`` puts native form elements and empty charts into the page; after the build, the numbers
(`grid.js`), the panel's script and style, and plotly.js from the installed package are laid into ``explore/``. Only
this page loads them, and it loads them as scripts, not by requests, so that it works from a file too.
"""

import csv
import html
import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

from oversmooth_book.book.errors import BookError

ASSETS = Path(__file__).with_name("assets")
FOLDER = "explore"
CHOICES = ("operator", "activation", "depth", "scale", "last_layer")
WORDS = {
    "metropolis": "Metropolis (symmetric)",
    "random_walk": "random walk (mean)",
    "gcn": "GCN normalisation",
    "identity": "none: an MLP",
}


class ExplorePanel(Directive):
    """``explore-panel``: the controls and the places of the charts."""

    def run(self):
        """The panel as raw HTML, and the mark by which the extension knows that files are wanted."""
        env = self.state.document.settings.env
        grid = read_grid(Path(env.srcdir) / "tables" / "explore")
        env.oversmooth_explore = grid
        depth = env.docname.count("/")
        return [nodes.raw("", panel(grid, "../" * depth + FOLDER), format="html")]


def read_grid(folder: Path) -> dict:
    """The panel's data, from the tables that the chapter saved.

    Args:
        folder: holds ``profiles.csv`` and ``networks.csv``.

    Returns:
        choices (name -> values as text, in the order of the table) and networks (the values joined by spaces ->
        rate, loss, floor, gradient_max, and a list over the layers for each quantity; None where there is no number).
    """
    choices, networks = {name: [] for name in CHOICES}, {}
    for row in _rows(folder / "networks.csv"):
        for name in CHOICES:
            if row[name] not in choices[name]:
                choices[name].append(row[name])
        networks[_key(row)] = {name: _number(text) for name, text in row.items() if name not in CHOICES}
    for row in _rows(folder / "profiles.csv"):
        entry = networks[_key(row)]
        for name, text in row.items():
            if name not in (*CHOICES, "layer"):
                entry.setdefault(name, []).append(_number(text))
    return {"choices": choices, "networks": networks}


def _rows(path: Path):
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _key(row: dict) -> str:
    return " ".join(row[name] for name in CHOICES)


def _number(text: str):
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None


def panel(grid: dict, folder: str) -> str:
    """The HTML of the panel.

    Args:
        grid: what `read_grid` returned.
        folder: where its files lie, as seen from the page.

    Returns:
        HTML.
    """
    values = grid["choices"]
    parts = {name: _options(values[name]) for name in ("operator", "activation")}
    parts |= {f"last_{name}": str(len(values[name]) - 1) for name in ("depth", "scale")}
    text = (ASSETS / "explore.html").read_text(encoding="utf-8")
    for name, part in (parts | {"folder": folder}).items():
        text = text.replace(f"[[{name}]]", part)
    return text


def _options(names) -> str:
    return "".join(f'<option value="{html.escape(name)}">{html.escape(_word(name))}</option>' for name in names)


def _word(name: str) -> str:
    return WORDS.get(name, name)


def write_files(grid: dict, folder: Path) -> None:
    """Lay down what the page loads.

    Args:
        grid: what `read_grid` returned.
        folder: made if need be.

    Raises:
        BookError: if the plotting library is not installed.
    """
    library = find_spec("plotly")
    if library is None:
        raise BookError("plotly is not installed, and the explore page draws with the plotly.js in it: make setup")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**grid, "words": WORDS}, separators=(",", ":"), allow_nan=False)
    (folder / "grid.js").write_text(f"window.oversmoothGrid={text};\n", encoding="utf-8")
    for name in ("explore.js", "explore.css"):
        shutil.copy(ASSETS / name, folder)
    shutil.copy(Path(library.origin).parent / "package_data" / "plotly.min.js", folder)


def _finish(app, error):
    grid = getattr(app.env, "oversmooth_explore", None)
    if grid and not error and app.builder.format == "html":
        write_files(grid, Path(app.outdir) / FOLDER)


def setup(app):
    """Register with Sphinx."""
    app.add_directive("explore-panel", ExplorePanel)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": False}
