"""A book whose raw files are partly missing: what can be measured is, what cannot is NOT RUN, and a reader is told."""

import json
import os
import re

import pytest
from bs4 import BeautifulSoup
from miniature import STUB, add_needy, call, commit_all, copy_book, make_book, settle, stub_data, write_claims
from mirrors import Mirror
from torch_geometric.datasets import Planetoid

from oversmooth.graphs import files as rawfiles
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import fetch_missing, is_here, missing_files
from oversmooth_book.book.needs import missing_graphs, needed_graphs
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.check.anatomy import uncovered

FETCH = "`oversmooth-book fetch` (or `make data`) downloads"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A book run and committed where all data are, run again and built where some are not: (book, data, answer)."""
    folder = tmp_path_factory.mktemp("data")
    book, data = make_book(folder / "book"), stub_data(folder / "raw")
    add_needy(book, STUB)
    commit_all(book)
    answer = call(book, "run", OVERSMOOTH_DATA=str(data))
    assert answer.returncode == 0, answer.stdout
    assert f"raw files of {STUB}" not in answer.stdout and "PASS    N1: measured 1000, needed > 100" in answer.stdout
    settle(book, "tiny", "needy")
    without = call(book, "run", OVERSMOOTH_DATA=str(folder))
    assert without.returncode == 0, without.stdout
    built = call(book, "build", OVERSMOOTH_DATA=str(folder))
    assert built.returncode == 0, built.stderr
    return book, data, without.stdout


@pytest.fixture
def mine(complete, tmp_path):
    return copy_book(complete[0], tmp_path / "book")


def outputs(book, name="needy"):
    return json.loads((book.run("published", "needy") / f"{name}.json").read_text())


def text(html, place=None):
    soup = BeautifulSoup(html.read_text(encoding="utf-8"), "html.parser")
    found = soup.select_one(place) if place else soup
    return re.sub(r"\s+", " ", found.get_text(" ")) if found else ""


def page(book, name):
    return book.build("published") / "html" / "chapters" / f"{name}.html"


def test_a_chapter_without_a_graph_measures_all_that_does_not_need_it(complete):
    book, _, said = complete
    assert f"needy: no raw files of {STUB} here: 1 of its 2 claims are NOT RUN; {FETCH} the files" in said
    assert "needy: runs (changed: the data)" in said and "tiny: up to date" in said
    assert f"  NOT RUN N1: needed > 100, needs {STUB}\n" in said and "  PASS    N2: measured 34, needed > 30\n" in said
    assert "1 run, 1 up to date, 0 failed; 1 claims wait for data" in said
    assert outputs(book, "claims") == {"N2": 34} and outputs(book, "record")["missing"] == [STUB]
    printed = json.dumps(read_notebook(book.run("published", "needy") / "needy.ipynb"))
    assert f"N1: NOT RUN: needs {STUB}" in printed and "measured karate" in printed
    rows = (book.run("published", "needy") / "tables" / "sizes.csv").read_text()
    assert rows == f"graph,nodes\nkarate,34\n{STUB},1000\n"


def test_the_page_says_what_is_missing_and_whose_rows_it_shows(complete):
    book = complete[0]
    note = text(page(book, "needy"), ".admonition")
    for words in (
        f"The raw files of {STUB} are not on this machine",
        "NOT RUN: N1 .",
        "tinted",
        "oversmooth-book fetch",
    ):
        assert words in note, note
    assert f"sizes.csv (rows of {STUB}: published run)" in text(page(book, "needy"), ".provenance")
    assert "published run" not in text(page(book, "tiny")) and text(page(book, "tiny"), ".admonition") == ""


def test_the_landing_page_names_the_files_and_the_command(complete):
    html = page(complete[0], "index")
    note = text(html, ".admonition")
    assert "oversmooth-book fetch (or make data ) downloads what is missing" in note, note
    assert f"the claims that need {STUB} are NOT RUN" in note
    assert "ogbn_arxiv/raw/{edge.csv.gz, node-feat.csv.gz" in note and "ogbn_arxiv/split/time/{train.csv.gz" in note
    assert "3 findings: 2 PASS, 0 FAIL, 1 NOT RUN" in text(html)
    cards = BeautifulSoup(html.read_text(), "html.parser").select(".claim-card")
    found = {card.find(id=True)["id"]: card.select_one(".claim-value").get_text(" ", strip=True) for card in cards}
    assert found == {"claim-t1": "0.75", "claim-n1": f"needs {STUB}", "claim-n2": "34"}


def test_with_the_data_nothing_is_said_and_the_chapter_is_due(complete, mine):
    data = {"OVERSMOOTH_DATA": str(complete[1])}
    assert "needy cannot be shown (changed: the data)" in call(mine, "build", **data).stderr
    answer = call(mine, "run", **data)
    assert "needy: runs (changed: the data)" in answer.stdout and "PASS    N1: measured 1000" in answer.stdout
    assert outputs(mine, "record")["missing"] == [] and not (mine.run("published", "needy") / "borrowed.json").exists()
    assert call(mine, "build", **data).returncode == 0
    assert text(page(mine, "index"), ".admonition") == "" and text(page(mine, "needy"), ".admonition") == ""
    assert "3 PASS, 0 FAIL, 0 NOT RUN" in text(page(mine, "index"))


def test_the_committed_book_is_the_same_without_data(mine, tmp_path):
    answer = call(mine, "build", "--committed", OVERSMOOTH_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert text(page(mine, "index"), ".admonition") == "" and "3 PASS, 0 FAIL, 0 NOT RUN" in text(page(mine, "index"))


def test_what_needs_no_data_must_still_be_measured(mine, tmp_path):
    text = mine.notebook("needy").read_text()
    mine.notebook("needy").write_text(text.replace('book.claim(\\"N2\\"', 'print(\\"N2\\"'))
    answer = call(mine, "run", "needy", OVERSMOOTH_DATA=str(tmp_path))
    assert answer.returncode == 1
    assert "never calls oversmooth_book.claim for N2, which claims.yml expects" in answer.stdout


def test_the_graphs_of_a_chapter_are_those_of_its_claims_and_cells(book, tmp_path, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path))
    add_needy(book, "Cora")
    write_claims(book, {"id": "N1", "chapter": "needy", "needs": "[tolokers, karate]"}, {"needs": "[PubMed]"})
    needy = book.profiles["needy"]
    assert needed_graphs(book, needy) == ["tolokers", "karate", "Cora"]
    assert missing_graphs(book, needy) == ["tolokers", "Cora"]
    notebook = book.notebook("needy")
    notebook.write_text(notebook.read_text().replace('"Cora"\n', '"Corra"\n'))
    with pytest.raises(BookError, match=r"needy.ipynb: cell 4: needs the unknown graph Corra; known: Cora"):
        needed_graphs(book, needy)


def test_missing_files_are_told_folder_by_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path))
    (tmp_path / "Planetoid/Cora/raw").mkdir(parents=True)
    for name in ("x", "tx", "allx", "y", "ty", "ally"):
        (tmp_path / f"Planetoid/Cora/raw/ind.cora.{name}").touch()
    assert missing_files(["Cora", "karate", "minesweeper"]) == [
        "Planetoid/Cora/raw/{ind.cora.graph, ind.cora.test.index}",
        "HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz",
    ]
    assert missing_files([]) == []


def damaged(root):
    """Files of Cora that are all there, and none is the published one."""
    for path in rawfiles.files_of("Planetoid", "Cora"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"half a file")
    return root


def test_a_damaged_file_costs_the_claims_of_its_graph_only(complete, tmp_path):
    book = copy_book(complete[0], tmp_path / "book")
    replace = {STUB: "Cora"}
    for path in (book.notebook("needy"), book.chapters / "claims.yml", *book.published("needy").rglob("*.csv")):
        path.write_text(re.sub("|".join(replace), lambda found: replace[found[0]], path.read_text()))
    answer = call(book, "run", "needy", OVERSMOOTH_DATA=str(damaged(tmp_path / "raw")))
    assert answer.returncode == 0, answer.stdout
    assert re.search(r"Cora: .*ind\.cora\.\w+ is not the published file of Cora", answer.stdout)
    assert "1 of its 2 claims are NOT RUN" in answer.stdout and "PASS    N2: measured 34" in answer.stdout


@pytest.mark.parametrize("mirror", ["none", "broken"])
def test_a_broken_mirror_costs_its_graphs_only(tmp_path, monkeypatch, mirror):
    monkeypatch.delenv("OVERSMOOTH_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(rawfiles, "data_root", lambda root=None: stub_data(tmp_path / "new"))
    monkeypatch.setattr(rawfiles, "RETRIES", 0)
    said, served = [], None
    if mirror == "broken":
        served = Mirror(damaged(tmp_path / "served") / "Planetoid/Cora/raw")
    monkeypatch.setattr(Planetoid, "url", served.url if served else "http://127.0.0.1:9")
    try:
        assert fetch_missing([STUB, "Cora", "karate"], said.append) == ["Cora"]
    finally:
        if served:
            served.close()
    assert len(said) == (mirror == "broken")
    assert all(line.startswith("Cora: ") and "gave another file than the recorded one" in line for line in said)


def test_a_folder_that_was_named_is_never_written_to(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "named"))
    monkeypatch.setattr(Planetoid, "url", "http://127.0.0.1:9")
    said = []
    assert fetch_missing(["Cora"], said.append) == ["Cora"] and said == [] and not (tmp_path / "named").exists()
    damaged(tmp_path / "named")
    assert fetch_missing(["Cora"], said.append) == ["Cora"] and len(said) == 1


@pytest.mark.skipif(not os.environ.get("OVERSMOOTH_DATA"), reason="OVERSMOOTH_DATA names no folder of raw files")
def test_a_real_graph(book, tmp_path):
    if not is_here("Cora"):
        pytest.skip("the raw files of Cora are not here")
    add_needy(book, "Cora")
    assert "PASS    N1: measured 2708, needed > 100" in call(book, "run", "needy").stdout
    settle(book, "needy")
    answer = call(book, "run", "needy", OVERSMOOTH_DATA=str(tmp_path))
    assert answer.returncode == 0 and "NOT RUN N1: needed > 100, needs Cora" in answer.stdout
    assert (book.run("published", "needy") / "tables" / "sizes.csv").read_text().endswith("Cora,2708\n")


NAME = ": name it in metadata 'needs'"
NONE = ", which no claim and no cell of the chapter needs"
CELLS = {
    "book.claim('N1', 1)": f"claim N1 needs Cora, tolokers{NAME}",
    "for name in ('N1', 'N2'):\n    book.claim(name, 1)": f"claim N1 needs Cora, tolokers{NAME}",
    "book.claim('N2', 1)": None,
    "# book.claim('N1', 1)": None,
    "print('N1')": None,
    "book.measured('t', f, ['karate', 'PubMed', 'CSBM'])": f"measures PubMed{NONE}",
    "graphs = ['PubMed', 'digits']\nbook.measured('t', f, graphs)": f"measures PubMed{NONE}",
    "book.measured('t', f, graphs=('CiteSeer',))": f"measures CiteSeer{NONE}",
    # A claim of the chapter needs it: a run knows, and this cell may print nothing of it.
    "book.measured('t', f, ['Cora', 'karate'])": None,
    "%matplotlib inline": None,
}


@pytest.mark.parametrize("cell", CELLS)
def test_check_wants_the_graphs_of_a_cell_in_its_metadata(book, cell):
    write_claims(book, {"id": "N1", "needs": "[Cora, tolokers]"}, {"id": "N2"})
    notebook, tiny = read_notebook(book.notebook("tiny")), book.profiles["tiny"]
    notebook.cells[3].source = cell
    assert uncovered(notebook, book, tiny) == ([f"code cell 3: {CELLS[cell]}"] if CELLS[cell] else [])
    notebook.cells[3].metadata["needs"] = ["Cora", "tolokers", "PubMed", "CiteSeer"]
    assert uncovered(notebook, book, tiny) == []


@pytest.mark.parametrize(("needs", "words"), [(["Corra"], "unknown graph Corra"), ("Cora", "a list of graph names")])
def test_check_refuses_a_cell_that_names_no_graph(book, needs, words):
    notebook = read_notebook(book.notebook("tiny"))
    notebook.cells[3].metadata["needs"] = needs
    (problem,) = uncovered(notebook, book, book.profiles["tiny"])
    assert problem.startswith("code cell 3: ") and words in problem
