"""Linear smoothing, mode by mode: what the eigenvectors of P say about every depth at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from oversmooth._arguments import checked
from oversmooth._validation import require, require_signal
from oversmooth.propagation.eigenmodes import leading_modes
from oversmooth.propagation.matrix import Propagation


@checked
def spectral_deviation(propagation: Propagation, features: torch.Tensor, layers: Sequence[int]) -> torch.Tensor:
    """The deviation of PᵏX for every k, from the eigenvectors of P.

    σ(PᵏX)² = Σ_{j≥2} λ_j^{2k} ‖u_jᵀX‖², with P u_j = λ_j u_j, orthonormal in the π inner product, so that
    u_jᵀX means Σ_i π_i u_ij X_i; the constant mode j = 1 does not count. λ is only the largest |λ_j|.
    Layers of a network with the identity activation and square orthogonal weights have this deviation exactly,
    times s^k if the weights are scaled by s.

    Dense eigenvectors: time n³ and memory n², for a few thousand nodes.

    Args:
        propagation: reversible P (every kind that `Propagation` builds from edges).
        features: X, (n, d) or (seeds, n, d).
        layers: the depths k, a sequence of integers, at least 0.

    Returns:
        σ(PᵏX), (len(layers),) or (seeds, len(layers)), in the units of X and float64.

    Raises:
        ValueError: P is not reversible, a depth is negative or not whole, or features that are no finite signal
            of this graph.

    Source: chapter *Forward oversmoothing*, where it meets measured deviations.
    """
    require_signal("features", features, propagation.num_nodes)
    depths = torch.as_tensor(list(layers))
    whole = depths.numel() > 0 and not depths.is_floating_point() and bool((depths >= 0).all())
    require(whole, f"layers is {list(layers)}; a sequence of integers, each at least 0, is needed")
    rates, modes = leading_modes(propagation, propagation.num_nodes)
    weights, scaling = propagation.measure()
    X = features.detach().double()
    X = X if scaling is None else X / scaling
    centred = X - weights.mT @ X
    shares = (torch.from_numpy(modes).T @ (weights.sqrt() * centred)).square().sum(-1)
    return (shares @ torch.from_numpy(rates).abs()[:, None].pow(2 * depths.double())).sqrt()
