"""How long a run takes is said before it begins and after every chapter, from earlier runs and from this one's pace."""

import json

import pytest

from oversmooth_book.book.book import Book
from oversmooth_book.run.clock import Clock, seconds_before


class Time:
    """A clock that a test turns."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_what_is_said_before_the_first_chapter():
    assert Clock({"a": 600.0, "b": 300.0, "c": 300.0}, 2).before() == (
        "3 chapters, 2 at a time: about 10 minutes, going by earlier runs"
    )
    assert (
        Clock({"a": 900.0, "b": 100.0}, 2).before().endswith("about 15 minutes, going by earlier runs")
    )  # the longest
    assert Clock({"a": 20.0}, 1).before() == "1 chapter: about a minute, going by earlier runs"
    assert Clock({"a": 20.0, "b": None}, 2).before() == "2 chapters, 2 at a time"


def test_what_is_left_follows_the_pace_of_what_is_done():
    now = Time()
    clock = Clock({"a": 100.0, "b": 200.0, "c": 400.0}, 1, now)
    assert clock.left() == 700
    clock.begin("a")
    now.seconds = 50
    assert clock.left() == 650
    now.seconds = 300  # three times as slow as before
    assert clock.end("a") == "; 2 to go, about 30 minutes" and clock.left() == 1800
    clock.begin("b")
    now.seconds = 600
    assert clock.left() == pytest.approx(1500)
    now.seconds = 900
    assert clock.end("b") == "; 1 to go, about 20 minutes"
    clock.begin("c")
    now.seconds = 5000  # longer than foreseen: nothing is left, and no time is negative
    assert clock.left() == 0 and clock.end("c") == ""


def test_where_nobody_knows_only_the_number_is_said():
    clock = Clock({"a": 100.0, "b": None, "c": 50.0}, 2, Time())
    clock.begin("a")
    assert clock.end("a") == "; 2 to go" and clock.left() is None
    clock.begin("b")
    assert clock.end("b") == "; 1 to go, about a minute"


def test_a_chapter_that_failed_sets_no_pace():
    now = Time()
    clock = Clock({"a": 100.0, "b": 100.0, "c": 200.0}, 1, now)
    clock.begin("a")
    now.seconds = 1
    clock.drop("a")
    assert clock.left() == 300
    clock.begin("b")
    now.seconds = 101
    assert clock.end("b") == "; 1 to go, about 4 minutes"


def test_earlier_runs_are_those_here_then_those_published(tmp_path, monkeypatch):
    book, written = Book(tmp_path), {}
    places = {
        book.run("published", "a"): 10.0, book.published("a"): 99.0, book.published("b"): 20.0,
        book.published_full("a"): 500.0, book.run("quick", "b"): 3.0,
    }  # fmt: skip
    for folder, seconds in places.items():
        folder.mkdir(parents=True)
        written[folder] = {"seconds": seconds}
    monkeypatch.setattr("oversmooth_book.run.clock.read_record", written.get)
    assert seconds_before(book, "published", ["a", "b", "c"]) == {"a": 10.0, "b": 20.0, "c": None}
    assert seconds_before(book, "full", ["a", "b"]) == {"a": 500.0, "b": None}
    assert seconds_before(book, "quick", ["a", "b"]) == {"a": None, "b": 3.0}


def test_a_damaged_record_is_no_earlier_run(tmp_path):
    book = Book(tmp_path)
    book.run("published", "a").mkdir(parents=True)
    (book.run("published", "a") / "record.json").write_text(json.dumps({"seconds": "long"}))
    assert seconds_before(book, "published", ["a"]) == {"a": None}
