from pathlib import Path

import nbformat
import pytest
from miniature import COMPUTE, DRAW, MEASURE, write_chapter

from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import (
    clean,
    code_cells,
    faults,
    output_fingerprint,
    parameters,
    parameters_cell,
    read_notebook,
    source_fingerprint,
    with_outputs,
    with_parameters,
)

new = nbformat.v4


def with_cell(source):
    return new.new_notebook(cells=[new.new_code_cell(source, metadata={"tags": ["parameters"]})])


def test_values_of_the_parameters_cell():
    notebook = with_cell("# why\na = 1\nb = -2.5e-3\nc = 'text'\nd = [1, 2]\ne = None")
    assert parameters(notebook, "n") == {"a": 1, "b": -0.0025, "c": "text", "d": [1, 2], "e": None}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a = 1 + 1", "parameter a needs a literal"),
        ("a = range(3)", "parameter a needs a literal"),
        ("a: int = 1", "plain 'name = 1' lines only"),
        ("a = b = 1", "plain 'name = 1' lines only"),
        ("import os", "plain 'name = 1' lines only"),
        ("a = {'b': 1}", "parameter a needs a literal"),
        ("a = 1\nb = 1\nc = 1\nd = 1\ne = 1\nf = 1", "6 parameters"),
        ("a = (", "does not parse"),
    ],
)
def test_what_a_parameters_cell_may_not_hold(source, words):
    with pytest.raises(BookError, match=words):
        parameters(with_cell(source), "n")


def test_exactly_one_parameters_cell():
    notebook = new.new_notebook(cells=[new.new_code_cell("a = 1")])
    with pytest.raises(BookError, match="exactly one code cell tagged 'parameters', has 0"):
        parameters_cell(notebook, "n")


def test_new_values_keep_comments_and_lines():
    notebook = with_cell('λ = 0.5  # rate ρ\nwidths = [\n    1,\n    2,\n]  # of layers\nname = "é"; seed = 0')
    filled = with_parameters(notebook, {"λ": 0.25, "widths": [3], "name": "é", "seed": 7}, "n")
    assert filled.cells[0].source == 'λ = 0.25  # rate ρ\nwidths = [3]  # of layers\nname = "é"; seed = 7'
    assert notebook.cells[0].source.startswith("λ = 0.5")


def test_the_same_values_change_nothing():
    source = "a = 1_000\nb = 1e-3\nc = [ 1,2 ]"
    assert with_parameters(with_cell(source), {"a": 1000, "b": 0.001, "c": [1, 2]}, "n").cells[0].source == source


def test_unknown_and_absent_parameters_are_refused():
    with pytest.raises(BookError, match=r"unknown to the cell: b; not in profiles.yml: a"):
        with_parameters(with_cell("a = 1"), {"b": 1}, "n")


def executed(output):
    cell = new.new_code_cell("1", execution_count=1, outputs=[output])
    return new.new_notebook(cells=[cell])


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (new.new_output("error", ename="ValueError", evalue="no", traceback=[]), "raised ValueError: no"),
        (new.new_output("stream", name="stderr", text="Warning!"), "wrote to stderr: Warning!"),
        (new.new_output("stream", text="saved in /home/me/x.csv"), "machine's path, '/home/me'"),
        (new.new_output("stream", text="in /secret/place/x"), "machine's path, '/secret/place'"),
    ],
)
def test_faults_of_an_executed_notebook(output, words):
    assert any(words in fault for fault in faults(executed(output), machine_paths=["/secret/place"]))


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("and/or, see a/b", "/", False),
        ("a/b and /book", "/b", False),
        ("kept in /b/x", "/b", True),
        ("kept in '/b'", "/b", True),
        ("in /private/srv/book/x", "/srv/book", True),
    ],
)
def test_a_short_path_counts_only_where_it_stands_alone(text, path, found):
    """The home of a container's user may be "/", which every text holds."""
    assert bool(faults(executed(new.new_output("stream", text=text)), machine_paths=[Path(path)])) == found


def test_a_good_notebook_has_no_fault_and_base64_is_not_text():
    image = new.new_output("display_data", data={"image/png": "/home/me/", "text/plain": "3 km/h and/or 1/home/2"})
    assert faults(executed(image)) == []


def test_never_run_and_run_times():
    notebook = executed(new.new_output("stream", text="fine"))
    notebook.cells[0].execution_count = None
    notebook.cells[0].metadata["execution"] = {"iopub.execute_input": "2026"}
    notebook.metadata["papermill"] = {"input_path": "x"}
    assert any("never run" in fault for fault in faults(notebook))
    assert any("run times" in fault for fault in faults(notebook))
    notebook.cells[0].execution_count = 1
    notebook.cells[0].metadata["tags"] = ["hide-input"]
    cleaned = clean(notebook)
    assert faults(cleaned) == []
    assert cleaned.cells[0].metadata["tags"] == ["hide-input"]
    assert cleaned.cells[0].execution_count == 1


def test_source_fingerprint_sees_sources_only(book):
    notebook = read_notebook(book.notebook("tiny"))
    before, outputs = source_fingerprint(notebook), output_fingerprint(notebook)
    run = with_parameters(notebook, {"num_steps": 9, "scale": 2.0, "seeds": [4]}, "n")
    run.cells[2].execution_count = 3
    run.cells[2].outputs = [new.new_output("stream", text="x")]
    assert source_fingerprint(run) == before
    assert output_fingerprint(run) != outputs
    run.cells[-1].source += "\n1"
    assert source_fingerprint(run) != before


def test_outputs_are_put_into_a_notebook_that_was_reworded_since(book):
    ran = with_parameters(read_notebook(book.notebook("tiny")), {"num_steps": 9, "scale": 2.0, "seeds": [4]}, "n")
    for number, cell in enumerate(code_cells(ran)):
        cell.outputs, cell.execution_count = [new.new_output("stream", text=f"{number}")], number + 1
    now = read_notebook(book.notebook("tiny"))
    now.cells[0].source = "# Other words"
    now.cells.insert(2, new.new_markdown_cell("More.", id="more"))
    filled = with_outputs(now, ran)
    assert output_fingerprint(filled) == output_fingerprint(ran)
    assert filled.cells[0].source == "# Other words" and "num_steps = 9" in filled.cells[1].source
    assert not any(cell.outputs for cell in code_cells(now)), "a copy"
    ran.cells.pop()
    with pytest.raises(ValueError, match="argument"):
        with_outputs(now, ran)


def test_source_fingerprint_sees_captions_and_parameter_names(book):
    before = source_fingerprint(read_notebook(book.notebook("tiny")))
    notebook = read_notebook(book.notebook("tiny"))
    notebook.cells[4].metadata["mystnb"]["figure"]["caption"] = "Other."
    assert source_fingerprint(notebook) != before
    write_chapter(book, "tiny", COMPUTE, DRAW, MEASURE, parameters="steps = 3")
    assert source_fingerprint(read_notebook(book.notebook("tiny"))) != before


@pytest.mark.parametrize("content", ["", "{", "{}", '{"cells": 1}', "[]"])
def test_a_damaged_notebook_is_named(tmp_path, content):
    (tmp_path / "x.ipynb").write_text(content)
    with pytest.raises(BookError, match=r"x\.ipynb is not a readable notebook"):
        read_notebook(tmp_path / "x.ipynb")
