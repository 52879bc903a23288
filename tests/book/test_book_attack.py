"""The attack: variations and domains by hand, three findings attacked for real, and what is done with the outcome."""

import csv

import pytest
from miniature import call, commit_all, copy_book, refusal, write_claims

from oversmooth_book.attack.attacker import attack
from oversmooth_book.attack.recipes import recipe_of
from oversmooth_book.attack.robustness import (
    FILE,
    Robustness,
    Trial,
    read_robustness,
    weak,
    write_robustness,
)
from oversmooth_book.attack.variations import (
    UNCHANGED,
    Variation,
    admits,
    domain_faults,
    in_words,
    read_variations,
)
from oversmooth_book.book.book import Book, find_book
from oversmooth_book.book.claims import FINDING, Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.check.checker import check
from oversmooth_book.experiments.settings import Setting
from oversmooth_book.show.robustness import robustness_sections

CLAIM = Claim("T1", "tiny", FINDING, "s", "p", "q", ">", 0.5, "published")


def rows_of(*values, inside=True):
    return Robustness(CLAIM, tuple(Trial(f"v{k}", inside, x, CLAIM.holds(x)) for k, x in enumerate(values)))


@pytest.fixture
def three(tmp_path):
    """A file of four variations."""
    path = tmp_path / "variations.yml"
    path.write_text(
        "- {name: wide, changes: {width: 64}}\n- {name: a, changes: {graph_seed: 3}}\n"
        "- {name: b, changes: {graph_seed: 4}}\n- {name: others, first_seed: 50}\n"
        "- {name: rare, changes: {shares: [0.1, 0.9]}}\n"
    )
    return path


def test_a_short_file_has_as_many_mixtures_as_there_are(tmp_path):
    """It was asked for six without end."""
    path = tmp_path / "variations.yml"
    path.write_text("- {name: wide, changes: {width: 64}}\n- {name: others, first_seed: 50}\n")
    assert [row.name for row in read_variations(path)][:3] == [UNCHANGED, "wide", "others"]
    assert {row.name for row in read_variations(path)[3:]} == {"wide + others", "others + wide"}
    path.write_text("- {name: " + "x" * 5000 + "}\n" * 1 + "- {name: " + "x" * 5000 + "}\n")
    with pytest.raises(BookError, match=r"variations\.yml: row 2: the name 'x{79}… is used twice"):
        read_variations(path)


def test_variations_come_alone_and_in_mixtures_that_are_always_the_same(three):
    rows = read_variations(three, mixtures=3)
    assert [row.name for row in rows[:6]] == [UNCHANGED, "wide", "a", "b", "others", "rare"]
    assert rows == read_variations(three, mixtures=3) and len(rows) == 9
    for mixture in rows[6:]:
        assert not {"a", "b"} <= set(mixture.name.split(" + ")), "one field cannot be changed in two ways at once"
        assert len(mixture.name.split(" + ")) == 3


def test_a_variation_changes_the_setting_and_nothing_else(three):
    rows = {row.name: row for row in read_variations(three, mixtures=0)}
    setting = Setting(depth=9, seeds=(10, 11))
    assert rows[UNCHANGED].of(setting) == setting
    assert rows["others"].of(setting) == Setting(depth=9, seeds=(50, 51))
    assert rows["rare"].of(setting).data().y.bincount().tolist() == [40, 360]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a, changes: {widht: 3}}", "a Setting has no widht; it has activation"),
        ("- {name: a, changes: {seeds: [3]}}", "a Setting has no seeds"),
        ("- {changes: {width: 3}}", "row 1: lacks name"),
        ("- {name: a}\n- {name: a}", "row 2: the name 'a' is used twice"),
    ],
)
def test_variations_that_cannot_be_are_refused(tmp_path, text, words):
    (tmp_path / "variations.yml").write_text(text)
    with pytest.raises(BookError, match=words):
        read_variations(tmp_path / "variations.yml")


