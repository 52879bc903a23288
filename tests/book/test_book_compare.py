"""compare: rounding told apart from a real difference, causes named, and a report that needs nothing else."""

import json
import math
import re
import shutil

import numpy
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from miniature import call, commit_all, copy_book

from oversmooth_book.compare import compare
from oversmooth_book.differences import DIFFERS, IDENTICAL, ROUNDING, gaps, table_difference
from oversmooth_book.report import write_report


@pytest.fixture(scope="module")
def published(ran, tmp_path_factory):
    book = copy_book(ran[0], tmp_path_factory.mktemp("compared") / "book")
    assert call(book, "publish").returncode == 0
    commit_all(book)
    return book


@pytest.fixture
def book(published, tmp_path):
    return copy_book(published, tmp_path / "book")


def states(book):
    (comparison,), agree = compare(book)
    return {difference.name: difference.state for difference in comparison.differences}, comparison, agree


def test_a_run_agrees_with_itself_to_the_last_digit(book):
    found, comparison, agree = states(book)
    assert agree and found == {"T1": IDENTICAL, "powers.csv": IDENTICAL}
    assert comparison.figures == {"powers.csv": ["fig-powers"]}
    assert comparison.causes[-1] == "The same in both records: parameters, versions, machine."


def test_another_machine_s_rounding_is_no_difference(book):
    """The last printed digit moved, and the record names another machine: as after a run elsewhere."""
    folder = book.run("published", "tiny")
    table = folder / "tables" / "powers.csv"
    table.write_text(table.read_text().replace("0.333333", "0.333334"))
    record = json.loads((folder / "record.json").read_text())
    record["machine"]["cores"] = 96
    (folder / "record.json").write_text(json.dumps(record))
    found, comparison, agree = states(book)
    assert agree and found == {"T1": IDENTICAL, "powers.csv": ROUNDING}
    assert comparison.verdict == "agrees (tolerance 0.001): 1 identical, 1 rounding (up to 3e-06), 0 differ"
    assert any(cause.startswith("Machine: cores 96 here") for cause in comparison.causes)


def test_a_run_of_other_code_is_stale_and_certifies_nothing(book):
    (book.root / "src" / "lib.py").write_text("one = 2\n")
    answer = call(book, "compare")
    assert answer.returncode == 1 and "stale (changed: src/): python -m oversmooth_book run tiny" in answer.stdout


def test_a_real_edited_run_differs_and_the_cause_is_named(book):
    """A parameter and the code change, the chapter runs again: nothing here is written by hand."""
    text = (book.chapters / "profiles.yml").read_text()
    (book.chapters / "profiles.yml").write_text(text.replace("scale: 1.5", "scale: 1.6"))
    (book.root / "src" / "lib.py").write_text("one = 2\n")
    assert call(book, "run").returncode == 0
    answer = call(book, "compare")
    assert answer.returncode == 1
    for words in (
        "tiny: DIFFERS (tolerance 0.001): 0 identical, 0 rounding, 2 differ",
        "claim T1: 0.853333333333333",
        "(PASS) here, 0.75 (PASS) published",
        "table powers.csv, column value: 2 of 3 differ, first in row 2: 0.533333 here, 0.5 published",
        "Parameters: scale 1.6 here, 1.5 published.",
        "Changed since the published run: src/.",
        "The same in both records: versions, machine.",
    ):
        assert words in answer.stdout, words
    path = book.build("published") / "compare.html"
    assert answer.stdout.strip().endswith("_build/published/compare.html") and path.is_file()
    soup = BeautifulSoup(path.read_text(), "html.parser")
    rows = {row.th.text: [cell.text for cell in row("td")] for row in soup.select("tbody tr")}
    assert rows["tiny"] == ["differs", "0", "0", "2"]
    assert rows["T1"][:2] == ["differs", "0.1"] and "0.75 (PASS) published" in rows["T1"][2]
    assert rows["powers.csv"][:3] == ["fig-powers", "differs", "0.1"]
    assert "Parameters: scale 1.6 here, 1.5 published." in soup.text


