"""Activation functions ρ with the constants that the theorems need."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from oversmooth._validation import require

_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An element-wise activation ρ and its constants.

    Attributes:
        name: what tables and figures call it.
        function: H -> ρ(H).
        derivative: H -> ρ'(H), same shape; None lets autograd find it.
        lipschitz: sup |ρ'|. The theorems ask for at most 1.
        beta: β, the Lipschitz constant of ρ'; infinity where ρ' jumps.
        derivative_range: (inf ρ', sup ρ').
        homogeneous: whether ρ(cx) = cρ(x) for every c > 0.
        pullback: (H, ρ(H), G, out) -> ρ'(H) ⊙ G in one pass over memory, written to ``out``, which may be G; None
            multiplies by ``derivative``.
        in_place: H -> ρ(H), written over H, where ``pullback`` reads ρ(H) only; None keeps H.

    Source: the book's page *Notation*, "Which activations"; the values of β are ours, by calculus.
    """

    name: str
    function: Callable
    derivative: Callable | None = None
    lipschitz: float = 1.0
    beta: float = math.inf
    derivative_range: tuple[float, float] = (0.0, 1.0)
    homogeneous: bool = False
    pullback: Callable | None = None
    in_place: Callable | None = None

    def __reduce__(self):
        # Those of the library travel by name: their functions have none of their own, which pickle needs.
        if ACTIVATIONS.get(self.name) is self:
            return find_activation, (self.name,)
        return super().__reduce__()

    def __call__(self, preactivations):
        """ρ(H)."""
        return self.function(preactivations)

    def slope(self, preactivations):
        """ρ'(H).

        Args:
            preactivations: H, any shape.

        Returns:
            ρ'(H), the same shape.
        """
        if self.derivative is not None:
            return self.derivative(preactivations)
        with torch.enable_grad():
            leaf = preactivations.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.function(leaf).sum(), leaf)
        return slope

    def backward(self, preactivations, activations, gradient, out=None):
        """One step of backpropagation through ρ: B = ρ'(H) ⊙ G.

        Args:
            preactivations: H, any shape.
            activations: ρ(H), the same shape.
            gradient: G = ∂𝓛/∂ρ(H), the same shape.
            out: memory for B, may be G's own; None takes fresh memory.

        Returns:
            B = ∂𝓛/∂H, the same shape.
        """
        if self.pullback is None:
            return torch.mul(self.slope(preactivations), gradient, out=out)
        return self.pullback(preactivations, activations, gradient, torch.empty_like(gradient) if out is None else out)


def _gelu_slope(h):
    return 0.5 * (1 + torch.erf(h / math.sqrt(2))) + h * torch.exp(-h * h / 2) / math.sqrt(2 * math.pi)


def _silu_slope(h):
    sigmoid = torch.sigmoid(h)
    return sigmoid * (1 + h * (1 - sigmoid))


# GELU's and SiLU's slopes overshoot [0, 1] symmetrically. GELU's peaks at √2; SiLU's at the root of h tanh(h/2) = 2.
_GELU_OVERSHOOT = math.erf(1) / 2 - 0.5 + math.exp(-1) / math.sqrt(math.pi)
_SILU_PEAK = 2.3993572805154677
_SILU_OVERSHOOT = _SILU_PEAK / 4 - 0.5

ACTIVATIONS = {
    activation.name: activation
    for activation in [
        Activation("identity", lambda h: h, torch.ones_like, 1.0, 0.0, (1.0, 1.0), True, lambda h, x, g, out: g),
        Activation(
            "tanh",
            torch.tanh,
            lambda h: 1 - torch.tanh(h) ** 2,
            beta=4 / (3 * math.sqrt(3)),
            pullback=lambda h, x, g, out: _aten.tanh_backward.grad_input(g, x, grad_input=out),
            in_place=torch.tanh_,
        ),
        Activation(
            "elu",
            functional.elu,
            lambda h: torch.exp(h.clamp(max=0)),
            beta=1.0,
            pullback=lambda h, x, g, out: _aten.elu_backward.grad_input(g, 1.0, 1.0, 1.0, True, x, grad_input=out),
            in_place=functional.elu_,
        ),
        Activation("arctan", torch.atan, lambda h: 1 / (1 + h * h), beta=3 * math.sqrt(3) / 8),
        Activation("softsign", functional.softsign, lambda h: (1 + h.abs()) ** -2, beta=2.0),
        Activation(
            "relu",
            torch.relu,
            lambda h: (h > 0).to(h.dtype),
            homogeneous=True,
            pullback=lambda h, x, g, out: _aten.threshold_backward.grad_input(g, x, 0.0, grad_input=out),
            in_place=torch.relu_,
        ),
        Activation(
            "leaky_relu",
            functional.leaky_relu,
            lambda h: torch.where(h > 0, 1.0, torch.full_like(h, 0.01)),
            derivative_range=(0.01, 1.0),
            homogeneous=True,
            pullback=lambda h, x, g, out: _aten.leaky_relu_backward.grad_input(g, x, 0.01, True, grad_input=out),
            in_place=functional.leaky_relu_,
        ),
        Activation(
            "gelu",
            functional.gelu,
            _gelu_slope,
            1 + _GELU_OVERSHOOT,
            math.sqrt(2 / math.pi),
            (-_GELU_OVERSHOOT, 1 + _GELU_OVERSHOOT),
            pullback=lambda h, x, g, out: _aten.gelu_backward.grad_input(g, h, grad_input=out),
        ),
        Activation(
            "silu",
            functional.silu,
            _silu_slope,
            1 + _SILU_OVERSHOOT,
            0.5,
            (-_SILU_OVERSHOOT, 1 + _SILU_OVERSHOOT),
            pullback=lambda h, x, g, out: _aten.silu_backward.grad_input(g, h, grad_input=out),
        ),
    ]
}


def find_activation(activation):
    """The `Activation` of that name, or the one given.

    Args:
        activation: a name of `ACTIVATIONS`, or an `Activation`.

    Returns:
        The `Activation`.

    Raises:
        ValueError: unknown name.
    """
    if isinstance(activation, Activation):
        return activation
    require(
        activation in ACTIVATIONS,
        f"activation is {activation!r}; known: {', '.join(ACTIVATIONS)}, or an oversmooth.Activation",
    )
    return ACTIVATIONS[activation]
