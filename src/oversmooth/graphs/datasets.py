"""Graphs as torch_geometric `Data`: random, built in, and the public benchmarks.

Every graph comes as `x` (n, d) float64, `y` (n,) int64 and `edge_index` (2, E) int64, each undirected edge in
both directions, no duplicate and no self-loop. No function touches a global random state.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch_geometric.datasets
from torch_geometric.data import Data
from torch_geometric.transforms import LargestConnectedComponents
from torch_geometric.utils import remove_self_loops, to_undirected

from oversmooth._arguments import checked
from oversmooth._validation import came, require
from oversmooth.graphs import files, ogb

# Name a user gives (lower case, underscores) -> class in torch_geometric.datasets, folder of the raw files.
PUBLIC_GRAPHS = {
    "cora": ("Planetoid", "Cora"),
    "citeseer": ("Planetoid", "CiteSeer"),
    "pubmed": ("Planetoid", "PubMed"),
    "minesweeper": ("HeterophilousGraphDataset", "minesweeper"),
    "tolokers": ("HeterophilousGraphDataset", "tolokers"),
    "roman_empire": ("HeterophilousGraphDataset", "roman_empire"),
    "amazon_ratings": ("HeterophilousGraphDataset", "amazon_ratings"),
    "questions": ("HeterophilousGraphDataset", "questions"),
}


@checked
def csbm(
    num_nodes: int = 400,
    num_classes: int = 2,
    p_in: float = 0.06,
    p_out: float = 0.02,
    num_features: int = 8,
    separation: float = 1.0,
    seed: int = 0,
    shares: Sequence[float] | None = None,
) -> Data:
    """A contextual stochastic block model: random communities, with features that tell them apart.

    Nodes i, j are joined with probability p_in if y_i = y_j, else p_out, independently of all other pairs;
    x_i = separation u(y_i) + noise, with u(c) a unit vector drawn at random (for two classes u and -u) and
    standard normal noise. Edges and features come from two streams of the seed: graphs that differ only in
    p_in or p_out have the same features. Time and memory grow with the number of edges, not of pairs.

    The graph may be disconnected when the probabilities are small (below about log(n)/n):
    `largest_component(csbm(...))` keeps its largest piece.

    Args:
        num_nodes: n.
        num_classes: number of classes; class c is a range of node numbers.
        p_in: edge probability inside a class. The defaults give a connected graph of mean degree 16.
        p_out: edge probability between classes.
        num_features: d.
        separation: distance of each class mean from 0, in standard deviations of the noise.
        seed: a non-negative integer; the same seed gives the same graph.
        shares: of the nodes, one for every class, summing to 1; None: classes of equal size up to one node.

    Returns:
        `Data` with x (n, d), y (n,), edge_index (2, E).

    Raises:
        ValueError: if an argument is outside its range.

    Source: the data of the paper's Figure 1.
    """
    _check_integer("num_classes", num_classes, 1)
    _check_integer("num_nodes", num_nodes, num_classes)
    _check_integer("num_features", num_features, 1)
    _check_integer("seed", seed, 0)
    for name, value in (("p_in", p_in), ("p_out", p_out)):
        require(0 <= value <= 1, f"{name} is {value!r}; a probability, in [0, 1], is needed")
    require(math.isfinite(separation), f"separation is {separation!r}; a finite number is needed")
    edge_stream, feature_stream = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    labels = _block_labels(num_nodes, num_classes, shares)
    directions = feature_stream.standard_normal((num_classes, num_features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if num_classes == 2:
        directions[1] = -directions[0]
    features = separation * directions[labels] + feature_stream.standard_normal((num_nodes, num_features))
    return _from_arrays(features, labels, _block_pairs(labels, p_in, p_out, edge_stream))


@checked
def digits(neighbors: int = 10) -> Data:
    """Scikit-learn's handwritten digits, joined when one is among the other's nearest neighbours.

    1797 images of 8 x 8 pixels, ten classes. Pixels are integers, so distances tie; ties go to the lower node
    number, and the graph is the same on every machine.

    Args:
        neighbors: k; i and j are joined if either is among the k nearest of the other (Euclidean distance).

    Returns:
        `Data` with x (1797, 64) in [0, 1], y (1797,), edge_index (2, E).

    Raises:
        ValueError: if neighbors is not an integer in 1..1796.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    _check_integer("neighbors", neighbors, 1)
    require(neighbors < len(pixels), f"neighbors is {neighbors!r}; less than {len(pixels)}, the images, is needed")
    norms = (pixels**2).sum(axis=1)
    distances = norms[:, None] + norms[None, :] - 2 * pixels @ pixels.T  # exact: sums of integers below 2^53
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :neighbors]
    pairs = np.stack([np.repeat(np.arange(len(pixels)), neighbors), nearest.ravel()])
    return _from_arrays(pixels / 16, labels, pairs)


