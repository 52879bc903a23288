"""Graphs: statistics of the random ones, shapes of the public ones, and the ways their files can be wrong."""

import functools
import gzip
import http.server
import math
import os
import pickle
import random
import shutil
import threading
import warnings

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import HeterophilousGraphDataset, Planetoid

from oversmooth import graphs, ogbfiles, rawfiles
from oversmooth_book.layout import BookError
from oversmooth_book.profiles import ChapterProfile, missing_graphs

# name -> nodes, directed edges, features, classes, isolated nodes, nodes of the largest component
PUBLISHED = {
    "Cora": (2708, 10556, 1433, 7, 0, 2485),
    "CiteSeer": (3327, 9104, 3703, 6, 48, 2120),
    "minesweeper": (10000, 78804, 7, 2, 0, 10000),
    "tolokers": (11758, 1038000, 10, 2, 0, 11758),
}
SIGMAS = 6.0  # a correct sampler leaves this band about twice in a thousand million draws


def raw_root(*names):
    """The folder of raw files that this machine has, or a skip."""
    root = rawfiles.data_root()
    missing = [name for name in names if not graphs.available(name)]
    if missing:
        pytest.skip(f"no raw files of {', '.join(missing)} in {root}: set OVERSMOOTH_DATA")
    return root


@pytest.fixture
def offline(monkeypatch):
    """No network: every connection goes to a port of this machine on which nothing listens."""
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")


@pytest.fixture
def cora_copy(tmp_path):
    """A root of our own that holds Cora's raw files."""
    root = tmp_path / "root"
    shutil.copytree(raw_root("Cora") / "Planetoid/Cora/raw", root / "Planetoid/Cora/raw")
    for file in (root / "Planetoid/Cora/raw").iterdir():
        file.chmod(0o644)
    return root


def snapshot(root):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}


def assert_tidy(data):
    n, edges = data.num_nodes, data.edge_index
    assert data.x.dtype == torch.float64 and data.x.shape[0] == n
    assert data.y.dtype == torch.int64 and data.y.shape == (n,)
    assert edges.dtype == torch.int64 and edges.min() >= 0 and edges.max() < n
    i, j = edges.numpy()
    forth, back = np.unique(i * n + j), np.unique(j * n + i)
    assert len(forth) == edges.shape[1], "duplicate edges"
    assert np.array_equal(forth, back) and (i != j).all()


def networkx_graph(data):
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    return graph


# ---- contextual stochastic block model


@pytest.mark.parametrize(
    ("n", "classes", "p_in", "p_out"),
    [(400, 2, 0.06, 0.02), (401, 3, 0.02, 0.3), (99, 7, 0.5, 0.1), (60, 4, 0.9, 0.7), (3000, 2, 2e-3, 1e-3)],
)
def test_csbm_edge_counts_are_binomial(n, classes, p_in, p_out):
    seeds = range(20)
    counts = np.zeros((classes, classes))
    for seed in seeds:
        data = graphs.csbm(n, classes, p_in, p_out, seed=seed)
        ends = data.y[data.edge_index[:, data.edge_index[0] < data.edge_index[1]]].numpy()
        np.add.at(counts, (ends[0], ends[1]), 1)
    assert_tidy(data)
    sizes = np.bincount(data.y.numpy())
    assert sizes.max() - sizes.min() <= 1 and sizes.sum() == n
    for a in range(classes):
        for b in range(a, classes):
            pairs = sizes[a] * (sizes[a] - 1) / 2 if a == b else sizes[a] * sizes[b]
            p = p_in if a == b else p_out
            expected, variance = len(seeds) * pairs * p, len(seeds) * pairs * p * (1 - p)
            assert abs(counts[a, b] - expected) <= SIGMAS * math.sqrt(variance), (a, b)


