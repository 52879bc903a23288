"""Two relatives of deflated propagation that keep more of the spectrum.

Both offer what networks use of a `Propagation`: products with a signal, and with the transpose.
"""

import numpy as np
import torch

import oversmooth as osm


class Rotation:
    """exp(iP) on pairs of columns, a real orthogonal operator: no signal grows or fades, whatever the spectrum.

    Column c and column c + d/2 are the real and imaginary part of one complex signal Z, which becomes exp(iP) Z: the
    separable unitary convolution of Kiani, Fesser and Weber (2024), with real weights between the layers. P must be
    symmetric. Dense: for some hundred nodes.
    """

    kind = "rotation"

    def __init__(self, propagation):
        dense = propagation.to_dense().double()
        if (dense - dense.T).abs().max() > 1e-12:
            raise ValueError("P is not symmetric, so exp(iP) is not unitary; use kind='metropolis' or 'gcn'")
        self.num_nodes = propagation.num_nodes
        self.unitary = torch.matrix_exp(1j * dense)

    def __matmul__(self, signal):
        return self._times(self.unitary, signal)

    def adjoint(self, signal):
        """The transpose, exp(−iP) on the same pairs."""
        return self._times(self.unitary.conj(), signal)  # symmetric, so that the conjugate is the inverse

    def _times(self, matrix, signal):
        real, imaginary = signal.chunk(2, dim=-1)
        image = matrix @ torch.complex(real, imaginary)
        return torch.cat([image.real, image.imag], dim=-1)


class Filter(osm.Propagation):
    """p(Q), Q deflated and reversible, p an odd polynomial close to x ↦ x/τ clipped to [−1, 1], τ the threshold.

    Modes with |λ_j| ≥ τ|λ_2| hardly fade. p is the Chebyshev sum of that function with Jackson's factors (Weisse et al.
    2006), whose values stay in [−1, 1]: the norm stays at most 1. It needs no eigenvectors, but ``degree`` products
    with Q.
    """

    mean_factor = 0.0
    rate = 1.0

    def __init__(self, propagation, threshold, degree):
        super().__init__(propagation.matrix, "filter", propagation.pi, propagation.scaling)
        self.base, self.coefficients = propagation, clip_coefficients(threshold, degree)

    def __matmul__(self, signal):
        return self._sum(signal, self.base.__matmul__)

    def adjoint(self, signal):
        """The transpose, p(Qᵀ)."""
        return self._sum(signal, self.base.adjoint)

    def to_dense(self):
        """p(Q) as a dense (n, n) tensor."""
        return self @ torch.eye(self.num_nodes, dtype=torch.float64)

    def _sum(self, signal, product):
        """Σ_m c_m T_m(Q) X by T_{m+1} = 2 Q T_m − T_{m−1}."""
        before, now = signal, product(signal)
        total = self.coefficients[1] * now  # p is odd: c_0 = 0
        for coefficient in self.coefficients[2:]:
            before, now = now, 2 * product(now) - before
            total = total + coefficient * now if coefficient else total
        return total


def clip_coefficients(threshold, degree):
    """The Chebyshev coefficients 0 to ``degree`` of x ↦ clip(x/τ, −1, 1), with Jackson's factors; even ones are 0."""
    angles = (np.arange(4000) + 0.5) * np.pi / 4000
    values = np.clip(np.cos(angles) / threshold, -1, 1)
    m, last = np.arange(degree + 1), degree + 2
    factors = (last - m) * np.cos(np.pi * m / last) + np.sin(np.pi * m / last) / np.tan(np.pi / last)
    sums = np.array([2 / 4000 * (values * np.cos(k * angles)).sum() for k in m])
    return [float(c) if k % 2 else 0.0 for k, c in enumerate(sums * factors / last)]