def karate() -> Data:
    """Zachary's karate club: 34 members, 78 friendships, one-hot features, four communities as classes.

    Returns:
        `Data` with x (34, 34), y (34,), edge_index (2, 156), train_mask (34,): one node a class.
    """
    return _tidy(torch_geometric.datasets.KarateClub()[0])


@checked
def load(name: str, root: str | os.PathLike | None = None) -> Data:
    """A graph by name: a public benchmark through torch_geometric's own dataset class, `digits` or `karate`.

    ogbn-arxiv is read from OGB's raw files, `<root>/ogbn_arxiv/{raw,split/time}/*.csv.gz`, and never downloaded.
    For the others raw files lie below `root` as `<root>/Planetoid/Cora/raw/...` and
    `<root>/HeterophilousGraphDataset/minesweeper/raw/...`; missing ones are downloaded there. They are copied
    to a temporary folder, checked against their recorded SHA-256, and read there by torch_geometric: apart
    from downloads `root` is only read, and no file that torch_geometric wrote in an earlier run is ever used.

    Args:
        name: Cora, CiteSeer, PubMed, minesweeper, tolokers, roman-empire, amazon-ratings, questions,
            ogbn-arxiv, digits or karate; upper or lower case, hyphens or underscores.
        root: folder of the raw files. Default: $OVERSMOOTH_DATA, else `data/raw` of the checkout this module
            lies in, else `oversmooth` in the user's cache folder.

    Returns:
        `Data` with x (n, d), y (n,), edge_index (2, E) and, as published, train_mask, val_mask, test_mask:
        (n,) for the citation graphs and ogbn-arxiv; (n, 10), a column per split, for the heterophilous ones.

    Raises:
        ValueError: if the name is unknown, or a raw file is damaged or altered (the message names it).
        FileNotFoundError: if files are missing and cannot be downloaded (the message names them all).
    """
    key = _key(name)
    if key in ("digits", "karate"):
        return {"digits": digits, "karate": karate}[key]()
    if key == "ogbn_arxiv":
        return _ogbn_arxiv(files.data_root(root))
    with tempfile.TemporaryDirectory() as scratch:
        return _tidy(_read(*_fetch(key, files.data_root(root), Path(scratch))))


def fetch(name: str, root: str | os.PathLike | None = None) -> None:
    """What `load(name, root)` does before it reads a graph: download missing files, and check every one.

    Args:
        name: as for `load`.
        root: as for `load`.

    Raises:
        ValueError: if the name is unknown, or a raw file is damaged or altered (the message names it).
        FileNotFoundError: if files are missing and cannot be downloaded (the message names them all).
    """
    key, root = _key(name), files.data_root(root)
    if key in PUBLIC_GRAPHS:
        with tempfile.TemporaryDirectory() as scratch:
            _fetch(key, root, Path(scratch))
    elif missing_files(name, root):
        ogb.read(root)  # says where they come from


@checked
def available(name: str, root: str | os.PathLike | None = None) -> bool:
    """Whether `load(name, root)` has all its files at hand, so that it needs no network.

    Files are not opened: a damaged one counts as there, and `load` says what is wrong with it.

    Args:
        name: as for `load`.
        root: as for `load`.

    Returns:
        True or False.
    """
    return not missing_files(name, root)


def missing_files(name: str, root: str | os.PathLike | None = None) -> list[str]:
    """The raw files of a graph that are not at hand.

    Args:
        name: as for `load`.
        root: as for `load`.

    Returns:
        Paths relative to the root; none for digits and karate, which need no file.
    """
    key, root = _key(name), files.data_root(root)
    if key == "ogbn_arxiv":
        return ogb.missing_files(root)
    return files.missing_files(*PUBLIC_GRAPHS[key], root) if key in PUBLIC_GRAPHS else []


