"""Passes through deep networks on large graphs that hold a few layers at a time, and make the others again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth.moments import backward_moments, entrywise_norm, feature_moments, profile_table
from oversmooth.network import Network, require_network
from oversmooth.signals import advance, backward_pass, last_step, output_error

if TYPE_CHECKING:
    import pandas as pd


class Checkpoints:
    """The states of a pass, as `forward_pass` returns them: every √depth-th kept, the others made again when asked for.

    Asked for from the last to the first, as `backward_pass` does, each is made once more: memory for 2√depth layers in
    place of depth, for the time of one more forward pass. The numbers are the same to the last digit.

    Args:
        network: `Network`.
        propagated: F⁽⁰⁾ if known.
    """

    def __init__(self, network, propagated=None):
        self.network, self.propagated = network, propagated
        self.every = max(1, math.isqrt(network.depth))
        self.kept, self.near = {}, {}

    def __getitem__(self, k):
        if k == 0:
            return self.kept[0], None
        if k not in self.near:
            start = (k - 1) // self.every * self.every
            self.near, X = {}, self.kept[start]
            for j in range(start, k):
                self.near[j + 1] = state = advance(self.network, j, X, self.propagated)
                X = state[0]
        return self.near.pop(k)  # not needed again: the memory goes as the pass does


@torch.no_grad()
def checkpointed_pass(network, features, propagated=None, visit=None):
    """`forward_pass` with the memory of √depth layers.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0), checked by the caller.
        propagated: F⁽⁰⁾ = P X⁽⁰⁾ if known.
        visit: called with X⁽⁰⁾, X⁽¹⁾, …, each as soon as it is there; None for nothing.

    Returns:
        `Checkpoints` and Ŷ.

    Source: Chen et al. (2016), *Training Deep Nets with Sublinear Memory Cost*.
    """
    states, X = Checkpoints(network, propagated), features
    for k in range(network.depth):
        if k % states.every == 0:
            states.kept[k] = X
        if visit is not None:
            visit(X)
        if k < network.depth - 1:
            X = advance(network, k, X, propagated)[0]
    return states, last_step(network, X, propagated)


@checked
def streamed_profile(
    network: Network, features: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]
) -> pd.DataFrame:
    """The table ``layer_profile(trace(network, features, loss))``, with the memory of 2√depth layers, not of 2 depth.

    Each layer is measured as the pass comes by, then let go; the backward pass makes the features again from every
    √depth-th layer. For graphs of a million nodes, and equal to the plain way to the last digit.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).

    Returns:
        pandas.DataFrame, a row for each layer (and seed); see `layer_profile`.

    Raises:
        ValueError: features that do not fit the network, or a loss that is no scalar or ignores the output.

    Example:
        >>> import oversmooth as osm, torch
        >>> P = osm.Propagation.from_matrix([[0.5, 0.5], [0.5, 0.5]])
        >>> net = osm.Network(P, widths=[1, 1, 1], seed=0)
        >>> X = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
        >>> def loss(output):
        ...     return output.square().mean()
        >>> bool((osm.streamed_profile(net, X, loss) == osm.layer_profile(osm.trace(net, X, loss))).all(axis=None))
        True

    Source: Chen et al. (2016).
    """
    require_network(network)
    network.check(features)
    P, forward, backward, gradients = network.propagation, [], [], []
    states, output = checkpointed_pass(
        network, features.detach(), visit=lambda X: forward.append(feature_moments(X, P))
    )
    _, error = output_error(loss, output)
    for B, gradient in backward_pass(network, states, error):
        backward.append(backward_moments(B, P))
        gradients.append(entrywise_norm(gradient, seeds=gradient.dim() - 2))
    return profile_table(forward, backward[::-1], gradients[::-1])
