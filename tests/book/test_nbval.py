"""The committed notebooks, run again here: text must agree to the letter, tables and values by their spread.

Where raw files are missing every cell is run all the same, but what the cells that need them print is not compared.
"""

import json
import math
import os
import subprocess
import sys
import warnings

import pytest
from miniature import REPOSITORY, STUB, add_needy, call, copy_book, make_book, settle, stub_data

from oversmooth_book.book.book import Book
from oversmooth_book.book.fingerprints import numbers_fingerprint
from oversmooth_book.book.layout import with_home
from oversmooth_book.book.machine import machine
from oversmooth_book.book.needs import cell_needs, missing_graphs
from oversmooth_book.book.notebooks import read_notebook, tags, write_notebook
from oversmooth_book.book.records import ROUNDING_VARIABLE, read_record
from oversmooth_book.chapter import OUTPUT_VARIABLE
from oversmooth_book.check import compare
from oversmooth_book.check.spread import read_spread
from oversmooth_book.publish.replicas import CHECK

BOOK = Book(REPOSITORY)
CHAPTERS = BOOK.profiles
# Two processes end at about the same time if what takes longest begins first.
LONGEST_FIRST = sorted(CHAPTERS, key=lambda name: -(read_record(BOOK.published(name)) or {"seconds": 0})["seconds"])
NOT_COMPARED = "nbval-ignore-output"
LONG = 60  # seconds of a run


def marked(notebook, missing):
    """A notebook in which nbval compares no output that needs missing data."""
    for number, cell in enumerate(notebook.cells, start=1):
        if set(cell_needs(cell, f"cell {number}")) & set(missing):
            cell.metadata["tags"] = [*tags(cell), NOT_COMPARED]
    return notebook


def nbval(book, name, folder, missing=(), **variables):
    """Strict nbval on a copy of a committed notebook; the copy, its tables and values go to ``folder``."""
    folder.mkdir(exist_ok=True)
    copy = folder / f"{name}.ipynb"
    write_notebook(marked(read_notebook(book.notebook(name)), missing), copy)
    kept = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "PYTEST_ADDOPTS")}
    environment = {**kept, OUTPUT_VARIABLE: str(folder), "OVERSMOOTH_BOOK": str(book.root), "PYTHONHASHSEED": "0"}
    # What the user's own IPython does at start-up is no part of the book.
    environment |= {"IPYTHONDIR": str(folder / "ipython"), **with_home(book.root), **variables}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--override-ini=addopts=",
    ]
    command += ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={REPOSITORY / 'tests/book/nbval.cfg'}"]
    command += ["--nbval-cell-timeout=1200", copy.name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def differences(book, name, folder, missing=()):
    """What ``compare`` says of an nbval run; claims that need missing data have no value to compare."""
    found = compare.differences(book, book.profiles[name], folder / name, book.published(name), missing)
    return [text for one in found if judged(book, name, one) for text in one.texts]


def judged(book, name, difference):
    """Whether a difference counts: verdicts, words and shapes always, numbers where their spread is known.

    How far the numbers of a chapter with fewer than three replicas move on another make of processor nobody has
    measured yet: chaotic trainings end elsewhere, and say as much.
    """
    place = book.published(name)
    if read_spread(place).measured or read_record(place)["machine"].get("model") == machine().get("model"):
        return True
    if difference.texts and not (difference.flipped or math.isinf(difference.largest)):
        warnings.warn(f"{name}, not judged on this make of processor: {difference.texts[0]}", stacklevel=2)
        return False
    return True


def skip_a_replica(book, name):
    """Replicas take three to four times as long: they are run where they can tell something new, or soon."""
    place = book.published(name)
    if not read_spread(place).measured:
        pytest.skip("fewer than three replicas: how far rounding moves its numbers is not measured yet")
    same = read_spread(place, numbers_fingerprint(book, book.profiles[name])).confirmed
    if same and read_record(place)["seconds"] > LONG and os.environ[ROUNDING_VARIABLE] == CHECK:
        pytest.skip(f"takes long, and replica {CHECK} of this very code agreed when it was published")


@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_committed_outputs_are_what_this_machine_computes(name, tmp_path):
    if os.environ.get(ROUNDING_VARIABLE):
        skip_a_replica(BOOK, name)
    missing = missing_graphs(BOOK, CHAPTERS[name])
    answer = nbval(BOOK, name, tmp_path, missing)
    assert answer.returncode == 0, answer.stdout[-6000:]
    assert differences(BOOK, name, tmp_path, missing) == []


def test_nbval_sees_a_changed_number(good, tmp_path):
    settle(good, "tiny")
    assert nbval(good, "tiny", tmp_path / "same").returncode == 0
    assert differences(good, "tiny", tmp_path / "same") == []
    change(good, "tiny", "measured 0.75", "measured 0.74")
    answer = nbval(good, "tiny", tmp_path / "other")
    assert answer.returncode == 1 and "0.74" in answer.stdout


def test_on_another_make_of_processor_verdicts_count_and_unmeasured_numbers_do_not(good, tmp_path):
    settle(good, "tiny")
    assert nbval(good, "tiny", tmp_path / "run").returncode == 0
    table, values = (tmp_path / "run" / "tiny" / part for part in ("tables/powers.csv", "claims.json"))
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace(",0.5", ",0.6", 1), encoding="utf-8")
    assert len(differences(good, "tiny", tmp_path / "run")) == 1
    record = good.published("tiny") / "record.json"
    elsewhere = json.loads(record.read_text(encoding="utf-8"))
    elsewhere["machine"]["model"] = "another make"
    record.write_text(json.dumps(elsewhere), encoding="utf-8")
    with pytest.warns(UserWarning, match="not judged on this make of processor: table powers.csv"):
        assert differences(good, "tiny", tmp_path / "run") == []
    table.write_text(whole.rsplit("\n", 2)[0] + "\n", encoding="utf-8")  # a row less
    assert "rows of" in differences(good, "tiny", tmp_path / "run")[0]
    table.write_text(whole, encoding="utf-8")
    (claim,) = good.claims.values()
    values.write_text(json.dumps({claim.id: -1e9}), encoding="utf-8")
    assert "FAIL" in differences(good, "tiny", tmp_path / "run")[0]


