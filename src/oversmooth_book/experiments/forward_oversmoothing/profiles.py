"""Layer profiles of random networks and the decay rates read off them; shared by this chapter's experiments.

Random networks are `oversmooth.Network` with orthogonal weights times a scale s, so every spectral norm s_k is s.
"""

import numpy as np
import torch

import oversmooth as osm

WIDTH = 32
# A signal whose deviation is below this share of its norm is close to rounding (float64: 2e-16 of the norm).
ROUNDING = 1e-9


def random_network(propagation, features, activation, scale, num_layers, seeds, width=WIDTH):
    """Networks with features at layers 0 to num_layers, one for each seed; arguments as for `profile`."""
    widths = [features.shape[-1], *[width] * (num_layers + 1)]
    return osm.Network(propagation, widths, activation=activation, weight_scale=scale, seed=seeds)


def profile(propagation, features, activation, scale, num_layers, seeds, width=WIDTH):
    """Layer profile of random networks: `oversmooth.layer_profile`, a row for each layer and seed.

    Args:
        propagation: P.
        features: X⁽⁰⁾, (n, d_0).
        activation: name of ρ.
        scale: s.
        num_layers: the last layer of the table.
        seeds: list of integers, a network for each.
        width: of the hidden layers.

    Returns:
        The table, layers 0 to num_layers.
    """
    network = random_network(propagation, features, activation, scale, num_layers, seeds, width)
    # The profile wants a backward pass; this chapter looks at the features only, so any loss will do.
    return osm.layer_profile(osm.trace(network, features, torch.sum))


def decay_rates(table):
    """The measured rate per layer of every seed: (σ(X⁽ᵐ⁾)/σ(X⁽ʲ⁾))^{1/(m−j)}.

    m is the last layer whose features are above rounding, j the middle one before it: early layers still lose
    their fast modes.

    Args:
        table: columns layer, seed, deviation and ratio.

    Returns:
        (seeds,) array.
    """
    rates = []
    for _, rows in table.groupby("seed", sort=False):
        deviation, ratio = rows["deviation"].to_numpy(), rows["ratio"].to_numpy()
        last = int(np.flatnonzero(ratio > ROUNDING).max())
        middle = (last + 1) // 2
        rates.append((deviation[last] / deviation[middle]) ** (1 / (last - middle)))
    return np.array(rates)
