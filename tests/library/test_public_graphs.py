"""Public graphs: their published statistics, their downloads, and the ways their files can be wrong."""

import os
import pickle
import shutil
import socket
import sys
import termios
import warnings

import pooch
import pytest
import torch
from graph_cases import networkx_graph, raw_root, snapshot, tidy
from mirrors import Mirror, small_files
from torch_geometric.datasets import HeterophilousGraphDataset, Planetoid

from oversmooth.graphs import datasets as graphs
from oversmooth.graphs import files

# name -> nodes, directed edges, features, classes, isolated nodes, nodes of the largest component
PUBLISHED = {
    "Cora": (2708, 10556, 1433, 7, 0, 2485),
    "CiteSeer": (3327, 9104, 3703, 6, 48, 2120),
    "minesweeper": (10000, 78804, 7, 2, 0, 10000),
    "tolokers": (11758, 1038000, 10, 2, 0, 11758),
}


@pytest.fixture
def cora_copy(tmp_path):
    """A root of our own that holds Cora's raw files."""
    root = tmp_path / "root"
    shutil.copytree(raw_root("Cora") / "Planetoid/Cora/raw", root / "Planetoid/Cora/raw")
    for file in (root / "Planetoid/Cora/raw").iterdir():
        file.chmod(0o644)
    return root


@pytest.fixture
def served(monkeypatch):
    """Serves a folder on loopback in the place of Planetoid's address; one further attempt, after a second."""
    mirrors = []

    def serve(folder, dataset=Planetoid):
        mirrors.append(Mirror(folder))
        monkeypatch.setattr(dataset, "url", mirrors[-1].url)
        return mirrors[-1]

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(files, "RETRIES", 1)
    yield serve
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def small_cora(served, tmp_path, monkeypatch):
    """A mirror of small files in the place of Cora's, so that no test of a download needs the published ones."""
    return served(small_files(tmp_path / "source", monkeypatch) / "Planetoid/Cora/raw")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_statistics(name):
    raw_root(name)
    data = graphs.load(name)
    nodes, edges, features, classes, isolated, component = PUBLISHED[name]
    assert tidy(data)
    assert (data.num_nodes, data.num_edges, data.num_features) == (nodes, edges, features)
    assert data.y.unique().tolist() == list(range(classes))
    degree = torch.bincount(data.edge_index[0], minlength=nodes)
    assert int((degree == 0).sum()) == isolated
    assert graphs.largest_component(data).num_nodes == component
    shape = (nodes,) if edges < 20_000 else (nodes, 10)
    for mask in (data.train_mask, data.val_mask, data.test_mask):
        assert mask.dtype == torch.bool and mask.shape == shape
    assert not (data.train_mask & data.test_mask).any()


def test_load_equals_torch_geometric(tmp_path):
    """Same tensors as the dataset class on the same raw files."""
    root = raw_root("Cora", "minesweeper")
    for family, name in (("Planetoid", "Cora"), ("HeterophilousGraphDataset", "minesweeper")):
        shutil.copytree(root / family / name / "raw", tmp_path / family / name / "raw")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        references = [
            Planetoid(str(tmp_path / "Planetoid"), "Cora")[0],
            HeterophilousGraphDataset(str(tmp_path / "HeterophilousGraphDataset"), "Minesweeper")[0],
        ]
    for reference, name in zip(references, ("cora", "MINESWEEPER"), strict=True):
        data = graphs.load(name, root)
        assert torch.equal(data.x, reference.x.double()) and torch.equal(data.y, reference.y)
        assert torch.equal(data.train_mask, reference.train_mask)
        edges = networkx_graph(reference).edges()
        assert set(map(frozenset, edges)) == set(map(frozenset, networkx_graph(data).edges()))


def test_load_writes_nothing_into_its_root_and_says_nothing(cora_copy, capfd):
    before = snapshot(cora_copy)
    (cora_copy / "Planetoid/Cora/raw").chmod(0o555)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        graphs.load("Cora", cora_copy)
        assert warnings.filters == filters
    (cora_copy / "Planetoid/Cora/raw").chmod(0o755)
    assert snapshot(cora_copy) == before
    assert capfd.readouterr() == ("", "") and not caught


