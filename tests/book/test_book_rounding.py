"""Replicas of a run: made, kept, dropped when numbers change; and what no two machines agree on is not published."""

import contextlib
import json
import os
import re
import shutil

import pytest
from miniature import add_chapter, call, commit_all, copy_book, make_book, refusal, settle, snapshot, write_claims
from test_nbval import nbval, skip_a_replica

from oversmooth_book.book.fingerprints import numbers_fingerprint
from oversmooth_book.book.machine import SETTINGS
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.check.compare import compare_folders
from oversmooth_book.check.spread import Spread, measure_spread, read_spread, write_spread
from oversmooth_book.publish.replicas import CHECK, chapter_spread, objections, valid_replicas

START = "import torch\nx = torch.linspace(0.1, 3, 1000, dtype=torch.float64)\n"
SAVE = 'import pandas\nbook.save_table("t", pandas.DataFrame({"value": values}))'
# What each chapter plants, and the sentence that refuses it.
FAULTS = {
    "digits": ("print(f'sum {float(torch.tanh(x).sum()):.17g}')", r"code cell 3, line 1 says 'sum 794"),
    "glued": ("book.glue('sum', float(torch.tanh(x).sum()), '.17g')", r"the glued sum says"),
    "eigenvector": (
        "n = 12\nP = torch.zeros(n, n, dtype=torch.float64)\nfor i in range(n):\n"
        "    P[i, i] = P[i, (i + 1) % n] = P[(i + 1) % n, i] = 1 / 3\n"
        f"values = torch.linalg.eigh(P)[1][:, -2].tolist()\n{SAVE}",
        None,
    ),
    "chaos": (
        "y = torch.tensor(0.3, dtype=torch.float64)\nfor _ in range(300):\n    y = 3.9 * y * (1 - y)\n"
        "book.claim('C1', float(y))",
        r"claim C1 (is \d.* spreads from its threshold, needs 10|passes or fails by rounding)",
    ),
    "floor": (
        f"values = (torch.exp(x[:20]).log() - x[:20]).tolist()\n{SAVE}",
        r"table t.csv, column value: no number keeps a digit",
    ),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A book of one sound chapter and one for each fault; run, with three replicas."""
    book = make_book(tmp_path_factory.mktemp("rounding") / "book")
    for name, (cell, _) in FAULTS.items():
        add_chapter(book, name, START + cell)
    # The chaotic value lies anywhere in (0.1, 0.98): no verdict on it is safe.
    write_claims(book, {}, {"id": "C1", "chapter": "chaos", "comparison": "<", "threshold": 0.985})
    commit_all(book)
    answer = call(book, "run")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    answer = call(book, "replicas", "--count", "3")
    assert answer.returncode == 0 and "18 replicas made, 0 failed" in answer.stdout, answer.stdout + answer.stderr
    return book


@pytest.fixture
def mine(planted, tmp_path):
    return copy_book(planted, tmp_path / "book")


def test_what_a_replica_changes_is_refused_and_nothing_else(planted):
    said = refusal(planted)
    for name, (_, sentence) in FAULTS.items():
        if sentence is not None:
            assert re.search(f"{name}: [^;]*{sentence}", said), (name, said)
    assert "tiny:" not in said


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_turns_the_committed_outputs_red_under_a_replica(mine, tmp_path, monkeypatch, name):
    """As in CI: published by hand, past all refusals, outputs agree here and on no machine that rounds otherwise."""
    settle(mine, name)
    write_spread(mine.published(name), Spread(("1", "2", "3")), "by hand")
    chapter = mine.profiles[name]

    def red(folder):
        answer = nbval(mine, name, folder)
        assert answer.returncode in (0, 1), answer.stdout + answer.stderr
        return answer.returncode == 1 or compare_folders(mine, chapter, folder / name, mine.published(name)) != []

    assert not red(tmp_path / "here")
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", "0")
    assert red(tmp_path / "there")


def test_a_sound_chapter_is_published_with_its_spread_and_agrees_under_a_replica(mine, tmp_path, monkeypatch):
    answer = call(mine, "publish", "tiny")
    assert answer.returncode == 0 and "(3 replicas; 5 more and publishing again would judge better)" in answer.stdout
    assert read_spread(mine.published("tiny")).replicas == ("1", "2", "3")
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", "0")
    assert nbval(mine, "tiny", tmp_path).returncode == 0
    assert compare_folders(mine, mine.profiles["tiny"], tmp_path / "tiny", mine.published("tiny")) == []


def test_publish_wants_three_replicas(mine):
    shutil.rmtree(mine.replicas / "tiny" / "2")
    said = refusal(mine, "tiny")
    assert "it has 2 of 8 replicas, and needs 3 at least: call python -m oversmooth_book replicas tiny" in said
    answer = call(mine, "publish", "tiny", "--provisional")
    assert answer.returncode == 0 and not read_spread(mine.published("tiny")).measured


def test_making_replicas_goes_on_where_it_stopped(mine):
    shutil.rmtree(mine.replicas / "tiny" / "2")
    kept = snapshot(mine.replicas / "tiny" / "1")
    answer = call(mine, "replicas", "tiny", "--count", "3")
    assert "1 of 3 replicas to make" in answer.stdout and "tiny, replica 2: done" in answer.stdout
    assert snapshot(mine.replicas / "tiny" / "1") == kept
    assert "0 of 3 replicas to make" in call(mine, "replicas", "tiny", "--count", "3").stdout


def test_replicas_that_the_published_spread_has_seen_are_not_made_again(mine):
    """Three here, then one more on a machine that has none of them: the spread counts four, and is no narrower."""
    assert call(mine, "publish", "tiny").returncode == 0
    before = read_spread(mine.published("tiny"))
    shutil.rmtree(mine.replicas / "tiny")
    assert "1 of 4 replicas to make" in call(mine, "replicas", "tiny", "--count", "4").stdout
    kept = snapshot(mine.published("tiny"))
    answer = call(mine, "publish", "tiny")
    assert answer.returncode == 0 and "(4 replicas; 4 more and publishing again" in answer.stdout, answer.stderr
    assert "tiny: every output is the same as published, but not its spread; commit" in answer.stdout
    written = snapshot(mine.published("tiny"))
    assert {name for name in written if written[name] != kept.get(name)} == {"rounding.json"}
    after = read_spread(mine.published("tiny"))
    assert after.replicas == ("1", "2", "3", "4")
    for claim_id, (low, high) in before.claims.items():
        assert after.claims[claim_id][0] <= low and high <= after.claims[claim_id][1]


def test_words_keep_replicas_and_numbers_do_not(mine):
    """A caption changes no number; a line of code, a parameter or a module may."""
    chapter = mine.profiles["tiny"]
    assert list(valid_replicas(mine, chapter)) == ["1", "2", "3"]
    path = mine.notebook("tiny")
    text = path.read_text()
    path.write_text(text.replace("Powers grow.", "Powers rise."))
    assert len(valid_replicas(mine, chapter)) == 3
    path.write_text(text.replace("scale**k / 3", "scale**k / 4"))
    assert valid_replicas(mine, chapter) == {}
    path.write_text(text)
    (mine.root / "requirements.lock").write_text("torch==9\n")
    assert valid_replicas(mine, chapter) == {}


def test_a_published_spread_holds_for_other_code_that_gives_the_same_numbers(mine):
    """After a change of form no replica need be made again; after a change of a number all must."""
    assert call(mine, "publish", "tiny").returncode == 0
    shutil.rmtree(mine.replicas / "tiny")
    path = mine.notebook("tiny")
    for old, new, status in (("scale**k / 3", "(scale**k) / 3", 0), ("(scale**k) / 3", "scale**k / 3.001", 1)):
        path.write_text(path.read_text().replace(old, new))
        commit_all(mine)
        assert call(mine, "run", "tiny").returncode == 0
        answer = call(mine, "publish", "tiny")
        assert answer.returncode == status, answer.stderr
    assert "it has 0 of 8 replicas" in answer.stderr


def test_replica_0_is_in_no_spread_and_confirms_it(mine):
    answer = call(mine, "replicas", "tiny", "--count", "3", "--check")
    assert answer.returncode == 0 and "1 of 4 replicas to make" in answer.stdout, answer.stdout + answer.stderr
    assert call(mine, "publish", "tiny").returncode == 0
    found = read_spread(mine.published("tiny"))
    assert found.replicas == ("1", "2", "3") and found.confirmed
    shutil.rmtree(mine.replicas / "tiny")
    assert "0 of 4 replicas to make" in call(mine, "replicas", "tiny", "--count", "3", "--check").stdout


def test_what_replica_0_contradicts_is_refused(mine, tmp_path):
    chapter, folder = mine.profiles["tiny"], shutil.copytree(mine.run("published", "tiny"), tmp_path / "other")
    replicas = {**valid_replicas(mine, chapter), CHECK: folder}
    spread = chapter_spread(mine, chapter, replicas)
    assert spread.confirmed and spread.replicas == ("1", "2", "3") and objections(mine, chapter, spread, replicas) == []
    table = next((folder / "tables").glob("*.csv"))
    table.write_text(re.sub(r"\.5\b", ".6", table.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    (found,) = objections(mine, chapter, spread, replicas)
    assert found.startswith("replica 0, in no spread: table powers.csv")


def test_long_chapters_are_not_run_as_replica_0_again(mine, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", CHECK)
    settle(mine, "tiny")
    place, numbers = mine.published("tiny"), numbers_fingerprint(mine, mine.profiles["tiny"])
    record = json.loads((place / "record.json").read_text(encoding="utf-8"))
    for replicas, confirmed, seconds, its, skipped in (
        ((), False, 500, numbers, "fewer than three replicas"),
        (("1", "2", "3"), True, 500, numbers, "of this very code agreed"),
        (("1", "2", "3"), True, 500, "of other code", None),
        (("1", "2", "3"), False, 500, numbers, None),
        (("1", "2", "3"), True, 5, numbers, None),
    ):
        write_spread(place, Spread(replicas, confirmed=confirmed), its)
        (place / "record.json").write_text(json.dumps({**record, "seconds": seconds}), encoding="utf-8")
        with pytest.raises(pytest.skip.Exception, match=skipped) if skipped else contextlib.nullcontext():
            skip_a_replica(mine, "tiny")


def test_an_altered_replica_does_not_count(mine):
    (mine.replicas / "tiny" / "2" / "claims.json").write_text('{"T1": 0.9}')
    chapter = mine.profiles["tiny"]
    assert list(valid_replicas(mine, chapter)) == ["1", "3"]


def test_a_perturbed_run_is_never_published(mine, monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    answer = call(mine, "run", "tiny", "--force", OVERSMOOTH_ROUNDING="5")
    assert answer.returncode == 0, answer.stdout
    record = json.loads((mine.run("published", "tiny") / "record.json").read_text())
    assert record["rounding"] == "5" and record["machine"]["settings"] == "OVERSMOOTH_ROUNDING=5"
    assert "it ran with OVERSMOOTH_ROUNDING=5: unset it, then run --force" in refusal(mine, "tiny")


def test_the_record_names_what_rounds(planted):
    machine = json.loads((planted.run("published", "tiny") / "record.json").read_text())["machine"]
    for part in ("cores", "system", "processor", "model", "instruction set", "torch BLAS", "NumPy BLAS", "libm"):
        assert machine[part], part
    assert not any(os.path.expanduser("~") in str(value) for value in machine.values())


def test_replicas_of_a_chapter_move_their_numbers(planted):
    """Three machines: each prints another last digit, and none that of the run."""
    folders = [planted.run("published", "digits"), *(planted.replicas / "digits" / str(k) for k in (1, 2, 3))]
    printed = {str(read_notebook(folder / "digits.ipynb").cells[-1].outputs[0].text) for folder in folders}
    assert len(printed) >= 3 and len({text[:10] for text in printed}) == 1


def test_a_claim_at_its_threshold_is_told_by_its_spreads(mine):
    """By hand: the run at 0.3, replicas at 0.29 and 0.302, so a spread of 0.012; the margin is 0.1, then 0.2."""
    folder = mine.run("published", "chaos")
    for place, value in ((folder, 0.3), *((mine.replicas / "chaos" / str(k), v) for k, v in ((1, 0.29), (2, 0.302)))):
        (place / "claims.json").write_text(json.dumps({"C1": value}))
    chapter = mine.profiles["chaos"]
    spread = measure_spread(folder, {str(k): mine.replicas / "chaos" / str(min(k, 2)) for k in (1, 2, 3)})
    cases = ((0.4, "8.3 spreads from its threshold"), (0.5, ""), (0.301, "passes or fails by rounding"))
    for threshold, words in cases:
        write_claims(mine, {"id": "C1", "chapter": "chaos", "comparison": "<", "threshold": threshold})
        found = " ".join(objections(mine, chapter, spread, valid_replicas(mine, chapter)))
        assert words in found and bool(words) == ("claim C1" in found), (threshold, found)
