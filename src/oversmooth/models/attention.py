"""Attention as averaging that changes from layer to layer: the weights it conserves, its rates, its two backward paths.

A layer is H = P(X) X W with P(X) row-stochastic. Its backward pass has two paths: through X with P held fixed, which
averages, and through P(X), which does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch

from oversmooth._arguments import checked
from oversmooth._validation import require, require_signal
from oversmooth.models.operators import ATTENTION, OperatorNetwork, value_map
from oversmooth.probe.norms import NodeWeights


@checked
def sequence_weights(matrices: Sequence[sparse.csr_array]) -> list[np.ndarray]:
    """The node weights ψ⁽ᵏ⁾ that a sequence of row-stochastic matrices conserves, from the output down.

    ψ⁽ᴸ⁾ = 1/n, ψ⁽ᵏ⁾ = P⁽ᵏ⁾ᵀ ψ⁽ᵏ⁺¹⁾, so that Σ_i ψ⁽ᵏ⁺¹⁾_i (P⁽ᵏ⁾X)_i = Σ_i ψ⁽ᵏ⁾_i X_i. They are what π is for one
    matrix: σ(PX) ≤ λ_k σ(X) from the weights ψ⁽ᵏ⁾ to ψ⁽ᵏ⁺¹⁾, and PᵀB per unit of ψ contracts with the same λ_k.

    Args:
        matrices: P⁽⁰⁾, …, P⁽ᴸ⁻¹⁾, (n, n) scipy CSR.

    Returns:
        List of L + 1 arrays (n,), each positive where every node keeps a self-loop, with sum 1.

    Raises:
        ValueError: no matrices, or of unequal shapes.

    Source: the book's theorem thm-sequence; the sequence is Kolmogorov's, of absolute probabilities.
    """
    nodes = _num_nodes(matrices)
    weights = [np.full(nodes, 1 / nodes)]
    for P in reversed(matrices):
        weights.append(P.T @ weights[-1])
    return weights[::-1]


@checked
def sequence_rates(matrices: Sequence[sparse.csr_array], weights: Sequence[np.ndarray]) -> np.ndarray:
    """λ_k of each step: the second singular value of Ψ⁽ᵏ⁺¹⁾^{1/2} P⁽ᵏ⁾ Ψ⁽ᵏ⁾^{-1/2}, Ψ = diag(ψ). Dense.

    Args:
        matrices: P⁽⁰⁾, …, P⁽ᴸ⁻¹⁾, (n, n) scipy CSR.
        weights: what `sequence_weights` returned.

    Returns:
        (L,) array.

    Raises:
        ValueError: matrices of unequal shapes, or weights that are not theirs.
    """
    nodes, rates = _num_nodes(matrices), []
    fit = len(weights) == len(matrices) + 1 and all(w.shape == (nodes,) and (w > 0).all() for w in weights)
    require(fit, f"weights do not fit: {len(matrices) + 1} positive arrays ({nodes},) are needed, of sequence_weights")
    for P, before, after in zip(matrices, weights, weights[1:], strict=False):
        similar = np.sqrt(after)[:, None] * P.toarray() / np.sqrt(before)
        rates.append(np.linalg.svd(similar, compute_uv=False)[1])
    return np.array(rates)


def _num_nodes(matrices):
    shapes = {P.shape for P in matrices}
    square = len(shapes) == 1 and len(set(*shapes)) == 1
    require(square, f"matrices have shapes {sorted(shapes)}; square ones (n, n), at least one, are needed")
    return matrices[0].shape[0]


def node_weights(weights: np.ndarray) -> NodeWeights:
    """ψ in the form that the measures of smoothness ask of a propagation; see `NodeWeights`."""
    return NodeWeights(torch.from_numpy(weights))


@checked
def backward_paths(
    network: OperatorNetwork, k: int, features: torch.Tensor, backward: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two parts of the error that attention layer k hands down, each by autograd.

    fixed = P⁽ᵏ⁾ᵀ B⁽ᵏ⁾ W⁽ᵏ⁾ᵀ, with P⁽ᵏ⁾ detached; extra = what goes through P⁽ᵏ⁾(X), with X W detached. Their sum is the
    whole.

    Args:
        network: `OperatorNetwork` of an attention operator.
        k: layer.
        features: X⁽ᵏ⁾, (n, d_k).
        backward: B⁽ᵏ⁾, (n, d_{k+1}).

    Returns:
        The pair (fixed, extra), each (n, d_k).

    Raises:
        ValueError: a network without attention, no such layer, or signals that do not fit it.

    Source: ours; the book's theorem thm-second-path bounds the second part.
    """
    require(network.operator in ATTENTION, f"network is one of {network.operator}, which has no attention")
    network.check(features, k)
    require_signal("backward", backward)
    shape = (network.num_nodes, len(value_map(network.layers[k]).weight))
    require(
        backward.shape == shape and backward.dtype == features.dtype,
        f"backward is {tuple(backward.shape)} of {backward.dtype}; {shape} of {features.dtype} is needed",
    )
    layer, leaf = network.layers[k], features.detach().requires_grad_()
    with torch.enable_grad():
        _, edges, alpha = network.attend(layer, leaf)
        values = value_map(layer)(leaf)
        parts = ((alpha.detach(), values), (alpha, values.detach()))
        outs = [_weighted_sum(edges, a, v) for a, v in parts]
        return tuple(torch.autograd.grad(out, leaf, backward, retain_graph=True)[0] for out in outs)


