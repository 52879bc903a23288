"""The vanilla graph neural network of the paper; with the identity propagation, a multi-layer perceptron."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

import torch
from torch import nn

from oversmooth._arguments import checked
from oversmooth._validation import came, require, require_dtype, require_signal
from oversmooth.activations import Activation, find_activation
from oversmooth.propagation.averaging import Averaging


class Network(nn.Module):
    """X⁽ᵏ⁺¹⁾ = ρ(P X⁽ᵏ⁾ W⁽ᵏ⁾) for k < L, output Ŷ = P X⁽ᴸ⁾ W⁽ᴸ⁾ (+ bias).

    Several seeds make a batch: the weights are then (seeds, d_k, d_{k+1}), the output (seeds, n, d_{L+1}), and one pass
    serves all seeds.

    Args:
        propagation: `Propagation` of the graph.
        widths: d_0, …, d_{L+1}: depth + 1 positive integers.
        activation: name, or `Activation`.
        weight_scale: factor on the initial weights; with orthogonal ones it is every spectral norm s_k.
        output_bias: whether the output has a bias, zero at first.
        seed: an integer, or a sequence of integers for a batch; the global random state is left alone.
        init: "orthogonal" (all singular values 1) or "glorot" (uniform of variance 2/(d_k + d_{k+1})).
        dtype: of the weights.

    Attributes:
        weights: list of L+1 Parameters (d_k, d_{k+1}) or (seeds, d_k, d_{k+1}).
        bias: Parameter (d_{L+1},) or (seeds, 1, d_{L+1}), or None.

    Raises:
        ValueError: an unknown name, or widths, scale or seed that make no network.

    Source: the paper's setting; the book's page *Notation*.
    """

    @checked
    def __init__(
        self,
        propagation: Averaging,
        widths: Sequence[int],
        activation: str | Activation = "tanh",
        weight_scale: float = 1.0,
        output_bias: bool = False,
        seed: int | Sequence[int] = 0,
        init: str = "orthogonal",
        dtype: torch.dtype = torch.float64,
    ):
        super().__init__()
        batch = not isinstance(seed, Integral)
        widths, seeds = list(widths), list(seed) if batch else [seed]
        require_dtype(dtype)
        _check_recipe(widths, seeds, init, weight_scale)
        self.propagation = propagation
        self.activation = find_activation(activation)
        self.widths = widths
        draws = [_draw(widths, init, weight_scale, one, dtype) for one in seeds]
        if batch:
            weights = [torch.stack(layer) for layer in zip(*draws, strict=True)]
            bias_shape = (len(seeds), 1, widths[-1])
        else:
            weights = draws[0]
            bias_shape = (widths[-1],)
        self.weights = nn.ParameterList(weights)
        self.bias = nn.Parameter(torch.zeros(bias_shape, dtype=dtype)) if output_bias else None

    @property
    def depth(self) -> int:
        """Number of weight matrices, L+1."""
        return len(self.weights)

    @property
    def num_seeds(self) -> int | None:
        """Number of seeds of a batch, or None for a single network."""
        return self.weights[0].shape[0] if self.weights[0].dim() == 3 else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Ŷ.

        Args:
            features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).

        Returns:
            Ŷ, (n, d_{L+1}) or (seeds, n, d_{L+1}).

        Raises:
            ValueError: features of another shape than the graph and the widths ask for, or non-finite.
        """
        self.check(features)
        for k in range(self.depth - 1):
            features = self.activation(self.preactivate(k, self.propagation @ features))
        return self.preactivate(self.depth - 1, self.propagation @ features)

    def preactivate(self, k: int, propagated: torch.Tensor) -> torch.Tensor:
        """H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾, plus the bias in the last layer.

        Args:
            k: layer, 0 to L.
            propagated: F⁽ᵏ⁾ = P X⁽ᵏ⁾, (n, d_k) or (seeds, n, d_k).

        Returns:
            H⁽ᵏ⁾, (n, d_{k+1}) or (seeds, n, d_{k+1}).
        """
        result = propagated @ self.weights[k]
        return result + self.bias if self.bias is not None and k == self.depth - 1 else result

    def check(self, features: torch.Tensor, name: str = "features") -> None:
        """Raise ValueError unless features fit the graph, the widths, the weights' device and the seeds.

        Args:
            features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
            name: what errors call them.

        Raises:
            ValueError: they do not.
        """
        require_signal(name, features, self.propagation.num_nodes)
        width = self.weights[0].shape[-2]
        require(
            features.shape[-1] == width,
            f"{name} has {features.shape[-1]} columns, the first layer takes {width}",
        )
        require(
            features.dtype == self.weights[0].dtype,
            f"{name} has dtype {features.dtype}, the weights {self.weights[0].dtype}: "
            f"convert one of them, e.g. {name}.double() or network.float()",
        )
        require(
            features.device == self.weights[0].device,
            f"{name} is on {features.device}, the weights on {self.weights[0].device}: move one, e.g. "
            f"{name}.to(device) or network.to(device)",
        )
        require(
            features.dim() == 2 or self.num_seeds in (None, features.shape[0]),
            f"{name} holds {features.shape[0]} seeds, the network {self.num_seeds}",
        )

    def extra_repr(self):
        """What print shows besides the parameters."""
        return f"{self.propagation}, widths={self.widths}, activation={self.activation.name!r}"


