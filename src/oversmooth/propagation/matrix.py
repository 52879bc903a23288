"""The propagation matrix P of a graph: its products, its stationary distribution and its smoothing rate.

Notation is the book's: P is row-stochastic, π its stationary distribution, λ its rate. The Laplacian is
never called L here, since L is the index of the last layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.csgraph import connected_components

from oversmooth._arguments import checked
from oversmooth._validation import require, require_dense, require_dtype
from oversmooth.propagation.eigenmodes import deflation
from oversmooth.propagation.kinds import BUILDERS, adjacency_matrix, require_kind
from oversmooth.propagation.spectrum import contraction, stationary_distribution
from oversmooth.sparse import csr_pair, multiply, to_scipy

if TYPE_CHECKING:
    from torch_geometric.data import Data


class Propagation:
    """A sparse propagation matrix P, P1 = 1, ready to multiply signals.

    ``P @ X`` is PX and ``P.adjoint(B)`` is PᵀB, for X and B of shape (n, d) or (seeds, n, d), both differentiable
    (twice, too). The product runs in the dtype and on the device of the signal.

    The kind "gcn" is D̃^{-1/2} Ã D̃^{-1/2} = S (D̃⁻¹Ã) S⁻¹ with S = diag(scaling), scaling ∝ √d̃: not stochastic, but the
    random walk in the coordinates S⁻¹X. Its ``stationary`` and ``rate`` are the random walk's, and all measures of
    smoothness divide by ``scaling`` first.

    Attributes:
        kind: the kind it was built as; "matrix" for `from_matrix`.
        matrix: (n, n) scipy CSR, float64: P, but of the kind "deflated" the sparse part only.
        num_nodes: n.
        scaling: (n,) float64, or None where it would be 1 everywhere.
        dtype: of the tensors given back; products follow their signal's.
        mean_factor: μ(PX)/μ(X): 1, but 0 for the kind "deflated", a `oversmooth.propagation.matrix.Deflated`.

    Source: the book's page *Notation*; Metropolis weights: Xiao and Boyd (2004).
    """

    mean_factor = 1.0

    def __init__(self, matrix, kind, stationary=None, scaling=None, dtype=torch.float64):
        # Use the class methods below: they validate, this only stores. `matrix` is scipy CSR, float64.
        self.matrix = matrix
        self.kind = kind
        self.num_nodes = matrix.shape[0]
        self._stationary = stationary
        self.scaling = scaling
        self.dtype = dtype
        self._tensors = {}

    @classmethod
    @checked
    def from_edges(
        cls,
        edge_index: torch.Tensor | np.ndarray | Sequence,
        num_nodes: int,
        kind: str = "metropolis",
        dtype: torch.dtype = torch.float64,
        base: str | None = None,
        modes: int = 1,
    ) -> Propagation:
        """Build P from the edges of an undirected graph.

        With d_i the number of neighbours, self-loops and repeated edges ignored, Ã = A + I, d̃ = d + 1:
        metropolis: P_ij = 1/(1 + max(d_i, d_j)) on edges, the diagonal fills the row up to 1 (symmetric);
        max_degree: I − laplacian/(d_max + 1) (symmetric); random_walk: D̃⁻¹Ã (reversible, π ∝ d̃);
        gcn: D̃^{-1/2} Ã D̃^{-1/2}; identity: I, which makes a graph network a multi-layer perceptron;
        deflated: (P − 1πᵀ)/λ with P of the kind ``base`` (`oversmooth.deflate` has the details, and takes any P).

        Args:
            edge_index: (2, edges) integers, each edge in both directions.
            num_nodes: n, at least 1.
            kind: one of `oversmooth.KINDS`.
            dtype: of the tensors given back; products follow their signal's dtype.
            base: for "deflated": the kind of P; None means metropolis.
            modes: for "deflated": how many modes besides the constant never fade.

        Returns:
            The `Propagation`.

        Raises:
            ValueError: unknown kind, no nodes, indices of the wrong shape or range, or directed edges; for "deflated"
                a graph that is disconnected or complete.

        Source: the book's page *Notation*.
        """
        require_kind(kind)
        require_dtype(dtype)
        require(
            kind == "deflated" or (base is None and modes == 1),
            f"base and modes are options of kind='deflated'; with kind={kind!r} leave them out",
        )
        options = {"base": base or "metropolis"} if kind == "deflated" else {}
        weights = BUILDERS[kind](adjacency_matrix(edge_index, num_nodes), **options)
        propagation = cls(weights.matrix, weights.base or kind, weights.stationary, weights.scaling, dtype)
        return Deflated(propagation, modes) if weights.base else propagation

    @classmethod
    @checked
    def from_data(
        cls,
        data: Data,
        kind: str = "metropolis",
        dtype: torch.dtype = torch.float64,
        base: str | None = None,
        modes: int = 1,
    ) -> Propagation:
        """Build P from a ``torch_geometric.data.Data``; see `from_edges`."""
        return cls.from_edges(data.edge_index, data.num_nodes, kind=kind, dtype=dtype, base=base, modes=modes)

    @classmethod
    @checked
    def identity(cls, num_nodes: int, dtype: torch.dtype = torch.float64) -> Propagation:
        """P = I, which needs no edges: a graph network on it is a multi-layer perceptron."""
        return cls.from_edges(torch.zeros(2, 0, dtype=torch.int64), num_nodes, kind="identity", dtype=dtype)

    @classmethod
    @checked
    def from_matrix(
        cls, matrix: torch.Tensor | np.ndarray | sparse.sparray | sparse.spmatrix | Sequence
    ) -> Propagation:
        """Wrap a row-stochastic matrix, dense or sparse, of torch, numpy or scipy.

        Args:
            matrix: (n, n), finite, non-negative, rows summing to 1 (within 1e-6 in float32, 1e-9 in float64).

        Returns:
            The `Propagation`, of kind "matrix".

        Raises:
            ValueError: wrong shape, non-finite or negative entries, rows that do not sum to 1.

        Source: the book's page *Notation*.
        """
        tolerance = 1e-6 if str(getattr(matrix, "dtype", "")).endswith("float32") else 1e-9
        matrix = to_scipy(matrix)
        matrix.eliminate_zeros()  # a stored zero would count as an edge
        require(
            matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1],
            f"matrix has shape {matrix.shape}; a square matrix is needed",
        )
        require(matrix.shape[0] > 0, "matrix is empty; at least one node is needed")
        require(np.isfinite(matrix.data).all(), "matrix has non-finite entries")
        require((matrix.data >= 0).all(), "matrix has negative entries; a stochastic matrix has none")
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        worst = int(np.abs(sums - 1).argmax())
        require(
            abs(sums[worst] - 1) <= tolerance,
            f"matrix must be row-stochastic; row {worst} sums to {sums[worst]:.10g}, not 1: divide each row by its sum",
        )
        if abs(sums[worst] - 1) > 1e-12:  # float32 sums are 1 to seven digits only; in float64 P1 = 1 is to be exact
            matrix.data /= np.repeat(sums, np.diff(matrix.indptr))
        return cls(matrix, "matrix")

    def __matmul__(self, signal: torch.Tensor) -> torch.Tensor:
        return self._product(signal, transposed=False)

    def adjoint(self, signal: torch.Tensor) -> torch.Tensor:
        """Multiply by the transpose: PᵀB.

        Args:
            signal: B, (n, d) or (seeds, n, d).

        Returns:
            PᵀB, the same shape.

        Raises:
            ValueError: wrong number of rows.
        """
        return self._product(signal, transposed=True)

    def to_dense(self) -> torch.Tensor:
        """P as a dense (n, n) tensor."""
        return torch.from_numpy(self.matrix.toarray()).to(self.dtype)

    def measure(
        self, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the norms weigh with: π as (n, 1) and ``scaling`` as (n, 1) or None.

        Args:
            dtype: of the tensors returned.
            device: of the tensors returned.

        Returns:
            The pair.
        """
        key = ("measure", dtype, device)
        if key not in self._tensors:
            columns = (
                None if v is None else torch.from_numpy(v).to(device, dtype)[:, None] for v in (self.pi, self.scaling)
            )
            self._tensors[key] = tuple(columns)
        return self._tensors[key]

    @property
    def stationary(self) -> torch.Tensor:
        """π, (n,), positive, πᵀP = πᵀ, sums to 1."""
        return torch.from_numpy(self.pi).to(self.dtype)

    @cached_property
    def num_components(self) -> int:
        """Number of connected components of the graph of P."""
        return int(connected_components(self.matrix, directed=False, return_labels=False))

    @cached_property
    def rate(self) -> float:
        """The smoothing rate λ = sup σ(PX)/σ(X), a float in [0, 1].

        λ = ‖D^{1/2} (P − 1πᵀ) D^{-1/2}‖₂ with D = diag(π): the second largest absolute eigenvalue where P is
        reversible. 1.0 if the graph is disconnected or P is periodic, and a warning says so. Dense up to 512 nodes,
        then by Lanczos, stopped at a residual of 5e-9: some singular value is that near, and a random start makes it
        the largest.

        Source: the book's page *Notation*.
        """
        if self.num_nodes == 1:
            return 0.0
        if self.kind == "identity":
            return 1.0
        if self.num_components > 1:
            warnings.warn(
                f"the graph has {self.num_components} connected components, so λ = 1: signals are smoothed inside each "
                "component, not across; oversmooth.largest_component(data) keeps the largest one",
                stacklevel=3,
            )
            return 1.0
        rate = contraction(self.similar(), np.sqrt(self.pi))
        if rate < 1 - 1e-12:
            return rate
        warnings.warn(
            "λ = 1: some signals keep their whole deviation in a step of P. Either P is periodic (for example a "
            "bipartite graph without self-loops), or it is not reversible and smooths only over several steps; "
            "self-loops help",
            stacklevel=3,
        )
        return 1.0

    @cached_property
    def pi(self) -> np.ndarray:
        """π as a numpy array, (n,) float64 whatever ``dtype`` is."""
        return stationary_distribution(self.matrix) if self._stationary is None else self._stationary

    def similar(self) -> sparse.csr_array:
        """D^{1/2} P D^{-1/2}, symmetric where P is reversible (for gcn: P itself)."""
        if self.scaling is not None or np.ptp(self.pi) == 0:
            return self.matrix
        root = np.sqrt(self.pi)
        similar = self.matrix.copy()
        similar.data *= np.repeat(root, np.diff(similar.indptr)) / root[similar.indices]
        return similar

    def _product(self, signal, transposed):
        require_dense("the signal", signal)
        require(
            signal.shape[-2] == self.num_nodes,
            f"the signal has {signal.shape[-2]} rows, the graph has {self.num_nodes} nodes",
        )
        if self.kind == "identity":
            return signal
        matrix, adjoint = self._as_tensors(signal.dtype, signal.device)
        if transposed:
            matrix, adjoint = adjoint, matrix
        return multiply(matrix, adjoint, signal)

    def _as_tensors(self, dtype, device):
        """(P, Pᵀ) as CSR tensors; kept, because rebuilding the transpose would cost more than the product."""
        key = (dtype, device)
        if key not in self._tensors:
            self._tensors[key] = csr_pair(self.matrix, dtype, device)
        return self._tensors[key]

    def __deepcopy__(self, memo):
        # Never changed once built, so copies of a network share it (and torch cannot copy its CSR tensors).
        return self

    def __getstate__(self):
        return self.__dict__ | {"_tensors": {}}  # torch cannot pickle its CSR tensors; they are made again when needed

    def __repr__(self):
        return f"Propagation(kind={self.kind!r}, num_nodes={self.num_nodes}, entries={self.matrix.nnz})"