@pytest.mark.parametrize(
    ("domain", "changes", "inside"),
    [
        ({}, {"width": 999}, True),
        ({"width": [16, 64]}, {"width": 64}, True),
        ({"width": [16, 64]}, {"width": 65}, False),
        ({"activation": ["tanh", "elu"]}, {"activation": "elu"}, True),
        ({"activation": ["tanh", "elu"]}, {"activation": "relu"}, False),
        ({"graph": ["CSBM"]}, {"graph": "CSBM 100"}, True),
        ({"graph": ["CSBM"]}, {"graph": "karate"}, False),
        ({"rate": [0, 0.8]}, {}, True),
        ({"rate": [0, 0.8]}, {"density": 0.5}, False),
        ({"shares": [0.2, 0.5]}, {}, True),
        ({"shares": [0.2, 0.5]}, {"shares": (0.1, 0.9)}, False),
    ],
)
def test_a_domain_admits_what_it_names(domain, changes, inside):
    assert admits(domain, Variation("v", changes).of(Setting())) == inside


def test_a_domain_in_words_and_its_faults():
    domain = {"rate": [0, 0.8], "weight_scale": [1, 1], "activation": ["tanh", "elu"]}
    assert in_words(domain) == "rate 0 to 0.8; weight scale 1; activation tanh or elu"
    assert domain_faults(domain) == []
    assert "a Setting has no depht" in domain_faults({"depht": [1, 2]})[0]
    for wrong in ({"activation": [1, 2]}, {"width": ["tanh"]}, {"width": [1, "x"]}, {"activation": ["tanh", 1]}):
        assert "needs texts for a field that is text" in domain_faults(wrong)[0]
    for wrong in ({"width": [64, 16]}, {"width": [64]}):
        assert "two numbers, the smaller first" in domain_faults(wrong)[0]


def test_every_domain_of_the_book_is_sound_and_admits_what_is_published():
    book = find_book()
    for claim in book.claims.values():
        if claim.domain is not None:
            recipe = recipe_of(claim.chapter)
            assert recipe and not recipe.lacking(claim), f"{claim.id} has a domain, and nothing measures it"
            assert domain_faults(claim.domain) == [] and admits(claim.domain, recipe.setting), claim.id


def test_noise_and_shift_move_what_they_name_only():
    plain, other = Setting().data(), Setting(label_noise=0.5, feature_shift=2.0, feature_scale=3.0).data()
    assert (other.x == 3 * plain.x + 2).all() and (other.edge_index == plain.edge_index).all()
    assert 60 < (other.y != plain.y).sum() < 140, "half are drawn anew, and half of these change"
    with pytest.raises(ValueError, match="karate is no block model"):
        Setting(graph="karate", density=2.0).data()


def test_the_quick_attack_of_three_findings(tmp_path):
    book = copy_book(find_book(), tmp_path / "book", ".git", ".venv", "_build", "data", "raw", "node_modules")
    said = []
    assert attack(book, ["F3", "F5", "BW3"], "quick", jobs=1, say=said.append) == []
    assert [line.split(":")[0] for line in said] == ["F3", "F5", "BW3"]
    found = read_robustness(book.build("quick") / "attack" / "forward_oversmoothing", book.claims)
    assert list(found) == ["F3", "F5"] and not (book.root / "data").exists()
    assert found["F5"].trials[0].variation == UNCHANGED and found["F5"].trials[0].value < 1
    before = said.copy()
    attack(book, ["F3", "F5", "BW3"], "quick", jobs=1, say=said.append)
    assert said == before * 2, "measured once, kept"


def test_what_cannot_be_attacked_is_refused():
    with pytest.raises(BookError, match="no findings: F1, X9"):
        attack(find_book(), ["F1", "X9"], "quick")
    with pytest.raises(BookError, match="RM10 cannot be attacked: a domain"):
        attack(find_book(), ["RM10"], "quick")