def stack(networks: Sequence[Network]) -> Network:
    """One batched network from single ones, with copies of their weights.

    Args:
        networks: list of single `Network`, of equal widths, on one `Propagation`.

    Returns:
        `Network`, weights (seeds, d_k, d_{k+1}).

    Raises:
        ValueError: anything else.
    """
    good = isinstance(networks, Sequence) and len(networks) > 0 and all(isinstance(one, Network) for one in networks)
    require(good, f"the networks are {came(networks)}; a Network or a non-empty list of Networks is needed")
    first = networks[0]
    for i, one in enumerate(networks):
        require(one.num_seeds is None, f"network {i} of the list is a batch already; give it alone, or single networks")
        same = (
            one.widths == first.widths
            and one.activation == first.activation
            and one.propagation is first.propagation
            and (one.bias is None) == (first.bias is None)
            and one.weights[0].dtype == first.weights[0].dtype
        )
        require(
            same,
            f"network {i} of the list differs from the first in widths, activation, bias, dtype or Propagation (one "
            "and the same object is needed); train it on its own",
        )
    batch = copy.deepcopy(first)
    with torch.no_grad():
        layers = zip(*(one.weights for one in networks), strict=True)
        batch.weights = nn.ParameterList(torch.stack(layer) for layer in layers)
        if first.bias is not None:
            batch.bias = nn.Parameter(torch.stack([one.bias for one in networks])[:, None])
    return batch


@torch.no_grad()
def unstack(batch: Network, networks: Sequence[Network]) -> None:
    """Write the weights of a batch back into the single networks that it was stacked from.

    Args:
        batch: `Network`, a batch.
        networks: the list that `stack` was given.
    """
    for i, one in enumerate(networks):
        for weight, trained in zip(one.weights, batch.weights, strict=True):
            weight.copy_(trained[i])
        if one.bias is not None:
            one.bias.copy_(batch.bias[i, 0])


def require_network(network: object) -> None:
    """Check that a network of this library was given.

    Raises:
        ValueError: something else; the message says what to use instead.
    """
    require(
        isinstance(network, Network),
        f"network is a {type(network).__name__}; an oversmooth.Network is needed. A torch_geometric model is measured "
        "as it runs: with oversmooth.Probe(model) as probe: loss(model(x, edge_index)).backward(), then probe.table(). "
        "For an OperatorNetwork there is oversmooth.trace_operator",
    )


def require_trainable(network, features):
    """Check the arguments ``X`` of those who train a network: a batch of features needs a batch of weights.

    Raises:
        ValueError: it has none, or the features do not fit.
    """
    network.check(features, "X")
    require(
        features.dim() == 2 or network.num_seeds is not None,
        "X holds several seeds, the network has one set of weights: build it with seed=[0, 1, …]",
    )


def _check_recipe(widths, seeds, init, weight_scale):
    require(
        len(widths) >= 2 and all(width >= 1 for width in widths),
        f"widths is {came(widths)}; it lists the input, hidden and output widths, each an integer, at least 1",
    )
    require(
        len(seeds) > 0 and all(-(2**63) <= seed < 2**64 for seed in seeds),
        f"seed is {came(seeds)}; an integer of 64 bits, or for a batch a list of at least one, is needed",
    )
    require(init in _INITIALISERS, f"init is {init!r}; known: {', '.join(_INITIALISERS)}")
    require(
        math.isfinite(weight_scale) and weight_scale >= 0,
        f"weight_scale is {weight_scale}; it must be finite and not negative",
    )


def _orthogonal(rows, columns, generator, dtype):
    """A (rows, columns) matrix with all singular values 1, uniformly distributed."""
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(tall)
    # The sign of r's diagonal is a convention of the library, not of chance: fixing it makes q uniform.
    q = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).to(dtype).contiguous()


def _glorot(rows, columns, generator, dtype):
    limit = math.sqrt(6 / (rows + columns))
    draw = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return ((2 * draw - 1) * limit).to(dtype)


_INITIALISERS = {"orthogonal": _orthogonal, "glorot": _glorot}


def _draw(widths, init, scale, seed, dtype):
    generator = torch.Generator().manual_seed(int(seed))
    return [scale * _INITIALISERS[init](a, b, generator, dtype) for a, b in pairwise(widths)]
