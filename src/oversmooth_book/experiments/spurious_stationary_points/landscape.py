"""The loss around networks with a trained last layer: the chapter on stationary points."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.settings import signs
from oversmooth_book.experiments.spurious_stationary_points.measure import MODELS

DEPTHS = (5, 9, 17, 25, 41)
# In the norm of all weights together, of which a network of depth 41 and width 16 has about 25.
DISTANCES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3)


def trained(setting):
    """The network of the setting's first seed, its last layer trained under the budget: a single one, no batch."""
    data = setting.data()
    widths = [data.num_features, *[setting.width] * (setting.depth - 1), 1]
    options = {"activation": setting.activation, "weight_scale": setting.weight_scale, "seed": setting.seeds[0]}
    network = osm.Network(setting.propagation(), widths, **options)
    return osm.train_last_layer(network, data.x, signs(data.y), how="budget", budget=setting.budget)


@cache
def curved(setting):
    """`trained` and its `osm.curvature`, which more than one table needs."""
    network = trained(setting)
    return network, osm.curvature(network, setting.data().x, setting.objective())


def curved_planes(setting, points, reach):
    """The loss around graph network and perceptron along their extreme curvatures: first, second, loss, model.

    first runs along the lowest eigenvector, second along the highest; ``reach`` is half a side along the one and along
    the other, the same for both networks.
    """
    tables = []
    for model, kind in MODELS.items():
        one = replace(setting, kind=kind)
        network, ends = curved(one)
        directions = torch.stack([ends.lowest_direction, ends.highest_direction])
        tables.append(_plane(one, network, directions, reach, points).assign(model=model))
    return pd.concat(tables, ignore_index=True)


def ways_down(setting, graph_seeds, distances=DISTANCES):
    """How far the loss falls along the most downward eigenvector: model, graph_seed, distance, fall.

    fall is the share of the loss that is gained at this distance, forwards or backwards, whichever is more; less than a
    millionth of a millionth, or a rise, is 0.
    """
    tables = []
    for model, kind in MODELS.items():
        for seed in graph_seeds:
            one = replace(setting, kind=kind, graph_seed=seed, seeds=(seed,))
            network, ends = curved(one)
            directions = torch.stack([ends.lowest_direction] * 2)
            steps = [0.0, *distances, *[-distance for distance in distances]]
            values = osm.loss_plane(network, one.data().x, one.objective(), directions, steps, [0.0]).numpy().ravel()
            fall = 1 - values[1:].reshape(2, -1).min(0) / values[0]
            rows = {"model": model, "graph_seed": seed, "distance": distances, "fall": np.where(fall > 1e-12, fall, 0)}
            tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


def _plane(setting, network, directions, reach, points):
    first, second = (np.linspace(-end, end, points) for end in reach)
    x, loss = setting.data().x, setting.objective()
    values = osm.loss_plane(network, x, loss, directions, first.tolist(), second.tolist())
    a, b = np.meshgrid(first, second, indexing="ij")
    return pd.DataFrame({"first": a.ravel(), "second": b.ravel(), "loss": values.numpy().ravel()})


def eigenvalues(setting, depths=DEPTHS):
    """The Hessian's ends: model, depth, lowest (its size), highest, predicted (the highest, graph networks only)."""
    rows = []
    for model, kind in MODELS.items():
        for depth in depths:
            one = replace(setting, kind=kind, depth=depth)
            network, ends = curved(one)
            row = {"model": model, "depth": depth, "lowest": -ends.lowest, "highest": ends.highest}
            if model == "gnn":
                row["predicted"] = 2 * float(mean_kernel(osm.trace(network, one.data().x, one.objective())))
            rows.append(row)
    return pd.DataFrame(rows)


def mean_kernel(signals):
    """How far one unit of gradient descent moves the average output, Σ_k ‖μ(F⁽ᵏ⁾)‖² ‖τ⁽ᵏ⁾‖²: (seeds,), or ().

    τ⁽ᵏ⁾ is a unit of average output error, transported to layer k. In an oversmoothed network with one output the
    average error shrinks by the factor 1 − 2 η Σ in each step of size η, and 2 Σ is the Hessian's largest eigenvalue.
    """
    transport = [row.square().sum(-1) for row in osm.mean_transport(signals)]
    centre = [osm.mean(features, signals.propagation).square().sum(-1) for features in signals.propagated]
    return sum(f * t / transport[-1] for f, t in zip(centre, transport, strict=True))
