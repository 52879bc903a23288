"""The page of claims and its filter, the reverse index, and the verdicts of the values that stand in the repository."""

import shutil

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from miniature import (
    COMPUTE,
    DRAW,
    REPOSITORY,
    call,
    commit_all,
    copy_book,
    make_book,
    write_chapter,
    write_claims,
    write_profiles,
)

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.statements import read_blueprint, statement_numbers
from oversmooth_book.check.checker import check
from oversmooth_book.check.statements import check_statements

REAL = Book(REPOSITORY)
CLAIMS = REAL.claims
STATEMENTS = """- statement: 1
  text: Powers grow.
  claims: [T1]
  chapters: [tiny]
  figures: [fig-powers]
  tests: [tests/test_lib.py::test_one]
- statement: 2
  text: Others do not.
  claims: [T2]
"""


@pytest.mark.parametrize("profile", ["published", "full"])
@pytest.mark.parametrize("name", CLAIMS)
def test_no_claim_fails_on_its_committed_value(name, profile):
    claim = CLAIMS[name]
    folder = REAL.published(claim.chapter) if profile == "published" else REAL.published_full(claim.chapter)
    value = read_values(folder / "claims.json").get(name)
    assert claim.verdict(value, profile) != FAIL, f"{name}: measured {value}, needed {claim.condition()} ({profile})"


