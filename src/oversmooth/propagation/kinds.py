"""The one list of propagation matrices of a simple undirected graph: a function each, from the graph to P.

With A the adjacency matrix, d_i the number of neighbours of node i, Ã = A + I, d̃ = d + 1 and D̃ = diag(d̃).
"""

import numbers
from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
import torch

from oversmooth._validation import came, require, require_edges


class Weights(NamedTuple):
    """What a kind makes of a graph.

    Attributes:
        matrix: P, (n, n) scipy CSR in float64.
        stationary: π, (n,).
        scaling: (n,), the coordinates X/scaling in which P is stochastic; None where it is so as it stands.
        base: for "deflated": the kind that all this is of, and whose modes are still to be taken out; else None.
    """

    matrix: sparse.csr_array
    stationary: np.ndarray
    scaling: np.ndarray | None = None
    base: str | None = None


def adjacency_matrix(edge_index, num_nodes):
    """The simple undirected graph as a scipy CSR matrix of ones."""
    require(
        isinstance(num_nodes, numbers.Integral) and 1 <= num_nodes < 2**31,
        f"num_nodes is {num_nodes!r}; a graph has at least one node, and at most 2147483647",
    )
    require(edge_index is not None, "edge_index is None; the graph has no edges to propagate along")
    edges = _as_tensor(edge_index)
    require(edges is not None, f"edge_index is {came(edge_index)}; a tensor of integers (2, edges) is needed")
    # Without edges a dtype says nothing: torch.tensor([[], []]) is floating.
    require_edges(edges if edges.numel() else edges.long(), num_nodes, "the graph")
    edges = edges.to(torch.int64).numpy()
    source, target = edges[:, edges[0] != edges[1]].astype(np.int32)
    adjacency = sparse.coo_array((np.ones(source.size), (source, target)), shape=(num_nodes, num_nodes)).tocsr()
    adjacency.data[:] = 1.0  # repeated edges were summed
    one_way = abs(adjacency - adjacency.T).nnz // 2
    require(
        one_way == 0,
        f"edge_index has {one_way} edges in one direction only; "
        "torch_geometric.utils.to_undirected(edge_index) adds the other",
    )
    return adjacency


def _as_tensor(edge_index):
    """Edges as a tensor on the CPU; None where torch cannot read them."""
    try:
        edges = torch.as_tensor(edge_index).detach()
        return None if edges.device.type == "meta" else edges.cpu()
    except (TypeError, ValueError, RuntimeError):
        return None


def metropolis(adjacency):
    """P_ij = 1/(1 + max(d_i, d_j)) on edges, and the diagonal fills each row up to 1; symmetric."""
    degree = adjacency.sum(axis=1)
    weights = adjacency.tocoo()
    weights.data = 1 / (1 + np.maximum(degree[weights.row], degree[weights.col]))
    return Weights(_fill_diagonal(weights.tocsr()), _uniform(degree.size))


def max_degree(adjacency):
    """P = I − laplacian/(d_max + 1); symmetric."""
    degree = adjacency.sum(axis=1)
    return Weights(_fill_diagonal(adjacency / (degree.max() + 1)), _uniform(degree.size))


def random_walk(adjacency):
    """P = D̃⁻¹Ã; reversible, π ∝ d̃."""
    looped, degree = _with_self_loops(adjacency)
    return Weights((sparse.diags_array(1 / degree) @ looped).tocsr(), degree / degree.sum())


def gcn(adjacency):
    """P = D̃^{-1/2} Ã D̃^{-1/2}: the random walk in the coordinates X/scaling, scaling ∝ √d̃."""
    looped, degree = _with_self_loops(adjacency)
    root = sparse.diags_array(1 / np.sqrt(degree))
    return Weights((root @ looped @ root).tocsr(), degree / degree.sum(), np.sqrt(degree / degree.mean()))


def identity(adjacency):
    """P = I, which makes a graph network a multi-layer perceptron."""
    nodes = adjacency.shape[0]
    return Weights(sparse.eye_array(nodes, format="csr"), _uniform(nodes))


def deflated(adjacency, base="metropolis"):
    """(P − 1πᵀ)/λ with P of the kind ``base``, whose weights these are: λ is known, and taken out, once P is built."""
    require_kind(base, "base")
    require(base != "deflated", "P is deflated already; to keep more modes build it with modes=2 or more")
    return BUILDERS[base](adjacency)._replace(base=base)


# The one list of kinds: a new one is one entry here. Error messages, tests and the remedies read it.
BUILDERS = {
    "metropolis": metropolis,
    "max_degree": max_degree,
    "random_walk": random_walk,
    "gcn": gcn,
    "identity": identity,
    "deflated": deflated,
}
KINDS = tuple(BUILDERS)
# Those whose entries are the graph's edges (and self-loops), so that fewer edges give another P of the same kind.
EDGE_KINDS = tuple(kind for kind in KINDS if kind not in ("identity", "deflated"))


def require_kind(kind, argument="kind"):
    """Check the name of a kind, given as that argument.

    Raises:
        ValueError: unknown; the message lists the known ones.
    """
    require(kind in BUILDERS, f"{argument} is {came(kind)}; known kinds: {', '.join(KINDS)}")


def _fill_diagonal(off_diagonal):
    """Add the diagonal that makes every row sum to 1."""
    return (off_diagonal + sparse.diags_array(1 - off_diagonal.sum(axis=1))).tocsr()


def _uniform(nodes):
    return np.full(nodes, 1 / nodes)


def _with_self_loops(adjacency):
    looped = (adjacency + sparse.eye_array(adjacency.shape[0])).tocsr()
    return looped, looped.sum(axis=1)
