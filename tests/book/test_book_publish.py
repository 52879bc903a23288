"""Publishing: a good run moves into the repository, any other is refused, and check sees what departs from it."""

import json
import shutil

import nbformat
import pytest
from miniature import DRAW, MEASURE, call, commit_all, copy_book, git, refusal, snapshot, write_chapter, write_claims

from oversmooth_book.book.notebooks import MOST_CODE_CELLS, read_notebook
from oversmooth_book.check.checker import check
from oversmooth_book.check.prose import typed_numbers


@pytest.fixture(scope="module")
def published(ran, tmp_path_factory):
    """The good run, published; its outputs not committed yet."""
    book = copy_book(ran[0], tmp_path_factory.mktemp("published") / "book")
    return book, call(book, "publish")


@pytest.fixture
def released(published, tmp_path):
    """A copy of that, to change."""
    return copy_book(published[0], tmp_path / "released")


def test_publish_moves_the_run_into_the_repository(published):
    book, answer = published
    assert answer.returncode == 0, answer.stderr
    folder = book.published("tiny")
    files = ["claims.json", "figures/fig-powers.svg", "record.json", "rounding.json", "tables/powers.csv"]
    assert sorted(snapshot(folder)) == files
    assert read_notebook(book.notebook("tiny")).cells[-1].outputs
    changed = git(book, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line[3:].strip() for line in changed] == [
        "chapters/tiny.ipynb",
        *(f"data/published/tiny/{name}" for name in files),
    ] or changed[0].endswith("chapters/tiny.ipynb")


def test_publishing_changes_no_input_so_nothing_runs_again(published):
    book, _ = published
    assert "tiny: up to date" in call(book, "run").stdout
    assert check(book) == []


def test_the_next_chapter_is_not_called_dirty_by_published_outputs(released):
    answer = call(released, "run", "--force")
    assert answer.returncode == 0
    assert json.loads((released.run("published", "tiny") / "record.json").read_text())["dirty"] is False


def test_the_committed_book_builds_without_a_run(released):
    shutil.rmtree(released.root / "_build")
    answer = call(released, "build", "--committed")
    assert answer.returncode == 0, answer.stderr
    assert "1 PASS" in (released.build("published") / "html" / "chapters" / "index.html").read_text()


def test_what_came_out_the_same_is_not_written_again(released):
    """A word in a comment, committed: the chapter is due, runs, and gives what is published; its record stays."""
    (released.root / "src" / "lib.py").write_text("one = 1  # a word\n")
    commit_all(released)
    assert "tiny: runs (changed: the modules" in call(released, "run").stdout
    before = snapshot(released.chapters), snapshot(released.root / "data")
    answer = call(released, "publish")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("tiny: every output is the same as published; nothing written (3 replicas; 5 more")
    assert (snapshot(released.chapters), snapshot(released.root / "data")) == before
    assert check(released) == [] and call(released, "compare").returncode == 0


def test_other_code_that_gives_the_same_is_vouched_for(released):
    """A comment in a cell: publishing said that there was nothing to write, and the book stayed out of order."""
    notebook = read_notebook(released.notebook("tiny"))
    notebook.cells[-1].source += "  # a word"
    nbformat.write(notebook, released.notebook("tiny"))
    commit_all(released)
    assert "its code changed after its outputs were published" in check(released)[0]
    assert call(released, "run").returncode == 0
    answer = call(released, "publish")
    assert "tiny: published; commit" in answer.stdout, answer.stdout + answer.stderr
    assert check(released) == []


def reword(book):
    """Another caption, another text, one more paragraph: no code."""
    notebook = read_notebook(book.notebook("tiny"))
    notebook.cells[0].source = notebook.cells[0].source.replace("The largest is", "Largest of all is")
    notebook.cells[4].metadata["mystnb"]["figure"]["caption"] = "Powers grow fast."
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell("A word more.", id="more"))
    nbformat.write(notebook, book.notebook("tiny"))


def test_a_commit_that_no_history_holds_is_replaced_by_one_that_is_there(released):
    path = released.published("tiny") / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    lost, there = "0" * 40, record["commit"]
    path.write_text(json.dumps({**record, "commit": lost}), encoding="utf-8")
    answer = call(released, "publish", "tiny")
    assert answer.returncode == 0 and "tiny: published; commit" in answer.stdout, answer.stdout + answer.stderr
    assert json.loads(path.read_text(encoding="utf-8"))["commit"] == there != lost


def test_what_is_only_reworded_needs_no_run(released):
    """Texts and captions are the author's, outputs the run's: neither waits for the other."""
    reword(released)
    assert check(released) == []
    assert "tiny: up to date" in call(released, "run").stdout
    assert call(released, "build").returncode == 0
    page = (released.build("published") / "html" / "chapters" / "tiny.html").read_text()
    assert "Largest of all is" in page and "Powers grow fast." in page and "A word more." in page and "0.75" in page


def test_a_run_is_published_into_the_words_that_stand_now(good):
    reword(good)
    commit_all(good)
    assert call(good, "publish").returncode == 0
    notebook = read_notebook(good.notebook("tiny"))
    assert notebook.cells[1].source == "A word more." and notebook.cells[-1].outputs and check(good) == []


