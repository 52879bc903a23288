"""ogbn-arxiv, from a small fixture in the format of its raw files, written here; and the published one, where it is."""

import gzip
import pickle
import random

import numpy as np
import pytest
import torch
from graph_cases import snapshot, tidy

from oversmooth.graphs import datasets as graphs
from oversmooth.graphs import files, ogb


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


def packed(text):
    """Compressed, without the time of day: parameters must be the same in every process that collects them."""
    return gzip.compress(text.encode(), mtime=0)


def write_table(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed("".join(",".join(map(str, row)) + "\n" for row in table)))


def test_ogbn_arxiv_is_read_from_its_raw_files(arxiv, offline):
    root, tables, splits = arxiv
    before = snapshot(root)
    assert graphs.available("ogbn-arxiv", root)
    data = graphs.load("OGBN_arxiv", root)
    assert tidy(data)
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
        ("raw/edge", packed("1,2\n" * 94)[:-9], "edge.csv.gz cannot be read"),
        ("raw/edge", packed("1,2\n" * 93), r"edge has shape \(93, 2\), num-edge-list says 94"),
        ("raw/edge", packed("1,40\n" * 94), "edge names node 40, the nodes are 0 to 39"),
        ("raw/edge", packed("1,-1\n" * 94), "edge needs whole numbers from 0"),
        ("raw/edge", pickle.dumps([1]), "edge.csv.gz cannot be read"),
        ("raw/node-feat", packed("1,2\n" * 39), "node-feat has 39 rows, num-node-list says 40"),
        ("raw/node-feat", packed("1,x\n" * 40), "node-feat.csv.gz cannot be read"),
        ("raw/node-feat", packed("1,\n" * 40), "no finite number"),
        ("raw/node-label", packed("1.5\n" * 40), "node-label needs whole numbers"),
        ("split/time/train", packed("1\n1\n"), "train_mask: each node"),
        ("split/time/train", packed("".join(f"{k}\n" for k in range(40))), "the splits overlap"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_ogbn_arxiv_damaged_is_refused(arxiv, path, content, words):
    root, _, _ = arxiv
    (root / f"ogbn_arxiv/{path}.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        graphs.load("ogbn-arxiv", root)


def test_ogbn_arxiv_as_published():
    if not graphs.available("ogbn-arxiv"):
        pytest.skip(f"no {ogb.FOLDER} in {files.data_root()}: set OVERSMOOTH_DATA")
    data = graphs.load("ogbn-arxiv")
    assert tidy(data)
    assert data.x.shape == (169343, 128) and int(data.y.max()) == 39
    assert [int(mask.sum()) for mask in (data.train_mask, data.val_mask, data.test_mask)] == [90941, 29799, 48603]
