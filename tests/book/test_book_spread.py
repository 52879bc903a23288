"""Tolerances that are measured: from replicas to spreads, from spreads to a judgement."""

import dataclasses
import json
import math

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature import REPOSITORY
from scipy.stats import norm

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.check.differences import DIFFERS, IDENTICAL, NOT_HERE, ROUNDING, gaps, table_difference
from oversmooth_book.check.spread import (
    FACTORS,
    Spread,
    allowed,
    allowed_of_claim,
    measure_spread,
    merge,
    read_spread,
    write_spread,
)
from oversmooth_book.experiments.explore import measure as explore
from oversmooth_book.experiments.settings import Setting

BOOK, EIGHT = Book(REPOSITORY), tuple(map(str, range(1, 9)))


def write_run(folder, claims, **tables):
    (folder / "tables").mkdir(parents=True)
    (folder / "claims.json").write_text(json.dumps(claims))
    for name, text in tables.items():
        (folder / "tables" / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def runs(tmp_path):
    """A run and three replicas: row 2 of a moves in the fourth digit, row 5 is nothing but rounding."""
    base = "name,a,b\nx,1,5\nx,2,5\nx,3,5\nx,4,5\nx,1e-16,5\ny,7,5\n"
    folders = [
        write_run(tmp_path / "base", {"T1": 1.0, "T2": 2.0}, t=base),
        write_run(tmp_path / "1", {"T1": 1.5, "T2": 2.0}, t=base.replace("x,2,", "x,2.001,")),
        write_run(tmp_path / "2", {"T1": 0.5, "T2": 2.0}, t=base.replace("1e-16", "-3e-16")),
        write_run(tmp_path / "3", {"T1": 1.1, "T2": 2.0}, t=base),
    ]
    return folders[0], dict(zip(("1", "2", "3"), folders[1:], strict=True))


def test_a_spread_is_the_range_over_the_run_and_its_replicas(runs):
    spread = measure_spread(*runs)
    assert spread.replicas == ("1", "2", "3")
    assert spread.claims == {"T1": (0.5, 1.5)} and spread.of_claim("T1") == 1.0 and spread.of_claim("T2") == 0.0
    assert spread.tables == {"t": {"a": {1: (2.0, 2.001), 4: (-3e-16, 1e-16)}}}


def test_neighbours_and_the_floor_of_a_series_count(runs):
    """Two replicas may agree on one number by chance, but not on all around it."""
    table = pandas.read_csv(runs[0] / "tables" / "t.csv")
    own = measure_spread(*runs).of_column("t", table, "a")
    relative = 0.001 / 2.001
    near = [1 * relative, 2.001 * relative]
    assert own[:2] == pytest.approx(near, rel=1e-12)
    # Rows 3 and 4 are neighbours of row 5, of which no digit is left; the last row belongs to another series.
    assert own[2:] == pytest.approx([3 * 4 / 3, 4 * 4 / 3, 4e-16, 0.0])
    assert not measure_spread(*runs).of_column("t", table, "b").any()


def test_what_lies_below_the_floor_of_its_series_has_the_floor_s_spread():
    rows = [*(10.0**-k for k in range(14)), 5e-15, 1e-15, 3e-15, 1e-15]
    table = pandas.DataFrame({"s": ["x"] * len(rows) + ["y"], "v": [*rows, 1e-15]})
    spread = Spread(("1",), {}, {"t": {"v": {14: (-5e-15, 5e-15)}}})
    own = spread.of_column("t", table, "v")
    assert own[17] == 1e-14 and own[18] == 0, "three rows on: not a neighbour, but of the same series"
    assert own[11] == 0, "above the floor"


def test_six_printed_digits_are_always_allowed():
    values = numpy.array([1.0, -2e-7, 0.0, math.nan])
    assert allowed(values, numpy.array([0.0, 0.0, 0.0, 0.0]), 3.0).tolist() == [1e-5, 2e-12, 0.0, 0.0]
    assert allowed(values, numpy.array([1.0, 1e-7, 1e-9, 0.0]), 3.0).tolist() == pytest.approx([3.0, 3e-7, 3e-9, 0.0])


@pytest.mark.parametrize("count", FACTORS)
def test_so_many_spreads_leave_one_chance_of_a_false_alarm(count):
    """P(|other − published| > f · range of published and K replicas), all normal: by integration."""
    x, distance, inside = numpy.linspace(-6, 6, 121), numpy.linspace(0.01, 12, 800), numpy.linspace(0, 1, 41)
    width = (distance / FACTORS[count])[:, None, None]
    start = x[None, :, None] - width * (1 - inside)  # of a window that holds the published value x
    share = norm.cdf(start + width) - norm.cdf(start)
    narrow = count * numpy.trapezoid(norm.pdf(start) * share ** (count - 1), inside, axis=-1) * width[..., 0]
    narrow += share[..., -1] ** count
    away = norm.pdf(x + distance[:, None]) + norm.pdf(x - distance[:, None])
    chance = (narrow * away * norm.pdf(x)).sum() * (x[1] - x[0]) * (distance[1] - distance[0])
    assert chance == pytest.approx(4.4e-5, rel=0.05)


def test_more_replicas_than_needed_allow_no_less_than_eight():
    names = tuple(map(str, range(1, 12)))
    assert [Spread(names[:n]).factor for n in (2, 3, 8, 11)] == [None, FACTORS[3], 3.0, 3.0]


def test_few_replicas_tell_little_and_limits_are_wide():
    values, own = numpy.array([1.0, -2e-7, 0.0]), numpy.array([0.0, 1e-7, 0.0])
    assert allowed(values, own, None).tolist() == pytest.approx([1e-3, 1e-6, 1e-12])
    assert not Spread(("1", "2")).measured and Spread(("1", "2", "3")).measured
    assert allowed_of_claim(claim(), 100.0, Spread(("1",), {"T1": (99.0, 100.0)})) == pytest.approx(10.0)


def claim(comparison="<=", threshold=0.5):
    return Claim("T1", "tiny", "finding", "s", "p", "q", comparison, threshold, "published")


def test_a_claim_s_value_may_move_by_its_spread_its_digits_or_a_sliver_of_its_threshold():
    wide, none = Spread(EIGHT, {"T1": (0.1, 0.2)}), Spread(EIGHT)
    assert allowed_of_claim(claim(), 0.2, wide) == pytest.approx(0.3)
    assert allowed_of_claim(claim(), 100.0, none) == pytest.approx(1e-3)
    assert allowed_of_claim(claim(), 1e-6, none) == pytest.approx(0.5e-4)
    assert allowed_of_claim(claim("between", [-3.0, 1.0]), 0.0, none) == pytest.approx(3e-4)
    assert allowed_of_claim(claim(threshold=1e-12), 1e-15, none) == 1e-9, "below what is printed: the verdict alone"


numbers = st.floats(allow_nan=True, allow_infinity=True)
# Half of the pairs lie near the limit, where the definition is decided.
triples = st.tuples(numbers, numbers, st.floats(0, 1e300)) | st.builds(
    lambda left, share, limit: (left, left + share * limit, limit),
    st.floats(-1e6, 1e6),
    st.floats(-2, 2),
    st.floats(1e-9, 1e3),
)


@given(triples)
def test_gaps_agree_with_the_definition(case):
    """The scalar definition, by another road: equal, or both finite and no farther apart than the limit."""
    left, right, limit = case
    relative, off = gaps([left], [right], [limit])
    same = left == right or (math.isnan(left) and math.isnan(right))
    finite = math.isfinite(left) and math.isfinite(right) and math.isfinite(left - right)
    assert bool(off[0]) == (not (same or (finite and abs(left - right) <= limit)))
    assert (relative[0] == 0) == same and relative[0] >= 0
    assert gaps([right], [left], [limit])[1][0] == off[0], "which run is which must not matter"


def test_a_number_off_by_more_than_its_spread_is_told_in_spreads(runs, tmp_path):
    spread, theirs = measure_spread(*runs), runs[0] / "tables" / "t.csv"
    mine = tmp_path / "t.csv"
    mine.write_text(theirs.read_text().replace("x,2,", "x,2.002,"))
    found = table_difference(mine, theirs, spread)
    assert (found.state, found.moved, found.off, found.numbers) == (ROUNDING, 1, 0, 18)
    mine.write_text(theirs.read_text().replace("x,2,", "x,2.02,").replace(",5\n", ",5.001\n"))
    found = table_difference(mine, theirs, spread)
    assert (found.state, found.off) == (DIFFERS, 7)
    assert "column a: 1 of 6 differ, most in row 2: 2.02 here, 2.0 published, 20 spreads apart" in found.texts[0]
    assert "5.001 here, 5 published, which rounding does not move" in found.texts[1]


def test_borrowed_rows_are_not_compared(runs, tmp_path):
    spread, theirs = measure_spread(*runs), runs[0] / "tables" / "t.csv"
    mine = tmp_path / "t.csv"
    mine.write_text(theirs.read_text().replace("y,7,", "y,8,"))
    assert table_difference(mine, theirs, spread).state == DIFFERS
    found = table_difference(mine, theirs, spread, ["y"])
    assert (found.state, found.numbers) == (IDENTICAL, 15)
    assert table_difference(mine, theirs, spread, ["x", "y"]).state == NOT_HERE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("y,7,5\n", ""), "has another shape in a replica"),
        (("y,7", "z,7"), "column name: a replica has other words in it"),
        (("x,3,", "x,,"), "column a: a number in one run is none in another"),
    ],
)
def test_what_no_spread_can_describe_is_refused(runs, change, words):
    table = runs[1]["2"] / "tables" / "t.csv"
    table.write_text(table.read_text().replace(*change))
    with pytest.raises(BookError, match=words):
        measure_spread(*runs)