@checked
def largest_component(data: Data) -> Data:
    """The largest connected component of a graph, with every attribute of its nodes.

    Args:
        data: an undirected graph.

    Returns:
        A new `Data`; nodes keep their order.
    """
    return LargestConnectedComponents()(data)


def _key(name: str) -> str:
    key = str(name).lower().replace("-", "_")
    others = ("ogbn-arxiv", "digits", "karate")
    known = ", ".join([*(folder for _, folder in PUBLIC_GRAPHS.values()), *others])
    require(key in PUBLIC_GRAPHS or key.replace("_", "-") in others, f"name is {name!r}; known: {known}")
    return key


def _ogbn_arxiv(root: Path) -> Data:
    arrays = {name: torch.from_numpy(array) for name, array in ogb.read(root).items()}
    return _tidy(Data(edge_index=arrays.pop("edges"), **arrays))


def _fetch(key: str, root: Path, scratch: Path) -> tuple[type, Path, str]:
    # Checked copies in the scratch folder, and what `_read` needs to read them.
    family, folder = PUBLIC_GRAPHS[key]
    dataset = getattr(torch_geometric.datasets, family)
    files.download_missing(family, folder, root, dataset.url)
    files.copy_checked(family, folder, root, scratch)
    return dataset, scratch / family, folder


def _read(dataset: type, root: Path, name: str) -> Data:
    # Without the reader's messages, and without the warning filters that it leaves behind.
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dataset(str(root), name)[0]


def _check_integer(name: str, value: int, least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and value >= least
    require(whole, f"{name} is {value!r}; an integer of at least {least} is needed")


def _from_arrays(features: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> Data:
    x, y, edge_index = (torch.from_numpy(array) for array in (features, labels, pairs))
    return _tidy(Data(x=x, y=y, edge_index=edge_index))


def _tidy(data: Data) -> Data:
    data.x, data.y = data.x.to(torch.float64), data.y.to(torch.int64)
    edges, _ = remove_self_loops(data.edge_index)
    data.edge_index = to_undirected(edges, num_nodes=data.num_nodes)
    return data


def _block_labels(num_nodes: int, num_classes: int, shares: Sequence[float] | None) -> np.ndarray:
    """Class numbers in ascending order, (n,)."""
    if shares is None:
        return np.arange(num_nodes) * num_classes // num_nodes
    shares = [float(share) for share in shares]
    fit = len(shares) == num_classes and min(shares) > 0 and math.isclose(sum(shares), 1, abs_tol=1e-9)
    require(fit, f"shares is {came(shares)}; num_classes={num_classes} positive numbers that sum to 1 are needed")
    # Node i belongs to the class in whose part of [0, 1] the middle of its own n-th lies.
    return np.searchsorted(np.cumsum(shares)[:-1], (np.arange(num_nodes) + 0.5) / num_nodes, side="right")


def _block_pairs(labels: np.ndarray, p_in: float, p_out: float, rng: np.random.Generator) -> np.ndarray:
    # Pairs i < j, (2, m): first inside the classes, then between them.
    blocks = []
    for start, size in zip(*np.unique(labels, return_index=True, return_counts=True)[1:], strict=True):
        first, second = np.divmod(_successes(size * size, p_in, rng), size)
        blocks.append(start + np.stack([first, second]))
    first, second = np.divmod(_successes(len(labels) ** 2, p_out, rng), len(labels))
    blocks.append(np.stack([first, second])[:, labels[first] != labels[second]])
    pairs = np.concatenate(blocks, axis=1)
    return pairs[:, pairs[0] < pairs[1]]


def _successes(trials: int, p: float, rng: np.random.Generator) -> np.ndarray:
    # Positions of the successes among independent trials, in time proportional to their number: the gaps
    # between successes are geometric, and are drawn in batches until they pass the last trial.
    if p == 0:
        return np.empty(0, dtype=np.int64)
    batch = int(trials * p + 6 * math.sqrt(trials * p)) + 16
    positions, last = [], -1
    while last < trials:
        # Gaps are capped so that a tiny p cannot overflow the sum; a capped gap passes the last trial anyway.
        gaps = np.minimum(rng.geometric(p, size=batch), trials + 1)
        positions.append(last + np.cumsum(gaps))
        last = positions[-1][-1]
    positions = np.concatenate(positions)
    return positions[positions < trials]
