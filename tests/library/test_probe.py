"""The probe against hand-written autograd, against the profile of a trace, and on sparse or weighted graphs."""

import pytest
import torch
import torch_geometric.nn as gnn
from cases import EXACT, close_tables
from probe_cases import MEASURES, numbers, run, square
from torch_geometric.utils import degree, to_torch_csr_tensor

import oversmooth as osm


def component_of(edges, n):
    """The connected component of each node, by spreading the smallest number along edges until nothing moves."""
    labels = list(range(n))
    for _ in range(n):
        for i, j in edges.T.tolist():
            labels[i] = labels[j] = min(labels[i], labels[j])
    return labels


def by_hand(pi, scaling, labels, parameters, X, H, loss):
    """Means and deviations by loops over nodes, the gradients by torch.autograd.grad: no hook, no function of ours."""
    grads = torch.autograd.grad(loss, [H, *parameters], retain_graph=True)
    B, X = grads[0], X.detach()
    n = len(X)
    row = {"gradient": sum(float(g.square().sum()) for g in grads[1:]) ** 0.5}
    for name, signal in {
        "feature": [X[i] / scaling[i] for i in range(n)],
        "backward": [scaling[i] * B[i] / pi[i] for i in range(n)],
    }.items():
        spread = centres = 0.0
        for component in set(labels):
            inside = [i for i in range(n) if labels[i] == component]
            share = sum(pi[i] for i in inside)
            centre = sum(pi[i] * signal[i] for i in inside) / share
            spread += sum(float(pi[i] * (signal[i] - centre).square().sum()) for i in inside)
            centres += float(share * centre.square().sum())
        norm = sum(float(pi[i] * signal[i].square().sum()) for i in range(n)) ** 0.5
        row |= {f"{name}_deviation": spread**0.5, f"{name}_norm": norm, f"{name}_ratio": spread**0.5 / norm}
        row[f"{name}_mean"] = centres**0.5
    return row


def uniform(edges, n):
    return torch.full((n,), 1 / n, dtype=torch.float64), torch.ones(n).double()


def with_loops(edges, n):
    d = degree(edges[1], n).double() + 1
    return d / d.sum(), torch.ones(n).double()


def without_loops(edges, n):
    d = degree(edges[1], n).double().clamp(min=1)
    return d / d.sum(), torch.ones(n).double()


def root_of_degree(edges, n):
    d = degree(edges[1], n).double() + 1
    return d / d.sum(), (d / d.mean()).sqrt()


class Mean(gnn.MessagePassing):
    """A user's own layer."""

    def __init__(self, a, b):
        super().__init__(aggr="mean")
        self.lin = torch.nn.Linear(a, b)

    def forward(self, x, edge_index):
        return self.lin(self.propagate(edge_index, x=x))


LAYERS = {
    "GCN": (lambda: gnn.GCNConv(5, 4), root_of_degree),
    "GCN unnormalised": (lambda: gnn.GCNConv(5, 4, normalize=False), uniform),
    "GAT": (lambda: gnn.GATConv(5, 2, heads=2), with_loops),
    "GAT without bias: returns a view": (lambda: gnn.GATConv(5, 2, heads=2, bias=False), with_loops),
    "GATv2": (lambda: gnn.GATv2Conv(5, 4), with_loops),
    "SAGE": (lambda: gnn.SAGEConv(5, 4), without_loops),
    "SAGE max": (lambda: gnn.SAGEConv(5, 4, aggr="max"), uniform),
    "GIN": (lambda: gnn.GINConv(torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU())), uniform),
    "Transformer": (lambda: gnn.TransformerConv(5, 4), without_loops),
    "Chebyshev": (lambda: gnn.ChebConv(5, 4, K=2), uniform),
    "SGC": (lambda: gnn.SGConv(5, 4, K=3), root_of_degree),
    "custom": (lambda: Mean(5, 4), without_loops),
}


class Two(torch.nn.Module):
    """A layer, an in-place ReLU, and a second layer that takes the initial features too."""

    def __init__(self, first):
        super().__init__()
        self.lift = torch.nn.Linear(5, 4)
        self.first, self.relu, self.second = first, torch.nn.ReLU(inplace=True), gnn.GCN2Conv(4, alpha=0.2)
        self.seen = []

    def forward(self, x, edge_index):
        returned = self.first(x, edge_index)
        h = self.relu(returned.clone())
        last = self.second(h, self.lift(x), edge_index)
        self.seen = [(self.first, x, returned), (self.second, h, last)]
        return last


