"""Claims and glued numbers as functions of the published tables; `recheck`, which computes them again."""

import json
import sys

import nbformat
import pandas as pd
import pytest
from miniature import REPOSITORY, call, make_book, write_claims

from oversmooth_book import chapter, values
from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.check.recheck import recheck

CLAIMS = """
from oversmooth_book.values import claim, number

def _largest(powers):
    return powers["value"].max()

@claim("T1")
def largest_power(powers):
    return _largest(powers)

@number("largest", ".2f")
def largest_in_words(powers):
    return _largest(powers)

@number("count")
def rows(powers, more):
    return len(powers) + len(more)
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """An experiments package of one chapter, tiny, whose claims.py a test may write anew."""
    folder = tmp_path / "packages" / "trials" / "tiny"
    folder.mkdir(parents=True)

    def write(text):
        (folder / "claims.py").write_text(text, encoding="utf-8")
        for name in [name for name in sys.modules if name.split(".")[0] == "trials"]:
            monkeypatch.delitem(sys.modules, name)

    for place in (folder, folder.parent):
        (place / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setattr(values, "EXPERIMENTS", "trials")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(CLAIMS)
    return write


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    pd.DataFrame({"value": [1 / 3, 0.75]}).to_csv(folder / "powers.csv", index=False, float_format="%.6g")
    pd.DataFrame({"other": [1, 2, 3]}).to_csv(folder / "more.csv", index=False)
    return folder


def test_functions_are_found_by_their_mark_and_fed_by_their_arguments(functions, tables):
    claims, numbers = values.values_of("tiny")
    assert list(claims) == ["T1"] and list(numbers) == ["largest", "count"]
    assert values.evaluate(claims["T1"], tables) == 0.75
    assert values.evaluate(numbers["count"].function, tables) == 5
    assert values.as_text("largest", 0.754, numbers["largest"].spec) == "0.75"


def test_a_function_cannot_spoil_a_table_for_the_next(functions, tables):
    functions(CLAIMS.replace('powers["value"].max()', 'powers.__setitem__("value", 0) or powers["value"].max()'))
    claims, _ = values.values_of("tiny")
    assert values.evaluate(claims["T1"], tables) == 0
    functions(CLAIMS)
    assert values.evaluate(values.values_of("tiny")[0]["T1"], tables) == 0.75


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLAIMS.replace('claim("T1")', 'claim("T1")\n@number("largest", ".1f")'), "claims.py has largest twice"),
        (CLAIMS + '@claim("T1")\ndef again(powers):\n    return 1\n', "claims.py has T1 twice"),
        ("import nowhere\n", "cannot be imported .*nowhere"),
    ],
)
def test_what_claims_py_may_not_hold(functions, text, words):
    functions(text)
    with pytest.raises(BookError, match=words):
        values.values_of("tiny")


def test_a_missing_table_and_a_failing_function_are_told(functions, tables):
    claims, _ = values.values_of("tiny")
    (tables / "powers.csv").write_text("other\n1\n")
    with pytest.raises(BookError, match=r"largest_power fails on powers: KeyError: 'value'"):
        values.evaluate(claims["T1"], tables)
    (tables / "powers.csv").unlink()
    with pytest.raises(BookError, match=r"largest_power reads the table powers, which was not saved"):
        values.evaluate(claims["T1"], tables)


@pytest.fixture
def book(tmp_path, monkeypatch, functions):
    book = make_book(tmp_path / "book")
    monkeypatch.setenv("OVERSMOOTH_BOOK", str(book.root))
    monkeypatch.setenv(chapter.OUTPUT_VARIABLE, str(tmp_path / "runs"))
    chapter._output_root.cache_clear()
    monkeypatch.setattr(chapter, "_started", None)
    chapter.start("tiny")
    yield book
    chapter._output_root.cache_clear()


def test_verify_records_the_value_of_the_saved_table_and_shows_the_verdict(book, capsys):
    chapter.save_table("powers", pd.DataFrame({"value": [1 / 3, 0.123456789]}))
    chapter.verify("T1")
    assert json.loads((chapter.started().folder / "claims.json").read_text()) == {"T1": 0.333333}
    said = capsys.readouterr().out
    assert "T1 Powers grow" in said and "measured 0.333, needed > 0.5: FAIL" in said


def test_verify_and_numbers_say_what_is_missing(book):
    with pytest.raises(BookError, match="reads the table powers, which was not saved"):
        chapter.verify("T1")
    with pytest.raises(BookError, match="has no number nothing; it has largest, count"):
        chapter.numbers("nothing")
    write_claims(book, {}, {"id": "T2"})
    with pytest.raises(BookError, match=r"experiments/tiny/claims.py has no function for the claim T2"):
        chapter.verify("T2")
    with pytest.raises(ValueError, match="no claim 'T9'"):
        chapter.verify("T9")


def published(book, tables, value=0.75, glued="0.75"):
    """The book as it would be committed, by hand."""
    place = book.published("tiny")
    place.mkdir(parents=True)
    tables.rename(place / "tables")
    (place / "claims.json").write_text(json.dumps({"T1": value}))
    notebook = nbformat.read(book.notebook("tiny"), as_version=4)
    for name, text in (("largest", glued), ("count", "5")):
        scrapbook = {"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}}
        data = {"application/papermill.record/text/plain": repr(text)}
        notebook.cells[-1].outputs.append(nbformat.v4.new_output("display_data", data=data, metadata=scrapbook))
    nbformat.write(notebook, book.notebook("tiny"))


def test_recheck_agrees_with_what_was_published(book, tables):
    published(book, tables)
    lines = []
    assert recheck(book, say=lines.append) == []
    assert lines == ["tiny: 1 claims, 2 numbers"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"value": 0.76}, "T1: the published tables give 0.75, published is 0.76"),
        ({"value": 0.75 + 1e-6}, "T1: the published tables give 0.75, published is 0.750001"),
        ({"glued": "0.76"}, "largest: the published tables give '0.75', the text has '0.76'"),
    ],
)
def test_recheck_tells_what_the_tables_do_not_give(book, tables, given, words):
    published(book, tables, **given)
    assert recheck(book, say=str) == [words]


def test_recheck_wants_a_function_for_every_claim_and_a_pass(book, tables):
    published(book, tables)
    write_claims(book, {"threshold": 0.9}, {"id": "T2"})
    wrong = recheck(book, say=str)
    assert wrong[0] == "T1: FAIL on the published tables: measured 0.75, needed > 0.9"
    assert wrong[1] == "T2: experiments/tiny/claims.py has no function for it"
    write_claims(book, {"id": "T3"})
    assert "T1: claims.yml has no such claim of tiny" in recheck(book, say=str)
    with pytest.raises(BookError, match="unknown chapter nothing"):
        recheck(book, ["nothing"], say=str)


def test_the_published_tables_give_every_claim_and_number_of_the_book():
    answer = call(Book(REPOSITORY), "recheck")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "the published tables give every claim and every number" in answer.stdout
