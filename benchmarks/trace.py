"""`trace` with all layer measures on Cora, depth 32, width 64: against PyTorch Geometric's layers and the bare kernels.

The same quantities are measured on both sides: deviation, norm and ratio of every layer's features and backward
signals, and the norm of every gradient. "Bare kernels" are the sparse and dense products of one forward and one
backward pass that no implementation can avoid, on buffers that are already there: no activation, no measure, no memory
that is new.
"""

from itertools import pairwise

import torch
from pairs import ratio, report
from torch_geometric.nn import GCNConv

import oversmooth as osm

DEPTH, WIDTH = 32, 64


class Stack(torch.nn.Module):
    """What a user would write: cached GCNConv layers with tanh, hooks for the signals."""

    def __init__(self, widths, adjacency, dtype):
        super().__init__()
        layers = [GCNConv(a, b, bias=False, cached=True) for a, b in pairwise(widths)]
        self.layers = torch.nn.ModuleList(layers).to(dtype)
        self.adjacency = adjacency

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x, self.adjacency).tanh()
        return self.layers[-1](x, self.adjacency)


def measure_by_hooks(model, x, loss):
    """Deviation, norm, ratio of features and backward signals, and the gradients' norms, through hooks."""
    features, backward = [], []

    def record(module, inputs, output):
        features.append(inputs[0].detach())
        output.register_hook(lambda gradient: backward.insert(0, gradient))

    handles = [layer.register_forward_hook(record) for layer in model.layers]
    model.zero_grad()
    loss(model(x)).backward()
    for handle in handles:
        handle.remove()
    table = []
    for signal in (features, [b * len(b) for b in backward]):
        for s in signal:
            spread = (s - s.mean(0)).square().sum(1).mean().sqrt()
            norm = s.square().sum(1).mean().sqrt()
            table.append((spread, norm, spread / norm, s.mean(0).norm()))
    return table, [parameter.grad.norm() for parameter in model.parameters()]


def bare_kernels(P, widths, dtype):
    """A function that does nothing but the products of one pass."""
    n = P.num_nodes
    A, At = P._as_tensors(dtype, torch.device("cpu"))
    X = [torch.rand(n, d, dtype=dtype) for d in widths]
    F = [torch.rand(n, d, dtype=dtype) for d in widths[:-1]]
    W = [torch.rand(a, b, dtype=dtype) for a, b in pairwise(widths)]
    dW = [torch.empty_like(w) for w in W]

    def run():
        for k in range(len(W)):
            F[k].addmm_(A, X[k], beta=0)
            torch.mm(F[k], W[k], out=X[k + 1])
        for k in reversed(range(len(W))):
            torch.mm(F[k].T, X[k + 1], out=dW[k])
            if k:
                torch.mm(X[k + 1], W[k].T, out=X[k])
                F[k].addmm_(At, X[k], beta=0)

    return run


def main():
    """Print the ratios."""
    data = osm.load("Cora")

    def loss(output):
        return torch.nn.functional.cross_entropy(output, data.y)

    for dtype, target in ((torch.float64, 1.8), (torch.float32, 2.2)):
        x = data.x.to(dtype)
        for first in (data.num_features, WIDTH):
            features = x[:, :first].contiguous()
            widths = [first] + [WIDTH] * (DEPTH - 1) + [int(data.y.max()) + 1]
            P = osm.Propagation.from_data(data, kind="random_walk")
            network = osm.Network(P, widths, dtype=dtype)

            def ours(network=network, features=features):
                return osm.layer_profile(osm.trace(network, features, loss))

            name = f"{str(dtype)[6:]}, {first} features"
            model = Stack(widths, data.edge_index, dtype)
            report(
                f"trace, {name}: times as fast as GCNConv with hooks",
                ratio(ours, lambda m=model, f=features: measure_by_hooks(m, f, loss)),
                "≥ 1.8",
            )
            kernels = bare_kernels(P, widths, dtype)
            report(f"trace, {name}: times the bare kernels", ratio(kernels, ours), f"≤ {target}")


if __name__ == "__main__":
    main()
