"""Whatever happens to a file of the book, its reader says so in a sentence; nothing from outside slips into a page."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from typing import get_type_hints

import pytest
from miniature import REPOSITORY, add_chapter, call

from oversmooth_book.attack.variations import Variation
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import Claim, read_claims
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.links import outside_files, stray_links
from oversmooth_book.book.notebooks import parameters, read_notebook
from oversmooth_book.book.profiles import Parts, read_profiles
from oversmooth_book.book.records import read_record
from oversmooth_book.book.saved import read_table
from oversmooth_book.book.statements import Statement, Theorem
from oversmooth_book.check.checker import check
from oversmooth_book.check.differences import table_difference
from oversmooth_book.check.spread import Spread, measure_spread
from oversmooth_book.publish.release import pack
from oversmooth_book.show.benchmark_table import benchmark_table
from oversmooth_book.values import evaluate

sys.path.insert(0, str(REPOSITORY / "scripts"))
import fuzz

CHAPTERS = REPOSITORY / "chapters"
PUBLISHED = REPOSITORY / "data" / "published" / "explore"
ROW = {"id": "T1", "chapter": "tiny", "kind": "check", "statement": "s", "paper": "p", "quantity": "q"}
ROW |= {"comparison": "<", "threshold": 1, "profile": "quick"}


def read_parameters(path):
    return parameters(read_notebook(path), path.name)


def claim_with(field, text):
    return (
        "- {" + ", ".join(f"{key}: {text if key == field else json.dumps(value)}" for key, value in ROW.items()) + "}"
    )


@pytest.mark.parametrize(
    "content",
    [
        "!!bool x",
        "!!int ''",
        "!!float ''",
        "!!int '-'",
        "!!timestamp x",
        "a: !!binary x",
        "\ud800",
        "- " * 3000,
        "{a: 1}",
    ],
)
def test_yaml_that_its_parser_stumbles_over(tmp_path, content):
    path = tmp_path / "claims.yml"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(BookError, match=r"claims\.yml"):
        read_claims(path)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("threshold", "0x" + "f" * 4000, "threshold.*integer of 16000 bits"),
        ("threshold", ".inf", "threshold"),
        ("chapter", "a" * 300, "chapter: needs a chapter's name"),
        ("chapter", "../outside", "chapter: needs a chapter's name"),
        ("statement", json.dumps("<script>alert(1)</script>"), "statement: holds HTML"),
        ("quantity", json.dumps("an <img src=x onerror=alert(1)>"), "quantity: holds HTML"),
        ("paper", json.dumps("{download}`x <../../../etc/passwd>`"), "paper: a role names a file"),
    ],
)
def test_claims_that_no_page_should_show(tmp_path, field, text, words):
    path = tmp_path / "claims.yml"
    path.write_text(claim_with(field, text), encoding="utf-8")
    with pytest.raises(BookError, match=words) as told:
        read_claims(path)
    assert len(str(told.value)) < 400


def test_mathematics_and_code_are_no_html(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(claim_with("statement", json.dumps("$a<b$ and `x <y>`, 1 < 2")), encoding="utf-8")
    assert read_claims(path)["T1"].statement.startswith("$a<b$")


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "[1, .nan]"])
def test_parameters_are_finite(tmp_path, value):
    path = tmp_path / "profiles.yml"
    path.write_text(f"tiny: {{published: {{size: {value}}}}}\n", encoding="utf-8")
    with pytest.raises(BookError, match="size needs a finite number"):
        read_profiles(path)


CELL = {"cell_type": "code", "id": "a", "metadata": {}, "source": "x = 1", "outputs": [], "execution_count": None}
GLUED = {"output_type": "display_data", "metadata": {"scrapbook": {"name": "x"}}, "data": {"text/plain": "'1'"}}


@pytest.mark.parametrize(
    "change",
    [
        {"nbformat_minor": []},
        {"cells": [{**CELL, "outputs": [{"name": "stdout"}]}]},
        {"cells": [{key: value for key, value in CELL.items() if key != "source"}]},
        {"cells": [{key: value for key, value in CELL.items() if key != "cell_type"}]},
        {"cells": [{**CELL, "metadata": {"mystnb": []}}]},
        {"cells": [{**CELL, "metadata": {"mystnb": {"figure": {"name": []}}}}]},
        {"cells": [{**CELL, "metadata": {"tags": ["parameters"]}, "source": "x = '\ud800'"}]},
        {"cells": [{**CELL, "metadata": {"tags": ["parameters"]}, "source": "x = " + "[" * 3000 + "]" * 3000}]},
        {"cells": [{**CELL, "source": "'\ud800'"}]},
        {"cells": [{**CELL, "metadata": {"mystnb": {"figure": {"name": 3}}}}]},
        {"cells": [{**CELL, "metadata": {"tables": 3}}]},
        {"cells": [{**CELL, "outputs": [GLUED | {"data": {"text/plain": "'half"}}]}]},
        {"cells": [{**CELL, "outputs": [GLUED | {"metadata": {"scrapbook": 3}}]}]},
        {"cells": [{**CELL, "metadata": {"tags": ["parameters"]}, "source": "x = {[]: 1}"}]},
        {"cells": [{**CELL, "metadata": {"tags": ["parameters"]}, "source": "x = " + "1+" * 30000 + "1"}]},
    ],
    ids=[
        "minor",
        "output",
        "source",
        "type",
        "mystnb",
        "figure",
        "surrogate",
        "deep",
        "text",
        "name",
        "tables",
        "glued",
        "glue",
        "unhashable",
        "deep sum",
    ],
)
def test_notebooks_that_are_none(tmp_path, change):
    path = tmp_path / "tiny.ipynb"
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [CELL]} | change
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(BookError, match=r"tiny\.ipynb"):
        read_parameters(path)


@pytest.mark.parametrize(
    ("field", "value"), [("chapter", "a" * 300), ("seconds", 10**400), ("seconds", -1), ("outputs", [])]
)
def test_records_that_no_run_wrote(tmp_path, field, value):
    record = json.loads((PUBLISHED / "record.json").read_text(encoding="utf-8")) | {field: value}
    (tmp_path / "record.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BookError, match=r"record\.json is damaged"):
        read_record(tmp_path)


@pytest.fixture(params=fuzz.READERS)
def reader(request):
    """A kind of file, and a sound one."""
    if not (sound := fuzz.READERS[request.param].sound()):
        pytest.skip("the raw files are not at hand")
    return request.param, sound


def test_sound_files_are_read(tmp_path, reader):
    name, sound = reader
    path = tmp_path / fuzz.READERS[name].file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fuzz.READERS[name].read(path)


def test_any_damage_is_a_sentence(tmp_path, reader):
    """`make fuzz` draws ten thousand a reader."""
    name, sound = reader
    for seed in range(40):
        content = fuzz.mutated(sound, random.Random(seed))
        assert fuzz.complaint(name, content, tmp_path / "x") == "", content


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("cores"), "KeyError at test_book_damage"),
        (BookError("something is wrong"), "names the file"),
        (BookError("claims " + "x" * 5000), "short sentence"),
        (BookError("claims.yml lacks a row"), ""),
    ],
)
def test_the_fuzzer_sees_what_is_no_sentence(tmp_path, monkeypatch, error, words):
    def read(path):
        raise error

    monkeypatch.setitem(fuzz.READERS, "claims", replace(fuzz.READERS["claims"], read=read))
    found = fuzz.complaint("claims", b"", tmp_path / "x")
    assert words in found and bool(words) == bool(found)


@pytest.mark.parametrize("kind", [Claim, Parts, Statement, Theorem, Variation])
def test_every_field_of_a_row_has_words(kind):
    """Without them the reader of a wrong value ended in an AttributeError of its own."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        assert hint.__metadata__[0].description, name


