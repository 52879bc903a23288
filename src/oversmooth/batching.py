"""Batches of seeds made from single networks, and taken apart again."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from oversmooth._validation import require
from oversmooth.network import Network


def stack(networks):
    """One batched network from single ones, with copies of their weights.

    Args:
        networks: list of single `Network`, of equal widths, on one `Propagation`.

    Returns:
        `Network`, weights (seeds, d_k, d_{k+1}).

    Raises:
        ValueError: anything else.
    """
    good = isinstance(networks, Sequence) and len(networks) > 0 and all(isinstance(one, Network) for one in networks)
    require(good, "a Network or a non-empty list of Networks is needed")
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
def unstack(batch, networks):
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
