"""What a model gave in a pass, of any shape, and the error that arrived at it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from oversmooth.moments import wide


@dataclass
class Output:
    """Ŷ of one pass: copies of its floating tensors, and ∂𝓛/∂Ŷ.

    Attributes:
        tree: the output with each tensor replaced by a copy; None once a later pass came.
        deviation: σ of its first floating tensor.
        gradients: path of a tensor -> ∂𝓛/∂(it), as long as the tree is there.
        sizes: path of a tensor -> how many of its rows the loss counts, and ‖∂𝓛/∂(it)‖.
        run: the pass.
        differentiable: whether a backward pass may come.
        trailed: whether its error is in the probe's trail.
    """

    tree: object
    deviation: float
    gradients: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)
    run: int = 0
    differentiable: bool = False
    trailed: bool = False

    @classmethod
    def of(cls, output, deviation):
        """The `Output` of what a model returned, None where there is no floating tensor in it."""
        found = dict(leaves(output))
        if not found:
            return None
        first = next(iter(found.values())).detach()
        measured = deviation(first) if len(first) else float("nan")
        return cls(copied(output), measured, differentiable=any(t.requires_grad for t in found.values()))

    @staticmethod
    def live(output):
        """(path, tensor) of the model's own tensors."""
        return leaves(output)

    @property
    def value(self):
        """The first floating tensor."""
        return next((tensor for _, tensor in leaves(self.tree)), None)

    @property
    def rows(self):
        """m, the rows of all tensors that the loss counts."""
        return sum(rows for rows, _ in self.sizes.values())

    @property
    def error(self):
        """√m ‖∂𝓛/∂Ŷ‖ over the m rows that the loss counts, None before the backward pass."""
        return self.rows**0.5 * math.hypot(*(size for _, size in self.sizes.values())) if self.sizes else None

    def arrived(self, path, gradient):
        """Keep ∂𝓛/∂(one tensor)."""
        gradient = gradient.detach()
        rows = gradient.reshape(len(gradient), -1).to(wide(gradient)) if gradient.numel() else torch.zeros(1, 1)
        self.sizes[path] = int(rows.ne(0).any(-1).sum()), float(torch.linalg.vector_norm(rows))
        if self.tree is not None:
            self.gradients[path] = gradient.clone()

    def forget(self):
        """Drop the tensors and keep the numbers."""
        self.tree, self.gradients = None, {}


def leaves(value, path=()):
    """(path, tensor) of every floating tensor in lists, dictionaries and records."""
    if isinstance(value, torch.Tensor):
        if value.layout == torch.strided and value.is_floating_point() and value.dim() > 0:
            yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    elif isinstance(value, tuple | list):
        for key, part in enumerate(value):
            yield from leaves(part, (*path, key))


def copied(value, make=lambda tensor: tensor.detach().clone()):
    """The same structure with each floating tensor replaced."""
    if isinstance(value, torch.Tensor):
        return make(value) if value.is_floating_point() and value.layout == torch.strided else value
    if isinstance(value, Mapping):
        return {key: copied(part, make) for key, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [copied(part, make) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
