"""compare: rounding told apart from a real difference, causes named, and a report that needs nothing else."""

import json
import re
import shutil

import numpy
import pytest
from bs4 import BeautifulSoup
from miniature import call, commit_all, copy_book

from oversmooth_book.check.compare import NO_CAUSE, Comparison, causes, compare, differences, lines
from oversmooth_book.check.differences import DIFFERS, IDENTICAL, NOT_HERE, ROUNDING, table_difference
from oversmooth_book.check.report import write_report
from oversmooth_book.check.spread import Spread, write_spread


@pytest.fixture(scope="module")
def published(ran, tmp_path_factory):
    book = copy_book(ran[0], tmp_path_factory.mktemp("compared") / "book")
    assert call(book, "publish").returncode == 0
    commit_all(book)
    return book


@pytest.fixture
def book(published, tmp_path):
    return copy_book(published, tmp_path / "book")


STALE = "stale (changed: the modules it imports from src/): python -m oversmooth_book run tiny"


def report(book):
    comparisons, _ = compare(book)
    return lines(book, comparisons)


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
    moved = "0 moved within their spread, measured by 3 of 8 replicas"
    assert comparison.verdict == f"agrees: 7 numbers; {moved}; 0 beyond it"
    assert any(cause.startswith("Machine: cores 96 here") for cause in comparison.causes)
    assert report(book)[:2] == ["All 1 verdicts agree.", f"tiny: {comparison.verdict}"]


def widen(book, low, high):
    """As if eight replicas had moved the number in the second row of the table."""
    folder, replicas = book.published("tiny"), tuple(map(str, range(1, 9)))
    numbers = json.loads((folder / "rounding.json").read_text())["numbers"]
    write_spread(folder, Spread(replicas, {}, {"powers": {"value": {1: (low, high)}}}), numbers)


def test_a_number_may_be_as_far_off_as_three_spreads(book):
    table = book.run("published", "tiny") / "tables" / "powers.csv"
    table.write_text(table.read_text().replace("0.5\n", "0.502\n"))
    assert states(book)[0]["powers.csv"] == DIFFERS
    widen(book, 0.4995, 0.5002)
    found, comparison, agree = states(book)
    assert agree and found["powers.csv"] == ROUNDING and comparison.total("moved") == 1
    table.write_text(table.read_text().replace("0.502\n", "0.503\n"))
    found, comparison, agree = states(book)
    assert not agree and found["powers.csv"] == DIFFERS
    said = "\n".join(report(book))
    assert "0.503 here, 0.5 published, 4.29 spreads apart" in said
    assert said.startswith("All 1 verdicts agree.\ntiny: DIFFERS: 7 numbers; 0 moved")


def change_records(book, change):
    for folder in (book.run("published", "tiny"), book.published("tiny")):
        record = json.loads((folder / "record.json").read_text())
        change(record, folder == book.published("tiny"))
        (folder / "record.json").write_text(json.dumps(record))
    return causes(book.run("published", "tiny"), book.published("tiny"))


def test_two_processors_are_never_said_to_be_one(book):
    def other(record, published):
        record["machine"]["model"] = "one" if published else "another"

    found = change_records(book, other)
    assert NO_CAUSE not in found and "Machine: model another here, one published." in found

    def unnamed(record, _):
        record["machine"].pop("model")

    assert not any(NO_CAUSE in cause for cause in change_records(book, unnamed))

    def known_here(record, published):
        record["machine"] |= {} if published else {"model": "another"}

    found = change_records(book, known_here)
    assert NO_CAUSE not in found and "Machine: model another here, not recorded published." in found


def test_a_replica_is_named_as_a_cause(book):
    def perturbed(record, published):
        record["rounding"] = "" if published else "7"

    found = change_records(book, perturbed)
    assert any("OVERSMOOTH_ROUNDING=7, here" in cause for cause in found) and NO_CAUSE not in found


def test_what_was_not_run_here_is_counted_apart(book):
    """As after a run without the raw files of a graph: no value of the claim, rows from the published table."""
    folder = book.run("published", "tiny")
    (folder / "borrowed.json").write_text('{"powers": ["Cora"]}')
    text = (book.chapters / "claims.yml").read_text()
    (book.chapters / "claims.yml").write_text(text + "  needs: [Cora]\n")
    (folder / "claims.json").write_text("{}")
    found = differences(book, book.profiles["tiny"], folder, book.published("tiny"))
    assert [item.state for item in found if item.kind == "claim"] == [NOT_HERE]
    comparison = Comparison("tiny", 3, differences=found, missing=["Cora"])
    assert lines(book, [comparison])[0] == "All 0 verdicts agree; 1 claims were not run here."
    assert comparison.verdict.startswith("agrees: 6 numbers; ")
    assert comparison.verdict.endswith("; not run here: what needs Cora")


