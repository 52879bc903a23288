"""The propagation matrices of a simple undirected graph, as scipy CSR in float64, one function each."""

import numbers

import numpy as np
import scipy.sparse as sparse
import torch

from oversmooth._validation import require


def adjacency_matrix(edge_index, num_nodes):
    """The simple undirected graph as a scipy CSR matrix of ones."""
    require(
        isinstance(num_nodes, numbers.Integral) and num_nodes >= 1,
        f"num_nodes is {num_nodes!r}; an integer, at least 1, is needed: a graph has at least one node",
    )
    require(edge_index is not None, "edge_index is None; the graph has no edges to propagate along")
    edges = torch.as_tensor(edge_index).detach().cpu()
    require(
        edges.dim() == 2 and edges.shape[0] == 2,
        f"edge_index has shape {tuple(edges.shape)}; (2, edges) is needed",
    )
    require(
        not edges.is_floating_point() or edges.numel() == 0,
        f"edge_index has dtype {edges.dtype}; integers are needed",
    )
    edges = edges.to(torch.int64).numpy()
    if edges.size:
        low, high = int(edges.min()), int(edges.max())
        require(
            low >= 0 and high < num_nodes,
            f"edge_index names nodes {low} to {high}; with num_nodes = {num_nodes} they go from 0 to {num_nodes - 1}",
        )
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


def _fill_diagonal(off_diagonal):
    """Add the diagonal that makes every row sum to 1."""
    return (off_diagonal + sparse.diags_array(1 - off_diagonal.sum(axis=1))).tocsr()


def _uniform(nodes):
    return np.full(nodes, 1 / nodes)


def _metropolis(adjacency):
    degree = adjacency.sum(axis=1)
    weights = adjacency.tocoo()
    weights.data = 1 / (1 + np.maximum(degree[weights.row], degree[weights.col]))
    return _fill_diagonal(weights.tocsr()), _uniform(degree.size), None


def _max_degree(adjacency):
    degree = adjacency.sum(axis=1)
    return _fill_diagonal(adjacency / (degree.max() + 1)), _uniform(degree.size), None


def _with_self_loops(adjacency):
    looped = (adjacency + sparse.eye_array(adjacency.shape[0])).tocsr()
    return looped, looped.sum(axis=1)


def _random_walk(adjacency):
    looped, degree = _with_self_loops(adjacency)
    return (sparse.diags_array(1 / degree) @ looped).tocsr(), degree / degree.sum(), None


def _gcn(adjacency):
    looped, degree = _with_self_loops(adjacency)
    root = sparse.diags_array(1 / np.sqrt(degree))
    return (root @ looped @ root).tocsr(), degree / degree.sum(), np.sqrt(degree / degree.mean())


def _identity(adjacency):
    nodes = adjacency.shape[0]
    return sparse.eye_array(nodes, format="csr"), _uniform(nodes), None


OPERATORS = {
    "metropolis": _metropolis,
    "max_degree": _max_degree,
    "random_walk": _random_walk,
    "gcn": _gcn,
    "identity": _identity,
}


def to_scipy(matrix):
    """Any dense or sparse matrix as scipy CSR in float64."""
    if isinstance(matrix, torch.Tensor):
        matrix = matrix.detach().cpu()
        if matrix.layout != torch.strided:
            coo = matrix.to_sparse_coo().coalesce()
            entries = coo.values().double().numpy(), tuple(coo.indices().numpy())
            return sparse.coo_array(entries, shape=tuple(coo.shape)).tocsr()
        matrix = matrix.double().numpy()
    if sparse.issparse(matrix):
        return sparse.csr_array(matrix, dtype=np.float64, copy=True)
    matrix = np.asarray(matrix, dtype=np.float64)
    require(matrix.ndim == 2, f"matrix has {matrix.ndim} dimensions; a square matrix is needed")
    require(np.isfinite(matrix).all(), "matrix has non-finite entries")
    return sparse.csr_array(matrix)
