"""The checks that public functions share: every error says what was needed, what came, and what to do."""

from contextlib import contextmanager

import torch


def require(condition, message):
    """Raise ValueError(message) unless the condition holds.

    Raises:
        ValueError: the condition is false.
    """
    if not condition:
        raise ValueError(message)


@contextmanager
def drawing(call):
    """Around the imports of what draws: without matplotlib the error names the call and the extra that brings it.

    Raises:
        ModuleNotFoundError: matplotlib, or what it needs, is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{call} needs {error.name}: pip install 'oversmooth[plot]'"
        raise ModuleNotFoundError(message, name=error.name) from error


def came(value):
    """What came, for an error: the shape of a tensor, short numbers, texts and lists themselves, else the type."""
    if isinstance(value, torch.Tensor):
        return f"of shape {tuple(value.shape)}"
    plain = isinstance(value, None | bool | int | float | str | list | tuple) and len(repr(value)) < 60
    return repr(value) if plain else f"a {type(value).__name__}"


def require_signal(name, value, num_nodes=None):
    """Check that a signal is a finite tensor (n, d) or (seeds, n, d) in single or double, with the graph's rows.

    Raises:
        ValueError: it is not.
    """
    require_dense(name, value)
    if num_nodes is not None:
        require(
            value.shape[-2] == num_nodes,
            f"{name} has {value.shape[-2]} rows, the graph has {num_nodes} nodes",
        )
    require(is_finite(value), f"{name} has non-finite entries (NaN or infinity)")


def require_dense(name, value):
    """Check that a value is a tensor (n, d) or (seeds, n, d) that products and norms can read: not its entries.

    Raises:
        ValueError: it is not.
    """
    require(isinstance(value, torch.Tensor), f"{name} is a {type(value).__name__}; a torch.Tensor is needed")
    shape = tuple(value.shape)
    require(value.dim() in (2, 3), f"{name} has shape {shape}; (nodes, features) or (seeds, nodes, features)")
    require(value.layout == torch.strided, f"{name} is sparse; a dense tensor is needed: {name}.to_dense()")
    require(value.device.type != "meta", f"{name} is on the meta device, which holds no numbers")
    require(
        value.dtype in (torch.float32, torch.float64), f"{name} has dtype {value.dtype}; float32 or float64 is needed"
    )
    require(value.numel() > 0, f"{name} has shape {shape}; at least one node and one feature are needed")


def require_edges(edge_index, num_nodes, whose):
    """Check that edges are integers (2, edges) between nodes that exist.

    Args:
        edge_index: a tensor.
        num_nodes: n.
        whose: what has the nodes, for the error.

    Raises:
        ValueError: they are not.
    """
    require(
        isinstance(edge_index, torch.Tensor) and edge_index.dim() == 2 and edge_index.shape[0] == 2,
        f"edge_index is {came(edge_index)}; a tensor (2, edges) is needed",
    )
    require(
        not (edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool),
        f"edge_index has dtype {edge_index.dtype}; integers are needed",
    )
    if edge_index.numel():
        low, high = (int(end) for end in torch.aminmax(edge_index))
        require(
            low >= 0 and high < num_nodes,
            f"edge_index names nodes {low} to {high}; {whose} has {num_nodes}, which are 0 to {num_nodes - 1}",
        )


def require_dtype(dtype):
    """Check that a dtype is single or double precision.

    Raises:
        ValueError: it is not.
    """
    require(dtype in (torch.float32, torch.float64), f"dtype is {dtype!r}; torch.float32 or torch.float64 is needed")


def is_finite(value):
    """Whether all entries are finite.

    The sum answers in a twentieth of the time of the entry-wise test, which is needed only if the sum overflows.

    Args:
        value: a tensor.

    Returns:
        A bool.
    """
    return bool(torch.isfinite(value.detach().sum())) or bool(torch.isfinite(value).all())
