"""Experiments of the chapter on the probe: models with a planted illness, and what the probe says of them."""

import pandas as pd
import torch
from torch_geometric.nn import GCN, GIN, GraphSAGE

import oversmooth as osm

# What is planted -> the verdict it must get.
CASES = {
    "healthy": "healthy",
    "healthy, trained": "healthy",
    "forward-only": "forward-only oversmoothing",
    "backward": "backward oversmoothing",
    "vanishing": "vanishing",
    "exploding": "exploding",
    "spurious": "spurious stationary point",
}


def graph(seed, num_nodes=400):
    """A random graph with two communities, connected.

    Args:
        seed: of the draw.
        num_nodes: n, before the largest component is taken.

    Returns:
        ``torch_geometric.data.Data``.
    """
    return osm.largest_component(osm.csbm(num_nodes, p_in=24 / num_nodes, p_out=8 / num_nodes, seed=seed))


def plant(case, data, depth, width=16, seed=0):
    """A user's model with one planted illness, trained where the case asks for it.

    healthy: GCN of 3 layers, as torch_geometric initialises it; trained: after 60 steps of Adam. exploding: a deep GIN,
    which sums over neighbours, as torch_geometric initialises it. The others are deep tanh networks of mean aggregation
    with orthogonal weights. forward-only: the output reads every layer (jumping knowledge). backward: the last bias
    starts far from the class frequencies, so the average error is large. vanishing: the same with weights of norm 1/4.
    spurious: the backward case after 60 steps of gradient descent.

    Args:
        case: one of `CASES`.
        data: the graph.
        depth: layers of the deep models.
        width: hidden features.
        seed: of the weights.

    Returns:
        The model, in double precision.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(case, data.num_features, width, depth).double()
    if case == "healthy, trained":
        train(model, data, torch.optim.Adam(model.parameters(), lr=0.01))
    if case == "spurious":
        train(model, data, torch.optim.SGD(model.parameters(), lr=0.1))
    return model


def _model(case, features, width, depth):
    if case.startswith("healthy"):
        return GCN(features, width, 3, out_channels=2)
    if case == "exploding":
        return GIN(features, width, depth, out_channels=2)
    options = {"act": "tanh", "root_weight": False, "jk": "cat" if case == "forward-only" else None}
    model = GraphSAGE(features, width, depth, out_channels=2, **options)
    for layer in model.convs:
        torch.nn.init.orthogonal_(layer.lin_l.weight, gain=0.25 if case == "vanishing" else 1.0)
        torch.nn.init.zeros_(layer.lin_l.bias)
    if case in ("backward", "vanishing", "spurious"):
        model.convs[-1].lin_l.bias.data = torch.tensor([2.0, 0.0])
    return model


def train(model, data, optimizer, steps=60):
    """Full-batch training on the cross-entropy.

    Args:
        model: trained in place.
        data: graph, features and classes.
        optimizer: of its parameters.
        steps: how many; 60 fit the last layer and are far too few for the deep ones.
    """
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, data).backward()
        optimizer.step()


def loss(model, data):
    """The cross-entropy of a model on a graph."""
    return torch.nn.functional.cross_entropy(model(data.x, data.edge_index), data.y)


def probed(model, data):
    """A probe that measured one pass of a model.

    Args:
        model: any.
        data: graph, features and classes.

    Returns:
        The `Probe`.
    """
    with osm.Probe(model) as probe:
        loss(model, data).backward()
    return probe


def verdicts(num_seeds, depth, cases=tuple(CASES)):
    """What the probe says of every planted case, with the loss compared and without.

    Args:
        num_seeds: graphs and weights drawn for each case.
        depth: layers of the deep models.
        cases: which.

    Returns:
        pandas.DataFrame: columns case, seed, planted, verdict, blind (the verdict without targets).
    """
    rows = []
    for seed in range(num_seeds):
        data = graph(seed)
        for case in cases:
            probe = probed(plant(case, data, depth, seed=seed), data)
            said = {"verdict": probe.diagnosis(data.y).verdict, "blind": probe.diagnosis().verdict}
            rows.append({"case": case, "seed": seed, "planted": CASES[case]} | said)
    return pd.DataFrame(rows)
