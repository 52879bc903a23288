"""What makes a chapter due: the modules that its notebook imports, and nothing else."""

import sys
from pathlib import Path

import pytest
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.book.modules import measuring_modules, modules_of, run_modules
from oversmooth_book.book.notebooks import code_cells, read_notebook

SOURCE = REPOSITORY / "src"
CHAPTERS = Book(REPOSITORY).profiles


def of_notebook(name):
    cells = code_cells(read_notebook(Book(REPOSITORY).notebook(name)))
    return modules_of(SOURCE, "\n".join(cell.source for cell in cells))


@pytest.fixture
def tree(tmp_path):
    """A package with every way of importing, one of them in a circle."""
    files = {
        "oversmooth/__init__.py": "",
        "oversmooth/public.py": 'PUBLIC = {"a": ["first"], "b": ["second"], "c": ["third"]}\n',
        "oversmooth/a.py": "def first():\n    from oversmooth import d\n",
        "oversmooth/b.py": "from . import deep\nfrom .deep.inner import thing\n",
        "oversmooth/c.py": "import numpy\n",
        "oversmooth/d.py": "import oversmooth.a\n",
        "oversmooth/deep/__init__.py": "",
        "oversmooth/deep/inner.py": "from ..e import thing\n",
        "oversmooth/e.py": "thing = 1\n",
        "oversmooth/unused.py": "import oversmooth.c\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import oversmooth as osm\nosm.first()", "oversmooth oversmooth.a oversmooth.d"),
        ("import oversmooth\nx = oversmooth.third", "oversmooth oversmooth.c"),
        (
            "from oversmooth import second",
            "oversmooth oversmooth.b oversmooth.deep oversmooth.deep.inner oversmooth.e",
        ),
        ("if False:\n    import oversmooth.e", "oversmooth oversmooth.e"),
        ("import numpy, torch\nosm.first()", ""),
        ("this is no Python", ""),
    ],
)
def test_every_way_of_importing_is_followed(tree, code, names):
    assert " ".join(modules_of(tree, code)) == names


def test_a_chapter_s_modules_are_those_that_its_code_loads():
    """By another road: Python itself. What a chapter's imports load at once is among the modules read off its text."""
    import subprocess

    code = "import sys, oversmooth_book.experiments.real_graphs.measure, oversmooth_book as book, oversmooth as osm\n"
    code += "osm.largest_component, osm.sweep, book.claim\n"
    show = "print(*[n for n, m in sys.modules.items() if n.split('.')[0] in ('oversmooth', 'oversmooth_book')])"
    loaded = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True).stdout
    found = modules_of(SOURCE, code)
    assert set(loaded.split()) <= set(found) and "oversmooth.graphs.datasets" in found


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_edit_of_drawing_printing_or_comparing_moves_no_number(name):
    modules = of_notebook(name)
    measuring = measuring_modules(modules)
    for machinery in ("pdf", "compare", "builder", "ledger", "publisher"):
        assert not any(name.endswith(f".{machinery}") for name in modules)
    assert {"oversmooth.drawing.theme", f"oversmooth_book.experiments.{name}.figures"} <= set(modules)
    assert not any(module.startswith(("oversmooth.drawing", "oversmooth_book.book")) for module in measuring)
    assert any(module.startswith("oversmooth_book.experiments.") for module in measuring)
    assert "oversmooth.propagation.matrix" in measuring and all(Path(path).is_file() for path in measuring.values())


def test_a_new_public_name_makes_no_chapter_due():
    modules = of_notebook("forward_oversmoothing")
    assert "oversmooth.public" in modules and "oversmooth.public" not in run_modules(modules)
    assert {"oversmooth.signals", "oversmooth.drawing.theme"} <= set(run_modules(modules))


def test_the_functions_of_a_chapter_s_claims_make_it_due():
    """They are imported by name, when a claim is verified: no import statement of the notebook says so."""
    from oversmooth_book.book import fingerprints

    book = Book(REPOSITORY)
    notebook = read_notebook(book.notebook("explore"))
    found = fingerprints._modules(book, book.profiles["explore"], notebook)
    assert "oversmooth_book.experiments.explore.claims" in found
    assert "oversmooth_book.experiments.remedies.claims" not in found
