"""Stationary distribution and smoothing rate of a stochastic matrix (scipy CSR, float64)."""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from oversmooth._validation import require

# Below this size dense eigenvalues are exact and faster than Lanczos.
DENSE_NODES = 512
# Relative residual at which Lanczos stops; the eigenvalue's own error is of second order in it.
LANCZOS_TOLERANCE = 1e-7


def stationary_distribution(matrix):
    """π of a row-stochastic matrix, each closed class weighted by its number of nodes.

    Args:
        matrix: (n, n) scipy CSR.

    Returns:
        (n,) numpy array, positive, sums to 1.

    Raises:
        ValueError: some nodes are transient, so that π would be zero there.
    """
    nodes = matrix.shape[0]
    if np.allclose(np.asarray(matrix.sum(axis=0)).ravel(), 1, atol=1e-12):
        return np.full(nodes, 1 / nodes)
    _, label = connected_components(matrix, directed=True, connection="strong")
    coo = matrix.tocoo()
    require(
        (label[coo.row] == label[coo.col])[coo.data > 0].all(),
        "matrix has transient nodes, which signals leave and never re-enter: π would be zero there; "
        "every node must be reachable from every node of its component",
    )
    # (I − Pᵀ + C) π = share, where C_ij = 1/n_c inside a class turns the singular system into a regular one.
    size = np.bincount(label)
    pi = np.empty(nodes)
    for component in range(size.size):
        inside = np.flatnonzero(label == component)
        block = matrix[inside][:, inside]
        system = (sparse.eye_array(inside.size) - block.T).tolil()
        system[0, :] = 1.0
        right = np.zeros(inside.size)
        right[0] = inside.size / nodes
        pi[inside] = splu(system.tocsc()).solve(right)
    return pi / pi.sum()


def contraction(similar, root):
    """‖similar − root rootᵀ‖₂ for a CSR matrix with similar @ root = root = similarᵀ @ root."""
    nodes = root.size
    if nodes <= DENSE_NODES:
        return float(np.linalg.norm(similar.toarray() - np.outer(root, root), 2))
    symmetric = abs(similar - similar.T).max() < 1e-13
    adjoint = similar if symmetric else similar.T.tocsr()

    def deflated(vector):
        vector = vector.ravel()
        image = similar @ (vector - root * (root @ vector))
        return image if symmetric else adjoint @ image

    start = np.random.default_rng(0).standard_normal(nodes)
    operator = LinearOperator((nodes, nodes), matvec=deflated, dtype=np.float64)
    value = eigsh(
        operator,
        k=1,
        which="LM",
        v0=start - root * (root @ start),
        tol=LANCZOS_TOLERANCE,
        return_eigenvectors=False,
    )
    top = abs(float(value[0]))
    return top if symmetric else top**0.5