@pytest.mark.parametrize("content", ['{"F4": 1e999}', '{"F4": ' + "[" * 5000, "[]", r'{"F4": "\ud800"}', "\x00", ""])
@pytest.mark.parametrize(("name", "file"), [("values", "claims.json"), ("records", "record.json"),
                                            ("borrowed", "borrowed.json"), ("rounding", "rounding.json")])  # fmt: skip
def test_json_that_no_run_wrote(tmp_path, name, file, content):
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(BookError, match=rf"/{re.escape(file)} is damaged \(.*\); "):
        fuzz.READERS[name].read(tmp_path / file)


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2,3\n4,5,6\n", b"a,b\n1,2,3,4\n1\n1,2,3,4,5\n", b"\xff\xfe\xd0", b'a,b\n"1,2\n']
)
def test_a_damaged_table_is_named_by_whoever_reads_it(tmp_path, content):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "contrast.csv").write_bytes(content)
    (tmp_path / "claims.json").write_text("{}", encoding="utf-8")
    sentence = r"tables/contrast\.csv is damaged \(.+\); run the chapter again"
    for read in (
        lambda: read_table(folder / "contrast.csv"),
        lambda: evaluate(lambda contrast: len(contrast), folder),
        lambda: measure_spread(tmp_path, {"1": tmp_path}),
    ):
        with pytest.raises(BookError, match=sentence):
            read()
    found = table_difference(folder / "contrast.csv", fuzz.TABLE, Spread())
    assert "cannot be read: tables/contrast.csv is damaged" in found.texts[0]