def test_csbm_every_pair_is_equally_likely_inside_its_block():
    n, p_in, p_out, draws = 11, 0.3, 0.6, 3000
    total = np.zeros((n, n))
    for seed in range(draws):
        i, j = graphs.csbm(n, 3, p_in, p_out, num_features=1, seed=seed).edge_index.numpy()
        total[i, j] += 1
    y = graphs.csbm(n, 3, seed=0).y.numpy()
    p = np.where(y[:, None] == y[None, :], p_in, p_out) * (1 - np.eye(n))
    assert (np.abs(total - draws * p) <= SIGMAS * np.sqrt(draws * p * (1 - p))).all()


@pytest.mark.parametrize(("classes", "separation"), [(2, 1.0), (5, 3.0), (1, 2.0), (3, 0.0)])
def test_csbm_features_are_class_mean_plus_standard_noise(classes, separation):
    n, d = 20_000, 6
    data = graphs.csbm(n, classes, 0, 0, num_features=d, separation=separation, seed=3)
    means = torch.stack([data.x[data.y == c].mean(dim=0) for c in range(classes)])
    residual = data.x - means[data.y]
    size = n // classes
    # |mean|^2 = separation^2 + chi-square(d)/size + a cross term of variance 4 separation^2/size
    slack = (d + SIGMAS * math.sqrt(2 * d)) / size + SIGMAS * 2 * separation / math.sqrt(size)
    assert ((means**2).sum(dim=1) - separation**2).abs().max() <= slack
    assert abs(residual.var().item() - 1) <= SIGMAS * math.sqrt(2 / (n * d)) + classes / n
    covariance = residual.T @ residual / n - torch.eye(d, dtype=torch.float64)
    assert covariance.abs().max() <= SIGMAS * math.sqrt(2 / n) + classes / n
    if classes == 2:
        assert (means[0] + means[1]).abs().max() <= SIGMAS * math.sqrt(2 / size)


def test_csbm_same_seed_same_graph_and_features_do_not_depend_on_edges():
    a, b, c = graphs.csbm(seed=5), graphs.csbm(seed=5), graphs.csbm(seed=6)
    assert torch.equal(a.x, b.x) and torch.equal(a.edge_index, b.edge_index)
    assert not torch.equal(a.x, c.x) and not torch.equal(a.edge_index, c.edge_index)
    other = graphs.csbm(p_in=0.5, p_out=0.5, seed=5)
    assert torch.equal(a.x, other.x) and a.edge_index.shape != other.edge_index.shape


def test_csbm_extremes():
    assert graphs.csbm(50, 2, 0, 0).edge_index.shape == (2, 0)
    assert graphs.csbm(50, 2, 1, 1).edge_index.shape == (2, 50 * 49)
    data = graphs.csbm(7, 2, 1, 0)
    assert sorted(len(c) for c in nx.connected_components(networkx_graph(data))) == [3, 4]
    assert nx.is_bipartite(networkx_graph(graphs.csbm(9, 2, 0, 1)))
    single = graphs.csbm(1, 1, 1, 1)
    assert single.x.shape == (1, 8) and single.edge_index.shape == (2, 0)
    assert graphs.csbm(5, 5, 1, 0).y.tolist() == [0, 1, 2, 3, 4]
    assert graphs.csbm(10_000, 2, 1e-300, 1e-12).edge_index.shape[1] <= 2


def test_csbm_costs_edges_not_pairs():
    data = graphs.csbm(200_000, 4, p_in=3e-5, p_out=1e-5, num_features=2, seed=0)
    expected = 200_000 * (50_000 * 3e-5 + 150_000 * 1e-5)
    assert abs(data.edge_index.shape[1] - expected) <= SIGMAS * 2 * math.sqrt(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_nodes": 1}, "num_nodes must be an integer of at least 2; got 1"),
        ({"num_nodes": 40.0}, "num_nodes"), ({"num_classes": 0}, "num_classes"),
        ({"num_features": 0}, "num_features"),
        ({"seed": -1}, "seed"), ({"seed": 0.5}, "seed"), ({"p_in": 1.1}, "p_in is a probability"),
        ({"p_out": -0.1}, "p_out"), ({"p_out": math.nan}, "p_out"), ({"separation": math.inf}, "separation"),
    ],
)  # fmt: skip
def test_csbm_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        graphs.csbm(**arguments)