def change(book, name, old, new):
    """Edit a committed notebook's outputs."""
    text = book.notebook(name).read_text(encoding="utf-8")
    assert old in text
    book.notebook(name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def needy(tmp_path_factory):
    """A book with a chapter that was run and committed where all data were: (book, data)."""
    folder = tmp_path_factory.mktemp("needy")
    book, data = make_book(folder / "book"), stub_data(folder / "raw")
    add_needy(book, STUB)
    answer = call(book, "run", "needy", OVERSMOOTH_DATA=str(data))
    assert answer.returncode == 0, answer.stdout
    settle(book, "needy")
    return book, data


def test_only_cells_that_need_missing_data_are_not_compared(needy):
    notebook = marked(read_notebook(needy[0].notebook("needy")), [STUB])
    found = ["measured(" in cell.source or "tint(" in cell.source for cell in notebook.cells]
    assert [NOT_COMPARED in tags(cell) for cell in notebook.cells] == found and sum(found) == 2
    before = read_notebook(needy[0].notebook("needy"))
    assert marked(read_notebook(needy[0].notebook("needy")), ["Cora"]) == before


def test_nbval_passes_with_and_without_the_data(needy, tmp_path):
    book, data = needy
    for missing, root in (([], data), ([STUB], tmp_path)):
        folder = tmp_path / f"run{len(missing)}"
        answer = nbval(book, "needy", folder, missing, OVERSMOOTH_DATA=str(root))
        assert answer.returncode == 0, answer.stdout
        assert differences(book, "needy", folder, missing) == []
        assert (folder / "needy" / "borrowed.json").exists() == bool(missing)
    # Nobody may leave the data out silently: unmarked, the same notebook fails without them.
    answer = nbval(book, "needy", tmp_path / "unmarked", [], OVERSMOOTH_DATA=str(tmp_path))
    assert answer.returncode == 1 and "N1: NOT RUN: needs" in answer.stdout


@pytest.mark.parametrize("missing", [[], [STUB]], ids=["with", "without"])
def test_a_changed_number_is_seen_with_and_without_the_data(needy, tmp_path, missing):
    """Without the data only what needs them escapes."""
    book = copy_book(needy[0], tmp_path / "book", "_build")
    change(book, "needy", "N1: measured 1000", "N1: measured 1001")
    change(book, "needy", "N2: measured 34", "N2: measured 33")
    table = book.published("needy") / "tables" / "sizes.csv"
    table.write_text(table.read_text().replace("karate,34", "karate,35"))
    root = str(tmp_path if missing else needy[1])
    answer = nbval(book, "needy", tmp_path / "run", missing, OVERSMOOTH_DATA=root)
    assert answer.returncode == 1 and "N2: measured 33" in answer.stdout
    assert ("N1: measured 1001" in answer.stdout) == (not missing)
    assert any("sizes.csv" in line for line in differences(book, "needy", tmp_path / "run", missing))
