"""Untrained networks of the chapter on backward oversmoothing, traced and measured layer by layer."""

import math

import pandas as pd
import torch

import oversmooth as osm

WIDTH = 32
CHUNK = 10  # seeds in one batch: all signals of a 41-layer batch then take about 200 MB
NETWORKS = {"identity": ("identity", 1.0), "tanh": ("tanh", 1.0), "elu": ("elu", 1.0), "tanh, scale 4": ("tanh", 4.0)}
# ReLU halves the mean square of what passes it; √2 keeps it (He et al., 2015).
RELU_NETWORKS = {"relu": ("relu", 1.0), "relu, scale √2": ("relu", math.sqrt(2))}


def targets(data):
    """±1 labels, class 0 against all others.

    Args:
        data: a graph with classes y, (n,).

    Returns:
        Y, (n, 1) float64.
    """
    return torch.where(data.y > 0, 1.0, -1.0).to(torch.float64)[:, None]


def traces(data, propagation, activation, weight_scale, depth, num_seeds):
    """Trace untrained networks, all seeds, some at a time; the loss is the mean squared error to ±1 labels.

    Args:
        data: the graph.
        propagation: its `Propagation`.
        activation: name.
        weight_scale: s, the spectral norm of every weight matrix.
        depth: L+1.
        num_seeds: how many draws of the weights.

    Yields:
        (seeds of the batch, `Signals`).
    """
    widths = [data.num_features, *[WIDTH] * (depth - 1), 1]
    Y = targets(data)
    for first in range(0, num_seeds, CHUNK):
        seeds = list(range(first, min(first + CHUNK, num_seeds)))
        network = osm.Network(propagation, widths, activation, weight_scale, seed=seeds)
        yield seeds, osm.trace(network, data.x, lambda output: (output - Y).square().mean((-1, -2)))


def measure(data, propagation, networks, depth, num_seeds, bounds=True):
    """Every layer of every network and seed: profile, departure from the limit, both sides of (B1) and (B2).

    Args:
        data: the graph.
        propagation: its `Propagation`.
        networks: name -> (activation, weight scale).
        depth: L+1.
        num_seeds: how many draws of the weights.
        bounds: whether to measure more than `oversmooth.layer_profile` does.

    Returns:
        pandas.DataFrame: a row for each network, seed and layer.
    """
    tables = []
    for name, (activation, scale) in networks.items():
        for seeds, signals in traces(data, propagation, activation, scale, depth, num_seeds):
            table = osm.layer_profile(signals).assign(**(flat(_extra(signals)) if bounds else {}))
            tables.append(table.assign(network=name, seed=table["seed"] + seeds[0]))
    return pd.concat(tables, ignore_index=True)


def _extra(signals):
    """Per layer and seed: (depth, seeds) each; NaN at the output where a quantity needs two layers."""
    P, B, H = signals.propagation, signals.backward, signals.preactivations
    mu, spread = [osm.backward_mean(b, P) for b in B], stack(osm.backward_deviation, B, P)
    transport = osm.mean_transport(signals)
    gap = torch.stack([torch.linalg.vector_norm(m - b, dim=-1) for m, b in zip(mu, transport, strict=True)])
    norm = (torch.stack([m.square().sum(-1) for m in mu]) + spread.square()).sqrt()
    step = osm.backward_step(signals)
    padded = {name: _padded(getattr(step, name)) for name in ("deviation_bound", "departure", "departure_bound")}
    mixed = [((h > 0).any(-2) & (h <= 0).any(-2)).double().mean(-1) for h in H]
    return padded | {
        "preactivation_ratio": stack(osm.relative_deviation, H, P),
        # of the whole signal: the mean itself may be a sum that cancels, and a share of it would be rounding
        "mean_departure": gap / norm,
        "distance": (spread.square() + gap.square()).sqrt() / norm,
        "mixed_signs": torch.stack(mixed),
    }


def stack(function, signals, *arguments):
    """A number for each signal and seed of a list: (depth, seeds).

    Args:
        function: (signal, *arguments) -> (seeds,).
        signals: list over the layers.
        arguments: for the function.

    Returns:
        (depth, seeds).
    """
    return torch.stack([function(signal, *arguments) for signal in signals])


def _padded(values):
    """(seeds, L) to (depth, seeds), NaN at the output."""
    return torch.cat([values, values.new_full((*values.shape[:-1], 1), math.nan)], -1).mT


def flat(columns):
    """Tensors (depth, seeds) as columns, in the order of `oversmooth.layer_profile`."""
    return {name: values.reshape(-1).numpy() for name, values in columns.items()}