def test_the_sentence_names_where_a_finding_fails():
    assert rows_of(1.0, 0.6).sentence() == "holds in 2 of 2 variations"
    assert rows_of(1.0, 0.25, float("nan")).sentence() == (
        "holds in 1 of 3 variations; fails at v1 (0.25), v2 (no value)"
    )
    assert rows_of(0, 0, 0, 0, 0).sentence().endswith("v2 (0) and 2 more")


def test_nine_tenths_of_the_own_domain_must_hold():
    inside, outside = rows_of(*[1.0] * 9, 0.1), rows_of(0.1, 0.1, inside=False)
    assert weak({"T1": inside}) == []
    assert weak({"T1": Robustness(CLAIM, inside.trials + outside.trials)}) == []
    assert "holds in 8 of 9 variations; fails at v8 (0.1), fewer" in weak({"T1": rows_of(*[1.0] * 8, 0.1)})[0]
    assert weak({"T1": outside}), "a domain that admits nothing"


def test_the_table_is_read_as_it_was_written_and_judged_by_the_claim_as_it_stands(tmp_path):
    found = {"T1": rows_of(1.0, 0.25, float("nan"))}
    write_robustness(tmp_path, found)
    back = read_robustness(tmp_path, {"T1": CLAIM})["T1"]
    assert [trial.holds for trial in back.trials] == [True, False, False]
    lower = Claim("T1", "tiny", FINDING, "s", "p", "q", ">", 0.2, "published")
    assert [trial.holds for trial in read_robustness(tmp_path, {"T1": lower})["T1"].trials] == [True, True, False]
    assert read_robustness(tmp_path, {}) == {}
    (tmp_path / FILE).write_text("claim,variation\nT1,a\n")
    with pytest.raises(BookError, match="damaged"):
        read_robustness(tmp_path, {"T1": CLAIM})


def put(book, *values):
    write_robustness(book.published("tiny"), {"T1": rows_of(*values)})


def test_publish_refuses_what_holds_by_accident_and_keeps_what_the_attack_found(ran, tmp_path):
    book = copy_book(ran[0], tmp_path / "book")
    put(book, 0.9, 0.1)
    assert "tiny: finding T1 holds in 1 of 2 variations; fails at v1 (0.1), fewer than" in refusal(book)
    put(book, 0.9, 0.8)
    assert call(book, "publish").returncode == 0
    with (book.published("tiny") / FILE).open() as lines:
        assert len(list(csv.reader(lines))) == 3
    commit_all(book)
    assert check(book) == []


def test_the_book_shows_what_the_attack_found(ran, tmp_path):
    book = copy_book(ran[0], tmp_path / "book")
    put(book, 0.9, 0.1, 1e4)
    write_claims(book, {"domain": "{width: [8, 64]}"})
    (book.chapters / "robustness.md").write_text("# Attack\n\n```{robustness}\n```\n")
    with (book.root / "_toc.yml").open("a") as file:
        file.write("  - file: chapters/robustness\n")
    answer = call(book, "build")
    assert answer.returncode == 0, answer.stderr
    html = book.build("published") / "html"
    assert "Attacked: holds in 2 of 3 variations; fails at v1 (0.1)." in (html / "chapters" / "index.html").read_text()
    page = (html / "chapters" / "robustness.html").read_text()
    assert "Domain: width 8 to 64. It holds in 2 of 3" in page and "tiny.png" in page
    assert list((html / "_images").glob("tiny*.png")) and "Not attacked" not in page


def test_what_was_not_attacked_is_named(book):
    put(book, 0.9)
    write_claims(book, {"domain": "{width: [8, 64]}"}, {"id": "T2"}, {"id": "T3", "kind": "check"})
    text = robustness_sections(Book(book.root))
    assert text.endswith("- {doc}`tiny`: [T2](#claim-t2)")
    write_claims(book, {"id": "T2"})
    assert robustness_sections(Book(book.root)) == ""
