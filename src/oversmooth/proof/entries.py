"""P exactly: its entries as rationals (or, for gcn, roots of rationals) from the degrees, and λ bounded by Cholesky."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sparse

from oversmooth._validation import require
from oversmooth.proof.balls import ULP, UP, Weights

LARGEST = 12_000  # nodes: three matrices of 1.2 GB


def require_exact(propagation):
    """Check that P's entries are known exactly.

    Raises:
        ValueError: they are not.
    """
    kind = getattr(propagation, "kind", type(propagation).__name__)
    require(
        kind in EXACT_KINDS,
        f"the propagation is of kind {kind!r}; entries that a proof can start from have: {', '.join(EXACT_KINDS)}",
    )


def degrees(propagation):
    """The number of neighbours of each node, (n,) integers."""
    pattern = propagation.matrix - sparse.diags_array(propagation.matrix.diagonal())
    pattern.eliminate_zeros()
    return np.diff(pattern.tocsr().indptr)


def weights(propagation, bits) -> Weights:
    """P in fixed point, every entry at most one unit too small; a diagonal that fills up its row, d_i units too large.

    Args:
        propagation: of one of `EXACT_KINDS`.
        bits: of the fixed point.

    Returns:
        `Weights`.
    """
    matrix, degree = propagation.matrix, degrees(propagation)
    rows, columns = matrix.tocoo().coords
    one, entry = 1 << bits, _ENTRIES[propagation.kind](degree)
    integers = np.array([entry(i, j, one) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)], dtype=object)
    diagonal, errors = rows == columns, np.ones(len(rows))
    if propagation.kind in ("metropolis", "max_degree"):
        integers[diagonal] = 0
        integers[diagonal] = one - np.add.reduceat(integers, matrix.indptr[:-1])
        errors[diagonal] = np.maximum(degree, 1)
    places = matrix.indices, matrix.indptr
    pattern = sparse.csr_array((np.abs(matrix.data) * UP, *places), matrix.shape)
    return Weights(integers, pattern, sparse.csr_array((errors, *places), matrix.shape))


def _metropolis(degree):
    degree = degree.tolist()
    return lambda i, j, one: one // (1 + max(degree[i], degree[j]))


def _max_degree(degree):
    share = int(degree.max()) + 1
    return lambda i, j, one: one // share


def _random_walk(degree):
    degree = degree.tolist()
    return lambda i, j, one: one // (degree[i] + 1)


def _gcn(degree):
    degree = degree.tolist()
    return lambda i, j, one: math.isqrt(one * one // ((degree[i] + 1) * (degree[j] + 1)))


_ENTRIES = {
    "metropolis": _metropolis,
    "max_degree": _max_degree,
    "random_walk": _random_walk,
    "gcn": _gcn,
    "identity": lambda degree: lambda i, j, one: one,
}
EXACT_KINDS = tuple(_ENTRIES)  # those whose entries follow from the degrees


def rate_bound(propagation) -> float:
    """λ from above: t if both tI − (S − vvᵀ) and tI + (S − vvᵀ) are positive definite, S symmetric and similar to P.

    v = √π is the eigenvector of S for the eigenvalue 1. If the Cholesky
    decomposition of a matrix A of doubles ends, its smallest eigenvalue is above −c, c = 1.1 (n + 2) u tr A, in
    whatever order the processor adds (Rump 2006). Dense: beyond `LARGEST` nodes the answer is 1.

    Args:
        propagation: of one of `EXACT_KINDS`.

    Returns:
        A double, at most 1.
    """
    size = propagation.num_nodes
    if size == 1:
        return 0.0
    if propagation.kind == "identity" or size > LARGEST:
        return 1.0
    v, S = np.sqrt(propagation.pi), propagation.similar().toarray()
    S = (S + S.T) / 2 - np.outer(v, v)
    rounded = 16 * ULP * (np.linalg.norm(S) + 3)  # each entry of S and of vvᵀ is a few operations off
    rate = float(propagation.rate)
    for margin in (1e-12, 1e-10, 1e-8, 1e-6):
        bound = rate * (1 + margin) + margin
        if _is_positive(bound, S) and _is_positive(bound, -S):
            lost = 1.1 * (size + 2) * ULP * (size * bound + 2) + rounded
            return min((bound + lost) * UP, 1.0)
    return 1.0


def _is_positive(bound, S):
    matrix = -S
    matrix[np.diag_indices(len(S))] += bound
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
