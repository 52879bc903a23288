"""The blueprint: a graph without circles, of what the chapters state and prove, drawn whole."""

import xml.etree.ElementTree as ET

import pytest
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.statements import Statement, Theorem, circle, read_blueprint
from oversmooth_book.check.statements import check_statements, stated_and_proved
from oversmooth_book.show.blueprint import blueprint
from oversmooth_book.show.pages import COMMITTED, read_pages

BOOK = Book(REPOSITORY)


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """The book with other rows: a function from their text to what `check_statements` says."""

    def check(text):
        path = tmp_path / "statements.yml"
        path.write_text(text, encoding="utf-8")
        rows = read_blueprint(path)
        monkeypatch.setattr(Book, "blueprint", property(lambda book: rows))
        return "\n".join(check_statements(BOOK))

    return check


def real():
    return (REPOSITORY / "chapters" / "statements.yml").read_text(encoding="utf-8")


def test_every_theorem_of_the_book_stands_in_it_with_a_proof_tests_and_claims():
    theorems = {name for name, row in BOOK.blueprint.items() if isinstance(row, Theorem)}
    stated, proved = stated_and_proved(BOOK)
    assert theorems == set(stated) == set(proved)
    assert all(row.tests and row.claims for row in BOOK.blueprint.values())
    assert check_statements(BOOK) == []


def test_a_circle_is_refused(changed):
    before = "  text: Forward oversmoothing\n"
    said = changed(real().replace(before, before + "  uses: [thm-escape]\n", 1))
    assert "thm-forward uses thm-escape uses thm-forward: nothing rests on itself" in said


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "uses: [thm-slow-fading]",
            "uses: [thm-fading]",
            "lem-mean names 'thm-fading', which is none of the book's theorems",
        ),
        ("uses: [thm-slow-fading]", "uses: []", "lem-mean: its proof cites thm-slow-fading, which stands not in uses"),
        ("theorem: thm-balls", "theorem: thm-bullets", "thm-bullets: no chapter states it"),
        ("theorem: thm-balls", "theorem: thm-bullets", "lacks thm-balls, which proved states"),
        ("claims: [OP4]", "claims: [OP444]", "thm-sequence names 'OP444', which is none of the book's claims"),
    ],
)
def test_what_dangles_is_refused(changed, before, after, words):
    assert words in changed(real().replace(before, after, 1))


@pytest.mark.parametrize("row", ["theorem: Forward", "statement: 0", "theorem: thm-a\n  statement: 1", "uses: [thm-a]"])
def test_a_row_is_of_one_kind(changed, row):
    with pytest.raises(BookError, match=r"statements\.yml: row 1"):
        changed(f"- {row}\n  text: words\n")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("uses: [thm-slow-fading]", "uses: [lem-mean]", "lem-mean uses lem-mean: nothing rests on itself"),
        ("uses: [thm-slow-fading]", "uses: [thm-fading]", "thm-fading: no such theorem or statement"),
        ("claims: [OP4]", "claims: [OP444]", "OP444: no such claim in claims.yml"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_no_build_hangs(changed, before, after, words):
    changed(real().replace(before, after, 1))
    with pytest.raises(BookError, match=words):
        blueprint(BOOK, {})


def test_circles_of_small_graphs():
    def rows(**uses):
        return {name: Theorem(name=f"thm-{name}", text="t", uses=tuple(others)) for name, others in uses.items()}

    assert circle(rows(a=[], b=["a"], c=["a", "b"], d=["b", "elsewhere"])) == []
    assert circle(rows(a=["a"])) == ["a", "a"]
    assert circle(rows(a=[], b=["a", "d"], c=["b"], d=["c"])) == ["b", "d", "c", "b"]


def test_the_picture_shows_every_box_mark_and_arrow_once():
    text = blueprint(BOOK, read_pages(BOOK, COMMITTED))
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    rows = BOOK.blueprint.values()
    links = [link for link in svg.iter("a")]
    assert len(links) == len(rows) + sum(len(row.claims) for row in rows)
    assert all(link.get("href") and link.get("aria-label") == link.find("title").text for link in links)
    classes = [node.get("class") for node in svg.iter() if node.get("class")]
    assert classes.count("way") == sum(len(row.uses) for row in rows)
    assert classes.count("tested") == sum(len(row.tests) for row in rows)
    assert classes.count("paper") == sum(isinstance(row, Statement) for row in rows) == 6
    proofs_shown = sum(BOOK.claims[name].kind == "proof" for row in rows for name in row.claims)
    assert classes.count("computed") == proofs_shown > 5 and "failed" not in classes


def test_no_box_covers_another():
    text = blueprint(BOOK, read_pages(BOOK, COMMITTED))
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    boxes = [node for node in svg.iter("rect") if node.get("class") in ("proved", "paper", "stated")]
    places = [tuple(float(node.get(key)) for key in ("x", "y", "width", "height")) for node in boxes]
    for k, (x, y, w, h) in enumerate(places):
        for u, v, w2, h2 in places[:k]:
            assert x + w <= u or u + w2 <= x or y + h <= v or v + h2 <= y
