"""The loss around networks with a trained last layer: the chapter on stationary points."""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import targets
from oversmooth_book.experiments.spurious_stationary_points.last_layer import BUDGET, MODELS, network

DEPTHS = (5, 9, 17, 25, 33, 41)


def trained(data, kind, depth, seed=0):
    """A network whose last layer is trained under the budget, and the loss it is trained for.

    Args:
        data: the graph.
        kind: the propagation.
        depth: L+1.
        seed: of the weights.

    Returns:
        (single `oversmooth.Network`, loss: output -> one value for each point).
    """
    Y = targets(data)
    net = osm.train_last_layer(network(data, kind, depth, seed), data.x, Y, how="budget", budget=BUDGET)
    return net, lambda output: (output - Y).square().mean((-1, -2))


def random_plane(size, seed=0):
    """Two orthonormal directions, uniformly distributed: (2, size)."""
    draw = torch.randn(size, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(draw).Q.mT.contiguous()


def planes(data, depth, points, reach):
    """The loss around a graph network and around the perceptron with the same weights, in the same random plane.

    Only the last layers differ, for each is trained on its own features.

    Args:
        data: the graph.
        depth: L+1.
        points: how many on a side.
        reach: half a side, in the norm of all weights together.

    Returns:
        pandas.DataFrame: columns model, first, second, loss.
    """
    tables = []
    for model, kind in MODELS.items():
        net, loss = trained(data, kind, depth)
        directions = random_plane(sum(weight.numel() for weight in net.weights))
        tables.append(_plane(net, data, loss, directions, (reach, reach), points).assign(model=model))
    return pd.concat(tables, ignore_index=True)


def curved_plane(data, depth, points, reach):
    """The loss of the graph network in the plane of its most and least curved directions.

    Args:
        data: the graph.
        depth: L+1.
        points: how many on a side.
        reach: (half a side along the lowest direction, along the highest).

    Returns:
        pandas.DataFrame: columns first (along the lowest eigenvector), second (along the highest), loss.
    """
    net, loss = trained(data, MODELS["gnn"], depth)
    ends = osm.curvature(net, data.x, loss)
    directions = torch.stack([ends.lowest_direction, ends.highest_direction])
    return _plane(net, data, loss, directions, reach, points)


def _plane(net, data, loss, directions, reach, points):
    first, second = (np.linspace(-end, end, points) for end in reach)
    values = osm.loss_plane(net, data.x, loss, directions, first.tolist(), second.tolist())
    a, b = np.meshgrid(first, second, indexing="ij")
    return pd.DataFrame({"first": a.ravel(), "second": b.ravel(), "loss": values.numpy().ravel()})


def eigenvalues(data, depths):
    """The largest and the smallest eigenvalue of the Hessian, and what theory gives for the largest.

    Args:
        data: the graph.
        depths: the depths L+1.

    Returns:
        pandas.DataFrame: columns model, depth, lowest (its size), highest, predicted (graph networks only).
    """
    rows = []
    for model, kind in MODELS.items():
        for depth in depths:
            net, loss = trained(data, kind, depth)
            ends = osm.curvature(net, data.x, loss)
            row = {"model": model, "depth": depth, "lowest": -ends.lowest, "highest": ends.highest}
            predicted = 2 * float(mean_kernel(osm.trace(net, data.x, loss))) if model == "gnn" else np.nan
            rows.append(row | {"predicted": predicted})
    return pd.DataFrame(rows)


def mean_kernel(signals):
    """How far one unit of gradient descent moves the average output: Σ_k ‖μ(F⁽ᵏ⁾)‖² ‖τ⁽ᵏ⁾‖².

    τ⁽ᵏ⁾ is a unit of average output error, transported to layer k. In an oversmoothed network with one output the
    average error shrinks by the factor 1 − 2 η Σ in each step of size η, and 2 Σ is the Hessian's largest eigenvalue.

    Args:
        signals: `oversmooth.Signals` of networks with one output.

    Returns:
        A number for each seed, (seeds,), or () for a single network.
    """
    transport = [row.square().sum(-1) for row in osm.mean_transport(signals)]
    centre = [osm.mean(features, signals.propagation).square().sum(-1) for features in signals.propagated]
    return sum(f * t / transport[-1] for f, t in zip(centre, transport, strict=True))
