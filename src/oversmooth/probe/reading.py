"""How the probe reads a tensor of the user's: nodes first, in single precision at least; it changes none."""

import weakref

import torch

from oversmooth.moments import entrywise_norm, wide
from oversmooth.probe.extras import is_lazy


def nodes_first(signal, module=None):
    """A signal as (…, n, d): a layer whose `node_dim` is another axis has its nodes moved there."""
    if signal.dim() == 1:
        return signal[:, None]
    axis = getattr(module, "node_dim", -2)
    if isinstance(axis, int) and signal.dim() > 2 and axis % signal.dim() == 0:
        return signal.flatten(1)
    return signal


def working(signal):
    """Half precision is measured in single."""
    return signal.float() if signal.dtype in (torch.float16, torch.bfloat16) else signal


def is_same(signal):
    """Whether every node has the same features, but for rounding."""
    flat = signal.reshape(-1, signal.shape[-1])
    return bool((flat - flat[:1]).abs().max() <= 1e-6 * flat.abs().max()) if flat.numel() else False


def size_of(values):
    """The norm of all entries of a tensor, a float."""
    if values.dtype in (torch.float32, torch.float64):
        limits, norm = torch.finfo(values.dtype), float(torch.linalg.vector_norm(values))
        if limits.tiny**0.5 / limits.eps < norm < limits.max**0.5:
            return norm
    return float(entrywise_norm(values.to(wide(values))))


def reference(value):
    """A weak reference; to None, one that gives None."""
    return (lambda: None) if value is None else weakref.ref(value)


def version_of(value):
    """How often a tensor was changed in place; None where torch does not count."""
    if value is None or (isinstance(value, torch.Tensor) and value.is_inference()):
        return None
    return getattr(value, "_version", None)


def updates_of(model):
    """How often the parameters changed in place since they were made: the steps of an optimiser, about."""
    return max((version_of(p) or 0 for p in model.parameters() if p.requires_grad and not is_lazy(p)), default=0)


def zero_parameters(model):
    """Names of the parameters, biases apart, that are exactly 0, as gates and last layers that start at zero."""
    with torch.no_grad():
        weights = [(n, p) for n, p in model.named_parameters() if "bias" not in n and not is_lazy(p) and p.numel()]
        return [name for name, parameter in weights if not parameter.any()]