def test_an_edited_file_is_told_from_a_changed_run(book):
    table = book.published("tiny") / "tables" / "powers.csv"
    table.write_text(table.read_text().replace("0.75", "0.9"))
    found, comparison, agree = states(book)
    assert not agree and found["powers.csv"] == DIFFERS
    assert "Altered after the run, published: tables/powers.csv." in comparison.causes


@pytest.mark.parametrize("content", ["", "a,b\n1\n1,2,3\n", '"', "step,value\n0,x\n1,y\n2,z\n", "step\n1\n"])
def test_a_damaged_table_differs(book, content):
    (book.run("published", "tiny") / "tables" / "powers.csv").write_text(content)
    found, _, agree = states(book)
    assert not agree and found["powers.csv"] == DIFFERS


def test_a_verdict_that_flips_within_the_tolerance_differs(book):
    """0.75 passes > 0.7499 and 0.7499 fails: one in ten thousand apart, and the ledger says something else."""
    text = (book.chapters / "claims.yml").read_text()
    (book.chapters / "claims.yml").write_text(text.replace("threshold: 0.5", "threshold: 0.7499"))
    (book.run("published", "tiny") / "claims.json").write_text('{"T1": 0.7499}')
    found, _, agree = states(book)
    assert not agree and found["T1"] == DIFFERS


def test_no_run_is_no_agreement(book):
    shutil.rmtree(book.run("published", "tiny"))
    answer = call(book, "compare")
    assert answer.returncode == 1 and "tiny: not run yet: python -m oversmooth_book run tiny" in answer.stdout


def test_the_report_needs_nothing_else_and_escapes(book, tmp_path):
    (comparison,), _ = compare(book)
    comparison.causes = ["<script>alert(1)</script>"]
    write_report([comparison], tmp_path / "deep" / "compare.html")
    text = (tmp_path / "deep" / "compare.html").read_text()
    assert not re.search(r"<script|src=|https?:|@import|url\(", text) and "&lt;script&gt;" in text
    soup = BeautifulSoup(text, "html.parser")
    assert soup.html["lang"] == "en" and soup.title.text and len(soup.select("main h1")) == 1
    assert all(table.caption and all(cell["scope"] for cell in table("th")) for table in soup("table"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["compare.html"]


numbers = st.floats(allow_nan=True, allow_infinity=True)


# Half of the pairs lie near the tolerance, where the definition is decided.
pairs = st.tuples(numbers, numbers, st.floats(1e-9, 0.5)) | st.builds(
    lambda left, share, tolerance: (left, left * (1 + share * tolerance), tolerance),
    st.floats(-1e6, 1e6),
    st.floats(-1.5, 2.5),
    st.floats(0.1, 0.5),
)


@given(pairs)
def test_gaps_agree_with_the_definition(case):
    """The scalar definition, by another road: equal, or both finite and close to relative and absolute tolerance."""
    left, right, tolerance = case
    relative, off = gaps([left], [right], tolerance)
    same = left == right or (math.isnan(left) and math.isnan(right))
    finite = math.isfinite(left) and math.isfinite(right)
    near = same or (finite and abs(left - right) <= tolerance * max(abs(left), abs(right)) + 1e-12)
    assert bool(off[0]) == (not near)
    assert (relative[0] == 0) == same and relative[0] >= 0
    assert gaps([right], [left], tolerance)[1][0] == off[0], "which run is which must not matter"


def test_signed_zeros_and_empty_cells_are_identical(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n-0,\n1,x\n")
    (tmp_path / "theirs.csv").write_text("a,b\n0,\n1,x\n")
    found = table_difference(tmp_path / "mine.csv", tmp_path / "theirs.csv", 1e-3)
    assert (found.state, found.largest) == (IDENTICAL, 0.0)
    assert numpy.isinf(table_difference(tmp_path / "mine.csv", tmp_path / "none.csv", 1e-3).largest)
