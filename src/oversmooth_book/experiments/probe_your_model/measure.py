"""Experiments of the chapter on the probe: models with a planted illness, and what the probe says of them."""

import pandas as pd
import torch
from torch_geometric.nn import GCN, GIN, DeepGCNLayer, GCNConv, GraphSAGE

import oversmooth as osm

# What is planted -> the verdict it must get.
CASES = {
    "healthy": "healthy",
    "healthy, trained": "healthy",
    "healthy, deep": "healthy",
    "forward-only": "forward-only oversmoothing",
    "backward": "backward oversmoothing",
    "vanishing": "vanishing",
    "exploding": "exploding",
    "spurious": "spurious stationary point",
}
DRAWN = ("pass", "layer", "name", "feature_norm", "feature_ratio", "backward_norm", "backward_ratio", "gradient")


class Residual(torch.nn.Module):
    """A deep network with skip connections: DeepGCNLayer of GCNConv, as its authors stack them (res+)."""

    def __init__(self, features, width, depth):
        super().__init__()
        self.lift, self.head = torch.nn.Linear(features, width), torch.nn.Linear(width, 2)
        blocks = [
            DeepGCNLayer(GCNConv(width, width), torch.nn.LayerNorm(width), torch.nn.ReLU(inplace=True))
            for _ in range(depth)
        ]
        self.blocks = torch.nn.ModuleList(blocks)

    def forward(self, x, edge_index):
        """Class scores."""
        h = self.lift(x)
        for block in self.blocks:
            h = block(h, edge_index)
        return self.head(h)


def graph(seed, num_nodes=400):
    """A random graph with two communities, connected.

    Args:
        seed: of the draw.
        num_nodes: n, before the largest component is taken.

    Returns:
        ``torch_geometric.data.Data``.
    """
    return osm.largest_component(osm.csbm(num_nodes, p_in=24 / num_nodes, p_out=8 / num_nodes, seed=seed))


def plant(case, data, depth, seed=0, steps=40, width=16):
    """A user's model with one planted illness, trained where the case asks for it.

    healthy: GCN of 3 layers, as torch_geometric initialises it; trained: after some steps of Adam; deep: `Residual`.
    exploding: a deep GIN, which sums over neighbours, as torch_geometric initialises it. The others are deep tanh
    networks of mean aggregation with orthogonal weights. forward-only: the output reads every layer (jumping
    knowledge). backward: the last bias starts far from the class frequencies, so the average error is large. vanishing:
    the same with weights of norm 1/4. spurious: the backward case after some steps of gradient descent.

    Args:
        case: one of `CASES`.
        data: the graph.
        depth: layers of the deep models.
        seed: of the weights.
        steps: of training, where the case is trained; 40 fit the last layer and are far too few for the deep ones.
        width: hidden features.

    Returns:
        The model, in double precision.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(case, data.num_features, width, depth).double()
    if case == "healthy, trained":
        train(model, data, torch.optim.Adam(model.parameters(), lr=0.01), steps)
    if case == "spurious":
        train(model, data, torch.optim.SGD(model.parameters(), lr=0.1), steps)
    return model


def _model(case, features, width, depth):
    if case == "healthy, deep":
        return Residual(features, width, depth)
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


def train(model, data, optimizer, steps):
    """Full-batch training on the cross-entropy.

    Args:
        model: trained in place.
        data: graph, features and classes.
        optimizer: of its parameters.
        steps: how many.
    """
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, data).backward()
        optimizer.step()


def loss(model, data):
    """The cross-entropy of a model on a graph."""
    return _cross_entropy(model(data.x, data.edge_index), data)


def _cross_entropy(output, data):
    return torch.nn.functional.cross_entropy(output, data.y)


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


def profiles(cases, data, depth, steps):
    """What the figure draws of the probe's measurements in several cases, layer by layer.

    Args:
        cases: some of `CASES`.
        data: the graph.
        depth: layers of the deep models.
        steps: see `plant`.

    Returns:
        pandas.DataFrame: columns case and `DRAWN`, which are those of `Probe.table`.
    """
    tables = [probed(plant(case, data, depth, steps=steps), data).table().assign(case=case) for case in cases]
    return pd.concat(tables, ignore_index=True)[["case", *DRAWN]]


def verdicts(num_seeds, depth, num_nodes, steps=40, cases=tuple(CASES)):
    """What the probe says of every planted case, with the loss compared and without.

    Args:
        num_seeds: graphs and weights drawn for each case.
        depth: layers of the deep models.
        num_nodes: n of each graph.
        steps: see `plant`.
        cases: which.

    Returns:
        pandas.DataFrame: columns case, seed, planted, verdict, blind (the verdict without targets).
    """
    rows = []
    for seed in range(num_seeds):
        data = graph(seed, num_nodes)
        for case in cases:
            probe = probed(plant(case, data, depth, seed, steps), data)
            said = {"verdict": probe.diagnosis(data.y).verdict, "blind": probe.diagnosis().verdict}
            rows.append({"case": case, "seed": seed, "planted": CASES[case]} | said)
    return pd.DataFrame(rows)


def counts(table):
    """How often each case got each verdict.

    Args:
        table: what `verdicts` returned.

    Returns:
        pandas.DataFrame: columns case, verdict, count, right (whether it was planted).
    """
    found = table.groupby(["case", "planted", "verdict"], sort=False).size().rename("count").reset_index()
    return found.assign(right=found["planted"] == found["verdict"]).drop(columns="planted")


def against_the_trace(data, depth):
    """The largest relative difference between the probe's numbers and those of `layer_profile`, on one network.

    The network is ours on one side and torch_geometric's layers with the same weights on the other.

    Args:
        data: the graph.
        depth: L+1.

    Returns:
        A float.
    """
    P = osm.Propagation.from_data(data, kind="gcn")
    network = osm.Network(P, [data.num_features, *[16] * (depth - 1), 2], activation="tanh", seed=0)
    model = GCN(data.num_features, 16, depth, out_channels=2, act="tanh", bias=False).double()
    for layer, W in zip(model.convs, network.weights, strict=True):
        layer.lin.weight.data = W.detach().T.clone()
    ours = osm.layer_profile(osm.trace(network, data.x, lambda output: _cross_entropy(output, data)))
    theirs = probed(model, data).table()[list(ours)]
    return float(((ours - theirs).abs() / ours.abs().clip(lower=1e-300)).max(axis=None))


def changes(data, depth):
    """How many gradients and random states differ between a pass with a probe and one without, to the last bit.

    Args:
        data: the graph.
        depth: layers of the deep models.

    Returns:
        A count.
    """
    count = 0
    for case in ("healthy", "healthy, deep", "forward-only", "exploding"):
        model = plant(case, data, depth)
        state, runs = torch.random.get_rng_state(), []
        for measured in (False, True):
            model.zero_grad()
            if measured:
                probed(model, data)
            else:
                loss(model, data).backward()
            runs.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
        count += sum(not torch.equal(a, b) for a, b in zip(*runs, strict=True))
        count += not torch.equal(state, torch.random.get_rng_state())
    return count
