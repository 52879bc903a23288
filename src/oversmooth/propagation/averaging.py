"""What measures and passes ask of a thing that averages, which is less than a `Propagation` offers."""

from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class Weighting(Protocol):
    """The norm of an averaging operator: all that the measures of smoothness read.

    `Propagation` has one, and so have the node weights of a probe's layer, which come without any matrix.

    Attributes:
        num_nodes: n.
    """

    num_nodes: int

    def measure(self, dtype: torch.dtype, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """π as (n, 1) and the scaling as (n, 1), or None where it is 1 everywhere.

        Args:
            dtype: of the tensors returned.
            device: of the tensors returned.

        Returns:
            The pair.
        """


@runtime_checkable
class Averaging(Protocol):
    """An averaging operator: all that the passes of a network use. `Propagation` is one; it need be no matrix.

    Attributes:
        num_nodes: n.
    """

    num_nodes: int

    def __matmul__(self, signal: torch.Tensor) -> torch.Tensor:
        """PX, for X of shape (n, d) or (seeds, n, d), in memory that the pass may write over."""

    def adjoint(self, signal: torch.Tensor) -> torch.Tensor:
        """PᵀB, for B of shape (n, d) or (seeds, n, d)."""
