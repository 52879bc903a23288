"""The probe against hand-written autograd, and the traps of hooks."""

import copy
import weakref

import pandas
import pytest
import torch
import torch_geometric.nn as gnn
from cases import EXACT
from torch.utils.checkpoint import checkpoint
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, NeighborLoader
from torch_geometric.utils import degree, to_torch_csr_tensor

import oversmooth as osm

MEASURES = ["feature_deviation", "feature_norm", "feature_ratio", "backward_deviation", "backward_norm"]
MEASURES += ["backward_ratio", "backward_mean", "gradient"]


@pytest.fixture
def data():
    """Two communities and an isolated node, in double precision."""
    data = osm.csbm(30, p_in=0.5, p_out=0.1, num_features=5, seed=1)
    keep = (data.edge_index != 7).all(0)
    return Data(x=data.x, y=data.y, edge_index=data.edge_index[:, keep])


def square(output):
    return (output - 0.3).square().mean() + output.sum(0).sin().sum() / len(output)


def by_hand(pi, scaling, parameters, X, H, loss):
    """Means and deviations by loops over nodes, the gradients by torch.autograd.grad: no hook, no function of ours."""
    grads = torch.autograd.grad(loss, [H, *parameters], retain_graph=True)
    B, X = grads[0], X.detach()
    n = len(X)
    row = {"gradient": sum(float(g.square().sum()) for g in grads[1:]) ** 0.5}
    for name, signal in {
        "feature": [X[i] / scaling[i] for i in range(n)],
        "backward": [scaling[i] * B[i] / pi[i] for i in range(n)],
    }.items():
        centre = sum(pi[i] * signal[i] for i in range(n))
        spread = sum(float(pi[i] * (signal[i] - centre).square().sum()) for i in range(n))
        norm = sum(float(pi[i] * signal[i].square().sum()) for i in range(n)) ** 0.5
        row |= {f"{name}_deviation": spread**0.5, f"{name}_norm": norm, f"{name}_ratio": spread**0.5 / norm}
        row[f"{name}_mean"] = float(centre.norm())
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
        expected = by_hand(*kind(data.edge_index, n), used, X, H, loss)
        for measure in MEASURES:
            assert table[measure][k] == pytest.approx(expected[measure], rel=EXACT, abs=EXACT), measure


@pytest.mark.parametrize(("kind", "norm"), [("gcn", "auto"), ("metropolis", "uniform"), ("random_walk", "degree")])
def test_equals_the_profile_of_the_trace(kind, norm, data):
    """The same network twice: ours, and torch_geometric's layers with its weights."""
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
    found = probe.table()[list(expected)]
    pandas.testing.assert_frame_equal(found, expected, rtol=EXACT, atol=EXACT, check_dtype=False)


def run(model, *inputs, **options):
    with osm.Probe(model, **options) as probe:
        square(model(*inputs)).backward()
    return probe.table()


def numbers(table):
    return torch.tensor(table[MEASURES].to_numpy(dtype=float))


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
    mean = pi @ z
    expected = float(pi @ (z - mean).square().sum(1)) ** 0.5
    assert probe_table["feature_deviation"][0] == pytest.approx(expected, rel=EXACT)


# ---- whose layers


def deep_gcn():
    norm, act = torch.nn.LayerNorm(4), torch.nn.ReLU(inplace=True)
    blocks = [gnn.DeepGCNLayer(gnn.GCNConv(4, 4), norm, act, block="res+", dropout=0.1) for _ in range(3)]
    return gnn.Sequential("x, e", [(gnn.GCNConv(5, 4), "x, e -> x"), *[(block, "x, e -> x") for block in blocks]])


