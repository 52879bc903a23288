"""claims.json and llms.txt at the root of the built site: complete, and what they say is what the book says."""

import csv
import json
import re

import pytest
from browsing import pages, soup
from miniature import REPOSITORY, copy_book, git

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import COMPARISONS, PROVED, VERDICTS
from oversmooth_book.book.errors import BookError
from oversmooth_book.show.exports import FIELDS
from oversmooth_book.show.neighbours import neighbours
from oversmooth_book.show.pages import COMMITTED, read_pages
from oversmooth_book.values import values_of

BOOK = Book(REPOSITORY)


@pytest.fixture(scope="module")
def rows(site):
    text = (site / "claims.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))["claims"]


def test_every_claim_stands_there_in_the_order_of_the_page(site, rows):
    cards = [tag["id"] for tag in soup(site / "chapters/claims.html").select(".claim-card [id^=claim-]")]
    assert [f"claim-{row['id'].lower()}" for row in rows] == cards
    assert {row["id"] for row in rows} == BOOK.claims.keys()
    assert all(list(row) == list(FIELDS) for row in rows)


def test_a_verdict_follows_from_value_and_threshold(rows):
    for row in rows:
        claim = BOOK.claims[row["id"]]
        assert (row["statement"], row["threshold"], row["domain"]) == (claim.statement, claim.threshold, claim.domain)
        assert row["verdict"] in VERDICTS and (row["bound"] is not None) >= (row["verdict"] == PROVED)
        if row["value"] is not None:
            assert COMPARISONS[row["comparison"]](row["value"], row["threshold"]) == (row["verdict"] != "FAIL")
            assert row["shown"]


def test_what_a_row_points_to_is_there(site, rows):
    for row in rows:
        page, _, place = row["page"].partition("#")
        assert soup(site / page).find(id=place)
        function = values_of(row["chapter"])[0][row["id"]]
        source = (REPOSITORY / row["source"]["file"]).read_text(encoding="utf-8")
        assert row["source"]["function"] == function.__name__ and f"def {function.__name__}(" in source
        assert all((REPOSITORY / test.partition("::")[0]).is_file() for test in row["tests"])
        assert row["figure"] is None or soup(site / f"chapters/{row['chapter']}.html").find(id=row["figure"])
        assert row["robustness"] is None or 0 < row["robustness"]["holds"] <= row["robustness"]["variations"]
    whole = (REPOSITORY / ".git").exists() and git(BOOK, "rev-parse", "--is-shallow-repository").strip() == "false"
    known = set(git(BOOK, "rev-list", "HEAD").split()) if whole else set()
    assert not known or {row["commit"] for row in rows} <= known


def test_cards_say_what_became_of_a_neighbours_statement(site, rows):
    with (BOOK.published("objections") / "tables" / "verdicts.csv").open(encoding="utf-8", newline="") as lines:
        works = list(csv.DictReader(lines))
    told = {(row["id"], one["work"], one["role"], one["verdict"]) for row in rows for one in row["neighbours"]}
    roles = {"reproduced": "reproduces", "limited": "limits", "denied": "contradicts"}
    wanted = {
        (name, row["work"], role, row["verdict"])
        for row in works
        for column, role in roles.items()
        for name in row[column].split(", ")
        if name != "–"
    }
    assert told == wanted and {verdict for *_, verdict in told} == {"CONFIRMED", "QUALIFIED", "CONTRADICTED"}
    card = soup(site / "chapters/claims.html").find(id="claim-ob3").find_parent(class_="claim-card")
    assert "Here it contradicts Park et al. 2025" in card.get_text() and ": CONTRADICTED." in card.get_text()


@pytest.mark.parametrize("text", ["work,verdict\na,b\n", "\x00"])
def test_a_damaged_table_of_verdicts_is_told(tmp_path, text):
    book = copy_book(BOOK, tmp_path / "book", ".git", ".venv", "_build", "src", "tests")
    (book.published("objections") / "tables" / "verdicts.csv").write_text(text)
    with pytest.raises(BookError, match=r"verdicts\.csv"):
        neighbours(read_pages(book, COMMITTED))


def test_a_card_leads_to_the_source_of_its_function(site):
    page = soup(site / "chapters/claims.html")
    for card in page.select(".claim-card"):
        link = card.select_one("details a:has(.viewcode-link)")
        path, _, name = link["href"].removeprefix("../").partition("#")
        assert soup(site / path).find(id=name), link["href"]
        back = soup(site / path).find(id=name).select_one(".viewcode-back")["href"].partition("#")[2]
        assert page.find(id=back)


def test_llms_txt_lists_every_page_and_the_data(site):
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# Backward oversmoothing, executable\n\n> Why deep graph")
    links = re.findall(r"^- \[(.+?)\]\((.+?)\): .{20,}$", text, re.MULTILINE)
    wanted = {path.relative_to(site).as_posix() for path in pages(site) if path.parent.name == "chapters"}
    assert {target for _, target in links} == wanted | {"claims.json"}
    assert dict((target, title) for title, target in links)["chapters/claims.html"] == "All claims"
    assert all(name in text for name in FIELDS)


def test_the_page_of_claims_leads_to_both(site):
    links = {link["href"] for link in soup(site / "chapters/claims.html").select("article a[href]")}
    assert {"../claims.json", "../llms.txt"} <= links
