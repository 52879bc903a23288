import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature import write_claims

from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, Claim, read_claims, read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.check.checker import check


def make(comparison="<", threshold=0.1, profile="published", digits=3):
    why = None if digits else "noise"
    return Claim(
        "F1", "forward", "finding", "s", "p", "q", comparison, threshold, profile, digits, ("Cora", "tolokers"), why
    )


@pytest.mark.parametrize(
    ("comparison", "threshold", "passing", "failing"),
    [
        ("<", 0.1, 0.0999, 0.1),
        ("<=", 0.1, 0.1, 0.1001),
        (">", 0.1, 0.1001, 0.1),
        (">=", 0.1, 0.1, 0.0999),
        ("==", 0, 0.0, 1.0),
        ("between", [1, 2], 2.0, 2.01),
    ],
)
def test_verdict_at_the_threshold(comparison, threshold, passing, failing):
    claim = make(comparison, threshold)
    assert claim.verdict(passing, "published") == PASS
    assert claim.verdict(failing, "published") == FAIL


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("comparison", ["<", ">", "<=", ">="])
def test_no_comparison_passes_a_number_that_is_none(comparison, value):
    assert make(comparison).verdict(value, "published") == FAIL


@pytest.mark.parametrize(
    ("needed", "run", "verdict"),
    [
        ("published", "quick", NOT_RUN),
        ("published", "published", PASS),
        ("published", "full", PASS),
        ("full", "published", NOT_RUN),
        ("quick", "quick", PASS),
    ],
)
def test_a_quick_run_never_turns_a_published_claim_green(needed, run, verdict):
    assert make(profile=needed).verdict(0.01, run) == verdict


def test_no_value_is_not_run():
    assert make().verdict(None, "full") == NOT_RUN


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.234e-5, "1.23e-5"),
        (2.5e12, "2.5e12"),
        (0.012345, "0.0123"),
        (1000.0, "1000"),
        (3e-15, "below 1e-9"),
        (0.0, "0"),
        (None, ""),
    ],
)
def test_shown_value_hides_rounding(value, shown):
    assert make().show(value) == shown


@pytest.mark.parametrize(
    ("comparison", "threshold", "shown"),
    [("<=", 1e-8, "below 1e-9"), ("<=", 1e-12, "below 1e-12"), ("==", 0, "0"), ("<=", 0, "0"), ("<=", 0.03, "0")],
)
def test_zero_is_rounding_where_rounding_is_measured(comparison, threshold, shown):
    claim = Claim("T1", "tiny", "finding", "s", "p", "q", comparison, threshold, "quick")
    assert claim.show(0.0) == shown


@pytest.mark.parametrize(("value", "shown"), [(3e-15, "below 1e-12"), (3e-11, "3e-11"), (2e-9, "2e-9")])
def test_a_threshold_below_rounding_is_shown_with_its_value(value, shown):
    assert make(comparison="<=", threshold=1e-12).show(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.004, "1e-3 to 1e-2"),
        (0.001, "1e-3 to 1e-2"),
        (0.000999, "1e-4 to 1e-3"),
        (0.25, "0.1 to 1"),
        (3.7, "1 to 10"),
        (3642.2, "1e3 to 1e4"),
        (-0.02, "-0.1 to -0.01"),
        (-4e-5, "-1e-4 to -1e-5"),
        (1.6e74, "1e74 to 1e75"),
        (5.0, "5"),
        (0.0, "0"),
        (3e-15, "below 1e-9"),
    ],
)
def test_a_value_without_a_digit_is_shown_as_its_decade(value, shown):
    assert make(digits=0).show(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 6))
def test_every_measured_value_is_shown(value, digits):
    assert make(digits=digits).show(value).strip()


@given(st.floats(1e-9, 1e300).filter(lambda value: not value.is_integer()))
def test_a_decade_holds_its_value(value):
    low, high = map(float, make(digits=0).show(value).split(" to "))
    assert low <= value * (1 + 1e-12) and value <= high * (1 + 1e-12) and abs(high / low - 10) < 1e-9


def test_measured_and_needed_in_words():
    claim = make("<=", 1e-8, digits=0)
    assert claim.measured(3e-4) == "measured 1e-4 to 1e-3, needed <= 1e-8"
    assert claim.measured(None) == "needed <= 1e-8"


