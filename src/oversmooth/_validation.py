"""The checks that public functions share: every error says what was needed, what came, and what to do."""

import torch


def require(condition, message):
    """Raise ValueError(message) unless the condition holds.

    Raises:
        ValueError: the condition is false.
    """
    if not condition:
        raise ValueError(message)


def came(value):
    """What came, for an error: the shape of a tensor, the type of anything else."""
    return f"of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"


def require_signal(name, value, num_nodes=None):
    """Check that a signal is a finite floating tensor (n, d) or (seeds, n, d) with the graph's number of rows.

    Raises:
        ValueError: it is not.
    """
    require(isinstance(value, torch.Tensor), f"{name} is a {type(value).__name__}; a torch.Tensor is needed")
    require(
        value.dim() in (2, 3),
        f"{name} has shape {tuple(value.shape)}; (nodes, features) or (seeds, nodes, features)",
    )
    require(value.is_floating_point(), f"{name} has dtype {value.dtype}; a floating dtype is needed")
    if num_nodes is not None:
        require(
            value.shape[-2] == num_nodes,
            f"{name} has {value.shape[-2]} rows, the graph has {num_nodes} nodes",
        )
    require(is_finite(value), f"{name} has non-finite entries (NaN or infinity)")


def is_finite(value):
    """Whether all entries are finite.

    The sum answers in a twentieth of the time of the entry-wise test, which is needed only if the sum overflows.

    Args:
        value: a tensor.

    Returns:
        A bool.
    """
    return bool(torch.isfinite(value.detach().sum())) or bool(torch.isfinite(value).all())
