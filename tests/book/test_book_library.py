"""The library's pages: every public name on one of them, once, and examples that run."""

import contextlib
import io
import re
import warnings
from collections import Counter

import pytest
from miniature import REPOSITORY

from oversmooth.public import PUBLIC
from oversmooth_book.book.errors import BookError
from oversmooth_book.show.library import GROUPS, api_listing, modules_of

PAGES = ["api", *(f"api_{group}" for group in GROUPS)]


def text_of(page):
    return (REPOSITORY / "chapters" / f"{page}.md").read_text(encoding="utf-8")


def test_every_module_stands_on_one_page():
    listed = Counter(module for group in GROUPS for module in modules_of(group))
    assert listed == Counter(list(PUBLIC))


def test_every_public_name_stands_on_one_page():
    named = Counter()
    for group in GROUPS:
        assert f"```{{library}} {group}\n" in text_of(f"api_{group}")
        named += Counter(re.findall(r"^\.\. (?:auto\w+|py:data):: (?:\S+\.)?(\w+)$", api_listing(group), re.MULTILINE))
    assert named == Counter(name for names in PUBLIC.values() for name in names)


def test_an_unknown_page_is_refused_with_those_there_are():
    with pytest.raises(BookError, match="no page 'letters'; known: graphs, networks"):
        api_listing("letters")


@pytest.mark.parametrize("page", PAGES)
def test_the_example_of_a_page_runs_and_shows_something(page):
    (code,) = re.findall(r"```python\n(.*?)```", text_of(page), flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        exec(compile(code, page, "exec"), {})
    assert shown.getvalue().strip()
