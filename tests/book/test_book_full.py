"""A full-profile run: published beside the published one, checked against its record, shown at the chapter's end."""

import json
import re
import shutil

import pytest
from bs4 import BeautifulSoup
from miniature import (
    COMPUTE,
    DRAW,
    MEASURE,
    call,
    commit_all,
    copy_book,
    make_book,
    refusal,
    snapshot,
    write_chapter,
    write_claims,
    write_profiles,
)

from oversmooth_book.check.checker import check

FULL = ("--profile", "full")
ROWS = ({}, {"id": "T2", "threshold": 1.0, "profile": "full"})


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A book whose second claim needs the full profile; both profiles run and published: (book, commit)."""
    book = make_book(tmp_path_factory.mktemp("full") / "book")
    row = "{published: {num_steps: 3, scale: 1.5, seeds: [0, 1]}, quick: {num_steps: 2}, full: {num_steps: 5}}"
    write_profiles(book, tiny=row)
    write_claims(book, *ROWS)
    write_chapter(book, "tiny", COMPUTE, DRAW, MEASURE + '\nbook.claim("T2", table.value.max())')
    commit = commit_all(book)
    for profile in ("published", "full"):
        assert call(book, "run", "--profile", profile).returncode == 0
    assert call(book, "replicas", "--count", "3").returncode == 0
    answer = call(book, "publish", *FULL)
    assert answer.returncode == 0, answer.stderr
    # The second publishing must leave the first one's folder where it is.
    answer = call(book, "publish")
    assert answer.returncode == 0, answer.stderr
    return book, commit


@pytest.fixture
def mine(complete, tmp_path):
    return copy_book(complete[0], tmp_path / "book")


def test_both_profiles_lie_side_by_side_and_check_finds_them_in_order(complete):
    book, commit = complete
    files = ["claims.json", "record.json", "tables/powers.csv"]
    both = [*files, "figures/fig-powers.svg", "rounding.json", *(f"full/{name}" for name in files)]
    assert sorted(snapshot(book.published("tiny"))) == sorted(both)
    assert check(book) == []
    record = json.loads((book.published_full("tiny") / "record.json").read_text())
    assert (record["profile"], record["parameters"]["num_steps"], record["commit"]) == ("full", 5, commit)
    table = (book.published_full("tiny") / "tables" / "powers.csv").read_text()
    assert table.splitlines()[-1] == "4,1.6875"


def test_a_full_record_may_be_older_than_the_code(mine):
    (mine.root / "src" / "lib.py").write_text("one = 7\n")
    commit_all(mine)
    shutil.rmtree(mine.published_full("tiny"))
    assert call(mine, "publish", *FULL, "tiny").returncode == 0
    assert check(mine) == []


def test_the_chapter_ends_with_the_full_run_and_the_ledger_judges_by_it(complete):
    book, commit = complete
    answer = call(book, "build")
    assert answer.returncode == 0, answer.stderr
    html = book.build("published") / "html" / "chapters"
    soup = BeautifulSoup((html / "tiny.html").read_text(), "html.parser")
    section = soup.find(id="full-profile")
    text = " ".join(section.get_text(" ").split())
    for words in ("Profile full", "num_steps = 5", "seeds = [0, 1]", commit[:10], "cores", "powers.csv"):
        assert words in text, words
    rows = [[cell.get_text(strip=True) for cell in row("td")] for row in section.select("tbody tr")]
    assert rows == [["T1", "PASS", "1.69", ">0.5"], ["T2", "PASS", "1.69", ">1"]]
    link = section.find("a", string=re.compile("powers"))["href"]
    table = book.published_full("tiny") / "tables" / "powers.csv"
    assert (html / link).resolve().read_bytes() == table.read_bytes()
    ledger = " ".join(BeautifulSoup((html / "index.html").read_text(), "html.parser").get_text(" ").split())
    assert "2 findings: 2 PASS, 0 FAIL, 0 NOT RUN" in ledger and "1.69" in ledger


def test_a_quick_book_does_not_borrow_the_full_run(complete):
    book, _ = complete
    assert call(book, "run", "--profile", "quick").returncode == 0
    assert call(book, "build", "--profile", "quick").returncode == 0
    html = book.build("quick") / "html" / "chapters"
    assert "0 PASS, 0 FAIL, 2 NOT RUN" in (html / "index.html").read_text()
    assert "Full profile" not in (html / "tiny.html").read_text()


@pytest.mark.parametrize("what", ["table", "values", "record", "profile"])
def test_check_sees_what_departs_from_the_full_record(mine, what):
    folder = mine.published_full("tiny")
    file, words = {
        "table": ("tables/powers.csv", "full/tables/powers.csv: not that"),
        "values": ("claims.json", "full/claims.json: not that"),
        "record": ("record.json", "full/record.json is damaged"),
        "profile": ("record.json", "full: its record is of tiny, profile published"),
    }[what]
    text = (folder / file).read_text()
    shorter = text.replace('"full"', '"published"') if what == "profile" else text[:-5]
    (folder / file).write_text(shorter)
    assert any(words in problem for problem in check(mine)), check(mine)


def test_refuses_a_failed_claim(mine):
    write_claims(mine, ROWS[0], {**ROWS[1], "threshold": 2})
    assert "claims.yml or profiles.yml, which judge it, have uncommitted changes" in refusal(mine, *FULL)
    commit_all(mine)
    assert "tiny: claim T2 is FAIL: measured 1.6875, needed > 2" in refusal(mine, *FULL)


def test_refuses_a_run_of_a_changed_tree_an_altered_one_and_none(mine):
    record = mine.run("full", "tiny") / "record.json"
    text = record.read_text()
    record.write_text(text.replace('"dirty": false', '"dirty": true'))
    assert "it ran on a tree with uncommitted changes" in refusal(mine, *FULL)
    record.write_text(text)
    table = mine.run("full", "tiny") / "tables" / "powers.csv"
    table.write_text(table.read_text() + "5,2\n")
    assert "its outputs were altered" in refusal(mine, *FULL)
    shutil.rmtree(mine.run("full", "tiny"))
    assert "tiny: it has no run of the full profile" in refusal(mine, *FULL, "tiny")
    assert "no chapter has a run of the full profile" in refusal(mine, *FULL)


def test_refuses_other_parameters_than_the_profile_has(mine):
    text = (mine.chapters / "profiles.yml").read_text()
    (mine.chapters / "profiles.yml").write_text(text.replace("num_steps: 5", "num_steps: 9"))
    commit_all(mine)
    assert "other parameters than profiles.yml has" in refusal(mine, *FULL)
