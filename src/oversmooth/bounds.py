"""The statements of the theory, one function each: what bounds what, with every constant computed."""

import torch

from oversmooth.smoothness import deviation


def forward_bound(network, features):
    """Bounds on the deviation of every layer's features, from the weights and λ alone.

    σ(X⁽ᵏ⁾) ≤ (Π_{j<k} λ c s_j) σ(X⁽⁰⁾), with s_j = ‖W⁽ʲ⁾‖₂ and c = sup|ρ'| (1 under the paper's assumptions).
    The output has no activation: σ(Ŷ) ≤ λ s_L times the bound on σ(X⁽ᴸ⁾).

    Args:
        network: `Network`. With GCN propagation the activation must be positively homogeneous.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).

    Returns:
        (depth+1,) or (seeds, depth+1): bounds on σ(X⁽⁰⁾), …, σ(X⁽ᴸ⁾), σ(Ŷ).

    Raises:
        ValueError: features that do not fit the network, or GCN propagation with another activation.

    Source: paper.md, claim 1 and Theorem 1; theory.md, section 2, equation (F).
    """
    network.check(features)
    require_theory(network)
    P, rho = network.propagation, network.activation
    s = weight_norms(network.weights)
    slope = s.new_full((network.depth,), rho.lipschitz)
    slope[-1] = 1.0
    factors = P.rate * slope * s
    start = deviation(features, P).detach()[..., None]
    steps = torch.cat([torch.ones_like(factors[..., :1]), factors], dim=-1)
    return start * steps.cumprod(-1)


def weight_norms(weights):
    """Spectral norms s_k = ‖W⁽ᵏ⁾‖₂.

    Args:
        weights: list of (d_k, d_{k+1}) or (seeds, d_k, d_{k+1}).

    Returns:
        (depth,) or (seeds, depth).
    """
    return torch.stack([torch.linalg.matrix_norm(w.detach(), 2) for w in weights], dim=-1)


def require_theory(network):
    """Raise ValueError where no statement of the theory covers the network.

    Args:
        network: `Network`, or `Signals`.

    Raises:
        ValueError: GCN propagation with an activation that is not positively homogeneous.

    Source: theory.md, section 9, item 2.
    """
    if network.propagation.scaling is not None and not network.activation.homogeneous:
        raise ValueError(
            "with GCN propagation the bounds need a positively homogeneous activation (identity, relu, leaky_relu), "
            f"not {network.activation.name}; use kind='random_walk', or measure instead"
        )
