import getpass
import json
import platform
import re
from pathlib import Path

import nbformat
import pytest
from miniature import (
    REPOSITORY,
    call,
    copy_book,
    snapshot,
    write_claims,
)

from oversmooth_book.book.book import Book
from oversmooth_book.book.figures import figure_tables
from oversmooth_book.book.records import read_record


@pytest.fixture(scope="session")
def built(ran):
    """The miniature book's HTML, built once."""
    return ran[0], call(ran[0], "build")


def page(book, name="tiny", profile="published"):
    return (book.build(profile) / "html" / "chapters" / f"{name}.html").read_text(encoding="utf-8")


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_build_ends_with_the_path_to_open(built):
    book, answer = built
    assert answer.returncode == 0, answer.stderr
    path = answer.stdout.strip().splitlines()[-1].removeprefix("Open ")
    assert path.endswith("_build/published/html/index.html")
    assert (book.build("published") / "html" / "index.html").is_file()


def test_the_landing_page_shows_every_claim_with_its_verdict(built):
    text = words(page(built[0], "index"))
    assert "1 finding: 1 PASS, 0 FAIL, 0 NOT RUN" in text
    for word in ("T1", "Powers grow when", "claim 1", "0.75", "> 0.5", "the largest power"):
        assert word.replace(">", "&gt;") in text


def test_a_figure_stands_with_caption_alt_text_and_provenance(built):
    book, _ = built
    html = page(book)
    assert 'aria-label="A curve that rises."' in html and "Powers grow." in html
    text = words(html[html.index('class="provenance') :])
    record = json.loads((book.run("published", "tiny") / "record.json").read_text())
    machine = record["machine"]
    for word in (
        "Profile published; parameters: num_steps = 3 , scale = 1.5 ; seeds: seeds = [0, 1] .",
        *(f"{name} {record['versions'][name]}" for name in ("python", "torch", "numpy", "scipy", "torch-geometric")),
        f"commit {record['commit'][:10]} .",
        f"The chapter took {record['seconds']:.0f} s on {machine['cores']} cores ({machine['processor']}).",
        "Drawn from",
    ):
        assert word in text, word
    assert not {platform.node(), getpass.getuser()} & set(text.split()), "a machine's or a person's name"
    link = re.search(r'href="\.\./(_downloads/[^"]+/powers\.csv)"', html).group(1)
    table = book.run("published", "tiny") / "tables" / "powers.csv"
    assert (book.build("published") / "html" / link).read_bytes() == table.read_bytes()


def test_numbers_in_the_text_are_glued(built):
    assert "The largest is 0.75, see Fig. 1" in words(page(built[0])).replace(" .", ".").replace(" ,", ",")


def test_a_failed_claim_fails_the_build_by_name_with_both_values(good):
    write_claims(good, {"threshold": 0.8})
    assert call(good, "run").returncode == 0
    answer = call(good, "build")
    assert answer.returncode == 1
    assert "FAIL T1 (tiny): measured 0.75, needed > 0.8" in answer.stderr
    assert "1 FAIL" in words(page(good, "index"))


def test_a_quick_book_says_not_run(good):
    assert call(good, "run", "--profile", "quick").returncode == 0
    answer = call(good, "build", "--profile", "quick")
    assert answer.returncode == 0, answer.stderr
    assert "0 PASS, 0 FAIL, 1 NOT RUN" in words(page(good, "index", "quick"))


@pytest.mark.parametrize("stale", [True, False])
def test_what_did_not_run_is_not_shown(good, stale):
    if stale:
        (good.root / "src" / "lib.py").write_text("one = 3\n")
    profile = "published" if stale else "full"
    answer = call(good, "build", "--profile", profile)
    assert answer.returncode == 1
    why = "changed: the modules it imports from src/" if stale else "it has not run yet"
    assert f"tiny cannot be shown ({why}): first call python -m oversmooth_book run" in answer.stderr


def test_a_broken_reference_fails_the_build_and_the_old_html_stays(built, tmp_path):
    book = copy_book(built[0], tmp_path / "book")
    before = snapshot(book.build("published") / "html")
    (book.chapters / "index.md").write_text("# Small\n\n{ref}`nowhere` and [gone](gone.md)\n", encoding="utf-8")
    answer = call(book, "build")
    assert answer.returncode == 1
    assert (
        "jupyter-book refuses the book" in answer.stderr and "nowhere" in answer.stderr and "gone.md" in answer.stderr
    )
    assert str(book.root) not in answer.stderr
    assert snapshot(book.build("published") / "html") == before


def test_the_real_configuration_names_no_other_site():
    text = (REPOSITORY / "_config.yml").read_text()
    assert "http" not in text and "thebe" not in text.replace("#", "")


def test_a_table_goes_with_the_figure_that_it_belongs_to():
    cell = nbformat.v4.new_code_cell("draw(ax)", metadata={"mystnb": {"figure": {"name": "fig-forward-phase"}}})
    tables = [Path(f"{name}.csv") for name in ("measures", "phase", "phase_edge", "phases")]
    assert [path.stem for path in figure_tables(cell, tables)] == ["phase", "phase_edge"]
    saved = "book.save_table('measures', table)"
    cell.metadata["mystnb"]["figure"]["name"] = "fig-other"
    assert [path.stem for path in figure_tables(cell, tables, saved)] == ["measures"]
    assert figure_tables(cell, tables) == tables
    cell.metadata["tables"] = ["phases"]
    assert [path.stem for path in figure_tables(cell, tables, saved)] == ["phases"]


@pytest.mark.parametrize("chapter", [path.stem for path in sorted((REPOSITORY / "chapters").glob("*.ipynb"))])
def test_every_committed_record_names_its_seeds(chapter):
    record = read_record(Book(REPOSITORY).published(chapter))
    if record:
        named = {name: value for name, value in record["parameters"].items() if "seed" in name}
        assert record["seeds"] == named  # where there is none, the page says that the seeds stand in the code
