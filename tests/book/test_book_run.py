import json

import pytest
from miniature import (
    COMPUTE,
    DRAW,
    MEASURE,
    STUB,
    add_chapter,
    call,
    git,
    processes,
    snapshot,
    stub_data,
    write_chapter,
    write_claims,
    write_profiles,
)

from oversmooth_book.book.book import Book
from oversmooth_book.book.fingerprints import changes, fingerprints
from oversmooth_book.book.notebooks import read_notebook, write_notebook
from oversmooth_book.run.runner import locked, why_due


def test_a_run_leaves_notebook_tables_values_and_record(ran):
    book, answer, commit = ran
    assert answer.returncode == 0, answer.stderr
    assert "tiny: runs (it has not run yet)" in answer.stdout
    assert "PASS    T1: measured 0.75, needed > 0.5" in answer.stdout
    folder = book.run("published", "tiny")
    assert (folder / "tables" / "powers.csv").read_text() == "step,value\n0,0.333333\n1,0.5\n2,0.75\n"
    assert json.loads((folder / "claims.json").read_text()) == {"T1": 0.75}
    record = json.loads((folder / "record.json").read_text())
    assert (record["commit"], record["dirty"]) == (commit, False)
    assert record["parameters"] == {"num_steps": 3, "scale": 1.5, "seeds": [0, 1]}
    assert record["seeds"] == {"seeds": [0, 1]}
    assert {"python", "torch", "numpy"} <= set(record["versions"])
    assert record["seconds"] > 0 and record["machine"]["cores"] >= 1
    assert list(book.build("published").glob("scratch/*")) == []
    assert processes(book) == []


def test_the_notebook_is_clean_and_keeps_what_it_needs(ran):
    book = ran[0]
    notebook = read_notebook(book.run("published", "tiny") / "tiny.ipynb")
    text = json.dumps(notebook)
    assert "papermill" not in notebook.metadata and "iopub.execute_input" not in text and str(book.root) not in text
    assert [cell.metadata.get("tags") for cell in notebook.cells if "tags" in cell.metadata] == [["parameters"]]
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == [1, 2, 3, 4, 5]
    assert "T1: measured 0.75, needed > 0.5: PASS" in text
    assert any("image/png" in output.get("data", {}) for output in notebook.cells[4].outputs)


def test_running_changes_nothing_in_the_tree(ran):
    assert git(ran[0], "status", "--porcelain") == ""


def test_quick_uses_its_parameters_and_claims_nothing_it_cannot(book):
    answer = call(book, "run", "--profile", "quick")
    assert answer.returncode == 0, answer.stderr
    assert "NOT RUN T1: measured 0.5, needed > 0.5, needs the published profile" in answer.stdout
    notebook = read_notebook(book.run("quick", "tiny") / "tiny.ipynb")
    assert notebook.cells[1].source == "num_steps = 2\nscale = 1.5  # growth\nseeds = [0, 1]"
    assert not book.run("published", "tiny").exists()


CODE = "the modules it imports from src/"
CHANGES = {
    CODE: lambda book: (book.root / "src" / "lib.py").write_text("one = 2\n"),
    "requirements.lock": lambda book: (book.root / "requirements.lock").write_text("torch==3\n"),
    "the parameters": lambda book: write_profiles(book, tiny="{published: {num_steps: 4, scale: 1.5, seeds: [0]}}"),
    "the chapter's rows of claims.yml": lambda book: write_claims(book, {"threshold": 0.6}),
    "the notebook's code": lambda book: write_chapter(book, "tiny", COMPUTE, DRAW, MEASURE + "\n1"),
}


def reason(book):
    chapter = book.profiles["tiny"]
    return why_due(book, chapter, "published", fingerprints(book, chapter, "published"))


@pytest.mark.parametrize("what", CHANGES)
def test_runs_again_when_an_input_changed(good, what):
    assert reason(good) is None
    CHANGES[what](good)
    assert reason(good) == f"changed: {what}"


def test_runs_again_when_data_appear_or_vanish(good, tmp_path, monkeypatch):
    notebook = read_notebook(good.notebook("tiny"))
    notebook.cells[3].metadata["needs"] = [STUB]
    write_notebook(notebook, good.notebook("tiny"))
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path))
    assert reason(good) == "changed: the data"
    missing = fingerprints(good, good.profiles["tiny"], "published")
    stub_data(tmp_path)
    there = fingerprints(good, good.profiles["tiny"], "published")
    assert changes(missing, there) == ["the data"]


def test_a_claim_that_comes_to_need_a_graph_is_measured_anew(good, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(stub_data(tmp_path)))
    write_claims(good, {"needs": f"[{STUB}]"})
    assert reason(good) == "changed: the data, the chapter's rows of claims.yml"