class Deflated(Propagation):
    """Q = (P − S diag(π)^{-1/2} A Bᵀ diag(π)^{1/2} S⁻¹)/c, A and B of few columns; made by `oversmooth.deflate`.

    All that a `Propagation` offers, with ``rate`` 1 and ``mean_factor`` 0; never changed once built. In one module with
    its parent, since `Propagation.from_edges` may build it.

    Attributes:
        base: the `Propagation` it was made from.
    """

    mean_factor = 0.0
    rate = 1.0  # sup σ(QX)/σ(X), attained on the second mode

    def __init__(self, base: Propagation, modes: int = 1):
        divisor, left, right = deflation(base, modes)
        super().__init__(base.matrix / divisor, "deflated", base.pi, base.scaling, base.dtype)
        self.base = base
        root = np.sqrt(base.pi) / (1.0 if base.scaling is None else base.scaling)
        self._left, self._right = left / root[:, None], right * root[:, None] / divisor

    def to_dense(self) -> torch.Tensor:
        """Q as a dense (n, n) tensor."""
        return torch.from_numpy(self.matrix.toarray() - self._left @ self._right.T).to(self.dtype)

    def _product(self, signal, transposed):
        product = super()._product(signal, transposed)  # of the sparse part
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

    def similar(self) -> sparse.csr_array:
        """As for P, with eigenvalue 1 given back to the constant, which `modes` expects and takes out again. Dense."""
        weight = np.sqrt(self.pi) / (1.0 if self.scaling is None else self.scaling)
        root = np.sqrt(self.pi)
        dense = self.to_dense().double().numpy()
        return sparse.csr_array(weight[:, None] * dense / weight + np.outer(root, root))

    def __repr__(self):
        return f"Propagation(kind='deflated', modes={self._left.shape[1] - 1 or 1}, base={self.base!r})"
