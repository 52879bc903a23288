import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature import write_profiles

from oversmooth_book.book import book as reading
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.profiles import read_profiles


def read(book):
    return read_profiles(book.chapters / "profiles.yml")


def test_quick_and_full_override_published(book):
    write_profiles(book, tiny="{published: {a: 1, b: [1, 2]}, quick: {a: 0}, full: {b: [3]}}")
    chapter = read(book)["tiny"]
    assert chapter.parameters("published") == {"a": 1, "b": [1, 2]}
    assert chapter.parameters("quick") == {"a": 0, "b": [1, 2]}
    assert chapter.parameters("full") == {"a": 1, "b": [3]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{quick: {a: 1}}", ["tiny", "lacks published"]),
        ("{published: {a: 1}, fast: {a: 2}}", ["unknown field fast", "published, quick, full"]),
        ("{published: {a: 1}, quick: {b: 2}}", ["quick sets 'b'", "published has a"]),
        ("{published: {a: {x: 1}}}", ["published a needs a finite number"]),
        ("{published: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1}}", ["6 parameters", "at most 5"]),
        ("{published: {}, needs: [Cora]}", ["unknown field needs"]),
        ("[1]", ["needs a mapping"]),
    ],
)
def test_a_wrong_row_is_named(book, row, words):
    write_profiles(book, tiny=row)
    with pytest.raises(BookError) as caught:
        read(book)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_is_not_yaml_names_the_line(book):
    (book.chapters / "profiles.yml").write_text("tiny: {published: {}}\nother: [1\n")
    with pytest.raises(BookError, match=r"profiles\.yml line \d"):
        read(book)


def age(path, seconds=10):
    """As if the file had been written a while ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_book_reads_a_file_once_until_it_changes(book, monkeypatch):
    path, read = book.chapters / "profiles.yml", []
    monkeypatch.setattr(reading, "read_profiles", lambda path: read.append(path) or read_profiles(path))
    write_profiles(book, tiny="{published: {a: 1}}")
    assert book.profiles["tiny"].published == {"a": 1}
    write_profiles(book, tiny="{published: {a: 2}}")
    assert book.profiles["tiny"].published == {"a": 2}, "as long, and in the same moment"
    age(path)
    read.clear()
    assert book.profiles is book.profiles and reading.Book(book.root).profiles is book.profiles and len(read) == 1
    with pytest.raises(TypeError):
        book.profiles["other"] = None
    write_profiles(book, tiny="{published: {a: 33}}")
    age(path)
    assert book.profiles["tiny"].published == {"a": 33}
    path.write_text("[")
    for _ in range(2):
        with pytest.raises(BookError, match="not readable"):
            _ = book.profiles


@given(st.text(max_size=200))
def test_any_text_gives_profiles_or_a_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("profiles") / "profiles.yml"
    path.write_text(text, encoding="utf-8")
    try:
        read_profiles(path)
    except BookError as error:
        assert "profiles.yml" in str(error)
