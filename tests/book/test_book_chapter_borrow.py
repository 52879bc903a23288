"""Graphs whose raw files are missing: rows of the published tables, claims that are not run, axes that say so."""

import hashlib
import json

import matplotlib
import pandas
import pytest
from matplotlib.colors import same_color
from miniature import CLAIM, add_chapter

import oversmooth_book as chapter
from oversmooth_book.book.book import ROOT_VARIABLE
from oversmooth_book.book.errors import BookError
from oversmooth_book.borrowing import BACKGROUND
from oversmooth_book.chapter import OUTPUT_VARIABLE, PROFILE_VARIABLE, _output_root, missing

GRAPHS = ["karate", "Cora", "CSBM 900"]


@pytest.fixture
def started(book, tmp_path, monkeypatch):
    """A book with a started chapter, on a machine without any raw file; the run's folder."""
    add_chapter(book, "graphs")
    rows = [("G1", "[Cora]"), ("G2", "[Cora, tolokers]"), ("G3", "[karate]")]
    claim = {"chapter": "graphs", "kind": "finding", "comparison": ">", "threshold": 0.5, "profile": "quick"}
    text = "".join(CLAIM.format(id=name, **claim) + f"  needs: {needs}\n" for name, needs in rows)
    with (book.chapters / "claims.yml").open("a", encoding="utf-8") as file:
        file.write(text)
    monkeypatch.setenv(ROOT_VARIABLE, str(book.root))
    monkeypatch.setenv(OUTPUT_VARIABLE, str(tmp_path / "output"))
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv(PROFILE_VARIABLE, "published")
    _output_root.cache_clear()
    with matplotlib.rc_context():
        chapter.start("graphs")
        yield tmp_path / "output" / "graphs"
    _output_root.cache_clear()


def publish(book, name="rows", **columns):
    """Tables that a published run left, with the graph in their first column."""
    table = pandas.DataFrame({"graph": ["Cora", "tolokers", "Cora"], "value": [0.333333, 7.0, 0.25], **columns})
    folder = book.published("graphs") / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False)


def thirds(graphs):
    return pandas.DataFrame({"graph": graphs, "value": [k + 1 / 3 for k in range(len(graphs))]})


def have_cora(monkeypatch, tmp_path):
    """Put files of the right names in place, and record empty ones as the sound ones: nothing reads them here."""
    from oversmooth.graphs import files as rawfiles

    for path in rawfiles.files_of("Planetoid", "Cora"):
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).touch()
        monkeypatch.setitem(rawfiles.RAW_SHA256, path, hashlib.sha256(b"").hexdigest())
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "data"))


def test_graphs_that_need_no_files_are_always_here(started):
    assert missing(["karate", "digits", "CSBM", "CSBM 100000", "csbm", "Cora", "tolokers"]) == ["Cora", "tolokers"]
    assert chapter.here(GRAPHS) == ["karate", "CSBM 900"]
    assert [chapter.named(graph) for graph in ("karate", "Cora")] == ["karate", "Cora (published run)"]


def test_rows_of_missing_graphs_are_borrowed_in_their_place(book, started):
    publish(book)
    asked = []
    found = chapter.measured("rows", lambda graphs: asked.append(graphs) or thirds(graphs), GRAPHS)
    assert asked == [["karate", "CSBM 900"]]
    assert found["graph"].tolist() == ["karate", "Cora", "Cora", "CSBM 900"]
    assert found["value"].tolist() == [1 / 3, 0.333333, 0.25, 4 / 3]
    saved = pandas.read_csv(started / "tables" / "rows.csv")
    assert saved["value"].tolist() == [0.333333, 0.333333, 0.25, 1.33333]
    assert json.loads((started / "borrowed.json").read_text()) == {"rows": ["Cora"]}


def test_nothing_is_borrowed_where_all_graphs_are_here(book, started, tmp_path, monkeypatch):
    have_cora(monkeypatch, tmp_path)
    found = chapter.measured("rows", lambda graphs: thirds(graphs).iloc[::-1], GRAPHS)
    assert found["graph"].tolist() == GRAPHS and found["value"].tolist() == [1 / 3, 4 / 3, 7 / 3]
    assert (started / "tables" / "rows.csv").is_file() and not (started / "borrowed.json").exists()


