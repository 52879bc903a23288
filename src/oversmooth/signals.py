"""All forward signals, backward signals and gradients of one pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch

from oversmooth._arguments import checked
from oversmooth._memory import require_memory
from oversmooth._validation import came, require
from oversmooth.activations import Activation
from oversmooth.network import Network, require_network
from oversmooth.propagation.averaging import Averaging

_IN_PLACE = "the loss changes the network's output in place; let it work on a copy"
_UNRELATED = "the loss does not depend on the network's output, or was detached from it"


@dataclass(frozen=True)
class Signals:
    """One pass through a network: lists over the layers k = 0, …, L, under the names of the notation page.

    Shapes are for one network; a batch puts a seeds axis in front of each. Nothing here is attached to autograd, and
    the weights are copies: training the network further does not change them.

    Attributes:
        features: X⁽ᵏ⁾, (n, d_k).
        backward: B⁽ᵏ⁾ = ∂𝓛/∂H⁽ᵏ⁾, (n, d_{k+1}).
        gradients: ∂𝓛/∂W⁽ᵏ⁾, (d_k, d_{k+1}); in a batch one for each seed, even where the weights are shared.
        output: Ŷ, (n, d_{L+1}).
        loss: 𝓛, scalar, or (seeds,) if the loss function gave one value for each seed.
        weights: W⁽ᵏ⁾, (d_k, d_{k+1}).
        propagation: P.
        activation: ρ.
        steps: what lies between two layers' features.
    """

    features: list[torch.Tensor]
    backward: list[torch.Tensor]
    gradients: list[torch.Tensor]
    output: torch.Tensor
    loss: torch.Tensor
    weights: list[torch.Tensor] = field(repr=False)
    propagation: Averaging
    activation: Activation
    steps: Steps = field(repr=False)

    @property
    def depth(self) -> int:
        """Number of weight matrices, L+1."""
        return len(self.weights)

    @property
    def propagated(self) -> list[torch.Tensor]:
        """F⁽ᵏ⁾ = P X⁽ᵏ⁾, (n, d_k); made when first asked for."""
        return self.steps.propagated

    @property
    def preactivations(self) -> list[torch.Tensor]:
        """H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾, (n, d_{k+1}), the last one the output; made when first asked for."""
        return self.steps.preactivations


@dataclass(frozen=True)
class Steps:
    """What a pass computes between two layers' features, made again when first asked for, and then kept.

    A pass that stored these would spend half of its memory, and a third of its time, on what few measures read.

    Attributes:
        features: X⁽ᵏ⁾.
        weights: W⁽ᵏ⁾.
        kept: H⁽ᵏ⁾, None where the pass dropped it.
        propagation: P.
    """

    features: list[torch.Tensor]
    weights: list[torch.Tensor]
    kept: list[torch.Tensor | None]
    propagation: Averaging

    @cached_property
    def propagated(self) -> list[torch.Tensor]:
        """F⁽ᵏ⁾ = P X⁽ᵏ⁾."""
        propagated = [self.propagation @ X for X in self.features]
        return [_for_each_seed(F, self.kept[-1]) for F in propagated]

    @cached_property
    def preactivations(self) -> list[torch.Tensor]:
        """H⁽ᵏ⁾ = P X⁽ᵏ⁾ W⁽ᵏ⁾, by the same operations as in the pass."""
        layers = zip(self.features, self.weights, self.kept, strict=True)
        return [propagate(self.propagation, X, W) if H is None else H for X, W, H in layers]


@checked
def trace(
    network: Network,
    features: torch.Tensor,
    loss: Callable[[torch.Tensor], torch.Tensor],
    out: Signals | None = None,
) -> Signals:
    """Every signal and gradient of one forward and one backward pass.

    X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾), H⁽ᵏ⁾ = P X⁽ᵏ⁾ W⁽ᵏ⁾; then from B⁽ᴸ⁾ = ∂𝓛/∂Ŷ downwards G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ,
    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾ and ∂𝓛/∂W⁽ᵏ⁾ = F⁽ᵏ⁾ᵀ B⁽ᵏ⁾. Only the loss itself goes through autograd. Parameters, their
    ``.grad``, the training mode and the random state stay as they are.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).
        out: an earlier trace of a network and features of the same shapes, not needed any more: the new signals are
            written over its own, which spares fresh memory. None: fresh memory.

    Returns:
        `Signals`.

    Raises:
        ValueError: features that do not fit the network, a loss that is no scalar or ignores the output, an ``out`` of
            other shapes, or one whose memory the features are.
        MemoryError: signals that would not fit; `streamed_profile` keeps few of them.

    Source: the book's page *Notation*, "One layer, forward and backward".
    """
    require_network(network)
    network.check(features)
    P, rho = network.propagation, network.activation
    forward, backward = _fresh_memory(network, features) if out is None else _memory_of(out, network, features)
    W = [weight.detach().clone() for weight in network.weights]
    states, output = forward_pass(network, features.detach(), out=forward)
    value, error = output_error(loss, output)
    B, gradients = zip(*backward_pass(network, states, error, out=backward), strict=True)
    X, H = zip(*states, strict=True)
    features = [_for_each_seed(X[0], output), *X[1:]]
    steps = Steps(list(X), W, [*H[1:], output], P)
    return Signals(features, list(B[::-1]), list(gradients[::-1]), output, value, W, P, rho, steps)


def _fresh_memory(network, features):
    """Nothing to write over; refused if the signals to come would not fit."""
    seeds = math.prod(torch.broadcast_shapes(features.shape[:-2], network.weights[0].shape[:-2]))
    kept = 1 if network.activation.in_place is not None else 2  # H⁽ᵏ⁾ as well where ρ' cannot be told from ρ
    columns = (kept + 1) * sum(network.widths[1:])
    require_memory(
        seeds * features.shape[-2] * columns * features.element_size(),
        features.device,
        "the signals of all layers take",
        "oversmooth.streamed_profile gives the table of layer_profile, and holds 2√depth layers at a time",
    )
    return [], []


def _memory_of(out, network, features):
    """The tensors of an earlier trace that the passes of a network may write over: X⁽¹⁾, …, and B⁽⁰⁾, …, by layer."""
    require_signals(out, "out")
    weights = [weight.shape for weight in network.weights]
    batch = torch.broadcast_shapes(features.shape[:-2], weights[0][:-2])
    first = out.features[0]
    same = [weight.shape for weight in out.weights] == weights and first.shape == (*batch, *features.shape[-2:])
    same = same and (first.dtype, first.device) == (features.dtype, features.device)
    require(same, "out is a trace of other shapes; give one of a network and features of these shapes, or None")
    own = {signal.untyped_storage().data_ptr() for signal in (*out.features[1:], *out.backward)}
    require(
        features.untyped_storage().data_ptr() not in own,
        "features lie in the memory of out, which would be written over: give features.clone()",
    )
    return out.features, out.backward


def require_signals(signals: object, name: str = "signals") -> None:
    """Check that a trace was given.

    Args:
        signals: what was given.
        name: what errors call it.

    Raises:
        ValueError: something else; the message says what to use instead.
    """
    require(
        isinstance(signals, Signals),
        f"{name} is a {type(signals).__name__}; what oversmooth.trace returned for an oversmooth.Network is needed. "
        "What a Probe measured of another model: probe.table() and probe.diagnosis()",
    )


@torch.no_grad()
def forward_pass(network, features, propagated=None, visit=None, out=()):
    """What `backward_pass` reads of the forward pass, detached: X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾), H⁽ᵏ⁾ = P X⁽ᵏ⁾ W⁽ᵏ⁾.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0), checked by the caller.
        propagated: F⁽⁰⁾ = P X⁽⁰⁾ if known: training needs it once, not at every step.
        visit: called with X⁽⁰⁾, X⁽¹⁾, …, each as soon as it is there; None for nothing.
        out: memory for X⁽⁰⁾, X⁽¹⁾, …, of their shapes, the first unused; empty for fresh memory.

    Returns:
        The list of (X⁽ᵏ⁾, H⁽ᵏ⁻¹⁾), k = 0, …, L, with None for an H⁽ᵏ⁻¹⁾ whose ρ' can be told from ρ, and Ŷ.

    Source: the book's page *Notation*, "One layer, forward and backward".
    """
    states = [(features, None)]
    for k in range(network.depth):
        if visit is not None:
            visit(states[k][0])
        if k < network.depth - 1:
            states.append(advance(network, k, states[k][0], propagated, out[k + 1] if out else None))
    return states, last_step(network, states[-1][0], propagated)


def advance(network, k, features, propagated=None, out=None):
    """One layer: X⁽ᵏ⁺¹⁾, and H⁽ᵏ⁾ or None.

    Args:
        network: `Network`.
        k: layer, 0 to L−1.
        features: X⁽ᵏ⁾.
        propagated: F⁽⁰⁾ if known.
        out: memory for X⁽ᵏ⁺¹⁾, used where ρ works in place; None takes fresh memory.

    Returns:
        The pair.
    """
    rho = network.activation
    place = None if rho.in_place is None else out
    H = propagate(network.propagation, features, network.weights[k], propagated if k == 0 else None, place)
    return (rho(H), H) if rho.in_place is None else (rho.in_place(H), None)


def last_step(network, features, propagated=None):
    """The output Ŷ from X⁽ᴸ⁾.

    Args:
        network: `Network`.
        features: X⁽ᴸ⁾.
        propagated: F⁽⁰⁾ if known.

    Returns:
        Ŷ.
    """
    last = network.depth - 1
    output = propagate(network.propagation, features, network.weights[last], propagated if last == 0 else None)
    return output if network.bias is None else output + network.bias


@torch.no_grad()
def backward_pass(network, states, error, propagated=None, out=()):
    """The backward signals and gradients of all layers, detached, from the last layer to the first.

    With Q⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁾: ∂𝓛/∂W⁽ᵏ⁾ = F⁽ᵏ⁾ᵀ B⁽ᵏ⁾ = X⁽ᵏ⁾ᵀ Q⁽ᵏ⁾ and B⁽ᵏ⁻¹⁾ = ρ'(H⁽ᵏ⁻¹⁾) ⊙ Q⁽ᵏ⁾ W⁽ᵏ⁾ᵀ: one sparse product
    serves both, and no F⁽ᵏ⁾ is needed.

    Args:
        network: `Network`.
        states: (X⁽ᵏ⁾, H⁽ᵏ⁻¹⁾), as `forward_pass` returned them.
        error: B⁽ᴸ⁾, the shape of the output.
        propagated: F⁽⁰⁾ if known, which saves the last sparse product.
        out: memory for B⁽⁰⁾, B⁽¹⁾, …, of their shapes, the last unused; empty for fresh memory.

    Yields:
        B⁽ᵏ⁾ and ∂𝓛/∂W⁽ᵏ⁾, k = L, …, 0: one layer at a time, since training keeps no backward signal.

    Source: the book's page *Notation*, "One layer, forward and backward".
    """
    P, rho = network.propagation, network.activation
    B = error
    for k in range(network.depth - 1, 0, -1):
        (X, H), Q = states[k], P.adjoint(B)
        yield B, X.mT @ Q
        G = _times(Q, network.weights[k].mT, out[k - 1] if out else None)
        B = rho.backward(H, X, G, out=G)
    yield B, states[0][0].mT @ P.adjoint(B) if propagated is None else propagated.mT @ B


def propagate(
    propagation: Averaging,
    features: torch.Tensor,
    weight: torch.Tensor,
    propagated: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """H = P X W, in the order that sends fewer columns through the sparse product.

    Args:
        propagation: P.
        features: X, (n, d) or (seeds, n, d).
        weight: W, (d, d') or (seeds, d, d').
        propagated: PX if known.
        out: memory for H, used where the dense product comes last; None takes fresh memory.

    Returns:
        H, (n, d') or (seeds, n, d').
    """
    if propagated is not None:
        return _times(propagated, weight, out)
    nodes, seeds = features.shape[-2], max(len(t) if t.dim() == 3 else 1 for t in (features, weight))
    if seeds * weight.shape[-1] < features.numel() // nodes:
        return propagation @ _times(features, weight)
    return _times(propagation @ features, weight, out)


def _for_each_seed(signal, output):
    """A batch that starts from shared features still has one signal for each seed (a view: no memory)."""
    return signal.expand(*output.shape[:-2], *signal.shape[-2:])


def _times(signal, weight, out=None):
    """A signal times a weight matrix; a batch is laid out node by node, which saves the sparse product its copies."""
    if signal.dim() == 2 and weight.dim() == 2:
        return torch.mm(signal, weight, out=out)
    seeds = signal.shape[0] if signal.dim() == 3 else weight.shape[0]
    if out is None:
        out = signal.new_empty(signal.shape[-2], seeds, weight.shape[-1]).transpose(0, 1)
    return torch.bmm(signal.expand(seeds, -1, -1), weight.expand(seeds, -1, -1), out=out)


def output_error(loss, output):
    """𝓛 and B⁽ᴸ⁾ = ∂𝓛/∂Ŷ, by autograd.

    Args:
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).
        output: Ŷ, (n, d_{L+1}) or (seeds, n, d_{L+1}).

    Returns:
        𝓛 and B⁽ᴸ⁾, detached.

    Raises:
        ValueError: a loss that is no scalar or ignores the output.
    """
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = evaluate(loss, leaf)
        (error,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
        require(error is not None, _UNRELATED)
    return value.detach(), error


def evaluate(loss, output):
    """𝓛 of an output that wants a gradient.

    Args:
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).
        output: Ŷ, (n, d_{L+1}) or (seeds, n, d_{L+1}); a leaf, which a loss cannot change in place, or not.

    Returns:
        𝓛, part of autograd's graph.

    Raises:
        ValueError: a loss that is no real scalar, was detached, or changes the output.
        RuntimeError: what the loss itself raises, as anything else that it may.
    """
    try:
        value = loss(output)
    except RuntimeError as error:
        require("in-place operation" not in str(error), _IN_PLACE)
        raise
    require(isinstance(value, torch.Tensor), f"loss gave {came(value)}; a scalar tensor is needed")
    require(
        value.dim() == 0 or (output.dim() == 3 and value.shape == output.shape[:1]),
        f"loss gave shape {tuple(value.shape)}; a scalar is needed, or one value for each seed of a batch",
    )
    require(not value.is_complex(), f"loss gave {value.dtype}; a real number is needed")
    require(value.requires_grad, _UNRELATED)
    return value