def test_what_was_damaged_is_published_again(released):
    before = snapshot(released.published("tiny"))
    for name in ("tables/powers.csv", "record.json", "claims.json", "rounding.json"):
        path = released.published("tiny") / name
        path.write_bytes(path.read_bytes()[:-9])
        assert "tiny: published; commit chapters/tiny.ipynb" in call(released, "publish").stdout
        assert snapshot(released.published("tiny")) == before
    notebook = released.notebook("tiny")
    sound = notebook.read_text()
    notebook.write_text(sound.replace("measured 0.75", "measured 0.95"))
    assert "tiny: published; commit chapters/tiny.ipynb" in call(released, "publish").stdout
    assert notebook.read_text() == sound


def test_refuses_a_run_of_a_changed_tree(good):
    (good.root / "src" / "lib.py").write_text("one = 5\n")
    assert call(good, "run").returncode == 0
    said = refusal(good)
    assert "not published: tiny:" in said and "uncommitted changes" in said


def test_refuses_a_stale_run(good):
    (good.root / "src" / "lib.py").write_text("one = 6\n")
    commit_all(good)
    said = refusal(good)
    assert "not published: tiny:" in said and "changed: the modules it imports from src/: run it first" in said


@pytest.mark.parametrize("profile", ["quick", "published"])
def test_refuses_a_failed_claim_whatever_profile_decides_it(good, profile):
    """A claim that a quick run can decide is decided by a published run, too."""
    write_claims(good, {"threshold": 0.8, "profile": profile})
    commit_all(good)
    assert call(good, "run").returncode == 0
    said = refusal(good)
    assert "not published: tiny:" in said and "claim T1 is FAIL: measured 0.75, needed > 0.8" in said


def test_refuses_when_only_a_quick_run_exists(book):
    commit_all(book)
    assert call(book, "run", "--profile", "quick").returncode == 0
    said = refusal(book)
    assert "not published: tiny:" in said and "it has not run yet: run it first" in said


def test_check_sees_what_departs_from_the_record(released):
    table = released.published("tiny") / "tables" / "powers.csv"
    table.write_text(table.read_text() + "3,1.125\n")
    text = released.notebook("tiny").read_text().replace("measured 0.75", "measured 0.95")
    released.notebook("tiny").write_text(text)
    problems = "\n".join(check(released))
    assert "tables/powers.csv: not that of the published record" in problems
    assert "outputs are not those of the published record" in problems


def test_check_sees_an_author_s_slips(released):
    write_chapter(
        released, "tiny", *["1"] * MOST_CODE_CELLS, DRAW, MEASURE, text="# Tiny\n\nThe gap is 0.753, or 12 %."
    )
    write_claims(released, {}, {"id": "X1", "chapter": "unheard"})
    (released.root / "_toc.yml").write_text("format: jb-book\nroot: chapters/index\n")
    problems = "\n".join(check(released))
    for words in (
        f"{MOST_CODE_CELLS + 4} code cells; at most {MOST_CODE_CELLS}",
        "was never run",
        "typed number 0.753: glue it",
        "typed number 12 %",
        "its code changed after its outputs were published",
        "X1 names the chapter unheard",
        "_toc.yml: lacks the chapter tiny",
    ):
        assert words in problems, words
    assert call(released, "check").returncode == 1


def test_check_wants_caption_name_and_alt_text(released):
    notebook = json.loads(released.notebook("tiny").read_text())
    notebook["cells"][4]["metadata"] = {}
    released.notebook("tiny").write_text(json.dumps(notebook))
    assert any("draws a figure without caption, name, alt" in problem for problem in check(released))


def test_compare_agrees_with_itself_and_tells_a_difference(released):
    answer = call(released, "compare")
    assert answer.returncode == 0 and "tiny: agrees" in answer.stdout
    folder = released.published("tiny")
    (folder / "claims.json").write_text('{"T1": 0.4}')
    table = folder / "tables" / "powers.csv"
    table.write_text(table.read_text().replace("0.333333", "0.33").replace("0.75", "0.750001"))
    answer = call(released, "compare")
    assert answer.returncode == 1
    assert "claim T1: 0.75 (PASS) here, 0.4 (FAIL) published" in answer.stdout
    assert (
        "table powers.csv, column value: 1 of 3 differ, most in row 1: 0.333333 here, 0.33 published, "
        "which rounding does not move" in answer.stdout
    )


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("The slope is -0.25, or 3e-4, or 12 %.", ["-0.25", "3e-4", "12 %"]),
        ("Layer 3 of 41, $\\lambda = 0.78$, `rate=0.78`, {glue:text}`x`, (v1.2).", []),
        ("arXiv:2505.16736, Section 3.2, Python 3.11, [x](a-0.5.html), <!-- 0.5 -->", []),
        ("```python\nx = 0.5\n```\nand $$\n0.5\n$$ and 2026.", []),
        ("```{prf:theorem} T\n:label: t-0.5\nAbout 0.5 of it.\n```", ["0.5"]),
        ("It costs $5 and 0.5 more.", ["0.5"]),
    ],
)
def test_typed_numbers(text, numbers):
    assert typed_numbers(text) == numbers
