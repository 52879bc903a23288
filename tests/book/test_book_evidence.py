"""The page on one's own network: what it advises rests on claims, shown with their verdicts."""

import re

import pytest
from browsing import soup
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.show.pages import COMMITTED, read_pages
from oversmooth_book.show.statements import evidence

PAGE = REPOSITORY / "chapters" / "my_gnn.md"


@pytest.fixture
def shown():
    book = Book(REPOSITORY)
    return book, read_pages(book, COMMITTED)


def test_evidence_counts_what_holds_and_has_a_row_for_each_claim(shown):
    book, pages = shown
    text = evidence(book, pages, ["RM2", "RM3"])
    assert "Evidence: 2 claims, all hold" in text
    assert [row[:24] for row in text.splitlines()[3:-1]] == ["| [RM2](#claim-rm2) | Sk", "| [RM3](#claim-rm3) | La"]
    pages["remedies"].values["RM2"] = 10.0  # a loss far above the constant's
    assert "Evidence: 2 claims, 1 hold" in evidence(book, pages, ["RM2", "RM3"])


def test_evidence_that_is_no_claim_is_refused(shown):
    with pytest.raises(BookError, match="evidence names X9, RM99, which claims"):
        evidence(*shown, ["RM2", "X9", "RM99"])


def test_every_branch_of_the_decision_rests_on_claims_of_the_book(shown):
    tree = PAGE.read_text(encoding="utf-8").split(":::::")[1]
    leaves = re.findall(r"^ +- \*|^- \*\*Must", tree, re.MULTILINE)
    named = re.findall(r"```\{evidence\} (.+)", tree)
    assert len(named) == len(leaves) + 1  # one branch has two: what helps, and what does not
    assert {name for row in named for name in row.split()} <= set(shown[0].claims)


def test_the_built_page_shows_them(site):
    page = soup(site / "chapters/my_gnn.html")
    folded = page.select(".decision details")
    assert len(folded) == len(re.findall(r"```\{evidence\}", PAGE.read_text(encoding="utf-8")))
    for details in folded:
        count = int(re.search(r"Evidence: (\d+) claims", details.summary.get_text()).group(1))
        links = [a["href"] for a in details.select("tbody a") if "claim-" in a["href"]]
        assert len(links) == count == len(details.select("tbody tr"))
        assert all(soup(site / "chapters/claims.html").find(id=link.split("#")[1]) for link in links)