def test_what_a_claim_that_was_not_run_needs():
    claim = make(profile="full")
    assert claim.undecided("published", ["tolokers", "CiteSeer"]) == "needs tolokers"
    assert claim.undecided("published") == "needs the full profile" and claim.undecided("full") == ""


def test_reads_every_comparison(book):
    write_claims(book, {}, {"id": "T2", "comparison": "between", "threshold": "[0.5, 1]"})
    claims = read_claims(book.chapters / "claims.yml")
    assert list(claims) == ["T1", "T2"]
    assert claims["T2"].threshold == [0.5, 1]
    assert claims["T2"].condition() == "between 0.5 and 1"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"comparison": "<>"}, ["row 1 (T1): comparison: needs one of <  <=", "got '<>'"]),
        ({"threshold": "1e-5"}, ["threshold", "1.0e-5"]),
        ({"threshold": "true"}, ["threshold", "a number", "True"]),
        ({"threshold": ".nan"}, ["threshold", "a number"]),
        ({"comparison": "between", "threshold": "[2, 1]"}, ["two numbers, the smaller first"]),
        ({"comparison": "between", "threshold": 2}, ["two numbers"]),
        ({"profile": "fast"}, ["profile: needs one of quick, published, full, got 'fast'"]),
        ({"id": "F 1"}, ["letters and digits"]),
        ({"chapter": "''"}, ["chapter: needs a chapter's name"]),
        ({"profile": "quick\n  colour: red"}, ["unknown field colour"]),
        ({"digits": 9}, ["digits", "0 to 6", "9"]),
        ({"digits": 0}, ["T1", "digits is 0", "'why'"]),
        ({"digits": 0, "why": "''"}, ["why: needs text"]),
        ({"digits": 2, "why": "noise"}, ["'why' says why no digit is printed, but 2 are"]),
        ({"needs": "Cora"}, ["needs: needs a list of names, got 'Cora'"]),
        ({"needs": "[Corra, karate]"}, ["T1", "unknown graph Corra", "known: Cora, CiteSeer", "karate"]),
    ],
)
def test_a_wrong_row_is_named(book, row, words):
    write_claims(book, row)
    with pytest.raises(BookError) as caught:
        read_claims(book.chapters / "claims.yml")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_slip_is_told_once_with_row_field_need_and_what_came(book):
    """Whatever else the book holds is judged by these rows: none of it is told."""
    write_claims(book, {}, {"id": "T2", "digits": "thre"})
    assert check(book) == ["claims.yml: row 2 (T2): digits: needs a whole number from 0 to 6, got 'thre'"]
    write_claims(book, {"profile": "quick\n  digts: 2"})
    (problem,) = check(book)
    assert problem.startswith(
        "claims.yml: row 1 (T1): has the unknown field digts; known: id, chapter, kind, statement"
    )


def test_a_claim_may_need_graphs_and_have_no_digit(book):
    write_claims(book, {"digits": 0, "why": "Adam magnifies rounding", "needs": "[Cora, minesweeper]"})
    claim = read_claims(book.chapters / "claims.yml")["T1"]
    assert claim.needs == ("Cora", "minesweeper") and claim.why == "Adam magnifies rounding"


def test_the_same_id_twice(book):
    write_claims(book, {}, {})
    with pytest.raises(BookError, match=r"row 2.*used twice"):
        read_claims(book.chapters / "claims.yml")


def test_a_missing_field_is_named(book):
    (book.chapters / "claims.yml").write_text("- {id: T1, chapter: tiny}\n")
    with pytest.raises(BookError, match="lacks kind, statement, paper, quantity"):
        read_claims(book.chapters / "claims.yml")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_gives_claims_or_a_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("claims") / "claims.yml"
    path.write_text(text, encoding="utf-8")
    try:
        read_claims(path)
    except BookError as error:
        assert "claims.yml" in str(error)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"T1": "a"}', '{"T1": null}'])
def test_damaged_values_say_what_to_do(tmp_path, content):
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(BookError, match=r"claims\.json is damaged.*run the chapter again"):
        read_values(tmp_path / "claims.json")
