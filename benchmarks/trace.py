"""`trace` with all layer measures on Cora, depth 32, width 64: against PyTorch Geometric's layers and the bare kernels.

The same quantities are measured on both sides: deviation, norm and ratio of every layer's features and backward
signals, and the norm of every gradient. The layers of PyTorch Geometric cache their normalised edges, as a list of
edges or as a sparse matrix. "Bare kernels" are the sparse and dense products of one forward and one backward pass, by
torch's own calls, on buffers that are already there: no activation, no measure, no memory that is new; `trace` writes
over its last call's memory, too, and a row says what fresh memory costs. "Leanest" are those with the library's sparse
product, which spares torch's zero fill and copy of the result, and with fewer columns through it in the first layer.
"""

from itertools import pairwise

import torch
from pairs import ratio, report
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_torch_csr_tensor

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


def bare_kernels(P, widths, dtype, leanest=False):
    """A function that does nothing but the products of one pass."""
    n = P.num_nodes
    A, At = P._as_tensors(dtype, torch.device("cpu"))
    X = [torch.rand(n, d, dtype=dtype) for d in widths]
    F = [torch.rand(n, d, dtype=dtype) for d in widths[:-1]]
    W = [torch.rand(a, b, dtype=dtype) for a, b in pairwise(widths)]
    dW = [torch.empty_like(w) for w in W]
    spare = torch.empty_like(X[1])

    def product(matrix, signal, out):
        return out.addmm_(matrix, signal, beta=0) if leanest else torch.mm(matrix, signal, out=out)

    def run():
        for k in range(len(W)):
            if leanest and widths[k + 1] < widths[k] and k == 0:
                product(A, torch.mm(X[k], W[k], out=spare), X[k + 1])
            else:
                torch.mm(product(A, X[k], F[k]), W[k], out=X[k + 1])
        for k in reversed(range(len(W))):
            torch.mm(F[k].T, X[k + 1], out=dW[k])
            if k:
                torch.mm(X[k + 1], W[k].T, out=X[k])
                product(At, X[k], F[k])

    return run


def main():
    """Report the ratios."""
    data = osm.load("Cora")
    matrix = to_torch_csr_tensor(data.edge_index, size=data.num_nodes)

    def loss(output):
        return torch.nn.functional.cross_entropy(output, data.y)

    for dtype, target in ((torch.float64, 1.3), (torch.float32, 1.4)):
        x = data.x.to(dtype)
        for first in (data.num_features, WIDTH):
            features = x[:, :first].contiguous()
            widths = [first] + [WIDTH] * (DEPTH - 1) + [int(data.y.max()) + 1]
            P = osm.Propagation.from_data(data, kind="random_walk")
            network = osm.Network(P, widths, dtype=dtype)

            def fresh(network=network, features=features):
                return osm.layer_profile(osm.trace(network, features, loss))

            kept = [osm.trace(network, features, loss)]

            def ours(network=network, features=features, kept=kept):
                kept[0] = osm.trace(network, features, loss, out=kept[0])
                return osm.layer_profile(kept[0])

            case = f"Cora, depth {DEPTH}, {str(dtype)[6:]}, {first} features"
            narrow = first == WIDTH and dtype == torch.float64
            forms = (("edge list", data.edge_index, "≥ 2.5"), ("sparse matrix", matrix.to(dtype), "≥ 2"))
            for name, adjacency, target_here in forms:
                model = Stack(widths, adjacency, dtype)
                values = ratio(ours, lambda m=model, f=features: measure_by_hooks(m, f, loss), pairs=9)
                headline = f"trace, beside GCNConv with hooks ({name})" if narrow else ""
                what = f"times as fast as GCNConv with hooks ({name}, cached)"
                report("trace", case, what, values, target_here, headline)
            bare, leanest = bare_kernels(P, widths, dtype), bare_kernels(P, widths, dtype, leanest=True)
            headline = "trace with all measures, in bare kernels" if narrow else ""
            values = ratio(bare, ours, pairs=9)
            report("trace", case, "time in bare kernels", values, f"≤ {target}", headline)
            report("trace", case, "time in bare kernels, with fresh memory", ratio(bare, fresh, pairs=9))
            report("trace", case, "time in the leanest kernels", ratio(leanest, ours, pairs=9))


if __name__ == "__main__":
    main()