# ---- digits, karate, components


def test_digits_are_the_symmetrised_nearest_neighbour_graph():
    k = 4
    data = graphs.digits(neighbors=k)
    assert_tidy(data)
    assert data.x.shape == (1797, 64) and data.x.min() == 0 and data.x.max() == 1 and data.y.max() == 9
    neighbors = [set() for _ in range(data.num_nodes)]
    for i, j in data.edge_index.T.tolist():
        neighbors[i].add(j)
    pixels = (data.x * 16).round().to(torch.int64).numpy()
    expected = [set() for _ in neighbors]
    for i in range(data.num_nodes):  # a loop over nodes, in integers; ties to the lower number
        distance = ((pixels - pixels[i]) ** 2).sum(axis=1).tolist()
        for _, j in sorted((d, j) for j, d in enumerate(distance) if j != i)[:k]:
            expected[i].add(j)
            expected[j].add(i)
    assert neighbors == expected


def test_digits_default_is_connected_and_bad_neighbors_are_refused():
    assert nx.is_connected(networkx_graph(graphs.digits()))
    for neighbors in (0, 1797, 2.5):
        with pytest.raises(ValueError, match="neighbors"):
            graphs.digits(neighbors)


def test_karate_is_networkx_karate_club():
    data = graphs.karate()
    assert_tidy(data)
    reference = nx.karate_club_graph()
    assert set(map(frozenset, reference.edges())) == set(map(frozenset, networkx_graph(data).edges()))
    assert torch.equal(data.x, torch.eye(34, dtype=torch.float64))
    assert data.y.unique().tolist() == [0, 1, 2, 3] and data.train_mask.sum() == 4


def test_largest_component_against_networkx():
    data = graphs.csbm(300, 3, p_in=0.012, p_out=0.001, seed=1)
    data.mask = torch.arange(300)[:, None] % torch.tensor([2, 3]) == 0
    graph = networkx_graph(data)
    nodes = sorted(max(nx.connected_components(graph), key=len))
    assert 1 < len(nodes) < 300
    part = graphs.largest_component(data)
    assert_tidy(part)
    assert torch.equal(part.x, data.x[nodes]) and torch.equal(part.y, data.y[nodes])
    assert torch.equal(part.mask, data.mask[nodes])
    expected = nx.convert_node_labels_to_integers(graph.subgraph(nodes), ordering="sorted")
    assert set(map(frozenset, expected.edges())) == set(map(frozenset, networkx_graph(part).edges()))
    assert data.num_nodes == 300


# ---- public graphs


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_statistics(name):
    raw_root(name)
    data = graphs.load(name)
    nodes, edges, features, classes, isolated, component = PUBLISHED[name]
    assert_tidy(data)
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


@pytest.mark.parametrize("name", ["digits", "Karate"])
def test_built_in_graphs_load_by_name_without_a_root(name, tmp_path):
    assert graphs.available(name, tmp_path / "nowhere")
    assert isinstance(graphs.load(name, tmp_path / "nowhere"), Data)


def test_global_random_states_are_untouched():
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()[1].copy()
    graphs.csbm(seed=1)
    graphs.digits()
    graphs.karate()
    if graphs.available("Cora"):
        graphs.load("Cora")
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all() and random.getstate() == python_state


# ---- ogbn-arxiv: a small fixture in the format of OGB's raw files, written here; not the published graph


@pytest.fixture
def arxiv(tmp_path):
    """A root with 40 nodes, and its contents as lists."""
    rng = random.Random(5)
    tables = {
        "edge": [[rng.randrange(40), rng.randrange(38)] for _ in range(90)] + [[3, 3], [1, 2], [2, 1], [1, 2]],
        "node-feat": [[round(rng.gauss(0, 0.1), 6) for _ in range(5)] for _ in range(40)],
        "node-label": [[rng.randrange(4)] for _ in range(40)],
        "num-node-list": [[40]],
        "num-edge-list": [[94]],
    }
    order = rng.sample(range(40), 40)
    splits = {"train": order[:20], "valid": order[20:29], "test": order[29:38]}
    for name, table in tables.items():
        write_table(tmp_path / f"ogbn_arxiv/raw/{name}.csv.gz", table)
    for name, nodes in splits.items():
        write_table(tmp_path / f"ogbn_arxiv/split/time/{name}.csv.gz", [[node] for node in nodes])
    return tmp_path, tables, splits


