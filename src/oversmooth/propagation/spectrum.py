"""Stationary distribution and smoothing rate of a stochastic matrix (scipy CSR, float64)."""

import itertools

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import splu

from oversmooth._validation import require
from oversmooth.sparse import csr_pair

# Below this size dense singular values are exact and faster than Lanczos.
DENSE_NODES = 512
# Residual at which Lanczos stops. A singular value lies this close, however clustered they are; where they are not,
# the error is of second order in it.
LANCZOS_TOLERANCE = 5e-9


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
    if np.abs(np.asarray(matrix.sum(axis=0)).ravel() - 1).max() <= 1e-12:
        return np.full(nodes, 1 / nodes)
    _, label = connected_components(matrix, directed=True, connection="strong")
    coo = matrix.tocoo()
    require(
        (label[coo.row] == label[coo.col])[coo.data > 0].all(),
        "matrix has transient nodes, which signals leave and never re-enter: π would be zero there; "
        "every node must be reachable from every node of its component",
    )
    size = np.bincount(label)
    pi = np.empty(nodes)
    for component in range(size.size):
        inside = np.flatnonzero(label == component)
        block = matrix[inside][:, inside]
        share = _by_detailed_balance(block)
        pi[inside] = (_by_linear_system(block) if share is None else share) * (inside.size / nodes)
    return pi / pi.sum()


def _by_detailed_balance(matrix):
    """π of an irreducible matrix from π_i P_ij = π_j P_ji along a spanning tree, or None where P is not reversible."""
    order, parent = breadth_first_order(matrix, 0, directed=True)
    parent = parent[order[1:]]
    down, up = matrix[parent, order[1:]], matrix[order[1:], parent]
    if (up == 0).any():
        return None
    logarithm = np.zeros(order.size)
    for node, before, step in zip(order[1:], parent, np.log(down / up), strict=True):
        logarithm[node] = logarithm[before] + step
    pi = np.exp(logarithm - logarithm.max())
    pi /= pi.sum()
    flow = sparse.diags_array(pi) @ matrix
    return pi if abs(flow - flow.T).max() <= 1e-12 * flow.max() and pi.min() > 0 else None


def _by_linear_system(matrix):
    """π of an irreducible matrix from πᵀ(I − P) = 0, one of whose equations gives way to Σπ = 1."""
    system = (sparse.eye_array(matrix.shape[0]) - matrix.T).tolil()
    system[0, :] = 1.0
    right = np.zeros(matrix.shape[0])
    right[0] = 1.0
    pi = splu(system.tocsc()).solve(right)
    require(
        pi.min() > 1e-12 * pi.max(),
        f"the stationary distribution of this matrix spans more than float64 resolves (from {pi.max():.1g} down to "
        f"{pi.min():.1g}); measure with uniform weights (propagation=None), or use a reversible propagation",
    )
    return pi


def contraction(similar, root):
    """‖similar − root rootᵀ‖₂ for a CSR matrix with similar @ root = root = similarᵀ @ root."""
    if root.size <= DENSE_NODES:
        return float(np.linalg.norm(similar.toarray() - np.outer(root, root), 2))
    product, adjoint = csr_pair(similar)
    return _lanczos(product, adjoint, product is adjoint, torch.from_numpy(root))


def _lanczos(product, adjoint, symmetric, root):
    """The largest |eigenvalue| (singular value, if not symmetric) orthogonal to root.

    Plain Lanczos: three vectors, no restarts. Lost orthogonality only repeats values that have converged. Without
    symmetry it runs on [[0, A], [Aᵀ, 0]], whose Lanczos vectors lie in one half at a time, so one product a step is
    enough there too. Every vector is kept orthogonal to root, whose value 1 would otherwise grow back from rounding.

    Args:
        product: A, (n, n) torch CSR.
        adjoint: Aᵀ, (n, n) torch CSR.
        symmetric: whether A = Aᵀ.
        root: (n,), norm 1, left and right singular vector of A.

    Returns:
        A float, within LANCZOS_TOLERANCE of an eigenvalue (singular value).
    """
    # A random start leans on every eigenvector; its part along root is taken out.
    draw = np.random.default_rng(0).standard_normal(root.numel())
    vector, previous = torch.from_numpy(draw), torch.zeros_like(root)
    vector.sub_(root, alpha=float(root @ vector))
    vector.div_(vector.norm())
    diagonal, off_diagonal, check = [], [0.0], 8
    for step in itertools.count(1):
        # β_{j+1} v_{j+1} = A v_j − α_j v_j − β_j v_{j−1}, α_j = v_jᵀ A v_j: in the basis v, A is tridiagonal.
        # On [[0, A], [Aᵀ, 0]] the vectors lie in the upper and the lower half in turn, and every α_j is 0.
        image = (product if step % 2 else adjoint) @ vector
        image.sub_(previous, alpha=off_diagonal[-1])
        diagonal.append(float(vector @ image) if symmetric else 0.0)
        image.sub_(vector, alpha=diagonal[-1])
        image.sub_(root, alpha=float(root @ image))  # last: subtracting a vector that leans on root would undo it
        off_diagonal.append(float(image.norm()))
        # Some eigenvalue of A lies within the residual of the top one of the tridiagonal matrix, which is looked at now
        # and then; β = 0 ends it: the space of the v is invariant.
        if step == check or off_diagonal[-1] < LANCZOS_TOLERANCE:
            top, residual = _top_ritz(diagonal, off_diagonal)
            if residual <= LANCZOS_TOLERANCE:
                return top
            check += max(4, check // 16)
        previous, vector = vector, image.div_(off_diagonal[-1])


def _top_ritz(diagonal, off_diagonal):
    """The Ritz value of largest modulus of the Lanczos tridiagonal matrix, and the norm of its residual.

    Args:
        diagonal: of length k.
        off_diagonal: of length k + 1: a zero, the k − 1 entries, and the norm of the next Lanczos vector.

    Returns:
        The modulus and the norm, floats.
    """
    ends = [
        eigh_tridiagonal(diagonal, off_diagonal[1:-1], select="i", select_range=(end, end))
        for end in {0, len(diagonal) - 1}
    ]
    value, vector = max(ends, key=lambda pair: abs(pair[0][0]))
    return abs(float(value[0])), off_diagonal[-1] * abs(float(vector[-1, 0]))
