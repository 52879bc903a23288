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

import warnings

import numpy as np
import torch

from oversmooth._validation import require
from oversmooth.propagation.matrix import Propagation
from oversmooth.propagation.modes import leading_modes


def deflate(propagation, modes=1):
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

    Source: theory.md, section 8 (†).
    """
    _require_deflatable(propagation)
    size = propagation.num_nodes
    require(
        isinstance(modes, int) and 1 <= modes < size,
        f"modes is {modes!r}; an integer from 1 to {size - 1} (one less than the nodes) is needed",
    )
    root = np.sqrt(propagation._pi)
    if modes == 1:
        return Deflated(propagation, propagation.rate, root[:, None], root[:, None])
    rates, vectors = leading_modes(propagation, modes)
    last = abs(rates[-1])
    require(
        last > 1e-10,
        f"P has fewer than {modes} modes besides the constant with λ_j ≠ 0: ask for fewer, modes={modes - 1} or less",
    )
    # The correction takes λ_j/|λ_{r+1}| away and puts sign(λ_j) there: in all λ_j (1 − |λ_{r+1}/λ_j|).
    excess = rates * (1 - last / np.abs(rates))
    left = np.column_stack([root, vectors])
    return Deflated(propagation, last, left, left * np.concatenate([[1.0], excess]))


class Deflated(Propagation):
    """Q = (P − S diag(π)^{-1/2} A Bᵀ diag(π)^{1/2} S⁻¹)/c, A and B of few columns; made by `deflate`.

    All that a `Propagation` offers, with ``rate`` 1 and ``mean_factor`` 0; never changed once built.

    Attributes:
        base: the `Propagation` it was made from.
    """

    mean_factor = 0.0
    rate = 1.0  # sup σ(QX)/σ(X), attained on the second mode

    def __init__(self, base, divisor, left, right):
        super().__init__(base._matrix / divisor, "deflated", base._pi, base.scaling)
        self.base, self._dtype = base, base._dtype
        root = np.sqrt(base._pi) / (1.0 if base.scaling is None else base.scaling)
        self._left, self._right = left / root[:, None], right * root[:, None] / divisor

    def to_dense(self):
        """Q as a dense (n, n) tensor."""
        return torch.from_numpy(self._matrix.toarray() - self._left @ self._right.T).to(self._dtype)

    def _product(self, signal, transposed):
        product = super()._product(signal, transposed)
        left, right = self._factors(signal.dtype, signal.device)
        if transposed:
            left, right = right, left
        shares = right.mT @ signal
        if left.shape[1] == 1:
            return torch.addcmul(product, left, shares, value=-1)  # one pass over memory
        return product - left @ shares

    def _factors(self, dtype, device):
        key = ("factors", dtype, device)
        if key not in self._tensors:
            self._tensors[key] = tuple(torch.from_numpy(f).to(device, dtype) for f in (self._left, self._right))
        return self._tensors[key]

    def _similar(self):
        """As for P, with eigenvalue 1 given back to the constant, which `modes` expects and takes out again. Dense."""
        import scipy.sparse as sparse

        weight = np.sqrt(self._pi) / (1.0 if self.scaling is None else self.scaling)
        root = np.sqrt(self._pi)
        dense = self.to_dense().double().numpy()
        return sparse.csr_array(weight[:, None] * dense / weight + np.outer(root, root))

    def __repr__(self):
        return f"Propagation(kind='deflated', modes={self._left.shape[1] - 1 or 1}, base={self.base!r})"


def _require_deflatable(propagation):
    """Raise ValueError unless 0 < λ < 1."""
    P = propagation
    require(isinstance(P, Propagation), f"propagation is a {type(P).__name__}; an oversmooth.Propagation is needed")
    require(not isinstance(P, Deflated), "P is deflated already; to keep more modes build it with modes=2 or more")
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