def test_the_index_covers_the_six_statements_and_all_it_names_exists():
    statements = REAL.statements
    assert list(statements) == [1, 2, 3, 4, 5, 6]
    assert check_statements(REAL) == []
    assert all(statement.claims and statement.figures and statement.tests for statement in statements.values())


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Two chapters, four claims: PASS in each, one NOT RUN for want of a full run, one FAIL; built."""
    book = make_book(tmp_path_factory.mktemp("ledger") / "book")
    measure = "book.claim('T1', table.value.max())\nbook.claim('T2', 1)\nbook.claim('T3', 2)"
    write_chapter(book, "tiny", COMPUTE, DRAW, measure)
    write_chapter(book, "other", "book.claim('O1', 0.004)", parameters="# none", text="# The other")
    parameters = "{num_steps: 3, scale: 1.5, seeds: [0, 1]}"
    write_profiles(book, tiny=f"{{published: {parameters}}}", other="{published: {}}")
    write_claims(
        book,
        {},
        {"id": "T2", "profile": "full"},
        {"id": "T3", "comparison": "<"},
        {
            "id": "O1",
            "chapter": "other",
            "kind": "check",
            "comparison": "<",
            "digits": 0,
            "why": "Adam magnifies rounding",
        },
    )
    toc = "format: jb-book\nroot: chapters/index\nchapters:\n"
    pages = "".join(f"  - file: chapters/{name}\n" for name in ("tiny", "other", "statements"))
    (book.root / "_toc.yml").write_text(toc + pages)
    (book.chapters / "statements.md").write_text("# Index\n\n```{statements}\n```\n")
    (book.chapters / "statements.yml").write_text(STATEMENTS)
    (book.root / "tests").mkdir()
    (book.root / "tests" / "test_lib.py").write_text("def test_one():\n    assert 1\n")
    commit_all(book)
    assert call(book, "run").returncode == 0
    answer = call(book, "build")
    assert answer.returncode == 1 and answer.stderr.strip() == "FAIL T3 (tiny): measured 2, needed < 0.5"
    return book


def soup(book, page):
    text = (book.build("published") / "html" / "chapters" / f"{page}.html").read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser")


def card(page, name):
    return page.find(id=f"claim-{name.lower()}").find_parent(class_="claim-card")


def words(tag):
    return " ".join(tag.get_text(" ").split())


def test_the_cards_tell_all_without_a_script(ledger):
    page = soup(ledger, "index")
    assert "1 check: 1 PASS, 0 FAIL, 0 NOT RUN. 3 findings: 1 PASS, 1 FAIL, 1 NOT RUN." in page.text
    verdicts = {tag.find(id=True)["id"]: tag.select_one(".sd-badge").text for tag in page.select(".claim-card")}
    assert list(verdicts.items()) == [
        ("claim-t1", PASS),
        ("claim-t2", NOT_RUN),
        ("claim-t3", FAIL),
        ("claim-o1", PASS),
    ]
    assert [tag.find(string=True) for tag in page.select("article h2")] == ["The chapter tiny", "The other"]
    assert "Needed > 0.5 ; measured 0.75" in words(card(page, "T1"))
    assert "Needed > 0.5 ; not run: needs the full profile" in words(card(page, "T2"))
    assert "Needed < 0.5 ; measured 1e-3 to 1e-2 Adam magnifies rounding" in words(card(page, "O1")), (
        "no digit, and why"
    )
    for text in ("What is measured: the largest power.", "In the paper: claim 1.", "finding"):
        assert text in words(card(page, "T1"))
    again = card(page, "T1").find("details").text
    assert "recheck tiny" in again and "run tiny --profile published" in again
    assert "tests/test_lib.py::test_one" in again and "tests/test_lib.py" not in card(page, "T2").text


def test_a_card_shows_the_figure_it_stands_under(ledger):
    page = soup(ledger, "index")
    figure = card(page, "T1").select_one(".claim-figure")
    assert figure.a["href"] == "tiny.html#fig-powers" and figure.a.text == "Fig. 1"
    assert figure.img["loading"] == "lazy" and "powers" in figure.img["alt"]
    assert (ledger.build("published") / "html" / "chapters" / figure.img["src"]).resolve().is_file()
    assert not card(page, "O1").select(".claim-figure"), "the other chapter has no figure"


def test_gauges_of_the_page_say_what_they_show(ledger):
    page = soup(ledger, "index")
    labels = {name: card(page, name).select_one(".gauge")["aria-label"] for name in ("T1", "T2", "T3", "O1")}
    assert labels == {
        "T1": "Scale, linear, from 0 to 1: measured 0.75, needed > 0.5.",
        "T2": "Scale, linear, from 0 to 0.7: not run, needed > 0.5.",
        "T3": "Scale, linear, from 0 to 3: measured 2, needed < 0.5.",
        "O1": "Scale, logarithmic, from 0.0001 to 10: measured 1e-3 to 1e-2, needed < 0.5.",
    }
    assert card(page, "T3").select_one(".gauge-mark.failed") and not card(page, "T2").select_one(".gauge-mark")


def test_the_index_leads_to_claims_chapters_figures_and_tests(ledger):
    page = soup(ledger, "statements")
    first = page.find(id="statement-1")
    links = [link["href"] for link in first("a") if "headerlink" not in link.get("class", [])]
    assert {"index.html#claim-t1", "tiny.html", "tiny.html#fig-powers"} <= set(links)
    # T3 and O1 say "claim 1" in claims.yml and follow by themselves.
    assert {"index.html#claim-t2", "index.html#claim-t3", "index.html#claim-o1"} <= set(links)
    assert "tests/test_lib.py::test_one" in first.text and PASS in first.text
    assert NOT_RUN in page.find(id="statement-2").text
    ids = {tag["id"] for tag in soup(ledger, "index").find_all(id=True)}
    assert {link.partition("#")[2] for link in links if link.startswith("index.html#")} <= ids


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[T1]", "[T9]"), "statement 1 names 'T9', which is none of the book's claims"),
        (("[T1]", "[]"), "statement 1: no claim is listed"),
        (("[tiny]", "[gone]"), "'gone', which is none of the book's chapters"),
        (("fig-powers", "fig-gone"), "'fig-gone', which is none of the book's figures"),
        (("::test_one", "::test_two"), "tests/test_lib.py has no test 'test_two'"),
        (("test_lib", "test_gone"), "names no file of the repository"),
        (("tests/test_lib.py", "../x.py"), "names no file of the repository"),
        (("- statement: 1", "- statement: 3"), "lacks statement 1, which claims.yml names"),
        (("- statement: 2", "- statement: 1"), "statement 1 stands twice"),
        (("- statement: 2", "- statement: two"), "statement: needs its number in the paper's list, got 'two'"),
        (("[T2]", "T2"), "row 2: claims: needs a list of names, got 'T2'"),
        (("  text: Powers grow.\n", ""), "lacks text"),
    ],
)
def test_check_names_what_the_index_promises_in_vain(ledger, tmp_path, change, words):
    book = copy_book(ledger, tmp_path / "book", "_build", ".git")
    (book.chapters / "statements.yml").write_text(STATEMENTS.replace(*change, 1))
    assert words in "\n".join(check(book))


def test_a_statement_that_names_no_claim_of_the_book_stops_the_build(ledger, tmp_path):
    book = copy_book(ledger, tmp_path / "book")
    (book.chapters / "statements.yml").write_text(STATEMENTS.replace("[T1]", "[T9]"))
    answer = call(book, "build")
    assert answer.returncode == 1 and "statements.yml: T9: no such claim in claims.yml" in answer.stderr


def test_check_names_a_committed_value_that_fails_or_is_missing(ledger, tmp_path):
    book = copy_book(ledger, tmp_path / "book", ".git")
    shutil.copytree(book.run("published", "tiny"), book.published("tiny"))
    (book.published("tiny") / "claims.json").write_text('{"T1": 0.25, "T2": 1}')
    problems = check(book)
    assert "data/published/tiny: FAIL T1 (tiny): measured 0.25, needed > 0.5" in problems
    assert "data/published/tiny: claim T3 was not measured: run tiny and publish it" in problems


@pytest.mark.parametrize(
    ("paper", "numbers"),
    [
        ("claim 4; the number, ours (†)", [4]),
        ("claims 2 and 3 (without forward smoothing)", [2, 3]),
        ("claims 1, 4 and 6", [1, 4, 6]),
        ("claim 5 and the author's summary; Theorem 1", [5]),
        ("ours (†), the limit of the claim", []),
    ],
)
def test_statement_numbers(paper, numbers):
    assert statement_numbers(paper) == numbers


fields = st.sampled_from(["statement", "text", "claims", "chapters", "figures", "tests", "id"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = leaves | st.lists(leaves, max_size=3)


@given(st.lists(st.dictionaries(fields, values, max_size=6) | values, max_size=4) | values)
def test_any_rows_give_statements_or_a_clear_error(tmp_path_factory, rows):
    import yaml

    path = tmp_path_factory.mktemp("rows") / "statements.yml"
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
    try:
        assert all(isinstance(statement.text, str) for statement in read_blueprint(path).values())
    except BookError as error:
        assert "statements.yml" in str(error)


@pytest.fixture
def page(ledger, browser):
    opened = browser.new_page(viewport={"width": 400, "height": 800})
    opened.goto(address(ledger))
    yield opened
    opened.close()


def address(ledger):
    return (ledger.build("published") / "html" / "chapters" / "index.html").as_uri()


def here(page):
    """The address now; `page.url` is that of a moment ago."""
    return page.evaluate("location.href")


def shown(page):
    names = page.locator(".claim-card:visible [id^=claim-]")
    return [name.removeprefix("claim-").upper() for name in names.evaluate_all("list => list.map(item => item.id)")]


def test_the_filter_by_keyboard_alone(page):
    assert shown(page) == ["T1", "T2", "T3", "O1"]
    count = page.get_by_role("status")
    assert count.get_attribute("aria-live") == "polite" and count.inner_text() == "4 of 4 shown"
    page.get_by_label("Chapter").focus()
    page.keyboard.type("The other")
    assert shown(page) == ["O1"]
    assert page.locator("article h2:visible").count() == 1, "a chapter without a card is away"
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.type("finding")
    assert shown(page) == ["T1", "T2", "T3"]
    page.keyboard.press("Tab")
    page.keyboard.type("FAIL")
    assert shown(page) == ["T3"] and count.inner_text() == "1 of 4 shown"
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.type("largest t2")
    assert shown(page) == ["T2"], "every word counts, in any order and case"
    page.keyboard.type(" nowhere")
    assert shown(page) == [] and count.inner_text() == "0 of 4 shown"
    page.keyboard.press("Enter")
    assert "index.html?kind=finding&q=largest+t2+nowhere" in here(page), "Enter sends nothing"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(shown(page)) == 4 and here(page).endswith("index.html"), "the button clears filter and address"


def test_the_address_keeps_the_filter(page, ledger):
    page.get_by_label("Verdict").select_option("FAIL")
    page.get_by_label("Contains").fill("powers")
    kept = here(page)
    assert kept == address(ledger) + "?verdict=FAIL&q=powers"
    page.goto("about:blank")
    page.goto(kept)
    assert shown(page) == ["T3"] and page.get_by_label("Contains").input_value() == "powers"
    page.goto(address(ledger) + "?verdict=MAYBE&chapter=the-other")
    assert shown(page) == ["O1"] and page.get_by_label("Verdict").input_value() == "", "what the page has not"


def test_a_link_to_a_hidden_card_brings_it_back(page, ledger):
    page.get_by_label("Verdict").select_option("FAIL")
    page.evaluate("location.hash = '#claim-o1'")
    page.wait_for_function("() => document.getElementById('claim-o1').offsetParent !== null")
    assert len(shown(page)) == 4
    page.goto("about:blank")
    page.goto(address(ledger) + "?verdict=FAIL#claim-o1")
    assert len(shown(page)) == 4 and here(page).endswith("index.html#claim-o1")


def test_without_scripts_the_cards_show_and_no_dead_control(ledger, browser):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(address(ledger))
    assert len(shown(opened)) == 4 and opened.locator(".claims-filter").count() == 0
    context.close()
