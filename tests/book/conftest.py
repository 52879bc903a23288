import pytest
from browsing import address, browser, copy, site, visit  # noqa: F401
from miniature import call, commit_all, copy_book, make_book


@pytest.fixture
def book(tmp_path):
    """A fresh miniature book."""
    return make_book(tmp_path / "book")


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """One published run of a committed miniature book and three replicas: (book, what was said, commit)."""
    book = make_book(tmp_path_factory.mktemp("ran") / "book")
    commit = commit_all(book)
    answer, replicas = call(book, "run"), call(book, "replicas", "--count", "3")
    assert replicas.returncode == 0, replicas.stdout + replicas.stderr
    return book, answer, commit


@pytest.fixture
def good(ran, tmp_path):
    """A copy of that book and its run, to change."""
    return copy_book(ran[0], tmp_path / "good")
