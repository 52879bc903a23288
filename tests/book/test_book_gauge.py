"""The gauge of a claim: what it shows is the number, the threshold and the verdict, for every claim there is."""

import math
import re

import pytest
from bs4 import BeautifulSoup
from hypothesis import assume, given
from hypothesis import strategies as st
from miniature import REPOSITORY

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import COMPARISONS, Claim
from oversmooth_book.book.proved import Proved
from oversmooth_book.show.entries import entries
from oversmooth_book.show.gauge import NEAR, WIDE, Scale, asked, gauge, marked, scale_of
from oversmooth_book.show.pages import COMMITTED, read_pages

BOOK = Book(REPOSITORY)
ENTRIES = {entry.claim.id: entry for entry in entries(BOOK, read_pages(BOOK, COMMITTED))}


def claim(comparison="<=", threshold=0.02, digits=3, kind="finding"):
    texts = {name: "text" for name in ("statement", "paper", "quantity")}
    why = None if digits else "rounding"
    parts = {"comparison": comparison, "threshold": threshold, "digits": digits, "why": why}
    return Claim(id="T1", chapter="tiny", kind=kind, profile="published", **texts, **parts)


def drawn(claim, value):
    """What a reader sees: (asked, mark, failed), the first two from and to in percent."""
    tag = BeautifulSoup(gauge(claim, value), "html.parser")

    def ends(one):
        left, wide = (float(number) for number in re.findall(r"(?:left|width):([\d.]+)%", one["style"]))
        return left, round(left + wide, 6)

    mark = tag.select_one(".gauge-mark")
    return ends(tag.select_one(".gauge-asked")), mark and ends(mark), bool(mark) and "failed" in mark["class"]


@pytest.mark.parametrize("name", ENTRIES)
def test_every_claim_of_the_book_is_marked_where_its_number_belongs(name):
    claim, value = ENTRIES[name].claim, ENTRIES[name].value
    (low, high), mark, failed = drawn(claim, value)
    assert mark is not None and failed == (not claim.holds(value))
    # The mark reaches into what is asked for, but for what a percent cannot tell.
    assert low - 0.2 <= mark[1] and mark[0] <= high + 0.2
    assert claim.measured(value) in BeautifulSoup(gauge(claim, value), "html.parser").div["aria-label"]


positive = st.floats(1e-30, 1e30)


@given(positive, positive, st.sampled_from(["<", "<=", ">", ">="]))
def test_a_mark_is_inside_exactly_if_the_claim_holds(value, threshold, comparison):
    assume(abs(value - threshold) > 1e-3 * threshold)
    row = claim(comparison, threshold)
    scale = scale_of(row, value)
    start, end = marked(row, value)
    assume(math.isfinite(start))
    assert start == end == value and scale.low < value < scale.high and scale.low < threshold < scale.high
    low, high = asked(row, scale)
    assert (low <= value <= high) == row.holds(value) == COMPARISONS[comparison](value, threshold)
    # On a screen, too, they stand apart: by a pixel or more of three hundred.
    apart = scale.place(value) - scale.place(threshold)
    assert abs(apart) > 0.3 or abs(value - threshold) < 2e-2 * max(value, threshold)
    assert (apart > 0) == (value > threshold) or abs(apart) < 0.3


def test_a_scale_by_hand():
    assert scale_of(claim("<=", 0.02), 0.009) == Scale(0.0, 0.03, False), "from zero"
    assert scale_of(claim(">=", 10), 594621) == Scale(1.0, 1e7, True), "over decades"
    assert scale_of(claim(">=", 0.99), 0.9999).low == pytest.approx(0.97), "near each other: not from zero"
    assert scale_of(claim("<=", -0.1), -0.25) == Scale(-0.4, 0.0, False), "below zero"
    assert scale_of(claim("==", 0), 0.0) == Scale(0.0, 1.0, False), "a count that must be zero"
    assert scale_of(claim("between", [0.85, 1.15]), None) == Scale(0.0, 1.5, False), "not run"
    assert scale_of(claim("<=", 1.0), WIDE + 1).logarithmic and not scale_of(claim("<=", 1.0), WIDE - 1).logarithmic
    assert scale_of(claim("<=", 1.0), 1 - 2 * NEAR).low == 0
    assert [Scale(1.0, 100.0, True).place(number) for number in (0, 1, 10, 100, 1e9)] == [0, 0, 50, 100, 100]


def test_the_mark_is_as_wide_as_what_is_not_known():
    assert drawn(claim("<", 0.1, digits=0), 0.004)[1] == drawn(claim("<", 0.1, digits=0), 0.007)[1], "a decade"
    assert marked(claim("<", 0.1, digits=0), 0.004) == (1e-3, 1e-2)
    assert marked(claim("<=", 1e-8), 0.0) == (-math.inf, 1e-9) and drawn(claim("<=", 1e-8), 0.0)[1][0] == 0
    proof = claim("<=", 0.001, kind="proof")
    assert marked(proof, Proved(0.0007, "at_most")) == (-math.inf, 0.0007)
    assert marked(claim(">=", 3, kind="proof"), Proved(3.2, "at_least")) == (3.2, math.inf)
    assert marked(claim("==", 0, kind="proof"), Proved(0.0, "exactly")) == (0, 0)
    no_digit = claim("<=", 1e-14, digits=0, kind="proof")
    assert marked(no_digit, Proved(4e-16, "at_most")) == (-math.inf, 1e-14), "no digit: the threshold is the bound"


def test_what_failed_or_was_not_run_is_seen():
    assert drawn(claim(), 0.05) == ((0, 28.6), (71.4, 71.4), True)
    assert drawn(claim(), None)[1:] == (None, False) and "not run, needed &lt;= 0.02" in gauge(claim(), None)
    assert marked(claim(), math.inf) is None