MODELS = {
    "GCN": (lambda: gnn.GCN(5, 4, 3, 2, dropout=0.5), 3),
    "GCN, jumping": (lambda: gnn.GCN(5, 4, 3, 2, jk="cat"), 3),
    "GraphSAGE": (lambda: gnn.GraphSAGE(5, 4, 3, 2, norm="batch"), 3),
    "GAT": (lambda: gnn.GAT(5, 4, 3, 2, act=torch.nn.ReLU(inplace=True)), 3),
    "GATv2": (lambda: gnn.GAT(5, 4, 2, 2, v2=True), 2),
    "GIN": (lambda: gnn.GIN(5, 4, 3, 2), 3),
    "PNA-like sums": (lambda: gnn.Sequential("x, e", [(gnn.GraphConv(5, 4), "x, e -> x")]), 1),
    "DeepGCNLayer": (deep_gcn, 4),
    "GPS": (lambda: gnn.Sequential("x, e", [(gnn.GPSConv(5, gnn.GCNConv(5, 5)), "x, e -> x")]), 1),
    "one layer": (lambda: gnn.GCNConv(5, 4), 1),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_changes_and_nothing_stays(name, training, data):
    """Outputs, gradients, mode, random state and hooks are those of a run without the probe, to the bit."""
    torch.manual_seed(0)
    make, depth = MODELS[name]
    model = make().double().train(training)
    twin = copy.deepcopy(model)
    torch.manual_seed(1)
    plain = twin(data.x, data.edge_index)
    square(plain).backward()
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    hooks = all_hooks(model)
    with osm.Probe(model) as probe:
        output = model(data.x, data.edge_index)
        square(output).backward()
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(output, plain)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad)
    assert all(module.training is training for module in model.modules())
    assert all_hooks(model) == hooks and not output._backward_hooks
    table = probe.table()
    assert len(table) == depth and table[MEASURES].notna().all(axis=None)
    assert probe.diagnosis().verdict


def all_hooks(model):
    counts = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]
    return counts + [len(p._backward_hooks or ()) for p in model.parameters()]


def test_only_own_hooks_are_removed(data):
    model, calls = gnn.GCN(5, 4, 2, 2).double(), []
    model.convs[0].register_forward_hook(lambda *_: calls.append("layer"))
    model.convs[0].lin.weight.register_hook(lambda gradient: calls.append("weight"))
    run(model, data.x, data.edge_index)
    square(model(data.x, data.edge_index)).backward()
    assert calls == ["layer", "weight"] * 2


