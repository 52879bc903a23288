"""Sphinx extension: Binder and Colab buttons, and notebooks that bring their book along.

The repository's address is not written down anywhere: it is what GitHub's own runners say, else where this clone came
from. Without one there are no buttons. Binder has the whole repository (environment.yml, postBuild) and opens the
committed notebooks. Colab gets a notebook alone: for it the build writes copies to ``launch/`` whose first cell fetches
the book; the workflow pushes them to the branch `COLAB_BRANCH`, which the Colab buttons name.
"""

import os
import re
import subprocess
from pathlib import Path

from oversmooth_book.book.book import find_book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import read_notebook, write_notebook

FOLDER = "launch"
COLAB_BRANCH = "colab"
GITHUB = "https://github.com"

FIRST_CELL = """# This copy of the notebook comes without its book. Fetch it, and what it needs, unless both are here.
import importlib.util
import os
import subprocess
import sys

REPOSITORY, COMMIT = "{repository}", "{commit}"
FOLDER = os.path.abspath("{name}")

if not os.path.isdir(FOLDER):
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, FOLDER], check=True)
    subprocess.run(["git", "-C", FOLDER, "checkout", "--quiet", COMMIT], check=True)
NEEDED = ("torch_geometric", "seaborn", "sklearn", "networkx", "yaml", "msgspec")
if any(importlib.util.find_spec(name) is None for name in NEEDED):
    install = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, FOLDER + "[plot]", "networkx", "pyyaml", "msgspec"], check=True)
sys.path.insert(0, os.path.join(FOLDER, "src"))
os.environ["OVERSMOOTH_BOOK"] = FOLDER"""


def repository(folder: Path) -> str | None:
    """The address of the book's public repository.

    Args:
        folder: inside a clone.

    Returns:
        Such as ``https://github.com/owner/name``; None if it is not known, or not on GitHub.
    """
    named = os.environ.get("GITHUB_REPOSITORY")
    if named:
        address = f"{os.environ.get('GITHUB_SERVER_URL', GITHUB)}/{named}"
    else:
        address = _git(folder, "remote", "get-url", "origin") or ""
    found = re.fullmatch(
        r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?", address
    )
    return f"{GITHUB}/{found[1]}/{found[2]}" if found else None


def branch() -> str:
    """The branch that Binder opens."""
    is_branch = os.environ.get("GITHUB_REF_TYPE") == "branch" and "/" not in os.environ.get("GITHUB_REF_NAME", "/")
    return os.environ["GITHUB_REF_NAME"] if is_branch else "main"


def standalone(notebook, address: str, commit: str):
    """A chapter that runs anywhere: the committed notebook with a first cell that fetches the book.

    Args:
        notebook: the chapter.
        address: where git finds the book.
        commit: which one.

    Returns:
        A new notebook; the given one stays as it is.
    """
    import copy

    import nbformat

    new = copy.deepcopy(notebook)
    name = address.rstrip("/").split("/")[-1].removesuffix(".git")
    source = FIRST_CELL.format(repository=address, commit=commit, name=name)
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["fetch-book"]}, id="fetch-book")
    new.cells.insert(0, cell)
    return new


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _configure(app, config):
    """The theme's own buttons, if the repository is known."""
    address = repository(Path(app.srcdir))
    if not address:
        return
    buttons = {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    }
    config.html_theme_options["repository_url"] = address
    config.html_theme_options["repository_branch"] = branch()
    config.html_theme_options["use_repository_button"] = True
    config.html_theme_options["launch_buttons"] = buttons


def _to_standalone(app, pagename, templatename, context, doctree):
    """Let the Colab button open the copy that brings its book."""
    for group in context.get("header_buttons") or []:
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                button["url"] = re.sub(
                    r"/blob/[^/]+/.*", f"/blob/{COLAB_BRANCH}/{pagename.split('/')[-1]}.ipynb", button["url"]
                )


def _write(app, error):
    """The copies for Colab, without outputs that this build did not make: the committed ones."""
    address = repository(Path(app.srcdir))
    if error or not address or app.builder.format != "html":
        return
    try:
        book = find_book(_git(Path(app.srcdir), "rev-parse", "--show-toplevel"))
    except BookError:
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    commit = _git(book.root, "rev-parse", "HEAD")
    for path in sorted(book.chapters.glob("*.ipynb")):
        write_notebook(standalone(read_notebook(path), address, commit), folder / path.name)


def setup(app):
    """Register with Sphinx; the buttons exist once the theme (priority 501) has made them."""
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _to_standalone, priority=600)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}
