"""PROVED: by the type of a number, from `save_proofs` to the ledger, and by nothing else."""

import json
import math
from fractions import Fraction

import pandas as pd
import pytest
import torch

import oversmooth as osm
import oversmooth_book as book
from oversmooth_book import chapter
from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, PROVED, Claim, read_values, to_json
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.proved import Proved, like, read_proofs
from oversmooth_book.values import as_number, as_text, evaluate

pytest.importorskip("flint")


def claim(**changes):
    row = {"id": "P1", "chapter": "one", "kind": "proof", "statement": "small", "paper": "ours", "quantity": "norm"}
    return Claim(**{**row, "comparison": "<=", "threshold": 1.0, "profile": "quick", **changes})


@pytest.fixture
def started(monkeypatch, tmp_path):
    """A chapter whose tables go to a temporary folder."""
    run = chapter.Started(None, "one", tmp_path, "published")
    run.tables.mkdir()
    monkeypatch.setattr(chapter, "_started", run)
    return run


@pytest.fixture(scope="module")
def task():
    """A small trained network, its features and its targets."""
    data = osm.csbm(20, p_in=0.5, p_out=0.2)
    Y = 2 * data.y.double()[:, None] - 1
    network = osm.Network(osm.Propagation.from_data(data), [8, 4, 4, 1], seed=0)
    return osm.train_last_layer(network, data.x, Y, how="budget", budget=3.0), data.x, Y


def test_only_a_proved_number_carries_a_proof():
    assert claim().verdict(Proved(0.5, "at_most"), "quick") == PROVED
    assert claim().verdict(0.5, "quick") == FAIL and not claim().holds(0.5)
    assert "and a proof of it" in claim().failure(0.5) and "a proof" not in claim().failure(2.0)
    assert claim().verdict(Proved(1.5, "at_most"), "quick") == FAIL
    assert claim(profile="full").verdict(Proved(0.5, "at_most"), "quick") == NOT_RUN
    # A measured claim is not ennobled by the number it happens to get.
    assert claim(kind="check").verdict(Proved(0.5, "at_most"), "quick") == PASS


@pytest.mark.parametrize(
    ("side", "comparison", "threshold", "proved"),
    [
        ("at_most", "<", 1.0, True),
        ("at_most", ">=", 0.1, False),
        ("at_most", "between", [0, 1], False),
        ("at_most", "==", 0.5, False),
        ("at_least", ">=", 0.1, True),
        ("at_least", "<=", 1.0, False),
        ("exactly", "==", 0.5, True),
        ("exactly", "between", [0, 1], True),
    ],
)
def test_a_bound_proves_its_own_side_only(side, comparison, threshold, proved):
    row = claim(comparison=comparison, threshold=threshold)
    assert row.verdict(Proved(0.5, side), "quick") == (PROVED if proved else FAIL)


def test_a_finding_s_domain_is_no_proof_s():
    with pytest.raises(ValueError, match="a proof has none"):
        claim(domain={"width": [8, 16]})


def test_arithmetic_proves_nothing_and_choice_does():
    column = pd.Series([Proved(0.25, "at_most"), Proved(0.5, "at_most")], dtype=object)
    assert isinstance(column.max(), Proved) and column.max() == 0.5
    assert type(column.max() + 0) is float and type(column.sum()) is float


@pytest.mark.parametrize("spec", [".3g", ".2e", ".0e", ".4f"])
@pytest.mark.parametrize("number", [1.23456e-16, 0.9999999, 7.0, 2.0000001, 0.1])
def test_what_is_printed_is_still_a_bound(number, spec):
    if number > 1e-10 or spec != ".4f":
        assert (
            float(format(Proved(number, "at_least"), spec)) <= number <= float(format(Proved(number, "at_most"), spec))
        )
    assert format(Proved(number, "exactly"), spec) == format(number, spec)
    assert as_text("name", Proved(number, "at_most"), spec) == format(Proved(number, "at_most"), spec)


