"""Smoothing predicted without eigenvectors: Gauss quadrature from Lanczos, for graphs too large for dense modes."""

import torch


def quadrature_deviation(propagation, features, layers, steps=None):
    """σ(PᵏX) at every k of ``layers``, from a few weighted eigenvalue estimates of each feature: (len(layers),).

    P is reversible (every kind that `Propagation` builds from edges, gcn left out). Lanczos, started from one centred
    feature x and run for m = ``steps`` steps in the π inner product, gives a small tridiagonal matrix. Its eigenvalues
    θ_i and the squared first components w_i of its eigenvectors are the Gauss quadrature of the spectral measure of x
    (Golub and Meurant 1994): Σ_i w_i θ_i^{2k} = σ(Pᵏx)²/σ(x)² exactly for k < m, and by default m is one more than
    the last layer. Beyond, every even derivative of θ^{2k} is positive, so the quadrature is a lower bound: features
    keep at least this much.
    """
    depths = torch.as_tensor(list(layers), dtype=torch.float64)
    nodes, shares = spectral_measure(propagation, features, steps or int(depths.max()) + 1)
    return (shares.ravel() @ nodes.abs().ravel()[:, None].pow(2 * depths)).sqrt()


def spectral_measure(propagation, features, steps):
    """Where the energy of each feature lies in the spectrum of P: eigenvalue estimates θ (d, m), energies there (d, m).

    Each row of energies sums to its feature's σ².
    """
    root = propagation.stationary.sqrt()
    basis = torch.zeros(features.shape[1], steps + 2, len(root), dtype=torch.float64)
    basis[:, 0] = root  # the constant mode: orthogonalising against it is centring
    step = _orthogonal((root[:, None] * features).T, basis[:, :1])
    diagonal, beside, energy = [], [], step.square().sum(1)
    for k in range(1, steps + 1):
        size = step.norm(dim=1, keepdim=True)
        # A feature with fewer modes than points is finished; what is left of it is rounding.
        alive = size > 1e-12 * energy[:, None].sqrt()
        beside.append(torch.where(alive, size, 0.0)[:, 0])
        basis[:, k] = torch.where(alive, step / size, 0.0)
        image = (root[:, None] * (propagation @ (basis[:, k] / root).T.contiguous())).T
        diagonal.append((basis[:, k] * image).sum(1))
        step = _orthogonal(image, basis[:, : k + 1])
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    for offset in (1, -1):
        matrix += torch.diag_embed(torch.stack(beside[1:], 1), offset) if steps > 1 else 0
    nodes, vectors = torch.linalg.eigh(matrix)
    return nodes, vectors[:, 0].square() * energy[:, None]


def _orthogonal(vectors, basis):
    """The part of each vector (d, n) orthogonal to its basis (d, m, n); twice, against rounding."""
    for _ in range(2):
        inside = basis @ vectors[..., None]
        vectors = vectors - (basis.mT @ inside)[..., 0]
    return vectors
