"""Binder and Colab: buttons only where the repository is known, and notebooks that run where they arrive alone."""

import copy as copying
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from browsing import soup
from miniature import REPOSITORY, call, git, make_book
from nbclient import NotebookClient

from oversmooth_book.book.book import Book
from oversmooth_book.book.notebooks import MACHINE_PATH, read_notebook
from oversmooth_book.sphinx.launch import branch, repository, standalone

ADDRESS = "https://github.com/some-owner/some.book"


@pytest.fixture
def clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("GITHUB_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "origin",
    [
        ADDRESS,
        f"{ADDRESS}.git",
        f"{ADDRESS}/",
        "git@github.com:some-owner/some.book.git",
        "ssh://git@github.com/some-owner/some.book.git",
        "https://name:secret@github.com/some-owner/some.book.git",
    ],
)
def test_the_repository_is_where_the_clone_came_from(tmp_path, clean, origin):
    book = make_book(tmp_path / "book")
    git(book, "init", "--quiet")
    assert repository(book.root) is None
    git(book, "remote", "add", "origin", origin)
    assert repository(book.root) == ADDRESS


@pytest.mark.parametrize("origin", ["/srv/some.book", "https://example.org/some-owner/some.book"])
def test_another_place_is_no_repository_for_buttons(tmp_path, clean, origin):
    book = make_book(tmp_path / "book")
    git(book, "init", "--quiet")
    git(book, "remote", "add", "origin", origin)
    assert repository(book.root) is None


def test_githubs_runners_say_it_themselves(tmp_path, clean, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "some-owner/some.book")
    assert repository(tmp_path) == ADDRESS
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://example.org")
    assert repository(tmp_path) is None
    assert branch() == "main"
    monkeypatch.setenv("GITHUB_REF_TYPE", "branch")
    monkeypatch.setenv("GITHUB_REF_NAME", "draft")
    assert branch() == "draft"


def launch_links(page):
    return {link.get_text().strip(): link["href"] for link in soup(page).select("a.dropdown-item[href*='://']")}


def test_buttons_and_copies_appear_only_when_the_repository_is_known(ran, tmp_path, clean):
    book = ran[0]
    page = book.build("published") / "html" / "chapters" / "tiny.html"
    assert call(book, "build").returncode == 0
    assert "mybinder" not in page.read_text() and "colab" not in page.read_text()
    assert not (book.build("published") / "html" / "launch").exists()
    soup.cache_clear()
    answer = call(book, "build", GITHUB_REPOSITORY="some-owner/some.book")
    assert answer.returncode == 0, answer.stderr
    links = launch_links(page)
    assert links["Binder"].endswith("/v2/gh/some-owner/some.book/main?urlpath=lab/tree/chapters/tiny.ipynb")
    assert links["Colab"].endswith("/github/some-owner/some.book/blob/colab/tiny.ipynb")
    written = read_notebook(book.build("published") / "html" / "launch" / "tiny.ipynb")
    assert f'"{ADDRESS}", "{ran[2]}"' in written.cells[0].source
    assert [cell.source for cell in written.cells[1:]] == [
        cell.source for cell in read_notebook(book.notebook("tiny")).cells
    ]
    assert call(book, "build").returncode == 0
    soup.cache_clear()


def test_what_can_be_downloaded_names_no_machine(site):
    notebooks = sorted(site.rglob("*.ipynb"))
    assert len(notebooks) > 5
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        assert str(REPOSITORY) not in text and not MACHINE_PATH.search(text), path.name
        assert '"papermill"' not in text and '"execution"' not in text, path.name


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A bare clone of this repository's last commit: (address, commit)."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository here to clone")
    place = tmp_path_factory.mktemp("remote") / "the-book.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(REPOSITORY), str(place)], check=True)
    return place.as_uri(), git(Book(place), "rev-parse", "HEAD")


def test_a_chapter_that_arrives_alone_fetches_its_book_and_runs(bare, tmp_path, monkeypatch):
    """The explore chapter, small, in an empty folder with a fresh kernel."""
    committed = subprocess.run(
        ["git", "-C", bare[0].removeprefix("file://"), "show", "HEAD:chapters/explore.ipynb"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    notebook = standalone(nbformat.reads(committed.stdout, as_version=4), *bare)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = "num_seeds = 1\ndepths = [3, 4]\nscales = [1.0]"
    where = "import oversmooth, oversmooth_book\nprint(oversmooth.__file__, oversmooth_book.__file__)"
    notebook.cells.append(nbformat.v4.new_code_cell(where))
    for name in ("OVERSMOOTH_BOOK", "PYTHONPATH", "OVERSMOOTH_BOOK_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    alone = tmp_path / "alone"
    alone.mkdir()
    done = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": alone}}
    ).execute()
    assert {path.name for path in alone.iterdir()} == {"the-book"}
    printed = done.cells[-1].outputs[0].text.split()
    assert len(printed) == 2 and all(Path(path).is_relative_to(alone) for path in printed)
    shown = [output.get("data", {}).get("text/plain", "") for cell in done.cells for output in cell.get("outputs", [])]
    (verdicts,) = [text for text in shown if text.startswith("EX1 ")]
    assert "measured 0, needed == 0: PASS" in verdicts.split("EX2 ")[0], verdicts


def test_the_committed_notebook_stays_as_it_is():
    notebook = read_notebook(REPOSITORY / "chapters" / "mlp_counterexample.ipynb")
    before = copying.deepcopy(notebook)
    assert len(standalone(notebook, ADDRESS, "abc").cells) == len(before.cells) + 1
    assert notebook == before


def test_post_build_installs_the_book_and_nothing_else(bare, tmp_path):
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", bare[0], str(folder)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    bin_folder = tmp_path / "venv" / "bin"
    # setuptools comes from here: without a network there is no other
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    subprocess.run([str(folder / "postBuild")], cwd=folder, env=environment, check=True, capture_output=True)
    environment.pop("PYTHONPATH")
    ask = "import importlib.util as u; print(u.find_spec('oversmooth_book').origin)"
    said = subprocess.run(
        [bin_folder / "python", "-c", ask], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert Path(said.stdout.strip()).is_relative_to(folder), said.stderr
