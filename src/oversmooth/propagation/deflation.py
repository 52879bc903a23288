"""Deflated propagation: P without its constant mode, rescaled so that the next modes neither grow nor fade (†).

The trap of the theorem needs one mode, the constant: it is what features and errors converge to. Q = (P − 1πᵀ)/λ takes
it out. With the modes P u_j = λ_j u_j, orthonormal in the π inner product, 1 = λ_1 > |λ_2| ≥ |λ_3| ≥ …:

- Q1 = 0 and πᵀQ = 0: the features F⁽ᵏ⁾ = Q X⁽ᵏ⁾ and the errors Qᵀ B⁽ᵏ⁾ have mean zero at every layer, so that in (G)
  the product of means is gone: ‖∂𝓛/∂W⁽ᵏ⁾‖_F ≤ σ(F⁽ᵏ⁾) σ(B̃⁽ᵏ⁾).
- σ(QX) ≤ σ(X), with equality exactly on the modes with |λ_j| = |λ_2|: the ``rate`` of Q is 1, and (F) reads
  σ(X⁽ᵏ⁾) ≤ (Π s_j) σ(X⁽⁰⁾).
- Qᵏ converges to the projection on those modes (with the sign of λ_2 at every step), at the rate |λ_3/λ_2|. So do
  forward and backward signals of a linear network, and the gradient of *every* layer is then, up to
  |λ_3/λ_2|^{L+1} σ(X⁽⁰⁾) σ(B̃⁽ᴸ⁾) Π_{j≠k} s_j, what the second modes of features and error have in common.

`osm.mean` and `osm.deviation` weigh with the π of P as before: the deviation is still the distance from the constants.
`osm.certificate`, `osm.backward_step` and `osm.mean_transport` know that the mean of the error is not passed on
(``mean_factor`` = 0): the transported mean is zero below the last layer, and the certificate is σ(F⁽ᵏ⁾) S_k with
S_k = (‖WᵀC‖₂ + ‖Wᵀr‖₂) S_{k+1}, W = W⁽ᵏ⁺¹⁾, C and r midpoint and half range of the slopes ρ'(H⁽ᵏ⁾), column by column.
No power of λ is left in it, nor in the gradient. Proof: B̃⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G̃ with G̃ = Q*B̃⁽ᵏ⁺¹⁾Wᵀ and Q* the adjoint in
the π inner product, which sends the constants to 0 and has norm 1 on the rest: ‖Q*B̃⁽ᵏ⁺¹⁾‖ ≤ S_{k+1}. Write ρ' = C + R
with |R_ij| ≤ r_j: ‖Q*B̃ WᵀC‖ ≤ ‖WᵀC‖₂ S_{k+1}, ‖R ⊙ Q*B̃Wᵀ‖ ≤ ‖Q*B̃ Wᵀr‖ ≤ ‖Wᵀr‖₂ S_{k+1}, and σ is at most the
norm. The mean of B̃⁽ᵏ⁾ need not vanish, but it meets μ(F⁽ᵏ⁾) = 0, above and below.
"""

from __future__ import annotations

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.propagation.matrix import Deflated, Propagation


@checked
def deflate(propagation: Propagation, modes: int = 1) -> Deflated:
    """P without its constant mode, its next modes set to modulus 1: a sparse matrix and a correction of low rank.

    modes = 1: Q = (P − 1πᵀ)/λ with λ the rate of P. modes = r > 1: Q = Σ_{j≥2} q_j u_j u_jᵀD with D = diag(π),
    q_j = sign(λ_j) for j = 2, …, r+1 and q_j = λ_j/|λ_{r+1}| after: r modes that never fade instead of one, as r+1
    classes need. Products cost one of P and r (n, d) dot products.

    Args:
        propagation: `Propagation`, connected and aperiodic; reversible for modes > 1.
        modes: r, from 1 to n−2 (to n−1 in a graph so small that all modes may stay).

    Returns:
        `Deflated`, a `Propagation` of kind "deflated".

    Raises:
        ValueError: λ is 1 (disconnected or periodic graph, or the identity) or 0 (complete graph), P is deflated
            already or not reversible, or there are not that many modes.

    Example:
        >>> import oversmooth as osm, torch
        >>> P = osm.Propagation.from_matrix([[0.75, 0.25], [0.25, 0.75]])
        >>> osm.deflate(P) @ torch.tensor([[3.0], [1.0]])
        tensor([[ 1.],
                [-1.]])

    Source: the book's theorem thm-deflated †.
    """
    P = propagation
    require(isinstance(P, Propagation), f"propagation is a {type(P).__name__}; an oversmooth.Propagation is needed")
    return Deflated(P, modes)