@torch.no_grad()
def extra_path_bound(network, k, features, backward):
    """Both sides of Σ_i ‖extra_i‖ ≤ ℓ Σ_i ‖B_i‖ r_i, r_i the largest ‖v_j − H_i‖ over the j that i attends to.

    v = XW; ℓ bounds how fast the scores change with a row of X. GAT: ‖W a_s‖ + ‖W a_d‖; GATv2: 2 ‖W‖ ‖a‖; graph
    transformer: (max_i ‖W_k q_i‖ + max_j ‖W_q k_j‖)/√d. The right side is 0 where all v agree.

    Args:
        network: `OperatorNetwork` of an attention operator.
        k: layer.
        features: X⁽ᵏ⁾, (n, d_k).
        backward: B⁽ᵏ⁾, (n, d_{k+1}).

    Returns:
        The pair of floats (left, right).

    Source: the book's theorem thm-second-path: softmax turns an error into P_ij ⟨B_i, v_j − H_i⟩ at each score.
    """
    layer = network.layers[k]
    out, edges, _ = network.attend(layer, features)
    source, target = edges
    distance = (value_map(layer)(features)[source] - out[target]).norm(dim=1)
    reach = features.new_zeros(len(features)).scatter_reduce_(0, target, distance, "amax")
    right = score_slope(network.operator, layer, features) * (backward.norm(dim=1) * reach).sum()
    _, extra = backward_paths(network, k, features, backward)
    return float(extra.norm(dim=1).sum()), float(right)


def score_slope(operator, layer, features):
    """ℓ of `extra_path_bound`.

    Args:
        operator: gat, gatv2 or transformer.
        layer: the layer.
        features: X, (n, d).

    Returns:
        A float.
    """
    W = value_map(layer).weight.T
    if operator == "gat":
        return float((W @ layer.att_src.flatten()).norm() + (W @ layer.att_dst.flatten()).norm())
    if operator == "gatv2":
        return 2 * float(torch.linalg.matrix_norm(W, 2) * layer.att.norm())
    query, key = layer.lin_query, layer.lin_key
    rows = (query(features) @ key.weight).norm(dim=1).max() + (key(features) @ query.weight).norm(dim=1).max()
    return float(rows) / key.weight.shape[0] ** 0.5


def _weighted_sum(edges, alpha, values):
    """Σ_j P_ij v_j, (n, d)."""
    source, target = edges
    return torch.zeros_like(values).index_add(0, target, alpha[:, None] * values[source])
