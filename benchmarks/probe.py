"""What a probe adds to a training step of torch_geometric's own GCN on Cora, depth 32, width 64: on against off."""

import torch
from pairs import ratio, report
from torch_geometric.nn import GCN

import oversmooth as osm

DEPTH, WIDTH, TARGET = 32, 64, 1.1


def main():
    """Report the ratios."""
    data = osm.load("Cora")
    edges = data.edge_index
    for dtype in (torch.float32, torch.float64):
        x = data.x.to(dtype)
        torch.manual_seed(0)
        model = GCN(x.shape[1], WIDTH, DEPTH, out_channels=int(data.y.max()) + 1, act="tanh").to(dtype)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

        def step(model=model, optimizer=optimizer, x=x):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x, edges), data.y).backward()
            optimizer.step()

        probe = osm.Probe(model)

        def measured(probe=probe, step=step):
            with probe:
                step()

        values = ratio(step, measured, pairs=9)
        case = f"Cora, depth {DEPTH}, {str(dtype)[6:]}"
        headline = "a training step with a probe" if dtype == torch.float32 else ""
        report("probe", case, "time of a training step, on over off", values, f"≤ {TARGET}", headline)


if __name__ == "__main__":
    main()
