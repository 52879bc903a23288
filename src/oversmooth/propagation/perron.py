"""The fixed matrix behind an operator, as a stochastic one in the right coordinates; a sum's by its Perron vector."""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from oversmooth._validation import require
from oversmooth.propagation.kinds import BUILDERS, EDGE_KINDS
from oversmooth.propagation.matrix import Propagation


def fixed_propagation(operator, adjacency):
    """The `Propagation` of an operator that is a fixed matrix up to a factor, with its norm; None for the others.

    For sum: Ã/r, r the largest eigenvalue of Ã = A + I and u > 0 its eigenvector. It is the stochastic matrix
    U⁻¹ÃU/r in the coordinates U⁻¹X, U = diag(u), reversible with π = u² (Doob's transform), as GCN is with √d̃.

    Args:
        operator: a name that `OperatorNetwork` takes.
        adjacency: A, scipy CSR.

    Returns:
        The `Propagation`, or None.

    Source: chapter *Other operators*; for sum, ours.
    """
    if operator in EDGE_KINDS:
        weights = BUILDERS[operator](adjacency)
        return Propagation(weights.matrix, operator, weights.stationary, weights.scaling)
    if operator != "sum":
        return None
    root, vector = perron(adjacency)
    looped = (adjacency + sparse.eye_array(adjacency.shape[0])).tocsr()
    return Propagation(looped / root, "sum", vector**2, vector * np.sqrt(vector.size))


def perron(adjacency):
    """The largest eigenvalue r of Ã = A + I and its eigenvector u > 0 of norm 1.

    Args:
        adjacency: A, scipy CSR, of a connected graph.

    Returns:
        The pair (r, u).

    Raises:
        ValueError: the graph is not connected.
    """
    components = connected_components(adjacency, directed=False, return_labels=False)
    require(
        components == 1,
        f"the graph has {components} connected components; a sum has a positive eigenvector of its own on a "
        "connected graph only: oversmooth.largest_component(data) keeps the largest one",
    )
    looped = (adjacency + sparse.eye_array(adjacency.shape[0])).tocsr()
    if looped.shape[0] <= 512:
        values, vectors = np.linalg.eigh(looped.toarray())
    else:
        values, vectors = eigsh(looped, k=1, which="LA", v0=np.ones(looped.shape[0]), tol=1e-12)
    return float(values[-1]), np.abs(vectors[:, -1])