def test_runs_again_when_outputs_were_altered(good):
    table = good.run("published", "tiny") / "tables" / "powers.csv"
    table.write_text(table.read_text().replace("0.75", "0.76"))
    assert reason(good).startswith("its outputs were altered: ")
    (good.run("published", "tiny") / "record.json").write_text("{")
    assert reason(good) == "its record is damaged"


def test_a_table_that_no_run_wrote_makes_it_run_again(good):
    (good.run("published", "tiny") / "tables" / "extra.csv").write_text("a\n1\n")
    assert reason(good) == "its outputs were altered: tables/extra.csv"


def test_the_checksums_of_raw_files_are_inputs(good):
    (good.root / "src" / "raw_sha256.txt").write_text("0  x\n")
    assert reason(good) == f"changed: {CODE}"


def test_the_command_line_says_why(good):
    assert "tiny: up to date" in call(good, "run").stdout
    CHANGES[CODE](good)
    assert f"tiny: runs (changed: {CODE})" in call(good, "run").stdout
    assert "tiny: runs (asked for by --force)" in call(good, "run", "--force").stdout


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("raise ValueError('needs a graph')", ["code cell 3 (\"raise ValueError('needs a graph')\")", "needs a graph"]),
        ("import sys; print('careful', file=sys.stderr)", ["code cell 3 wrote to stderr: careful"]),
        ("import os; print(os.getcwd())", ["holds a machine's path"]),
        ("book.claim('T9', 1)", ["claims.yml has no claim 'T9' for chapter tiny", "T1"]),
        ("book.claim('T1', float('nan'))", ["claim T1 needs a finite number"]),
        ("1", ["never calls oversmooth_book.claim for T1"]),
    ],
)
def test_a_bad_chapter_fails_and_the_last_good_run_stays(good, cell, words):
    before = snapshot(good.build("published") / "runs")
    write_chapter(good, "tiny", cell)
    answer = call(good, "run")
    assert answer.returncode == 1
    assert all(word in answer.stdout for word in ["FAILED tiny:", *words]), answer.stdout
    assert snapshot(good.build("published") / "runs") == before
    assert (good.build("published") / "failed" / "tiny.ipynb").is_file()
    assert processes(good) == []


def test_one_failure_does_not_stop_the_others(book):
    add_chapter(book, "broken", "1 / 0")
    answer = call(book, "run", "--jobs", "2")
    assert answer.returncode == 1
    assert "FAILED broken: failed in code cell 3 ('1 / 0'): ZeroDivisionError" in answer.stdout
    assert "tiny: done in" in answer.stdout


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        ("{published: {num_steps: 3, scale: 1.5, seeds: [0], depth: 4}}", "unknown to the cell: depth"),
        ("{published: {num_steps: 3, scale: 1.5}}", "not in profiles.yml: seeds"),
    ],
)
def test_unknown_parameters_are_refused_before_anything_runs(book, profiles, words):
    write_profiles(book, tiny=profiles)
    answer = call(book, "run")
    assert answer.returncode == 1 and words in answer.stdout
    assert not book.run("published", "tiny").exists()


def test_runs_again_when_another_version_is_installed(good):
    path = good.run("published", "tiny") / "record.json"
    record = json.loads(path.read_text())
    record["versions"]["torch"] = "0.0"
    path.write_text(json.dumps(record))
    assert reason(good) == "changed: the installed versions"


def test_unknown_chapter_and_unknown_profile(book):
    answer = call(book, "run", "smooth")
    assert answer.returncode == 1 and "unknown chapter smooth; the book has tiny" in answer.stderr
    assert call(book, "run", "--profile", "fast").returncode == 2


def test_two_runs_at_once_are_refused(book):
    with locked(book, "published"):
        answer = call(book, "run")
    assert answer.returncode == 1 and "another run or build of the published profile is at work" in answer.stderr


def test_no_book_here(tmp_path):
    answer = call(Book(tmp_path), "run")
    assert answer.returncode == 1 and "no book found" in answer.stderr and "--root FOLDER" in answer.stderr


def test_a_chapter_has_one_thread_and_the_readers_set_up_does_not_count(book, tmp_path):
    (tmp_path / "ipython" / "profile_default" / "startup").mkdir(parents=True)
    (tmp_path / "ipython" / "profile_default" / "startup" / "00.py").write_text("print('mine', flush=True)")
    cell = "import os, matplotlib\nprint(os.environ['OMP_NUM_THREADS'], 'inline' in matplotlib.get_backend())"
    write_chapter(book, "tiny", COMPUTE, cell, MEASURE)
    answer = call(book, "run", "--jobs", "1", MPLBACKEND="agg", IPYTHONDIR=str(tmp_path / "ipython"))
    assert answer.returncode == 0, answer.stdout
    text = json.dumps(read_notebook(book.run("published", "tiny") / "tiny.ipynb"))
    assert "1 True" in text and "mine" not in text
