"""ogbn-arxiv from the raw files of the Open Graph Benchmark, read as the text they are.

OGB's own package keeps the graph as a Python pickle, which can run code when read, and wants its processed copy in
the folder of the raw files. Its raw files are compressed tables of numbers: pandas reads them, nothing is written,
and no further package is needed.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from oversmooth._validation import require

FOLDER = "ogbn_arxiv"  # below OGB's root, as its NodePropPredDataset makes it
_TABLES = ("edge", "node-feat", "node-label", "num-node-list", "num-edge-list")
_SPLITS = {"train": "train_mask", "valid": "val_mask", "test": "test_mask"}
ADDRESS = "http://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip"


def files() -> list[str]:
    """The raw files, as paths relative to the root."""
    tables = [f"{FOLDER}/raw/{name}.csv.gz" for name in _TABLES]
    return tables + [f"{FOLDER}/split/time/{name}.csv.gz" for name in _SPLITS]


def missing_files(root: Path) -> list[str]:
    """Those that are not below the root.

    Args:
        root: folder that holds `ogbn_arxiv`.

    Returns:
        Paths relative to the root.
    """
    return [path for path in files() if not (root / path).is_file()]


def read(root: Path) -> dict[str, np.ndarray]:
    """The graph's arrays: papers, who cites whom, 40 subjects; train to 2017, valid 2018, test from 2019.

    Args:
        root: folder that holds `ogbn_arxiv`.

    Returns:
        x (n, d) float64 with the values of OGB's float32; y (n,); edges (2, E), as published: one direction;
        train_mask, val_mask, test_mask (n,).

    Raises:
        FileNotFoundError: if files are missing (the message names them all and says where they come from).
        ValueError: if a file is damaged, or the files do not fit one another.
    """
    if missing := missing_files(root):
        raise FileNotFoundError(
            f"ogbn-arxiv needs these files in {root}: {', '.join(missing)}. They are not downloaded, since no checksum "
            f"of them is on record here: unpack {ADDRESS} and name its folder {FOLDER}, let the package ogb download "
            "it there, or set OVERSMOOTH_DATA to a folder that holds it."
        )
    tables = {name: _table(root / f"{FOLDER}/raw/{name}.csv.gz") for name in _TABLES}
    splits = {mask: _table(root / f"{FOLDER}/split/time/{name}.csv.gz") for name, mask in _SPLITS.items()}
    n, num_edges = (int(_whole(name, tables[name])[0, 0]) for name in ("num-node-list", "num-edge-list"))
    features, labels, edges = tables["node-feat"], tables["node-label"], _whole("edge", tables["edge"])
    _need(len(features) == n, f"node-feat has {len(features)} rows, num-node-list says {n}")
    _need(np.isfinite(features).all(), "node-feat has entries that are no finite number")
    _need(labels.shape == (n, 1), f"node-label has shape {labels.shape}, num-node-list says {n} rows")
    _need(edges.shape == (num_edges, 2), f"edge has shape {edges.shape}, num-edge-list says {num_edges} rows")
    _need(edges.max() < n, f"edge names node {edges.max()}, the nodes are 0 to {n - 1}")
    masks = {mask: _mask(mask, table, n) for mask, table in splits.items()}
    _need(sum(mask.astype(int) for mask in masks.values()).max() <= 1, "the splits overlap")
    features = features.astype(np.float32).astype(np.float64)
    return {"x": features, "y": _whole("node-label", labels)[:, 0], "edges": edges.T.copy(), **masks}


def _table(path: Path) -> np.ndarray:
    import pandas as pd

    try:
        table = pd.read_csv(path, compression="gzip", header=None).to_numpy()
        return table if table.dtype.kind in "iu" else table.astype(np.float64)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as a compressed table of numbers: {str(error)[:200]}") from None


def _whole(name: str, table: np.ndarray) -> np.ndarray:
    _need(table.dtype.kind in "iu" and table.size > 0 and table.min() >= 0, f"{name} needs whole numbers from 0")
    return table.astype(np.int64)


def _mask(name: str, table: np.ndarray, n: int) -> np.ndarray:
    chosen = _whole(name, table).ravel()
    _need(chosen.max() < n and len(np.unique(chosen)) == len(chosen), f"{name}: each node 0..{n - 1} at most once")
    mask = np.zeros(n, dtype=bool)
    mask[chosen] = True
    return mask


def _need(condition, message: str) -> None:
    require(condition, f"the raw files of ogbn-arxiv do not fit one another: {message}")