def test_a_spread_is_kept_and_merged(runs, tmp_path):
    spread = measure_spread(*runs)
    write_spread(tmp_path, spread, "abc")
    assert read_spread(tmp_path) == read_spread(tmp_path, "abc") == spread
    assert read_spread(tmp_path, "other numbers") == Spread()
    wider = Spread(("4",), {"T1": (0.7, 1.8), "T2": (1.9, 2.0)}, {"t": {"a": {1: (1.9, 2.0)}, "b": {0: (4.0, 5.0)}}})
    both = merge(spread, wider)
    assert both == merge(wider, spread)
    assert both.replicas == ("1", "2", "3", "4") and both.claims == {"T1": (0.5, 1.8), "T2": (1.9, 2.0)}
    assert both.tables == {"t": {"a": {1: (1.9, 2.001), 4: (-3e-16, 1e-16)}, "b": {0: (4.0, 5.0)}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"numbers":"a","replicas":3,"claims":{},"tables":{}}',
        '{"numbers":"a","replicas":[],"claims":{"T1":[2,1]},"tables":{}}',
        '{"numbers":"a","replicas":[],"claims":{},"tables":{"t":{"a":{"x":[1,2]}}}}',
    ],
)
def test_a_damaged_file_is_told(tmp_path, text):
    (tmp_path / "rounding.json").write_text(text)
    with pytest.raises(BookError, match=r"rounding.json is damaged .*publish the chapter again"):
        read_spread(tmp_path)


def test_an_error_of_a_hundred_thousandth_in_all_weights_is_seen(tmp_path):
    """The committed tables of the grid against one whose weights are all too large by 1e-5: most numbers notice."""
    chapter = BOOK.profiles["explore"]
    values, folder = chapter.parameters("published"), BOOK.published("explore")
    larger = [scale * (1 + 1e-5) for scale in values["scales"]]
    grid = explore.grid(Setting(seeds=tuple(range(values["num_seeds"]))), values["depths"], larger)
    grid["scale"] = grid["scale"].map(dict(zip(larger, values["scales"], strict=True)))
    explore.profiles(grid).to_csv(tmp_path / "profiles.csv", index=False, float_format="%.6g")
    # The limits that count once three replicas are there.
    spread = dataclasses.replace(read_spread(folder), replicas=EIGHT)
    found = table_difference(tmp_path / "profiles.csv", folder / "tables" / "profiles.csv", spread)
    measured = len(grid.groupby([*explore.CHOICES, "layer"])) * len(explore.PROFILES)
    assert found.off > 0.4 * measured, found
