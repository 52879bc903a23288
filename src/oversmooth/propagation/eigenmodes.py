"""The eigenvectors of P of largest modulus, and what takes them out of it."""

import warnings

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from oversmooth._validation import require
from oversmooth.propagation.spectrum import DENSE_NODES
from oversmooth.sparse import is_symmetric


def leading_modes(propagation, count):
    """The modes of P of largest modulus, the constant moved to eigenvalue 0: dense, or by Lanczos where few are asked.

    Args:
        propagation: reversible P.
        count: how many, up to n.

    Returns:
        Eigenvalues (count,), falling in modulus, and orthonormal eigenvectors (n, count) of
        D^{1/2} (P − 1πᵀ) D^{-1/2}, D = diag(π), as numpy arrays.

    Raises:
        ValueError: P is not reversible.
    """
    similar, root = propagation.similar(), np.sqrt(propagation.pi)
    require(
        is_symmetric(similar),
        "P is not reversible (π_i P_ij ≠ π_j P_ji), so it has no orthogonal modes; use metropolis, max_degree or "
        "random_walk weights. P @ X layer by layer and deflation with modes=1 need none",
    )
    # Without the constant mode: what rounding leaves of it in a centred signal would outlive all other modes.
    size = root.size
    if size <= DENSE_NODES or count > size // 4:
        rates, vectors = np.linalg.eigh(similar.toarray() - np.outer(root, root))
    else:
        operator = LinearOperator((size, size), matvec=lambda x: similar @ x - root * (root @ x), dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(size)  # else drawn from the global random state
        rates, vectors = eigsh(operator, k=count, which="LM", v0=start, tol=1e-13)
    order = np.argsort(-np.abs(rates), kind="stable")[:count]
    return rates[order], vectors[:, order]


def deflation(propagation, modes):
    """What turns P into Q = (P − S diag(π)^{-1/2} A Bᵀ diag(π)^{1/2} S⁻¹)/c, with S = diag(scaling).

    Args:
        propagation: P.
        modes: how many modes besides the constant never fade.

    Returns:
        c, A and B: a float and numpy arrays of ``modes`` columns, or one more.

    Raises:
        ValueError: a P or a number of modes that `oversmooth.deflate` refuses.
    """
    _require_deflatable(propagation)
    size = propagation.num_nodes
    require(
        isinstance(modes, int) and 1 <= modes < size,
        f"modes is {modes!r}; an integer from 1 to {size - 1} (one less than the nodes) is needed",
    )
    root = np.sqrt(propagation.pi)
    if modes == 1:
        return propagation.rate, root[:, None], root[:, None]
    rates, vectors = leading_modes(propagation, modes)
    last = abs(rates[-1])
    require(
        last > 1e-10,
        f"P has fewer than {modes} modes besides the constant with λ_j ≠ 0: ask for fewer, modes={modes - 1} or less",
    )
    # The correction takes λ_j/|λ_{r+1}| away and puts sign(λ_j) there: in all λ_j (1 − |λ_{r+1}/λ_j|).
    excess = rates * (1 - last / np.abs(rates))
    left = np.column_stack([root, vectors])
    return last, left, left * np.concatenate([[1.0], excess])


def _require_deflatable(propagation):
    """Raise ValueError unless 0 < λ < 1."""
    P = propagation
    require(P.kind != "deflated", "P is deflated already; to keep more modes build it with modes=2 or more")
    require(P.kind != "identity", "the identity has λ = 1: no signal fades, and there is nothing to deflate")
    require(
        P.num_components == 1,
        f"the graph has {P.num_components} connected components, so λ = 1 and the signal that all smoothing leads to "
        "is not one constant but one for each component; oversmooth.largest_component(data) keeps the largest one",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said below, as an error
        rate = P.rate
    require(
        rate < 1,
        "λ = 1: P is periodic (or not reversible and slow to smooth), so that a second signal survives besides the "
        "constant; self-loops help",
    )
    require(
        rate > 1e-10,
        "λ = 0: P maps every signal to its mean in one step (a complete graph, or one node), so nothing is left "
        "without the constant",
    )
