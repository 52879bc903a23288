"""What the probe says of many models that nobody arranged: before training, and after it."""

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch_geometric import nn

import oversmooth as osm
from oversmooth.probe.rules import HEALTHY, SPURIOUS
from oversmooth_book.experiments.probe_your_model.symptoms import drawn, outcome_of, right, trained
from oversmooth_book.experiments.remedies.graphs import principal
from oversmooth_book.experiments.settings import cross_entropy

ARCHITECTURES = {"GCN": nn.GCN, "GraphSAGE": nn.GraphSAGE, "GAT": nn.GAT, "GIN": nn.GIN}
FEATURES, WIDTH, STEP_SIZE = 64, 16, 0.01
# The library's layers that take features and edges alone, with the arguments that some cannot do without.
ARGUMENTS = {"ChebConv": {"K": 2}, "EGConv": {"num_heads": 4}, "MixHopConv": {"powers": [1]}, "SSGConv": {"alpha": 0.1}}
PLAIN = [
    *["ARMAConv", "ClusterGCNConv", "FeaStConv", "FiLMConv", "GATConv", "GATv2Conv", "GCNConv", "GeneralConv"],
    *["GraphConv", "LEConv", "MFConv", "ResGatedGraphConv", "SAGEConv", "SGConv", "SuperGATConv", "TAGConv"],
    "TransformerConv",
]
ZOO = [*PLAIN, *ARGUMENTS]


def models(graphs, depths, seeds):
    """Models of the library as it initialises them, trained on the published labels of real graphs.

    graph, architecture, depth, seed, start (the verdict before), and 1 or 0 for fails and works (`symptoms.outcome_of`)
    and ill (the verdict after). Where a loss ends near a limit rounding decides these three: they are numbers, so that
    replicas tell which.
    """
    rows = []
    for graph in graphs:
        data = osm.load(graph)
        data.x = principal(data.x, FEATURES)  # their leading components: all of them would take ten times as long
        for name, architecture in ARCHITECTURES.items():
            for depth in depths:
                sizes = {"num_layers": depth, "out_channels": int(data.y.max()) + 1}
                for seed in seeds:
                    model = drawn(partial(architecture, data.num_features, WIDTH, **sizes), seed)
                    row = {"graph": graph, "architecture": name, "depth": depth, "seed": seed}
                    rows.append(row | _told(model, data, data.train_mask))
    table = pd.DataFrame(rows)
    outcome, verdict = table.pop("outcome"), table.pop("verdict")
    flags = {"fails": outcome == "fails", "works": outcome == "works", "ill": verdict != HEALTHY}
    return table.assign(**{name: flag.astype(int) for name, flag in flags.items()})


def in_words(table):
    """`models` with outcome and verdict, as `zoo` has them."""
    outcome = np.select([table["fails"] == 1, table["works"] == 1], ["fails", "works"], "between")
    return table.assign(outcome=outcome, verdict=np.where(table["ill"] == 1, "ill", HEALTHY))


def zoo(data, seeds):
    """Two layers of every kind of `ZOO`, trained on all labels: layer, seed, outcome, start, verdict."""
    rows = []
    for name in ZOO:
        for seed in seeds:
            make = partial(TwoLayers, getattr(nn, name), data.num_features, **ARGUMENTS.get(name, {}))
            model = drawn(make, seed)
            rows.append({"layer": name, "seed": seed} | _told(model, data))
    return pd.DataFrame(rows)


class TwoLayers(torch.nn.Module):
    """Two layers of one kind, each with a ReLU behind it, and a linear output."""

    def __init__(self, layer, features, width=16, **options):
        super().__init__()
        self.first, self.second = layer(features, width, **options), layer(width, width, **options)
        self.head = torch.nn.Linear(width, 2)

    def forward(self, x, edge_index):
        """Class scores (nodes, 2)."""
        hidden = self.first(x, edge_index).relu()
        return self.head(self.second(hidden, edge_index).relu())


def _told(model, data, mask=None):
    counted = slice(None) if mask is None else mask
    objective = cross_entropy(data.y[counted])

    def loss(model):
        return objective(model(data.x, data.edge_index)[counted])

    with osm.Probe(model) as probe:
        loss(model).backward()
    start = probe.diagnosis(data.y, mask).verdict
    found = trained(model, STEP_SIZE, loss, data.y, mask)
    # Which illness a failed training ends with may be another one on another machine; that it is ill is not.
    return {"outcome": outcome_of(found), "start": start, "verdict": HEALTHY if found.verdict == HEALTHY else "ill"}


def confusion(table):
    """How often each outcome met each verdict, after training and before it, from `in_words`.

    when, outcome, verdict, count, right.

    right: `symptoms.right`; before training only a spurious stationary point cannot be, and is wrong.
    """
    after = table.assign(when="after training", right=right(table))
    before = table.assign(when="before training", verdict=table["start"], right=table["start"] != SPURIOUS)
    cases = pd.concat([before, after], ignore_index=True)
    groups = cases.groupby(["when", "outcome", "verdict"], sort=False)["right"]
    return groups.agg(count="size", right="all").reset_index()
