"""The benchmarks' table: what a row says, how it is written, and how its page shows it."""

import csv
import datetime
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from oversmooth_book.book.book import Book
from oversmooth_book.show.benchmark_table import benchmark_table

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch, tmp_path):
    """The driver and the pairs, with a place of their own for the table."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("pairs", "run", "book"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    pairs, run = importlib.import_module("pairs"), importlib.import_module("run")
    monkeypatch.setattr(run, "PLACE", tmp_path / "data" / "published" / "benchmarks")
    yield pairs, run
    for name in ("pairs", "run", "book"):
        sys.modules.pop(name, None)


def test_ratio_is_theirs_over_ours(benchmarks, monkeypatch):
    pairs, _ = benchmarks
    cost = {"ours": iter([1.0, 2.0, 4.0]), "theirs": iter([3.0, 6.0, 12.0])}
    monkeypatch.setattr(pairs, "seconds", lambda name: next(cost[name]) if isinstance(name, str) else 0)
    assert pairs.ratio("ours", "theirs", pairs=3, warmup=0) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("median", "target", "met"),
    [(2.2, "≥ 2.2", "yes"), (2.1, "≥ 2.2", "no"), (1.3, "≤ 1.3", "yes"), (1.31, "≤ 1.3", "no"), (7.0, "", "")],
)
def test_targets_are_judged_by_the_median(benchmarks, median, target, met, capsys):
    pairs, _ = benchmarks
    assert pairs.report("trace", "Cora", "ratio", (1.0, median, 9.0), target) is (met != "no")
    assert pairs.ROWS[-1].met == met and "trace, Cora: ratio" in capsys.readouterr().out


def test_the_table_is_written_and_shown(benchmarks, tmp_path):
    pairs, run = benchmarks
    book = Book(tmp_path)
    assert "Nothing has been measured" in benchmark_table(book)
    pairs.report("trace", "Cora, 64 features", "times as fast", (2.25, 2.3456, 2.5), "≥ 2.2", "trace beside <hooks>")
    pairs.report("growth", "nodes", "exponent | of the time", (0.9, 1.25, 1.3), "≤ 1.1", "growth")
    pairs.report("trace", "Cora, 1433 features", "times as fast", (2.0, 2.1, 2.2), "≥ 2.2")
    started = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=600)
    run.write(started)
    with (run.PLACE / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [(row["median"], row["met"]) for row in rows]
    assert found == [("2.35", "yes"), ("1.25", "no"), ("2.1", "no")]
    record = json.loads((run.PLACE / "record.json").read_text(encoding="utf-8"))
    assert record["started"] == started.strftime("%Y-%m-%dT%H:%M:%SZ") and 600 <= record["seconds"] < 660
    assert record["versions"]["torch"] and record["machine"]["cores"] >= 1 and len(record["commit"]) == 40
    text = benchmark_table(book)
    first = "| **trace**: times as fast | Cora, 64 features | 2.35 | 2.25 to 2.5 | ≥ 2.2 | yes |"
    again = "| **trace**: times as fast | Cora, 1433 features | 2.1 | 2 to 2.2 | ≥ 2.2 | **no** |"
    assert f"{first}\n{again}\n| **growth**: exponent \\| of the time" in text and record["commit"][:10] in text
    assert text.count("\n| ") == 4  # the head and three rows
    assert "All 3 measurements; 2 miss their target" in text and record["machine"]["processor"] in text


def test_the_headlines_are_bars_on_one_scale(benchmarks, tmp_path):
    pairs, run = benchmarks
    pairs.ROWS.clear()
    pairs.report("trace", "Cora", "times as fast", (4, 4.0, 4), "≥ 2.2", "trace beside <hooks>")
    pairs.report("λ", "Cora", "times as fast", (1, 1.22, 2), "", "λ beside eigsh")
    pairs.report("trace", "Cora", "time in kernels", (1, 1.25, 2), "≤ 1.1", "trace in kernels")
    pairs.report("growth", "nodes", "exponent", (1, 1, 1), "≤ 1.1")
    pairs.report("λ", "minesweeper", "times as fast", (1, 3.0, 4), "", "λ beside eigsh")  # the first stands for it
    run.write(datetime.datetime.now(datetime.UTC))
    page = BeautifulSoup(benchmark_table(Book(tmp_path)).split(":::")[0], "html.parser")
    faster, cost = (
        [(bar.select_one(".bar-words").text, bar.select_one(".bar-number")) for bar in group.select("li")]
        for group in page.select("ul")
    )
    assert [(words, number.text) for words, number in faster] == [
        ("trace beside <hooks>", "4 (asked: ≥ 2.2)"), ("λ beside eigsh", "1.2")
    ]  # fmt: skip
    assert [(words, number.strong.text) for words, number in cost] == [
        ("trace in kernels", "1.2, missed (asked: ≤ 1.1)")
    ]
    styles = [scale["style"] for scale in page.select(".bar-scale")]
    assert styles == [f"--length:{length};--one:25.0%" for length in ("100.0%", "30.5%", "31.2%")]


def test_a_chapter_as_a_plain_script_lacks_its_drawing_and_no_name(benchmarks, tmp_path):
    book = importlib.import_module("book")
    shutil.copytree(FOLDER.parent / "chapters", tmp_path / "chapters", ignore=shutil.ignore_patterns("*.md", "*.png"))
    chapters = Book(FOLDER.parent).profiles
    scripts = [tmp_path / book.plain_script(tmp_path, name, one.parameters("quick")) for name, one in chapters.items()]
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert "book.start(" in text and "osm.draw_" not in text and "osm.panels(" not in text, script.name
    smaller = (tmp_path / "plain_proved.py").read_text(encoding="utf-8")
    assert f"karate_depth = {chapters['proved'].parameters('quick')['karate_depth']}" in smaller
    assert "karate_depth = 301" not in smaller
    check = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", *map(str, scripts)]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout  # a script that breaks off would time nothing


def test_a_benchmark_that_fails_costs_only_its_own_rows(benchmarks, monkeypatch, capsys):
    pairs, run = benchmarks
    pairs.ROWS.clear()

    class Module:
        def __init__(self, name):
            self.name = name

        def main(self):
            if self.name == "breaks":
                raise RuntimeError("no memory left")
            pairs.report(self.name, "here", "ratio", (1, 2.0, 3))

    monkeypatch.setattr(run, "MODULES", ["first", "breaks", "last"])
    monkeypatch.setattr(run.importlib, "import_module", Module)
    monkeypatch.setattr(run, "write", lambda started: run.PLACE.mkdir(parents=True))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(SystemExit, match="not measured, see above: breaks"):
        run.main()
    assert [row.group for row in pairs.ROWS] == ["first", "last"] and run.PLACE.is_dir()
    assert "no memory left" in capsys.readouterr().err


def test_every_module_is_run_or_left_out_on_purpose(benchmarks):
    _, run = benchmarks
    by_hand = {"pairs", "run", "memory"}
    assert {path.stem for path in FOLDER.glob("*.py")} == {*run.MODULES, *by_hand}