def test_a_processed_file_beside_the_raw_ones_is_never_read(cora_copy):
    processed = cora_copy / "Planetoid/Cora/processed"
    processed.mkdir()
    (processed / "data.pt").write_bytes(pickle.dumps("not a graph"))
    assert graphs.load("Cora", cora_copy).num_nodes == 2708


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text", "bomb", "folder"])
def test_a_damaged_file_is_named_and_not_read(cora_copy, damage, tmp_path, offline):
    file = cora_copy / "Planetoid/Cora/raw/ind.cora.graph"
    content = bytearray(file.read_bytes())
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes({
            "truncate": content[: len(content) // 2], "flip": content, "empty": b"", "text": b"<html></html>",
            "bomb": pickle.dumps(Bomb(str(tmp_path / "exploded"))),
        }[damage])  # fmt: skip
    before = snapshot(cora_copy)
    with pytest.raises(ValueError, match=r"ind\.cora\.graph") as caught:
        graphs.load("Cora", cora_copy)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a parser's traceback shows"
    assert snapshot(cora_copy) == before and not (tmp_path / "exploded").exists()


def test_a_damaged_npz_is_named(tmp_path):
    target = tmp_path / "HeterophilousGraphDataset/minesweeper/raw"
    target.mkdir(parents=True)
    source = raw_root("minesweeper") / "HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz"
    (target / "minesweeper.npz").write_bytes(source.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"minesweeper\.npz is not the published file"):
        graphs.load("minesweeper", tmp_path)


def test_missing_files_offline_are_all_named_with_their_folder(cora_copy, offline):
    raw = cora_copy / "Planetoid/Cora/raw"
    (raw / "ind.cora.tx").unlink()
    (raw / "ind.cora.test.index").unlink()
    before = snapshot(cora_copy)
    assert not graphs.available("Cora", cora_copy)
    with pytest.raises(FileNotFoundError) as caught:
        graphs.load("Cora", cora_copy)
    message = str(caught.value)
    assert str(raw) in message and "ind.cora.tx" in message and "ind.cora.test.index" in message
    assert "ind.cora.allx" not in message and "OVERSMOOTH_DATA" in message
    assert caught.value.__suppress_context__ and snapshot(cora_copy) == before


@pytest.mark.parametrize("name", ["PubMed", "roman-empire", "Amazon_Ratings", "questions"])
def test_a_graph_without_any_file_offline(name, tmp_path, offline):
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        graphs.load(name, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_missing_files_are_downloaded_checked_and_kept(served, cora_copy, tmp_path):
    served(cora_copy / "Planetoid/Cora/raw")
    root = tmp_path / "new"
    data = graphs.load("Cora", root)
    assert data.num_nodes == 2708 and graphs.available("cora", root)
    names = sorted(p.name for p in (root / "Planetoid/Cora/raw").iterdir())
    assert names == sorted(p.name for p in (cora_copy / "Planetoid/Cora/raw").iterdir())
    assert [p.name for p in (root / "Planetoid/Cora").iterdir()] == ["raw"]


def test_an_altered_download_is_refused_and_nothing_of_it_kept(small_cora, tmp_path):
    file = small_cora.folder / "ind.cora.x"
    recorded = files.RAW_SHA256["Planetoid/Cora/raw/ind.cora.x"]
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError) as caught:
        graphs.load("Cora", tmp_path / "new")
    message = str(caught.value)
    assert f"{small_cora.url}/ind.cora.x gave another file than the recorded one" in message
    assert recorded in message and files._sha256(file) in message
    assert caught.value.__suppress_context__ and not (tmp_path / "new").exists()


def test_a_download_that_cannot_be_stored_is_a_clear_error(small_cora, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileNotFoundError, match="OVERSMOOTH_DATA"):
        graphs.fetch("Cora", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def test_what_came_before_a_failure_is_kept_and_not_asked_for_again(small_cora, tmp_path):
    raw = tmp_path / "new/Planetoid/Cora/raw"
    small_cora.breaks["ind.cora.graph"] = 2
    with pytest.raises(FileNotFoundError, match=r"graph, ind\.cora\.test\.index\. They.*Connection broken"):
        graphs.fetch("Cora", tmp_path / "new")
    kept = sorted(raw.iterdir())
    assert [file.name for file in kept] == [f"ind.cora.{end}" for end in ("allx", "ally", "tx", "ty", "x", "y")]
    assert all(file.read_bytes() == (small_cora.folder / file.name).read_bytes() for file in kept)
    small_cora.asked.clear()
    graphs.fetch("Cora", tmp_path / "new")
    assert small_cora.asked == ["ind.cora.graph", "ind.cora.test.index"] and graphs.available("Cora", tmp_path / "new")


def test_an_answer_that_breaks_off_is_asked_for_again(small_cora, tmp_path):
    small_cora.breaks["ind.cora.y"] = 1
    graphs.fetch("Cora", tmp_path / "new")
    assert graphs.available("Cora", tmp_path / "new")
    assert small_cora.asked.count("ind.cora.y") == 2 and len(small_cora.asked) == 9


def test_a_file_that_is_not_there_is_asked_for_once(small_cora, tmp_path):
    (small_cora.folder / "ind.cora.allx").unlink()
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded from http.*\(404 Client Error"):
        graphs.fetch("Cora", tmp_path / "new")
    assert small_cora.asked == ["ind.cora.x", "ind.cora.tx", "ind.cora.allx"]


def test_no_network_is_told_at_once(tmp_path, monkeypatch, offline):
    attempts, attempt = [], files._get
    monkeypatch.setattr(files, "_get", lambda *call: attempts.append(call) or attempt(*call))
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded from https://github\.com/.* proxy"):
        graphs.fetch("Cora", tmp_path)
    assert len(attempts) == 1 and not list(tmp_path.iterdir())


def test_an_address_that_is_none_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Planetoid, "url", "http://[nowhere")
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded from http://\[nowhere \("):
        graphs.fetch("Cora", tmp_path)


def test_a_source_that_does_not_answer_is_given_up(served, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "DOWNLOAD_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setattr(Planetoid, "url", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(FileNotFoundError, match=r"timed out\. \(read timeout=0\.2\)"):
            graphs.fetch("Cora", tmp_path)


def test_without_pooch_the_message_says_what_to_install(small_cora, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FileNotFoundError, match="the package pooch is not installed: pip install pooch"):
        graphs.fetch("Cora", tmp_path)
    assert not small_cora.asked


def test_a_bar_on_a_terminal_and_nothing_elsewhere(served, tmp_path, monkeypatch, capfd, caplog):
    folder = small_files(tmp_path / "source", monkeypatch) / "HeterophilousGraphDataset/minesweeper/raw"
    served(folder, HeterophilousGraphDataset)
    level = pooch.get_logger().level
    pooch.get_logger().addHandler(caplog.handler)
    graphs.fetch("minesweeper", tmp_path / "one")
    pooch.get_logger().removeHandler(caplog.handler)
    assert capfd.readouterr() == ("", "") and not caplog.records and pooch.get_logger().level == level
    screen, terminal = os.openpty()
    termios.tcsetwinsize(screen, (24, 80))
    os.set_blocking(screen, False)
    with open(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        graphs.fetch("minesweeper", tmp_path / "two")
        shown = os.read(screen, 4096).decode()
    os.close(screen)
    # The bar knows the file's name and size, and wipes itself away in the end.
    assert (
        "minesweeper.npz:   0%" in shown and f"0.00/{(folder / 'minesweeper.npz').stat().st_size / 1000:.2f}k" in shown
    )
    assert shown.endswith(" \r")


def test_fetch_checks_what_is_here_and_reads_nothing(small_cora, tmp_path):
    graphs.fetch("Cora", tmp_path / "new")  # small files, which no reader of graphs would take
    file = tmp_path / "new/Planetoid/Cora/raw/ind.cora.x"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"ind\.cora\.x is not the published file of Cora"):
        graphs.fetch("Cora", tmp_path / "new")
    graphs.fetch("karate", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="They are not downloaded"):
        graphs.fetch("ogbn-arxiv", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_missing_files_are_named_relative_to_the_root(small_cora, tmp_path):
    assert graphs.missing_files("CORA", tmp_path) == list(files.files_of("Planetoid", "Cora"))
    graphs.fetch("Cora", tmp_path)
    (tmp_path / "Planetoid/Cora/raw/ind.cora.ty").unlink()
    assert graphs.missing_files("cora", tmp_path) == ["Planetoid/Cora/raw/ind.cora.ty"]
    assert graphs.missing_files("digits", tmp_path) == [] != graphs.missing_files("ogbn-arxiv", tmp_path)


def test_where_the_root_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "from_environment"))
    assert files.data_root() == tmp_path / "from_environment"
    assert files.data_root(str(tmp_path)) == tmp_path
    monkeypatch.setenv("OVERSMOOTH_DATA", "")
    checkout = files.data_root()
    assert checkout.parts[-2:] == ("data", "raw") and (checkout.parents[1] / "pyproject.toml").is_file()
    # As installed from a wheel: no checkout around the module.
    monkeypatch.setattr(files, "__file__", str(tmp_path / "lib/site-packages/oversmooth/files.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.data_root() == tmp_path / "cache" / "oversmooth"


def test_every_public_graph_has_recorded_sums():
    recorded = {}
    for family, name in graphs.PUBLIC_GRAPHS.values():
        own = files.files_of(family, name)
        assert len(own) == (8 if family == "Planetoid" else 1)
        assert all(len(digest) == 64 and int(digest, 16) for digest in own.values())
        recorded |= own
    assert recorded == files.RAW_SHA256, "a sum is on record of a file that no graph needs"


def test_unknown_names_list_the_known_ones():
    for call in (graphs.load, graphs.available, graphs.fetch, graphs.missing_files):
        with pytest.raises(ValueError, match=r"name is 'corra'; known: Cora, CiteSeer.*roman_empire.*karate"):
            call("corra")
