"""Public graphs: their published statistics, their downloads, and the ways their files can be wrong."""

import functools
import http.server
import os
import pickle
import shutil
import threading
import warnings

import pytest
import torch
from graph_cases import networkx_graph, raw_root, snapshot, tidy
from torch_geometric.datasets import HeterophilousGraphDataset, Planetoid

from oversmooth import graphs, rawfiles
from oversmooth_book.layout import BookError
from oversmooth_book.profiles import ChapterProfile, missing_graphs

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
    """Serves a folder on loopback in the place of Planetoid's address."""
    servers = []

    def serve(folder):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(Planetoid, "url", f"http://127.0.0.1:{server.server_port}")

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


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


def test_an_altered_download_is_refused_and_nothing_kept(served, cora_copy, tmp_path):
    file = cora_copy / "Planetoid/Cora/raw/ind.cora.ty"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    served(file.parent)
    with pytest.raises(ValueError, match=r"ind\.cora\.ty gave another file than the recorded one"):
        graphs.load("Cora", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_download_that_cannot_be_stored_is_a_clear_error(served, cora_copy, tmp_path):
    served(cora_copy / "Planetoid/Cora/raw")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileNotFoundError, match="OVERSMOOTH_DATA"):
        graphs.load("Cora", tmp_path / "file")


def test_a_chapters_graphs_are_fetched_unless_a_folder_was_named(served, cora_copy, tmp_path, monkeypatch):
    chapter = ChapterProfile("tiny", {}, needs=("Cora",))
    served(cora_copy / "Planetoid/Cora/raw")
    monkeypatch.setattr(rawfiles, "data_root", lambda root=None: tmp_path / "new")
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "new"))
    assert missing_graphs(chapter, download=True) == ["Cora"]
    monkeypatch.delenv("OVERSMOOTH_DATA")
    assert missing_graphs(chapter) == ["Cora"] and missing_graphs(chapter, download=True) == []


def test_a_chapters_graphs_are_missing_offline_and_refused_when_altered(served, cora_copy, tmp_path, monkeypatch):
    chapter = ChapterProfile("tiny", {}, needs=("Cora",))
    monkeypatch.delenv("OVERSMOOTH_DATA", raising=False)
    monkeypatch.setattr(rawfiles, "data_root", lambda root=None: tmp_path / "new")
    monkeypatch.setattr(Planetoid, "url", "http://127.0.0.1:9")
    assert missing_graphs(chapter, download=True) == ["Cora"]
    file = cora_copy / "Planetoid/Cora/raw/ind.cora.ty"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    served(file.parent)
    with pytest.raises(BookError, match=r"tiny: .*gave another file than the recorded one"):
        missing_graphs(chapter, download=True)


def test_where_the_root_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("OVERSMOOTH_DATA", str(tmp_path / "from_environment"))
    assert rawfiles.data_root() == tmp_path / "from_environment"
    assert rawfiles.data_root(str(tmp_path)) == tmp_path
    monkeypatch.setenv("OVERSMOOTH_DATA", "")
    checkout = rawfiles.data_root()
    assert checkout.parts[-2:] == ("data", "raw") and (checkout.parents[1] / "pyproject.toml").is_file()
    # As installed from a wheel: no checkout around the module.
    monkeypatch.setattr(rawfiles, "__file__", str(tmp_path / "lib/site-packages/oversmooth/rawfiles.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert rawfiles.data_root() == tmp_path / "cache" / "oversmooth"


def test_every_public_graph_has_recorded_sums():
    for family, name in graphs._PUBLIC_GRAPHS.values():
        files = rawfiles.files_of(family, name)
        assert len(files) == (8 if family == "Planetoid" else 1)
        assert all(len(digest) == 64 and int(digest, 16) for digest in files.values())
    assert len(rawfiles.RAW_SHA256) == 29


def test_unknown_names_list_the_known_ones():
    for call in (graphs.load, graphs.available):
        with pytest.raises(ValueError, match=r"Cora, CiteSeer.*roman_empire.*karate; got 'corra'"):
            call("corra")