def test_a_value_without_a_digit_shows_the_threshold():
    row = claim(threshold=1e-14, digits=0, why="rounding")
    assert row.show(Proved(3e-16, "at_most")) == "1e-14"
    assert row.show(Proved(2.5e-3, "at_most")) == "0.0026"  # a shallower run: it does not uphold the claim
    assert row.measured(Proved(3e-16, "at_most")) == "proved to be at most 1e-14, needed <= 1e-14"


def test_values_keep_their_type_on_disk(tmp_path):
    values = {"P1": Proved(0.1 + 0.2, "at_least"), "P2": 0.5, "P3": Proved(0.0, "exactly")}
    (tmp_path / "claims.json").write_text(json.dumps({name: to_json(value) for name, value in values.items()}))
    found = read_values(tmp_path / "claims.json")
    assert found == values and [getattr(value, "side", None) for value in found.values()] == [
        "at_least",
        None,
        "exactly",
    ]
    assert isinstance(as_number("P1", found["P1"]), Proved)
    assert like(found["P1"], 0.2).side == "at_least" and type(like(found["P2"], 0.2)) is float


@pytest.mark.parametrize("value", [{"at_most": 1.0, "at_least": 0.0}, {"somehow": 1.0}, {}, {"at_most": "1"}])
def test_a_damaged_value_is_a_sentence(tmp_path, value):
    (tmp_path / "claims.json").write_text(json.dumps({"P1": value}))
    with pytest.raises(BookError, match=r"claims\.json is damaged"):
        read_values(tmp_path / "claims.json")


def test_proofs_are_saved_to_the_last_digit_and_read_as_such(started, task):
    proof = osm.certify(*task)
    escape = osm.escape_distance(*task, threshold=0.9, rigorous=True)
    rows = [{"depth": 3, "network": proof, "distance": escape, "gap": Fraction(1, 4)}]
    table = book.save_proofs("bounds", rows)
    assert table["gradient_at_most"][0] == proof.stationarity and table["loss_at_least"][0] == proof.loss[0]
    assert table["rate_at_most"][0] == proof.rate and table["loss_at_most"][0] == proof.loss[1]
    assert table["distance_at_least"][0] == escape.value and table["gap_exactly"][0] == 0.25
    sides = {name: getattr(table[name][0], "side", None) for name in table}
    assert all(side is None or name.endswith(side) for name, side in sides.items()) and sides["depth"] is None

    def largest(bounds):
        return bounds["gradient_at_most"].max()

    assert isinstance(evaluate(largest, started.tables), Proved)


@pytest.mark.parametrize("value", [0.5, Fraction(1, 3), torch.tensor(0.5), None, Proved(0.5, "at_most"), math.inf])
def test_what_proves_nothing_stays_outside(started, value):
    with pytest.raises(ValueError, match="which proves nothing"):
        book.save_proofs("bounds", [{"P": value}])


def test_a_label_is_no_number(started):
    assert list(book.save_proofs("bounds", [{"network": "mlp", "depth": 3}]).iloc[0]) == ["mlp", 3]


def test_an_escape_in_floats_proves_nothing(started, task):
    with pytest.raises(ValueError, match="which proves nothing"):
        book.save_proofs("bounds", [{"time": osm.escape_time(*task, threshold=0.9)}])


def test_no_other_table_may_look_proved(started):
    with pytest.raises(ValueError, match="gradient_at_most as proved: only save_proofs"):
        book.save_table("forged", pd.DataFrame({"gradient_at_most": [1e-300]}))


def test_every_digit_is_read(tmp_path):
    numbers = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 0.9999999999999999]
    pd.DataFrame({"x_at_most": numbers}).to_csv(tmp_path / "t.csv", index=False)
    assert list(read_proofs(tmp_path / "t.csv")["x_at_most"]) == numbers
