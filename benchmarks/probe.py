"""What a probe adds to training steps of torch_geometric's own GCN on Cora, depth 32, width 64: on against off.

A probe that measures every step, and one that measures one step in five.
"""

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

        for every in (1, 5):
            probe = osm.Probe(model, every=every)

            def measured(probe=probe, step=step, every=every):
                for _ in range(every):
                    with probe:
                        step()

            def plain(step=step, every=every):
                for _ in range(every):
                    step()

            what = "every step measured" if every == 1 else "one step in five measured"
            headline = f"training with a probe, {what}" if dtype == torch.float32 else ""
            case = f"Cora, depth {DEPTH}, {str(dtype)[6:]}"
            values = ratio(plain, measured, pairs=9)
            report("probe", case, f"time of training, on over off, {what}", values, f"≤ {TARGET}", headline)


if __name__ == "__main__":
    main()
