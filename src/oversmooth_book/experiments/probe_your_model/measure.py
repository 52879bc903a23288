"""Models with a planted illness, and what the probe says of them; every function that measures returns a tidy table."""

from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from torch_geometric.nn import GCN, GIN, DeepGCNLayer, GCNConv, GraphSAGE

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding
from oversmooth_book.experiments.settings import Setting, cross_entropy

REFERENCE = Setting(depth=24, width=16, loss="cross_entropy", steps=40)
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
# The others are looked at untrained.
TRAINED = {"healthy, trained": partial(torch.optim.Adam, lr=0.01), "spurious": partial(torch.optim.SGD, lr=0.1)}
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
    """A random graph with two communities and an average degree of about 16, connected: of num_nodes, or a few less."""
    return osm.largest_component(osm.csbm(num_nodes, p_in=24 / num_nodes, p_out=8 / num_nodes, seed=seed))


def examined(case, data, setting):
    """The `Probe` of one pass of a case; of a trained one, of passes over its training: a plateau needs several."""
    if case not in TRAINED:
        return probed(plant(case, data, setting), data)
    model = plant(case, data, replace(setting, steps=0))
    return watched(model, TRAINED[case](model.parameters()), lambda model: loss(model, data), setting.steps)


def watched(model, optimizer, objective, steps):
    """The `Probe` of a few passes over a training, the first and the last among them; ``objective``: model -> loss."""
    probe = osm.Probe(model, every=max(1, steps // 4))
    for step in range(steps + 1):
        optimizer.zero_grad()
        with probe:
            objective(model).backward()
        if step < steps:
            optimizer.step()
    return probe


def plant(case, data, setting):
    """A user's model with one planted illness, in double precision; of the first seed, trained where the case asks.

    healthy: GCN of 3 layers, as torch_geometric initialises it; trained: after the setting's steps of Adam; deep:
    `Residual`. exploding: a deep GIN, which sums over neighbours, as torch_geometric initialises it. The others are
    deep tanh networks of mean aggregation with orthogonal weights. forward-only: the output reads every layer (jumping
    knowledge). backward: the last bias starts far from the class frequencies, so the average error is large. vanishing:
    the same with weights of norm 1/4. spurious: the backward case after the steps of gradient descent; 40 fit the
    last layer and are far too few for the deep ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting.seeds[0])
        model = _model(case, data.num_features, setting.width, setting.depth).double()
    if case in TRAINED:
        train(model, data, TRAINED[case](model.parameters()), setting.steps)
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
    """Full-batch training in place, on the cross-entropy."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, data).backward()
        optimizer.step()


def loss(model, data):
    """The cross-entropy of a model on a graph."""
    return cross_entropy(data.y)(model(data.x, data.edge_index))


def probed(model, data):
    """The `Probe` that measured one pass of a model."""
    with osm.Probe(model) as probe:
        loss(model, data).backward()
    return probe


def profiles(setting, data, cases):
    """What the probe measures in several cases, layer by layer: case, `DRAWN`, steps (of training, before)."""
    tables = []
    for case in cases:
        table = examined(case, data, setting).table()[list(DRAWN)]
        table.insert(0, "case", case)
        tables.append(table.assign(steps=setting.steps if case in TRAINED else 0))
    return pd.concat(tables, ignore_index=True)


def verdicts(setting, num_nodes, cases=tuple(CASES), draw=graph):
    """What the probe says, on a graph and weights drawn for each seed: case, seed, planted, verdict, blind.

    The verdict compares the loss with the best constant prediction's; blind is the one without targets.
    ``draw``: seed and num_nodes -> graph.
    """
    rows = []
    for seed in setting.seeds:
        data, one = draw(seed, num_nodes), replace(setting, seeds=(seed,))
        for case in cases:
            probe = examined(case, data, one)
            said = {"verdict": probe.diagnosis(data.y).verdict, "blind": probe.diagnosis().verdict}
            rows.append({"case": case, "seed": seed, "planted": CASES[case]} | said)
    return pd.DataFrame(rows)


def counts(table):
    """How often each case got each verdict: case, verdict, count, right, blind.

    right: whether the verdict is the planted one; blind: how many of these models get the planted one without targets.
    """
    groups = table.assign(blind=table["blind"] == table["planted"]).groupby(["case", "planted", "verdict"], sort=False)
    found = groups["blind"].agg(count="size", blind="sum").reset_index()
    return found.assign(right=found["planted"] == found["verdict"])[["case", "verdict", "count", "right", "blind"]]


def against_the_trace(setting, data):
    """The probe's numbers against those of `layer_profile`, on one network: quantity, difference.

    The network is ours on one side and torch_geometric's layers with the same weights on the other; the difference is
    the largest relative one over the layers, 0 where it is rounding.
    """
    P = osm.Propagation.from_data(data, kind="gcn")
    widths = [data.num_features, *[setting.width] * (setting.depth - 1), 2]
    network = osm.Network(P, widths, setting.activation, seed=setting.seeds[0])
    options = {"out_channels": 2, "act": setting.activation, "bias": False}
    model = GCN(data.num_features, setting.width, setting.depth, **options).double()
    for layer, W in zip(model.convs, network.weights, strict=True):
        layer.lin.weight.data = W.detach().T.clone()
    ours = osm.layer_profile(osm.trace(network, data.x, cross_entropy(data.y)))
    theirs = probed(model, data).table()[list(ours)]
    difference = ((ours - theirs).abs() / ours.abs().clip(lower=1e-300)).max()
    return pd.DataFrame({"quantity": list(ours), "difference": clear_of_rounding(difference, 1e-10)})


def changes(setting, data):
    """A pass with a probe against one without, to the last bit: case, gradients, differing, random.

    gradients: how many were compared; random: 1 if the random state moved.
    """
    rows = []
    for case in ("healthy", "healthy, deep", "forward-only", "exploding"):
        model = plant(case, data, setting)
        state, runs = torch.random.get_rng_state(), []
        for measured in (False, True):
            model.zero_grad()
            if measured:
                probed(model, data)
            else:
                loss(model, data).backward()
            runs.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
        differing = sum(not torch.equal(a, b) for a, b in zip(*runs, strict=True))
        moved = int(not torch.equal(state, torch.random.get_rng_state()))
        rows.append({"case": case, "gradients": len(runs[0]), "differing": differing, "random": moved})
    return pd.DataFrame(rows)