def test_exceptions_pass_through_and_leave_nothing(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    before = all_hooks(model)
    with pytest.raises(RuntimeError), osm.Probe(model):
        model(data.x[:, :3], data.edge_index)
    assert all_hooks(model) == before

    def fail(gradient):
        raise KeyError("in the backward pass")

    probe = osm.Probe(model)
    with pytest.raises(KeyError), probe:
        output = model(data.x, data.edge_index)
        output.register_hook(fail)
        square(output).backward()
    assert all_hooks(model) == before
    with probe:  # and the probe can be used again
        square(model(data.x, data.edge_index)).backward()
    assert len(probe.table()) == 2


def test_nesting(data):
    model = gnn.GCN(5, 4, 3, 2).double()
    before = all_hooks(model)
    outer, inner = osm.Probe(model), osm.Probe(model, select="convs.1")
    with outer:
        square(model(data.x, data.edge_index)).backward()
        with inner:
            square(model(data.x, data.edge_index)).backward()
        assert all_hooks(model) != before
        with pytest.raises(ValueError, match="measuring already"), outer:
            pass
    assert all_hooks(model) == before
    assert list(outer.table()["pass"]) == [0, 0, 0, 1, 1, 1]
    of_inner = numbers(outer.table().iloc[[4]])
    assert torch.equal(numbers(inner.table()), of_inner)


def test_after_the_block_nothing_is_measured(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        output = model(data.x, data.edge_index)
    square(output).backward()
    assert probe.table()["backward_norm"].isna().all()
    with pytest.raises(ValueError, match="no backward pass"):
        probe.diagnosis()


def test_signals_are_not_kept(data):
    """Numbers only: the graph of a pass is freed as without the probe."""
    model = gnn.GCN(5, 4, 2, 2).double()
    kept = []
    model.convs[0].register_forward_hook(lambda m, i, output: kept.append(weakref.ref(output)))
    with osm.Probe(model):
        for _ in range(3):
            square(model(data.x, data.edge_index)).backward()
        assert [reference() for reference in kept] == [None] * 3


# ---- traps


class Inplace(torch.nn.Module):
    """A layer that spoils its input, and an in-place activation shared by all layers, on a view."""

    def __init__(self, inplace):
        super().__init__()
        self.first, self.second = (gnn.GATConv(a, 2, heads=2, bias=False) for a in (5, 4))
        self.act = torch.nn.ELU(inplace=inplace)

    def forward(self, x, edge_index):
        return self.act(self.second(self.act(self.first(x, edge_index)), edge_index))


def test_inplace_activations_on_views(data):
    torch.manual_seed(0)
    spoiling, plain = Inplace(True).double(), Inplace(False).double()
    plain.load_state_dict(spoiling.state_dict())
    tables = [run(model, data.x, data.edge_index) for model in (spoiling, plain)]
    assert torch.equal(*(numbers(table) for table in tables))
    assert tables[0]["backward_norm"].gt(0).all()


class Shared(torch.nn.Module):
    """One layer run three times."""

    def __init__(self):
        super().__init__()
        self.conv = gnn.GCNConv(5, 5)

    def forward(self, x, edge_index):
        for _ in range(3):
            x = self.conv(x, edge_index).tanh()
        return x


def test_a_layer_that_runs_three_times_is_three_layers(data):
    torch.manual_seed(0)
    model = Shared().double()
    table = run(model, data.x, data.edge_index)
    assert list(table["layer"]) == [0, 1, 2] and set(table["name"]) == {"conv"} and set(table["depth"]) == {3}
    assert table["feature_deviation"].nunique() == table["backward_norm"].nunique() == 3
    total = sum(p.grad.square().sum() for p in model.parameters()) ** 0.5
    assert table["gradient"].to_list() == pytest.approx([float(total)] * 3, rel=EXACT)


class Checkpointed(torch.nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant
        self.convs = torch.nn.ModuleList(gnn.GCNConv(5, 5) for _ in range(3))

    def forward(self, x, edge_index):
        x = self.convs[0](x, edge_index).tanh()
        for conv in self.convs[1:]:
            keep = self.reentrant is not None
            x = checkpoint(conv, x, edge_index, use_reentrant=self.reentrant) if keep else conv(x, edge_index)
        return x


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_count_once(reentrant, data):
    torch.manual_seed(0)
    model, plain = Checkpointed(reentrant).double(), Checkpointed(None).double()
    plain.load_state_dict(model.state_dict())
    tables = []
    for tested in (model, plain):
        with osm.Probe(tested) as probe:
            for scale in (1, 2):
                square(tested(scale * data.x, data.edge_index)).backward()
        tables.append(probe.table())
    assert torch.allclose(*map(numbers, tables), rtol=EXACT, atol=EXACT)
    assert [list(table["pass"]) for table in tables] == [[0, 0, 0, 1, 1, 1]] * 2


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_shared_layer_under_a_checkpoint(reentrant, data):
    torch.manual_seed(0)
    plain = Shared().double()
    table = run(plain, data.x, data.edge_index)
    conv = plain.conv
    model = torch.nn.ModuleDict({"conv": conv})

    def forward(x, edge_index):
        for _ in range(3):
            x = checkpoint(conv, x, edge_index, use_reentrant=reentrant).tanh()
        return x

    model.forward = forward
    found = run(model, data.x.clone().requires_grad_(), data.edge_index)
    errors = ["backward_deviation", "backward_norm", "backward_mean"]
    assert found[errors].to_numpy() == pytest.approx(table[errors].to_numpy(), rel=EXACT)


class Nested(gnn.MessagePassing):
    """A layer made of a layer."""

    def __init__(self):
        super().__init__()
        self.inner = gnn.GCNConv(5, 5)

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=self.inner(x, edge_index))


def test_the_outermost_layer_counts_unless_selected(data):
    model = torch.nn.ModuleDict({"a": Nested(), "b": gnn.GCNConv(5, 5)}).double()
    model.forward = lambda x, e: model["b"](model["a"](x, e), e)
    assert list(run(model, data.x, data.edge_index)["name"]) == ["a", "b"]
    table = run(model, data.x, data.edge_index, select=gnn.MessagePassing)
    assert list(table["name"]) == ["a.inner", "a", "b"]


def test_gradients_of_earlier_passes_are_not_counted(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    first = run(model, data.x, data.edge_index)
    second = run(model, data.x, data.edge_index)  # p.grad now holds both
    assert torch.equal(numbers(first), numbers(second))


def test_inputs_changed_in_place_are_measured_again(data):
    model, x, edges = gnn.SAGEConv(5, 4).double(), data.x.clone(), data.edge_index.clone()
    probe = osm.Probe(model)
    with probe:
        square(model(x, edges)).backward()
        x *= 3
        square(model(x, edges)).backward()
        edges[:, ::2] = 5
        square(model(x, edges)).backward()
    tables = [probe.table().iloc[[k]] for k in range(3)]
    with probe:  # another block of the same probe remembers the input
        square(model(x, edges)).backward()
    tables.append(probe.table())
    x -= 1
    with probe:
        square(model(x, edges)).backward()
    tables.append(probe.table())
    inputs = [(data.x, data.edge_index), (3 * data.x, data.edge_index), (3 * data.x, edges), (3 * data.x, edges)]
    for table, (features, graph) in zip(tables, [*inputs, (x, edges)], strict=True):
        assert torch.equal(numbers(table), numbers(run(model, features, graph)))


def test_a_directed_graph_as_edges_and_as_transposed_adjacency(data):
    edges = data.edge_index[:, ::3]
    torch.manual_seed(0)
    model = gnn.SAGEConv(5, 4).double()
    csr = to_torch_csr_tensor(edges.flip(0), size=(30, 30)).double()
    tables = [numbers(run(model, data.x, graph)) for graph in (edges, csr)]
    assert torch.allclose(*tables, rtol=EXACT, atol=EXACT)


def test_each_pass_keeps_its_own_gradient(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        for scale in (1, 2, 3):
            square(model(scale * data.x, data.edge_index)).backward()
    table = probe.table()
    for k, scale in enumerate((1, 2, 3)):
        alone = run(model, scale * data.x, data.edge_index)
        assert torch.equal(numbers(table[table["pass"] == k]), numbers(alone))


def test_two_passes_under_one_loss_share_the_gradient(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        square(model(data.x, data.edge_index) + model(2 * data.x, data.edge_index)).backward()
    table = probe.table()
    assert list(table["pass"]) == [0, 0, 1, 1] and table["backward_norm"].notna().all()
    weights = sum(float(p.grad.square().sum()) for p in model.convs[0].parameters()) ** 0.5
    assert table["gradient"][0] == table["gradient"][2] == pytest.approx(weights, rel=EXACT)


def test_frozen_layers_have_errors_and_no_gradient(data):
    model = gnn.GCN(5, 4, 3, 2).double()
    model.convs[1].requires_grad_(False)
    table = run(model, data.x, data.edge_index)
    assert table["backward_norm"].notna().all() and list(table["gradient"].isna()) == [False, True, False]


def test_lazy_layers(data):
    model = gnn.SAGEConv(-1, 4).double()
    table = run(model, data.x, data.edge_index)
    assert table["gradient"].notna().all()


def test_half_precision_and_no_grad(data):
    model = gnn.GCN(5, 4, 2, 2).bfloat16()
    table = run(model, data.x.bfloat16(), data.edge_index)
    assert table[MEASURES].notna().all(axis=None)
    with torch.inference_mode(), osm.Probe(model) as probe:
        model(data.x.bfloat16(), data.edge_index)
    assert probe.table()["feature_norm"].notna().all()


# ---- mini-batches


def test_every_mini_batch_is_a_pass(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    loader = DataLoader([data, data, data], batch_size=2)
    with osm.Probe(model) as probe:
        for batch in loader:
            square(model(batch.x, batch.edge_index)).backward()
    table = probe.table()
    assert list(table["pass"]) == [0, 0, 1, 1] and list(table["nodes"]) == [60, 60, 30, 30]
    with osm.Probe(model) as alone:
        square(model(data.x, data.edge_index)).backward()
    assert torch.equal(numbers(table[table["pass"] == 1]), numbers(alone.table()))
    assert probe.diagnosis(data.y).verdict
    with pytest.raises(ValueError, match="targets has 60 rows, the output of the last pass 30"):
        probe.diagnosis(torch.cat([data.y, data.y]))


def test_bipartite_layers_and_sampled_neighbours(data):
    conv = gnn.SAGEConv((5, 5), 4).double()
    edges = torch.tensor([[0, 1, 2, 5], [0, 0, 1, 2]])
    with osm.Probe(conv) as probe:
        square(conv((data.x[:6], data.x[:3]), edges)).backward()
    assert probe.table()["nodes"][0] == 6 and probe.table()[MEASURES].notna().all(axis=None)
    pytest.importorskip("pyg_lib", reason="NeighborLoader needs pyg_lib or torch_sparse")
    model = gnn.GCN(5, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        for batch in NeighborLoader(data, num_neighbors=[3, 3], batch_size=10):
            square(model(batch.x, batch.edge_index)[: batch.batch_size]).backward()
    assert probe.table()["pass"].max() == 2


def test_parts_of_a_model_called_on_their_own(data):
    model = torch.nn.ModuleDict({"encoder": gnn.GCN(5, 4, 2), "head": torch.nn.Linear(4, 2)}).double()
    with osm.Probe(model) as probe:
        for _ in range(2):
            square(model["head"](model["encoder"](data.x, data.edge_index))).backward()
    assert list(probe.table()["pass"]) == [0, 0, 1, 1]


# ---- select, norms, errors


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("convs.1", ["convs.1"]),
        (["convs.[02]", "lin"], ["convs.0", "convs.2", "lin"]),
        (gnn.Linear, ["convs.0.lin", "convs.1.lin", "convs.2.lin"]),
        ((gnn.GCNConv, torch.nn.Dropout), ["convs.0", "dropout", "convs.1", "dropout", "convs.2", "dropout"]),
        (lambda name, module: name.endswith("2"), ["convs.2", "norms.2"]),
    ],
)
def test_select(select, names, data):
    model = gnn.GCN(5, 4, 3, 2, jk="last").double()
    assert list(run(model, data.x, data.edge_index, select=select)["name"]) == names


def test_norms_given(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    tables = {n: run(model, data.x, data.edge_index, norm=n) for n in ("uniform", "degree", "sqrt_degree", "auto")}
    assert torch.equal(numbers(tables["auto"]), numbers(tables["sqrt_degree"]))
    assert float(osm.deviation(data.x)) == pytest.approx(tables["uniform"]["feature_deviation"][0], rel=EXACT)
    P = osm.Propagation.from_data(data, kind="random_walk")
    assert float(osm.deviation(data.x, P)) == pytest.approx(tables["degree"]["feature_deviation"][0], rel=EXACT)
    mixed = run(model, data.x, data.edge_index, norm={"convs.1": "uniform"})
    assert list(mixed["norm"]) == ["sqrt_degree", "uniform"]
    assert torch.equal(numbers(mixed.iloc[[1]]), numbers(tables["uniform"].iloc[[1]]))


def test_errors_say_what_to_do(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    with pytest.raises(ValueError, match="model is a int"):
        osm.Probe(3)
    with pytest.raises(ValueError, match=r"no torch_geometric MessagePassing module; its modules are: 0, 1\. Pass"):
        osm.Probe(torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Tanh()))
    with pytest.raises(ValueError, match=r"select names \['conv'\]; the model's modules are: dropout, act, convs"):
        osm.Probe(model, select=["conv"])
    with pytest.raises(ValueError, match="norm is 'sqrt'; known: auto, uniform, degree, sqrt_degree"):
        osm.Probe(model, norm="sqrt")
    with pytest.raises(ValueError, match=r"norm names \['lin'\].*convs.0, convs.1"):
        osm.Probe(model, norm={"lin": "uniform"})
    with pytest.raises(ValueError, match="nothing ran"):
        osm.Probe(model).table()
    with osm.Probe(model) as probe:
        model.convs[1](torch.ones(30, 4).double(), data.edge_index)
    with pytest.raises(ValueError, match=r"convs\.0 never ran while the probe was on"):
        probe.table()


def test_network_without_modules_is_sent_to_trace(data):
    net = osm.Network(osm.Propagation.from_data(data), [5, 4, 2])
    with pytest.raises(ValueError, match="for a Network use trace"):
        osm.Probe(net)
