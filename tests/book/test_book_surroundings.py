"""Odd surroundings: a clone whose path has braces, spaces and letters of other alphabets; a home that is / or none."""

import os
import shutil
import subprocess
import sys

import pytest
from miniature import command, commit_all, make_book, settle, write_chapter
from test_nbval import differences, nbval

from oversmooth_book.book.book import Book
from oversmooth_book.book.layout import home_folder, with_home

ODD = "weird {x} {0} [name] é 図"
UNKNOWN = ["unshare", "--user", "--map-user=54321"]


def can_be_unknown():
    """Whether this system lets us be a user without an entry (Linux, where user namespaces are allowed)."""
    return bool(shutil.which("unshare")) and subprocess.run([*UNKNOWN, "true"], capture_output=True).returncode == 0


def as_someone(book, home, folder, *arguments):
    """The command line with another home: a folder, or None for a user who has none."""
    kept = {key: value for key, value in os.environ.items() if key != "HOME"}
    # What packages keep in a home must not land in the machine's own root.
    kept |= {"MPLCONFIGDIR": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)} if home else {}
    environment = kept | ({"HOME": home} if home else {})
    words = [*([] if home else UNKNOWN), *command(book, *arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=900, env=environment)


@pytest.mark.parametrize("home", ["/", None], ids=["root", "none"])
def test_a_book_in_an_odd_folder_for_a_user_with_an_odd_home(tmp_path, home):
    if home is None and not can_be_unknown():
        pytest.skip("this system has no user without an entry (unshare --map-user)")
    book = make_book(tmp_path / ODD)
    commit_all(book)
    for words in (["run"], ["build"]):
        answer = as_someone(book, home, tmp_path, *words)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (book.build("published") / "html" / "index.html").is_file()
    page = (book.build("published") / "html" / "chapters" / "tiny.html").read_text(encoding="utf-8")
    assert "The largest is" in page and "0.75" in page and ODD not in page
    assert (book.root / "_build" / "home").exists() == (home is None)


def test_failures_and_nbval_in_an_odd_folder(tmp_path):
    book = make_book(tmp_path / ODD)
    # In the C locale Python 3.11 itself does not start from an environment whose path has other letters (Makefile).
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C" if sys.prefix.isascii() else "C.UTF-8"}
    run = subprocess.run(command(book, "run"), capture_output=True, text=True, env=environment, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    settle(book, "tiny")
    folder = tmp_path / f"run {ODD}"
    answer = nbval(book, "tiny", folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert differences(book, "tiny", folder) == []
    write_chapter(book, "tiny", "1 / 0")
    broken = subprocess.run(command(book, "run"), capture_output=True, text=True, env=environment, timeout=900)
    assert broken.returncode == 1 and "ZeroDivisionError: division by zero" in broken.stdout, broken.stdout


def test_a_home_of_ones_own_is_left_alone(tmp_path, monkeypatch):
    book = Book(tmp_path / "book")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path and with_home(book.root) == {} and not book.root.exists()
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    assert (
        with_home(book.root) == {"HOME": str(book.root / "_build" / "home")}
        and (book.root / "_build" / "home").is_dir()
    )


SENTENCE = "begins at a home folder, and this user has none: set HOME, or name a folder without ~."


@pytest.mark.skipif(not can_be_unknown(), reason="this system has no user without an entry (unshare --map-user)")
@pytest.mark.parametrize("call", ["files.data_root('~/data')", "osm.sweep(len, {'a': [1]}, [0], cache='~/cells')"])
def test_the_library_says_that_there_is_no_home(call):
    code = f"import oversmooth as osm\nfrom oversmooth.graphs import files\nassert files.data_root()\n{call}"
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    answer = subprocess.run([*UNKNOWN, sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert answer.stderr.splitlines()[-1].startswith("ValueError: ~/") and SENTENCE in answer.stderr
