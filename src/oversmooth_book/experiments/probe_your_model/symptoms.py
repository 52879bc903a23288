"""Complaints that people bring: a model that shows each, one that does not, and what the probe says of both."""

from textwrap import fill

import pandas as pd
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.nn import GCN, global_mean_pool

from oversmooth.probe.rules import HEALTHY
from oversmooth_book.experiments.probe_your_model.measure import watched

STEPS = 60
# Shares of the best constant's loss: a model that stays above the first fails, one below the second works.
FAILS, WORKS = 0.65, 0.3


def treated(symptom, models, loss, targets, seeds, mask=None):
    """Train models with Adam and ask the probe what it saw: symptom, model, seed, outcome, verdict, advice.

    outcome: `outcome_of`, by the loss after `STEPS` steps as a share of the best constant's.
    ``models``: name -> (maker, step size); ``loss``: model -> scalar; ``targets``, ``mask``: as `Probe.diagnosis` has
    them.
    """
    rows = []
    for name, (make, step_size) in models.items():
        for seed in seeds:
            found = trained(drawn(make, seed), step_size, loss, targets, mask)
            row = {"symptom": symptom, "model": name, "seed": seed, "outcome": outcome_of(found)}
            rows.append(row | {"verdict": found.verdict, "advice": found.advice})
    return pd.DataFrame(rows)


def drawn(make, seed):
    """A model in double precision, whose weights ``seed`` decides; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().double()


def trained(model, step_size, loss, targets, mask=None):
    """Train a model with Adam, in place: the probe's `Diagnosis` of the `STEPS` steps; arguments as in `treated`."""
    optimizer = torch.optim.Adam(model.parameters(), lr=step_size)
    return watched(model, optimizer, loss, STEPS).diagnosis(targets, mask)


def outcome_of(diagnosis):
    """What became of a trained model: "fails", "works" or "between"."""
    share = diagnosis.numbers["loss_share"]
    return "fails" if share > FAILS else "works" if share <= WORKS else "between"


def told(table):
    """What a reader is told of `treated`: outcomes and verdicts of each model, and the first ill one's advice."""
    lines = []
    for name, rows in table.groupby("model", sort=False):
        outcomes = [f"{word} {count} of {len(rows)}" for word, count in rows["outcome"].value_counts().items()]
        lines.append(f"{name}: {', '.join(outcomes)}; verdicts: {', '.join(sorted(set(rows['verdict'])))}")
    ill = table[table["verdict"] != HEALTHY]
    return "\n".join([*lines, *(fill(f"try: {advice}", 100) for advice in ill["advice"][:1])])


def counts(tables):
    """All rows of some `treated`, and how often each model got each verdict: case, verdict, count, right.

    right: `right` of all of them.
    """
    table = pd.concat(tables, ignore_index=True)
    cases = table.assign(case=table["symptom"] + ": " + table["model"], right=right(table))
    groups = cases.groupby(["case", "verdict"], sort=False)["right"]
    return table, groups.agg(count="size", right="all").reset_index()


def right(table):
    """Of rows of outcome and verdict: whether a model that fails is called ill, and one that works is not."""
    healthy = table["verdict"] == HEALTHY
    return ~((table["outcome"] == "fails") & healthy | (table["outcome"] == "works") & ~healthy)


def users_and_items(num_nodes=60, seed=0):
    """Users of two tastes who rate items of two genres, their own more often: ratings in both directions."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(num_nodes) % 2
    likely = torch.where(kind[:, None] == kind[None], 0.3, 0.1)
    ratings = (torch.rand(num_nodes, num_nodes, generator=generator) < likely).nonzero().T
    data, noise = HeteroData(), torch.randn(2, num_nodes, 8, generator=generator, dtype=torch.float64)
    data["user"].x, data["item"].x, data["user"].y = noise[0] + kind[:, None] - 0.5, noise[1], kind
    data["user", "rates", "item"].edge_index = ratings
    data["item", "rated_by", "user"].edge_index = ratings.flip(0)
    return data


def many_graphs(draw, count=24):
    """Small graphs in one batch; of every other one the two communities have features of their own, with equal means.

    ``draw``: seed and num_nodes -> graph.
    """
    graphs = []
    for seed in range(count):
        data, generator = draw(seed, 30), torch.Generator().manual_seed(seed)
        noise = torch.randn(data.num_nodes, 8, generator=generator, dtype=torch.float64)
        apart = 1.5 * (seed % 2) * (2.0 * data.y - 1)[:, None]
        graphs.append(Data(x=0.5 * noise + apart, edge_index=data.edge_index, y=torch.tensor([seed % 2])))
    return Batch.from_data_list(graphs)


class Pooled(torch.nn.Module):
    """One answer for each graph of a batch: GCN layers, the mean over a graph's nodes, a linear layer."""

    def __init__(self, depth, width=16):
        super().__init__()
        self.gnn, self.head = GCN(8, width, depth, width, act="tanh"), torch.nn.Linear(width, 2)

    def forward(self, batch):
        """Class scores (graphs, 2)."""
        return self.head(global_mean_pool(self.gnn(batch.x, batch.edge_index).relu(), batch.batch))
