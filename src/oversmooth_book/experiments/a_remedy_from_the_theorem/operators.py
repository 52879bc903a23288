"""A relative of deflated propagation that keeps the whole spectrum.

It offers what networks use of a `Propagation`: products with a signal, and with the transpose.
"""

import torch


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
        unitary = torch.matrix_exp(1j * dense)
        self.parts = torch.cat([unitary.real, unitary.imag])

    def __matmul__(self, signal):
        return self._times(1, signal)

    def adjoint(self, signal):
        """The transpose, exp(−iP) on the same pairs."""
        return self._times(-1, signal)  # symmetric, so that the conjugate is the inverse

    def _times(self, sign, signal):
        # cos P and sin P times all columns in one real product: half the time of a complex one
        cosine, sine = (part.chunk(2, dim=-1) for part in (self.parts @ signal).chunk(2, dim=-2))
        return torch.cat([cosine[0] - sign * sine[1], cosine[1] + sign * sine[0]], dim=-1)
