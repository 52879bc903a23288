"""The propagation matrix P of a graph: its products, its stationary distribution and its smoothing rate.

Notation (chapters/notation.md): P is row-stochastic, π its stationary distribution, λ its rate. The Laplacian is
never called L here, since L is the index of the last layer.
"""

import warnings
from functools import cached_property

import numpy as np
import torch

from oversmooth._validation import describe, require

KINDS = ("metropolis", "max_degree", "random_walk", "gcn", "identity", "deflated")


class Propagation:
    """A sparse propagation matrix P, P1 = 1, ready to multiply signals.

    ``P @ X`` is PX and ``P.adjoint(B)`` is PᵀB, for X and B of shape (n, d) or (seeds, n, d), both differentiable
    (twice, too). The product runs in the dtype and on the device of the signal.

    The kind "gcn" is D̃^{-1/2} Ã D̃^{-1/2} = S (D̃⁻¹Ã) S⁻¹ with S = diag(scaling), scaling ∝ √d̃: not stochastic, but the
    random walk in the coordinates S⁻¹X. Its ``stationary`` and ``rate`` are the random walk's, and all measures of
    smoothness divide by ``scaling`` first.

    Attributes:
        kind: the kind it was built as; "matrix" for `from_matrix`.
        num_nodes: n.
        scaling: (n,) float64, or None where it would be 1 everywhere.
        mean_factor: μ(PX)/μ(X): 1, but 0 for the kind "deflated", a `oversmooth.propagation.deflation.Deflated`.

    Source: theory.md, section 1; Metropolis weights: Xiao and Boyd (2004).
    """

    mean_factor = 1.0

    def __init__(self, matrix, kind, stationary=None, scaling=None):
        # Use the class methods below: they validate, this only stores. `matrix` is scipy CSR, float64.
        self._matrix = matrix
        self.kind = kind
        self.num_nodes = matrix.shape[0]
        self._stationary = stationary
        self.scaling = scaling
        self._tensors = {}
        self._dtype = torch.float64

    @classmethod
    def from_edges(cls, edge_index, num_nodes, kind="metropolis", dtype=torch.float64, base=None, modes=1):
        """Build P from the edges of an undirected graph.

        With d_i the number of neighbours, self-loops and repeated edges ignored, Ã = A + I, d̃ = d + 1:
        metropolis: P_ij = 1/(1 + max(d_i, d_j)) on edges, the diagonal fills the row up to 1 (symmetric);
        max_degree: I − laplacian/(d_max + 1) (symmetric); random_walk: D̃⁻¹Ã (reversible, π ∝ d̃);
        gcn: D̃^{-1/2} Ã D̃^{-1/2}; identity: I, which makes a graph network a multi-layer perceptron;
        deflated: (P − 1πᵀ)/λ with P of the kind ``base`` (`oversmooth.deflate` has the details, and takes any P).

        Args:
            edge_index: (2, edges) integers, each edge in both directions.
            num_nodes: n, at least 1.
            kind: metropolis, max_degree, random_walk, gcn, identity or deflated.
            dtype: dtype of the dense and sparse tensors given back; products follow their signal's dtype.
            base: for "deflated": the kind of P; None means metropolis.
            modes: for "deflated": how many modes besides the constant never fade.

        Returns:
            The `Propagation`.

        Raises:
            ValueError: unknown kind, no nodes, indices of the wrong shape or range, or directed edges; for "deflated"
                a graph that is disconnected or complete.

        Source: theory.md, section 1.
        """
        require(kind in KINDS, f"kind is {kind!r}; known kinds: {', '.join(KINDS)}")
        if kind == "deflated":
            from oversmooth.propagation.deflation import deflate

            return deflate(cls.from_edges(edge_index, num_nodes, base or "metropolis", dtype), modes)
        require(
            base is None and modes == 1,
            f"base and modes are options of kind='deflated'; with kind={kind!r} leave them out",
        )
        from oversmooth.propagation.kinds import OPERATORS, adjacency_matrix

        matrix, stationary, scaling = OPERATORS[kind](adjacency_matrix(edge_index, num_nodes))
        propagation = cls(matrix, kind, stationary, scaling)
        propagation._dtype = dtype
        return propagation

    @classmethod
    def from_data(cls, data, kind="metropolis", dtype=torch.float64, base=None, modes=1):
        """Build P from a ``torch_geometric.data.Data``; see `from_edges`."""
        return cls.from_edges(data.edge_index, data.num_nodes, kind=kind, dtype=dtype, base=base, modes=modes)

    @classmethod
    def from_matrix(cls, matrix):
        """Wrap a row-stochastic matrix, dense or sparse, of torch, numpy or scipy.

        Args:
            matrix: (n, n), finite, non-negative, rows summing to 1 (within 1e-6 in float32, 1e-9 in float64).

        Returns:
            The `Propagation`, of kind "matrix".

        Raises:
            ValueError: wrong shape, non-finite or negative entries, rows that do not sum to 1.

        Source: theory.md, section 1.
        """
        tolerance = 1e-6 if str(getattr(matrix, "dtype", "")).endswith("float32") else 1e-9
        from oversmooth.propagation.kinds import to_scipy

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

    def __matmul__(self, signal):
        return self._product(signal, transposed=False)

    def adjoint(self, signal):
        """Multiply by the transpose: PᵀB.

        Args:
            signal: B, (n, d) or (seeds, n, d).

        Returns:
            PᵀB, the same shape.

        Raises:
            ValueError: wrong number of rows.
        """
        return self._product(signal, transposed=True)

    def to_dense(self):
        """P as a dense (n, n) tensor."""
        return torch.from_numpy(self._matrix.toarray()).to(self._dtype)

    def measure(self, dtype=torch.float64, device="cpu"):
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
                None if v is None else torch.from_numpy(v).to(device, dtype)[:, None] for v in (self._pi, self.scaling)
            )
            self._tensors[key] = tuple(columns)
        return self._tensors[key]

    @property
    def stationary(self):
        """π, (n,), positive, πᵀP = πᵀ, sums to 1."""
        return torch.from_numpy(self._pi).to(self._dtype)

    @cached_property
    def num_components(self):
        """Number of connected components of the graph of P."""
        from scipy.sparse.csgraph import connected_components

        return int(connected_components(self._matrix, directed=False, return_labels=False))

    @cached_property
    def rate(self):
        """The smoothing rate λ = sup σ(PX)/σ(X), a float in [0, 1].

        λ = ‖D^{1/2} (P − 1πᵀ) D^{-1/2}‖₂ with D = diag(π): the second largest absolute eigenvalue where P is
        reversible. 1.0 if the graph is disconnected or P is periodic, and a warning says so. Dense up to 512 nodes,
        then by Lanczos, stopped at a residual of 5e-9: some singular value is that near, and a random start makes it
        the largest.

        Source: theory.md, section 1.
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
        from oversmooth.propagation.spectrum import contraction

        rate = contraction(self._similar(), np.sqrt(self._pi))
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
    def _pi(self):
        from oversmooth.propagation.spectrum import stationary_distribution

        return stationary_distribution(self._matrix) if self._stationary is None else self._stationary

    def _similar(self):
        """D^{1/2} P D^{-1/2}, symmetric where P is reversible (for gcn: P itself)."""
        if self.scaling is not None or np.ptp(self._pi) == 0:
            return self._matrix
        root = np.sqrt(self._pi)
        similar = self._matrix.copy()
        similar.data *= np.repeat(root, np.diff(similar.indptr)) / root[similar.indices]
        return similar

    def _product(self, signal, transposed):
        require(
            isinstance(signal, torch.Tensor) and signal.dim() in (2, 3),
            f"a signal is a tensor (n, d) or (seeds, n, d); this one is {describe(signal)}",
        )
        require(
            signal.shape[-2] == self.num_nodes,
            f"the signal has {signal.shape[-2]} rows, the graph has {self.num_nodes} nodes",
        )
        require(signal.is_floating_point(), f"the signal has dtype {signal.dtype}; a floating dtype is needed")
        if self.kind == "identity":
            return signal
        matrix, adjoint = self._as_tensors(signal.dtype, signal.device)
        if transposed:
            matrix, adjoint = adjoint, matrix
        if signal.requires_grad and torch.is_grad_enabled():
            return _SparseProduct.apply(signal, matrix, adjoint)
        return _multiply(matrix, signal)

    def _as_tensors(self, dtype, device):
        """(P, Pᵀ) as CSR tensors; kept, because rebuilding the transpose would cost more than the product."""
        key = (dtype, device)
        if key not in self._tensors:
            from oversmooth.propagation.spectrum import is_symmetric

            matrix = csr_from_scipy(self._matrix, dtype, device)
            symmetric = is_symmetric(self._matrix)
            adjoint = matrix if symmetric else csr_from_scipy(self._matrix.T.tocsr(), dtype, device)
            self._tensors[key] = (matrix, adjoint)
        return self._tensors[key]

    def __deepcopy__(self, memo):
        # Never changed once built, so copies of a network share it (and torch cannot copy its CSR tensors).
        return self

    def __getstate__(self):
        return self.__dict__ | {"_tensors": {}}  # torch cannot pickle its CSR tensors; they are made again when needed

    def __repr__(self):
        return f"Propagation(kind={self.kind!r}, num_nodes={self.num_nodes}, entries={self._matrix.nnz})"


def _multiply(matrix, signal):
    if signal.dim() == 2:
        # torch's `@` fills the result with zeros and copies it before the product: half of its time.
        return torch.empty_like(signal, memory_format=torch.contiguous_format).addmm_(matrix, signal, beta=0)
    # One wide product (n, seeds·d) is several times faster than one per seed.
    seeds, nodes, width = signal.shape
    flat = signal.transpose(0, 1).reshape(nodes, seeds * width)
    return _multiply(matrix, flat).view(nodes, seeds, width).transpose(0, 1)


class _SparseProduct(torch.autograd.Function):
    """matrix @ signal, whose backward is adjoint @ gradient (torch would transpose the matrix at every call)."""

    @staticmethod
    def forward(ctx, signal, matrix, adjoint):
        ctx.matrix, ctx.adjoint = matrix, adjoint
        return _multiply(matrix, signal)

    @staticmethod
    def backward(ctx, gradient):
        return _SparseProduct.apply(gradient, ctx.adjoint, ctx.matrix), None, None


def csr_tensor(row_ends, columns, values, num_nodes):
    """A square CSR tensor on the device and of the dtype of its values.

    Args:
        row_ends: (n,) integers, where each row's entries end.
        columns: (entries,) integers.
        values: (entries,).
        num_nodes: n.

    Returns:
        The (n, n) tensor, with 32-bit indices: the CPU kernels would convert 64-bit ones at every product.
    """
    starts = torch.zeros(num_nodes + 1, dtype=torch.int32, device=values.device)
    starts[1:] = row_ends
    with warnings.catch_warnings():
        # torch calls its CSR layout a beta feature once in every process
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, columns.to(torch.int32), values, size=(num_nodes, num_nodes))


def csr_from_scipy(matrix, dtype=torch.float64, device="cpu"):
    """A square scipy CSR matrix as a torch CSR tensor.

    Args:
        matrix: (n, n) scipy CSR.
        dtype: of the values.
        device: of the tensor.

    Returns:
        The (n, n) tensor.
    """
    row_ends, columns = (torch.from_numpy(index).to(device) for index in (matrix.indptr[1:], matrix.indices))
    return csr_tensor(row_ends, columns, torch.from_numpy(matrix.data).to(device, dtype), matrix.shape[0])