def test_a_run_of_other_code_is_stale_and_certifies_nothing(book):
    (book.root / "src" / "lib.py").write_text("one = 2\n")
    answer = call(book, "compare")
    assert answer.returncode == 1 and STALE in answer.stdout


def test_a_real_edited_run_differs_and_the_cause_is_named(book):
    """A parameter and the code change, the chapter runs again: nothing here is written by hand."""
    text = (book.chapters / "profiles.yml").read_text()
    (book.chapters / "profiles.yml").write_text(text.replace("scale: 1.5", "scale: 1.6"))
    (book.root / "src" / "lib.py").write_text("one = 2\n")
    assert call(book, "run").returncode == 0
    answer = call(book, "compare")
    assert answer.returncode == 1
    for words in (
        "All 1 verdicts agree.",
        "tiny: DIFFERS: 7 numbers; 0 moved within their spread, measured by 3 of 8 replicas; 3 beyond it",
        "claim T1: 0.853333333333333",
        "(PASS) here, 0.75 (PASS) published",
        "table powers.csv, column value: 2 of 3 differ, most in row 3: 0.853333 here, 0.75 published",
        "Parameters: scale 1.6 here, 1.5 published.",
        "Changed since the published run: the modules it imports from src/.",
        "The same in both records: versions, machine.",
    ):
        assert words in answer.stdout, words
    path = book.build("published") / "compare.html"
    assert answer.stdout.strip().endswith("_build/published/compare.html") and path.is_file()
    soup = BeautifulSoup(path.read_text(), "html.parser")
    rows = {row.th.text: [cell.text for cell in row("td")] for row in soup.select("tbody tr")}
    assert rows["tiny"] == ["differs", "0", "0", "2", "0"]
    assert rows["T1"][:3] == ["differs", "0.1", "0 of 1"] and "0.75 (PASS) published" in rows["T1"][3]
    assert rows["powers.csv"][:4] == ["fig-powers", "differs", "0.1", "0 of 6"]
    assert soup.select_one("main p").text == "All 1 verdicts agree."
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


def test_a_verdict_that_waits_for_data_does_not_differ_from_the_published_one(tmp_path):
    mine, theirs = tmp_path / "mine.csv", tmp_path / "theirs.csv"
    theirs.write_text("work,verdict\na,CONFIRMED\nb,QUALIFIED\n")
    for here, state in (("NOT RUN", IDENTICAL), ("CONTRADICTED", DIFFERS)):
        mine.write_text(f"work,verdict\na,CONFIRMED\nb,{here}\n")
        assert table_difference(mine, theirs, Spread(("1", "2", "3"))).state == state


def test_a_verdict_that_flips_within_what_may_move_differs(book):
    """0.75 passes > 0.7499 and 0.7499 fails: one in ten thousand apart, and the ledger says something else."""
    text = (book.chapters / "claims.yml").read_text()
    (book.chapters / "claims.yml").write_text(text.replace("threshold: 0.5", "threshold: 0.7499"))
    (book.run("published", "tiny") / "claims.json").write_text('{"T1": 0.7499}')
    found, _, agree = states(book)
    assert not agree and found["T1"] == DIFFERS
    assert report(book)[0] == "T1: another verdict than published."


def test_no_run_is_no_agreement(book):
    shutil.rmtree(book.run("published", "tiny"))
    answer = call(book, "compare")
    assert answer.returncode == 1 and "tiny: not run yet: python -m oversmooth_book run tiny" in answer.stdout


def test_the_report_needs_nothing_else_and_escapes(book, tmp_path):
    (comparison,), _ = compare(book)
    comparison.causes = ["<script>alert(1)</script>"]
    write_report(book, [comparison], tmp_path / "deep" / "compare.html")
    text = (tmp_path / "deep" / "compare.html").read_text()
    assert not re.search(r"<script|src=|https?:|@import|url\(", text) and "&lt;script&gt;" in text
    soup = BeautifulSoup(text, "html.parser")
    assert soup.html["lang"] == "en" and soup.title.text and len(soup.select("main h1")) == 1
    assert all(table.caption and all(cell["scope"] for cell in table("th")) for table in soup("table"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["compare.html"]


def test_signed_zeros_and_empty_cells_are_identical(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n-0,\n1,x\n")
    (tmp_path / "theirs.csv").write_text("a,b\n0,\n1,x\n")
    found = table_difference(tmp_path / "mine.csv", tmp_path / "theirs.csv", Spread(("1", "2", "3")))
    assert (found.state, found.largest) == (IDENTICAL, 0.0)
    assert numpy.isinf(table_difference(tmp_path / "mine.csv", tmp_path / "none.csv", Spread()).largest)
