"""Sparse matrices between scipy, which builds and factorises them, and torch, which multiplies and differentiates."""

import warnings

import numpy as np
import scipy.sparse as sparse
import torch

from oversmooth._validation import came, require


def to_scipy(matrix):
    """Any dense or sparse matrix of torch, numpy or scipy as scipy CSR in float64."""
    if isinstance(matrix, torch.Tensor):
        require(not matrix.is_complex(), f"matrix has dtype {matrix.dtype}; real numbers are needed")
        require(matrix.device.type != "meta", "matrix is on the meta device, which holds no numbers")
        matrix = matrix.detach().cpu()
        if matrix.layout != torch.strided:
            coo = matrix.to_sparse_coo().coalesce()
            entries = coo.values().double().numpy(), tuple(coo.indices().numpy())
            return sparse.coo_array(entries, shape=tuple(coo.shape)).tocsr()
        matrix = matrix.double().numpy()
    if not sparse.issparse(matrix):
        try:
            matrix = np.asarray(matrix)
            matrix = matrix if np.iscomplexobj(matrix) else matrix.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"matrix is {came(matrix)}; rows of numbers, all of one length, are needed") from error
    require(not np.iscomplexobj(matrix), "matrix is complex; real numbers are needed")
    if sparse.issparse(matrix):
        return sparse.csr_array(matrix, dtype=np.float64, copy=True)
    require(matrix.ndim == 2, f"matrix has {matrix.ndim} dimensions; a square matrix is needed")
    require(np.isfinite(matrix).all(), "matrix has non-finite entries")
    return sparse.csr_array(matrix)


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


def csr_pair(matrix, dtype=torch.float64, device="cpu"):
    """A square scipy CSR matrix and its transpose as torch CSR tensors; one and the same where they are equal.

    Args:
        matrix: (n, n) scipy CSR.
        dtype: of the values.
        device: of the tensors.

    Returns:
        The pair of (n, n) tensors.
    """
    straight = csr_from_scipy(matrix, dtype, device)
    return straight, straight if is_symmetric(matrix) else csr_from_scipy(matrix.T.tocsr(), dtype, device)


def is_symmetric(matrix):
    """Whether a scipy CSR matrix equals its transpose, to rounding: a random vector sees any difference."""
    vector = np.random.default_rng(0).standard_normal(matrix.shape[0])
    forward, backward = matrix @ vector, matrix.T @ vector
    return bool(np.abs(forward - backward).max() <= 1e-13 * max(1.0, np.abs(forward).max()))


def multiply(matrix, adjoint, signal):
    """A sparse matrix times a signal, differentiable as often as wanted.

    Args:
        matrix: (n, n) torch CSR; for a signal without seeds it may be (m, n).
        adjoint: its transpose, which the backward pass multiplies by: torch would transpose at every call.
        signal: (n, d) or (seeds, n, d).

    Returns:
        The product, (n, d) or (seeds, n, d), or (m, d).
    """
    if signal.requires_grad and torch.is_grad_enabled():
        return _Product.apply(signal, matrix, adjoint)
    return _multiply(matrix, signal)


class _Product(torch.autograd.Function):
    """matrix @ signal, whose backward is adjoint @ gradient."""

    @staticmethod
    def forward(ctx, signal, matrix, adjoint):
        ctx.matrix, ctx.adjoint = matrix, adjoint
        return _multiply(matrix, signal)

    @staticmethod
    def backward(ctx, gradient):
        return _Product.apply(gradient, ctx.adjoint, ctx.matrix), None, None


def _multiply(matrix, signal):
    if signal.dim() == 2:
        # torch's `@` fills the result with zeros and copies it before the product: half of its time.
        return signal.new_empty(len(matrix), signal.shape[1]).addmm_(matrix, signal, beta=0)
    # One wide product (n, seeds·d) is several times faster than one per seed.
    seeds, nodes, width = signal.shape
    flat = signal.transpose(0, 1).reshape(nodes, seeds * width)
    return _multiply(matrix, flat).view(nodes, seeds, width).transpose(0, 1)