def test_tables_are_read_in_one_place():
    callers = [
        path.name
        for path in sorted((REPOSITORY / "src/oversmooth_book").rglob("*.py"))
        if "read_csv(" in path.read_text("utf-8")
    ]
    assert callers == ["saved.py"]


@pytest.mark.parametrize("file", ["table.csv", "record.json"])
@pytest.mark.parametrize("content", ["{}", "group,case\nx,y", "\x00", "[" * 5000])
def test_damaged_benchmarks(tmp_path, file, content):
    folder = tmp_path / "data" / "published" / "benchmarks"
    shutil.copytree(REPOSITORY / "data" / "published" / "benchmarks", folder)
    (folder / file).write_text(content, encoding="utf-8")
    if (file, content) in [("table.csv", "{}"), ("table.csv", "\x00"), ("table.csv", "[" * 5000)]:
        content += "\nx"
        (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(BookError, match=rf"benchmarks/{re.escape(file)} is damaged \(.+\); `make bench`"):
        benchmark_table(Book(tmp_path))


def test_a_test_that_statements_name_may_be_anything(tmp_path, good):
    odd = ["README.md::x", "a\0b::x", f"{'a' * 300}::x", "data/image.png::x", "tests::x"]
    (good.root / "README.md").write_text("a ! b", encoding="utf-8")
    (good.root / "data").mkdir(exist_ok=True)
    (good.root / "data" / "image.png").write_bytes(b"\x89PNG\xff\xfe")
    row = [{"statement": 1, "text": "t", "claims": [next(iter(good.claims))], "tests": odd}]
    (good.chapters / "statements.yml").write_text(json.dumps(row), encoding="utf-8")
    assert len([problem for problem in check(good) if "the test" in problem]) == len(odd)


def test_a_page_that_is_no_text(good):
    (good.chapters / "odd.md").write_bytes(b"\xff\xfe")
    assert any("odd.md: not readable as UTF-8" in problem for problem in check(good))


def test_links_that_lead_out_are_refused_and_never_built(tmp_path, good):
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (good.chapters / "_static").mkdir(exist_ok=True)
    (good.chapters / "_static" / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (good.chapters / "_static" / "fine.txt").symlink_to(good.chapters / "claims.yml")
    assert stray_links(good) == [
        "chapters/_static/leak.txt: a link out of the book's folder; put the file itself there, or remove it"
    ]
    assert any("leak.txt" in problem for problem in check(good))
    assert call(good, "run", "--profile", "quick").returncode == 0
    answer = call(good, "build", "--profile", "quick")
    assert answer.returncode == 1 and "not built: chapters/_static/leak.txt" in answer.stderr
    assert not list(good.build("quick").rglob("leak.txt"))


def test_pages_name_no_file_outside():
    inside = "{download}`x <../data/x.csv>` [home](../index) ![](image.png) `../../x`"
    outside = "{download}`x <../../../etc/passwd>`\n```{include} ../../secret\n```\n![](../../x.png)\n:file: /../x"
    assert outside_files(inside) == []
    assert len(outside_files(outside)) == 4
    for page in CHAPTERS.glob("*.md"):
        assert outside_files(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "SHA256SUMS"])
def test_names_that_checksums_cannot_hold(tmp_path, name):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / name).touch()
    with pytest.raises(BookError, match="not packed: the file name"):
        pack(tmp_path / "site", tmp_path / "x.tar.gz", "x", 0)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_is_a_number_of_seconds(good, seconds):
    answer = call(good, "run", "--timeout", seconds)
    assert answer.returncode == 2 and "--timeout" in answer.stderr


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda book: (book.build("quick") / "runs").write_text("x"), "a folder belongs there: remove the file"),
        (
            lambda book: (
                (book.chapters / "claims.yml").rename(book.root / "x") and (book.chapters / "claims.yml").mkdir()
            ),
            r"claims\.yml cannot be read",
        ),
        (lambda book: (book.root / "_build").chmod(0o500), "access"),
    ],
    ids=["file", "folder", "unwritable"],
)
def test_what_lies_in_the_way_is_told_in_a_sentence(good, spoil, words):
    if os.geteuid() == 0 and "access" in words:
        pytest.skip("root writes everywhere")
    good.build("quick").mkdir(parents=True, exist_ok=True)
    spoil(good)
    answer = call(good, "run", "--profile", "quick")
    (good.root / "_build").chmod(0o700)
    assert answer.returncode == 1 and "Traceback" not in answer.stderr + answer.stdout
    assert re.search(words, answer.stderr + answer.stdout)


