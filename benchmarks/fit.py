"""Time one training step of `osm.fit` against a loop over torch_geometric GCNConv models.

The reference graph (400 nodes), depth 33, width 32, 8 seeds, tanh, mean squared error, Adam; the same operator, dtype
and threads. The models of the loop cache their normalised edges. `osm.fit` runs twenty steps a call, its set-up
and two records included; the loop runs one step of each model, and its time counts twentyfold.
"""

from itertools import pairwise

import torch
from pairs import ratio, report
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_torch_csr_tensor

import oversmooth as osm

DEPTH, WIDTH, SEEDS, STEPS = 33, 32, 8, 20


class Deep(torch.nn.Module):
    """What a user of torch_geometric would write."""

    def __init__(self, widths):
        super().__init__()
        self.convs = torch.nn.ModuleList(GCNConv(a, b, cached=True, bias=False) for a, b in pairwise(widths))

    def forward(self, x, edge_index):
        for conv in self.convs[:-1]:
            x = torch.tanh(conv(x, edge_index))
        return self.convs[-1](x, edge_index)


def loop(widths, dtype, adjacency, x, y):
    """One step of each of `SEEDS` models."""
    models = [Deep(widths).to(dtype) for _ in range(SEEDS)]
    optimizers = [torch.optim.Adam(model.parameters(), lr=0.003) for model in models]

    def step():
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            (model(x, adjacency) - y).square().mean().backward()
            optimizer.step()

    return step


def main():
    """Report the ratios."""
    widths = [8, *[WIDTH] * (DEPTH - 1), 1]
    data = osm.csbm(seed=0)
    matrix = to_torch_csr_tensor(data.edge_index, size=data.num_nodes)
    P = osm.Propagation.from_data(data, kind="gcn")
    for dtype in (torch.float64, torch.float32):
        x, y = data.x.to(dtype), (2 * data.y - 1).to(dtype)[:, None]
        network = osm.Network(P, widths, seed=list(range(SEEDS)), dtype=dtype)
        singles = [osm.Network(P, widths, seed=seed, dtype=dtype) for seed in range(SEEDS)]

        def train(network, x=x, y=y):
            osm.fit(network, x, y, optimizer="adam", lr=0.003, steps=STEPS, record_every=STEPS)

        def ours(network=network, train=train):
            train(network)

        def one_by_one(singles=singles, train=train):
            for single in singles:
                train(single)

        case = f"400 nodes, depth {DEPTH}, {SEEDS} seeds, {str(dtype)[6:]}"
        forms = (("edge list", data.edge_index), ("sparse matrix", matrix.to(dtype)))
        for name, adjacency in forms:
            # the loop takes one step where fit takes STEPS
            values = [STEPS * v for v in ratio(ours, loop(widths, dtype, adjacency, x, y), pairs=7, warmup=1)]
            what = f"times as fast as a loop over GCNConv models ({name}, cached)"
            words = "fit of 8 seeds, beside a loop over GCNConv models"
            headline = words if (name, dtype) == ("edge list", torch.float64) else ""
            report("fit", case, what, values, "≥ 6", headline)
        report("fit", case, "batch: times as fast as one seed after the other", ratio(ours, one_by_one, 5, warmup=1))


if __name__ == "__main__":
    main()