def write_table(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(",".join(map(str, row)) + "\n" for row in table).encode()))


def test_ogbn_arxiv_is_read_from_its_raw_files(arxiv, offline):
    root, tables, splits = arxiv
    before = snapshot(root)
    assert graphs.available("ogbn-arxiv", root)
    data = graphs.load("OGBN_arxiv", root)
    assert_tidy(data)
    assert data.x.tolist() == [[float(np.float32(value)) for value in row] for row in tables["node-feat"]]
    assert data.y.tolist() == [row[0] for row in tables["node-label"]]
    joined = {pair for i, j in tables["edge"] if i != j for pair in ((i, j), (j, i))}
    assert {tuple(pair) for pair in data.edge_index.T.tolist()} == joined
    for name, mask in (("train", data.train_mask), ("valid", data.val_mask), ("test", data.test_mask)):
        assert mask.dtype == torch.bool and mask.nonzero().ravel().tolist() == sorted(splits[name])
    assert snapshot(root) == before


def test_ogbn_arxiv_that_is_not_there_is_named(arxiv):
    root, _, _ = arxiv
    (root / "ogbn_arxiv/split/time/valid.csv.gz").unlink()
    assert not graphs.available("ogbn-arxiv", root)
    with pytest.raises(FileNotFoundError, match=r"ogbn_arxiv/split/time/valid\.csv\.gz\. They are not downloaded"):
        graphs.load("ogbn-arxiv", root)


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("raw/edge", b"no gzip", "edge.csv.gz cannot be read"),
        ("raw/edge", gzip.compress(b"1,2\n" * 94)[:-9], "edge.csv.gz cannot be read"),
        ("raw/edge", gzip.compress(b"1,2\n" * 93), r"edge has shape \(93, 2\), num-edge-list says 94"),
        ("raw/edge", gzip.compress(b"1,40\n" * 94), "edge names node 40, the nodes are 0 to 39"),
        ("raw/edge", gzip.compress(b"1,-1\n" * 94), "edge needs whole numbers from 0"),
        ("raw/edge", pickle.dumps([1]), "edge.csv.gz cannot be read"),
        ("raw/node-feat", gzip.compress(b"1,2\n" * 39), "node-feat has 39 rows, num-node-list says 40"),
        ("raw/node-feat", gzip.compress(b"1,x\n" * 40), "node-feat.csv.gz cannot be read"),
        ("raw/node-feat", gzip.compress(b"1,\n" * 40), "no finite number"),
        ("raw/node-label", gzip.compress(b"1.5\n" * 40), "node-label needs whole numbers"),
        ("split/time/train", gzip.compress(b"1\n1\n"), "train_mask: each node"),
        ("split/time/train", gzip.compress("".join(f"{k}\n" for k in range(40)).encode()), "the splits overlap"),
    ],
)
def test_ogbn_arxiv_damaged_is_refused(arxiv, path, content, words):
    root, _, _ = arxiv
    (root / f"ogbn_arxiv/{path}.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        graphs.load("ogbn-arxiv", root)


def test_ogbn_arxiv_as_published():
    if not graphs.available("ogbn-arxiv"):
        pytest.skip(f"no {ogbfiles.FOLDER} in {rawfiles.data_root()}: set OVERSMOOTH_DATA")
    data = graphs.load("ogbn-arxiv")
    assert_tidy(data)
    assert data.x.shape == (169343, 128) and int(data.y.max()) == 39
    assert [int(mask.sum()) for mask in (data.train_mask, data.val_mask, data.test_mask)] == [90941, 29799, 48603]