@pytest.mark.parametrize("name", LAYERS)
def test_equals_hand_written_autograd(name, data):
    torch.manual_seed(0)
    make, weights = LAYERS[name]
    model = Two(make()).double()
    with osm.Probe(model) as probe:
        loss = square(model(data.x, data.edge_index))
        loss.backward(retain_graph=True)
    table = probe.table()
    assert list(table["name"]) == ["first", "second"]
    n, kinds = data.num_nodes, [weights, root_of_degree]
    for k, ((layer, X, H), kind) in enumerate(zip(model.seen, kinds, strict=True)):
        used = [p for p in layer.parameters() if p.grad is not None]
        expected = by_hand(*kind(data.edge_index, n), component_of(data.edge_index, n), used, X, H, loss)
        for measure in MEASURES:
            assert table[measure][k] == pytest.approx(expected[measure], rel=EXACT, abs=EXACT), measure


@pytest.mark.parametrize(("kind", "norm"), [("gcn", "auto"), ("metropolis", "uniform"), ("random_walk", "degree")])
def test_equals_the_profile_of_the_trace(kind, norm, data):
    """The same network twice: ours, and torch_geometric's layers with its weights; the trace knows one component."""
    data = osm.largest_component(data)
    P = osm.Propagation.from_data(data, kind=kind)
    net = osm.Network(P, [5, 4, 6, 2], activation="tanh", seed=0)
    layers = []
    for W in net.weights:
        layer = gnn.GCNConv(*W.shape, bias=False, normalize=kind == "gcn").double()
        layer.lin.weight.data = W.detach().T.clone()
        layers.append(layer)
    tanh = torch.nn.Tanh()
    steps = [(layers[0], "x, a -> x"), tanh, (layers[1], "x, a -> x"), tanh, (layers[2], "x, a -> x")]
    model = gnn.Sequential("x, a", steps)
    graph = data.edge_index if kind == "gcn" else P.to_dense().to_sparse_csr()
    # An unnormalised layer knows nothing of P's degrees: the norm is P's own.
    with osm.Probe(model, norm=norm if kind == "gcn" else P) as probe:
        square(model(data.x, graph)).backward()
    expected = osm.layer_profile(osm.trace(net, data.x, square))
    assert close_tables(probe.table()[list(expected)], expected, check_dtype=False)


@pytest.mark.parametrize("name", ["GCN", "SAGE", "GIN"])
def test_sparse_adjacency_gives_the_same_table(name, data):
    torch.manual_seed(0)
    model = LAYERS[name][0]().double()
    table = run(model, data.x, data.edge_index)
    csr = to_torch_csr_tensor(data.edge_index, size=(30, 30)).double()
    assert torch.allclose(numbers(run(model, data.x, csr)), numbers(table), atol=EXACT, rtol=EXACT)


def test_sparse_tensor_gives_the_same_table(data):
    torch_sparse = pytest.importorskip("torch_sparse", reason="SparseTensor is of torch_sparse")
    model = gnn.GCNConv(5, 4).double()
    adjacency = torch_sparse.SparseTensor.from_edge_index(data.edge_index, sparse_sizes=(30, 30)).t()
    tables = [numbers(run(model, data.x, graph)) for graph in (data.edge_index, adjacency)]
    assert torch.allclose(*tables, atol=EXACT, rtol=EXACT)


def test_edge_weights_count_and_loops_that_are_there_stay(data):
    torch.manual_seed(0)
    edges = torch.cat([data.edge_index, torch.tensor([[3, 4], [3, 4]])], 1)
    weight = torch.rand(edges.shape[1], dtype=torch.float64)
    probe_table = run(gnn.GCNConv(5, 4).double(), data.x, edges, weight)
    full = torch.zeros(30, 30, dtype=torch.float64).index_put((edges[1], edges[0]), weight, accumulate=True)
    full += torch.diag((full.diagonal() == 0).double())
    d = full.sum(1)
    pi, z = d / d.sum(), data.x / (d / d.mean()).sqrt()[:, None]
    alone = 7  # the isolated node is a component of its own, with deviation 0
    rest = torch.arange(30) != alone
    mean = pi[rest] @ z[rest] / pi[rest].sum()
    expected = float(pi[rest] @ (z[rest] - mean).square().sum(1)) ** 0.5
    assert probe_table["feature_deviation"][0] == pytest.approx(expected, rel=EXACT)