@pytest.mark.parametrize("size", ["16k", "60k"])
def test_a_full_disk_costs_the_chapter_and_nothing_else(good, size):
    """On a tiny file system, where mounting is possible."""
    (good.root / "_build").mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(good.root / "_build")]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        answer = call(good, "run", "--profile", "quick")
    finally:
        subprocess.run(["umount", "-l", str(good.root / "_build")], check=True)
    text = answer.stdout + answer.stderr
    assert answer.returncode == 1 and "Traceback" not in text and "disk" in text
    assert call(good, "run", "--profile", "quick").returncode == 0


def test_a_file_where_a_run_belongs_is_replaced_and_costs_no_other_chapter(good):
    """It was moved aside and never removed, and every later run of any chapter stumbled over it."""
    add_chapter(good, "blocked", "print(1)", profile="{published: {}, quick: {}}")
    runs = good.build("quick") / "runs"
    runs.mkdir(parents=True)
    (runs / "blocked").write_text("a file where the run's folder belongs")
    answer = call(good, "run", "--profile", "quick", "blocked", "tiny")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert sorted(path.name for path in runs.iterdir()) == ["blocked", "tiny"]


@pytest.fixture
def read_only(good):
    """The same book on a file system that nobody can write to, where mounting is possible."""
    place = str(good.root)
    if os.geteuid() or subprocess.run(["mount", "--bind", place, place], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield good
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("words", [["run"], ["compare"], ["build", "--committed"], ["publish", "tiny"]], ids=" ".join)
def test_a_read_only_repository_is_told_in_a_sentence(read_only, words):
    answer = call(read_only, *words)
    text = answer.stdout + answer.stderr
    assert answer.returncode == 1 and "Traceback" not in text
    assert "Read-only file system" in text and "make its folder writable" in text
    assert "Traceback" not in call(read_only, "check").stderr