def test_nothing_is_measured_where_no_graph_is_here(book, started):
    publish(book, "one")
    publish(book, "two")
    one, two = chapter.measured(["one", "two"], lambda graphs: pytest.fail("measured"), ["tolokers", "Cora"])
    assert one["value"].tolist() == two["value"].tolist() == [7, 0.333333, 0.25]
    assert json.loads((started / "borrowed.json").read_text()) == {
        "one": ["tolokers", "Cora"],
        "two": ["tolokers", "Cora"],
    }


def test_tables_measured_together_borrow_apart_and_by_any_column(book, started):
    publish(book, "one")
    publish(book, "two")
    for name in ("one", "two"):
        path = book.published("graphs") / "tables" / f"{name}.csv"
        pandas.read_csv(path).rename(columns={"graph": "where"}).to_csv(path, index=False)

    def measure(graphs):
        table = thirds(graphs).rename(columns={"graph": "where"})
        return table, table.assign(value=5.0)

    one, two = chapter.measured(["one", "two"], measure, GRAPHS, by="where")
    assert one["where"].tolist() == two["where"].tolist() == ["karate", "Cora", "Cora", "CSBM 900"]
    assert one["value"].tolist() == [1 / 3, 0.333333, 0.25, 4 / 3] and two["value"].tolist() == [5, 0.333333, 0.25, 5]


def test_a_run_that_starts_again_forgets_what_it_borrowed(book, started):
    publish(book)
    chapter.measured("rows", thirds, GRAPHS)
    chapter.start("graphs")
    assert not (started / "borrowed.json").exists()


@pytest.mark.parametrize(
    ("columns", "graphs", "said"),
    [
        (None, ["Cora"], "data/published has no such table of graphs to borrow from"),
        ({}, ["karate", "CiteSeer"], "no rows of CiteSeer"),
        ({"more": 1}, ["karate", "Cora"], "columns graph, value, more, measured are graph, value"),
    ],
)
def test_what_cannot_be_borrowed_is_said_with_its_remedy(book, started, columns, graphs, said):
    if columns is not None:
        publish(book, **columns)
    with pytest.raises(BookError, match="oversmooth-book fetch") as error:
        chapter.measured("rows", thirds, graphs)
    assert said in str(error.value) and "table rows" in str(error.value)


def test_wrong_measurements_are_refused(book, started):
    with pytest.raises(ValueError, match="rows of digits, asked for were karate"):
        chapter.measured("rows", lambda graphs: thirds(["digits"]), ["karate"])
    with pytest.raises(ValueError, match="2 tables are named, one, two, but 1 were measured"):
        chapter.measured(["one", "two"], lambda graphs: [thirds(graphs)], ["karate"])


def test_a_claim_that_needs_a_missing_graph_is_not_run_and_not_recorded(started, capsys):
    chapter.claim("G1", float("nan"))
    chapter.claim("G2", 1.0)
    chapter.claim("G3", 1.25)
    assert capsys.readouterr().out.splitlines() == [
        "G1: NOT RUN: needs Cora",
        "G2: NOT RUN: needs Cora, tolokers",
        "G3: measured 1.25, needed > 0.5: PASS",
    ]
    assert json.loads((started / "claims.json").read_text()) == {"G3": 1.25}


def test_a_claim_whose_graphs_are_here_is_judged(started, tmp_path, monkeypatch, capsys):
    have_cora(monkeypatch, tmp_path)
    chapter.claim("G1", 0.75)
    chapter.claim("G2", 1.0)
    with pytest.raises(ValueError, match="G1 needs a finite number"):
        chapter.claim("G1", float("nan"))
    assert capsys.readouterr().out.splitlines() == [
        "G1: measured 0.75, needed > 0.5: PASS",
        "G2: NOT RUN: needs tolokers",
    ]
    assert json.loads((started / "claims.json").read_text()) == {"G1": 0.75}


def test_borrowed_axes_are_tinted_and_labelled(started):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3)
    axes[0].set_title("Cora")
    before = axes[1].get_facecolor()
    for ax, graphs in zip(axes, (["Cora"], ["karate", "CSBM"], ["CSBM", "Cora", "tolokers"]), strict=True):
        chapter.tint(ax, *graphs)
    assert [ax.get_title(loc="right") for ax in axes] == ["published run", "", "published run: Cora, tolokers"]
    assert [same_color(ax.get_facecolor(), BACKGROUND) for ax in axes] == [True, False, True]
    assert axes[1].get_facecolor() == before and axes[0].get_title() == "Cora"
    plt.close(figure)
