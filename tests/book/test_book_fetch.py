"""`oversmooth-book fetch`: what is missing is downloaded, and one broken source costs one graph."""

import subprocess

import pytest
from miniature import REPOSITORY
from mirrors import Mirror, small_files
from torch_geometric.datasets import HeterophilousGraphDataset, Planetoid

from oversmooth.graphs import files as rawfiles
from oversmooth_book.book.book import Book
from oversmooth_book.book.graphs import missing_of
from oversmooth_book.cli import main
from oversmooth_book.run.fetch import book_graphs

ENDS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
CORA = [f"ind.cora.{end}" for end in ENDS]


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    """Sources of small files for Cora and minesweeper, and an empty folder named for the data."""
    source = small_files(tmp_path / "source", monkeypatch)
    cora = Mirror(source / "Planetoid/Cora/raw")
    minesweeper = Mirror(source / "HeterophilousGraphDataset/minesweeper/raw")
    monkeypatch.setattr(Planetoid, "url", cora.url)
    monkeypatch.setattr(HeterophilousGraphDataset, "url", minesweeper.url)
    monkeypatch.setattr(rawfiles, "RETRIES", 1)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "raw"))
    yield cora, minesweeper
    cora.close()
    minesweeper.close()


@pytest.fixture
def needy(book):
    """The miniature book, whose claim needs two graphs."""
    with (book.chapters / "claims.yml").open("a") as file:
        file.write("  needs: [Cora, minesweeper]\n")
    return book


@pytest.fixture
def fetch(needy, capsys):
    def call(*graphs):
        capsys.readouterr()
        code = main(["--root", str(needy.root), "fetch", *graphs])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


def test_all_that_the_book_needs_is_fetched_once(mirrors, fetch, tmp_path):
    code, lines, err = fetch()
    assert (code, err) == (0, "")
    assert lines == ["Cora: fetched", "minesweeper: fetched", f"2 here, 0 missing, in {tmp_path / 'raw'}"]
    assert [mirror.asked for mirror in mirrors] == [CORA, ["minesweeper.npz"]]
    assert missing_of(["Cora", "minesweeper"]) == []
    code, lines, _ = fetch()
    assert code == 0 and lines[:2] == ["Cora: here", "minesweeper: here"]
    assert [len(mirror.asked) for mirror in mirrors] == [8, 1]


def test_a_broken_source_costs_its_own_graph_and_the_next_call_goes_on(mirrors, fetch):
    cora, minesweeper = mirrors
    cora.breaks["ind.cora.ty"] = 2  # the first attempt and the second
    code, lines, _ = fetch()
    assert code == 1 and lines[1:3] == ["minesweeper: fetched", lines[2]] and lines[2].startswith("1 here, 1 missing")
    assert lines[0].startswith("Cora: Cora needs these files") and "Connection broken" in lines[0]
    assert "ind.cora.ty, ind.cora.ally, ind.cora.graph, ind.cora.test.index. They" in lines[0]
    cora.asked.clear()
    assert fetch()[0] == 0
    assert cora.asked == CORA[4:] and minesweeper.asked == ["minesweeper.npz"]


def test_an_altered_source_is_told_with_both_sums(mirrors, fetch, tmp_path):
    file = mirrors[0].folder / "ind.cora.y"
    recorded = rawfiles.RAW_SHA256["Planetoid/Cora/raw/ind.cora.y"]
    file.write_bytes(b"<html>Moved</html>")
    code, lines, _ = fetch()
    assert code == 1 and lines[1] == "minesweeper: fetched"
    for words in (f"{mirrors[0].url}/ind.cora.y gave another file", recorded, rawfiles._sha256(file)):
        assert words in lines[0]
    kept = tmp_path / "raw/Planetoid/Cora/raw"
    assert sorted(path.name for path in kept.iterdir()) == sorted(CORA[:3])


def test_a_damaged_file_that_is_here_is_told(mirrors, fetch, tmp_path):
    assert fetch("minesweeper")[0] == 0
    (tmp_path / "raw/HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz").write_bytes(b"")
    code, lines, _ = fetch("minesweeper", "karate")
    assert code == 1 and "minesweeper.npz is not the published file of minesweeper" in lines[0]
    assert lines[1] == "karate: here"


def test_one_graph_is_fetched_by_name_and_an_unknown_one_refused_before(mirrors, fetch, tmp_path):
    code, lines, err = fetch("minesweeper", "corra")
    assert code == 1 and lines == [] and "name is 'corra'; known: Cora, CiteSeer" in err
    assert not mirrors[1].asked and not (tmp_path / "raw").exists()
    assert fetch("MineSweeper")[:2] == (0, ["MineSweeper: fetched", f"1 here, 0 missing, in {tmp_path / 'raw'}"])
    assert not mirrors[0].asked


def test_without_a_network_every_graph_is_named(fetch, tmp_path, monkeypatch, offline):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "raw"))
    code, lines, _ = fetch()
    assert code == 1 and [line.split(":")[0] for line in lines[:2]] == ["Cora", "minesweeper"]
    assert all("could not be downloaded from https://github.com" in line for line in lines[:2])
    assert lines[2].startswith("0 here, 2 missing") and not (tmp_path / "raw").exists()


def test_make_data_fetches_all_that_the_real_book_needs():
    book = Book(REPOSITORY)
    graphs = book_graphs(book)
    assert set(graphs) == {name for claim in book.claims.values() for name in claim.needs}
    assert {"Cora", "minesweeper"} <= set(graphs)
    told = subprocess.run(["make", "-sn", "data"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert told.endswith("-m oversmooth_book fetch\n")
