"""Models as people have them: each runs as without the probe, to the bit, and what cannot be measured says so."""

import copy
import io
import logging
import pickle
import warnings
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
import torch_geometric.nn as gnn
from cases import EXACT
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import degree, to_torch_coo_tensor, to_torch_csc_tensor, to_torch_csr_tensor

import oversmooth as osm


def relation(sources, targets, edges, seed=0):
    g = torch.Generator().manual_seed(seed)
    ends = [torch.randint(0, n, (edges,), generator=g) for n in (sources, targets)]
    for index, n in zip(ends, (sources, targets), strict=True):
        index[:n] = torch.arange(n)  # every node has an edge
    return torch.stack(ends)


def hetero():
    torch.manual_seed(0)
    h = HeteroData()
    h["paper"].x, h["author"].x = torch.randn(30, 5), torch.randn(60, 5)
    h["author", "writes", "paper"].edge_index = relation(60, 30, 150)
    h["paper", "rev", "author"].edge_index = h["author", "writes", "paper"].edge_index.flip(0)
    return h


H = hetero()


class OfTypes(torch.nn.Module):
    """Layers between dictionaries of node types."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x, edges):
        x = {key: value.tanh() for key, value in self.first(x, edges).items() if value is not None}
        return self.second(x, edges)


def per_relation(make):
    return gnn.HeteroConv({edge: make() for edge in H.edge_types}, aggr="sum")


class Homogeneous(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = gnn.SAGEConv((-1, -1), 6), gnn.SAGEConv((-1, -1), 2)

    def forward(self, x, edge_index):
        return self.c2(self.c1(x, edge_index).relu(), edge_index)


class Named(NamedTuple):
    h: torch.Tensor
    other: torch.Tensor


class ViewLayer(gnn.MessagePassing):
    """Returns a named tuple whose first field is a view."""

    def __init__(self):
        super().__init__(aggr="mean")
        self.lin = torch.nn.Linear(5, 6)

    def forward(self, x, edge_index):
        return Named(self.propagate(edge_index, x=self.lin(x)).view(-1, 6), x)


class Wrapped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.out = ViewLayer(), torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 2)

    def forward(self, x, edge_index):
        return {"scores": self.out(self.act(self.conv(x, edge_index).h)), "x": x}


class Unused(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.left, self.b = gnn.GCNConv(5, 6), gnn.GCNConv(6, 6), gnn.GCNConv(6, 2)

    def forward(self, x, edge_index):
        return self.b(self.a(x, edge_index).relu(), edge_index)


class Relational(torch.nn.Module):
    """Features are learned embeddings: the first layer receives no floating tensor at all."""

    def __init__(self):
        super().__init__()
        self.a, self.b = gnn.RGCNConv(30, 6, 2), gnn.RGCNConv(6, 2, 2)

    def forward(self, edge_index, edge_type):
        return self.b(self.a(None, edge_index, edge_type).relu(), edge_index, edge_type)


class Pair(torch.nn.Module):
    def __init__(self, make):
        super().__init__()
        self.conv = make()

    def forward(self, source, target, edge_index):
        return self.conv((source, target), edge_index)


def small(data):
    return data.x.float(), data.edge_index


WRITES = H["author", "writes", "paper"].edge_index
DICTS = (H.x_dict, H.edge_index_dict)
SIDES = (H["author"].x, H["paper"].x, WRITES)
# name -> model, inputs (or a function of the graph), the rows, and those that say why they are not measured
KINDS = {
    "bipartite SAGE": (lambda: Pair(lambda: gnn.SAGEConv((5, 5), 4)), SIDES, ["conv"], []),
    "bipartite GAT": (lambda: Pair(lambda: gnn.GATConv((5, 5), 4, add_self_loops=False)), SIDES, ["conv"], []),
    "HeteroConv": (
        lambda: OfTypes(per_relation(lambda: gnn.SAGEConv((5, 5), 6)), per_relation(lambda: gnn.GraphConv((6, 6), 2))),
        DICTS,
        4,
        [],
    ),
    "to_hetero": (lambda: gnn.to_hetero(Homogeneous(), H.metadata()), DICTS, 4, []),
    "HGT": (
        lambda: OfTypes(gnn.HGTConv(5, 6, H.metadata(), heads=2), gnn.HGTConv(6, 2, H.metadata(), heads=2)),
        DICTS,
        ["first[paper]", "first[author]", "second[paper]", "second[author]"],
        [],
    ),
    "HAN": (lambda: OfTypes(gnn.HANConv(5, 6, H.metadata()), gnn.HANConv(6, 2, H.metadata())), DICTS, 4, []),
    "LINKX": (lambda: gnn.LINKX(30, 5, 6, 2, num_layers=1), small, ["edge_lin"], ["edge_lin"]),
    "RGCN": (Relational, lambda d: (d.edge_index, d.edge_index[0] % 2), ["a", "b"], ["a"]),
    "named tuple, view, dictionary": (Wrapped, small, ["conv"], []),
    "GPS": (lambda: gnn.Sequential("x, e", [(gnn.GPSConv(5, gnn.GCNConv(5, 5)), "x, e -> x")]), small, 1, []),
    "GPS alone": (lambda: gnn.GPSConv(5, gnn.GCNConv(5, 5)), small, ["GPSConv"], []),
    "AntiSymmetric": (lambda: gnn.AntiSymmetricConv(5, num_iters=2), small, ["AntiSymmetricConv"], []),
    "a layer that never runs": (Unused, small, ["a", "b", "left"], ["left"]),
    "COO": (lambda: gnn.GCN(5, 6, 2, 2), lambda d: (d.x.float(), to_torch_coo_tensor(d.edge_index)), 2, []),
    "CSR": (lambda: gnn.GCN(5, 6, 2, 2), lambda d: (d.x.float(), to_torch_csr_tensor(d.edge_index)), 2, []),
    "CSC": (
        lambda: gnn.GIN(5, 6, 2, 2),
        lambda d: (d.x.float(), to_torch_csc_tensor(d.edge_index).to_sparse_csr()),
        2,
        [],
    ),
    "EdgeIndex": (
        lambda: gnn.GraphSAGE(5, 6, 2, 2),
        lambda d: (d.x.float(), EdgeIndex(d.edge_index, sparse_size=(30, 30)).sort_by("col")[0]),
        2,
        [],
    ),
    "no node": (lambda: gnn.GCN(5, 6, 2, 2), (torch.zeros(0, 5), torch.zeros(2, 0, dtype=torch.long)), 2, 2),
    "dense": (
        lambda: gnn.Sequential("x, a", [(gnn.DenseSAGEConv(5, 2), "x, a -> x")]),
        lambda d: (torch.stack([d.x.float()] * 2), (to_torch_coo_tensor(d.edge_index).to_dense() > 0).float()),
        1,
        [],
    ),
}


def tensors(value):
    """All floating tensors of an output."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value or ()
    return [tensor for part in parts for tensor in tensors(part)]


def total(value):
    return sum(tensor.square().sum() for tensor in tensors(value) if tensor.requires_grad)


def versions(inputs):
    values = [part for value in inputs for part in (value.values() if isinstance(value, dict) else [value])]
    return [value._version for value in values]


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", KINDS)
def test_kinds(name, data):
    make, given, rows, silent = KINDS[name]
    inputs = given(data) if callable(given) else given
    torch.manual_seed(0)
    model = make()
    model(*inputs)  # lazy parameters
    twin = copy.deepcopy(model)
    torch.manual_seed(1)
    before = versions(inputs)
    plain = twin(*inputs)
    total(plain).backward()
    steps = [after - start for start, after in zip(before, versions(inputs), strict=True)]
    before = versions(inputs)
    torch.manual_seed(1)
    with osm.Probe(model) as probe:
        output = model(*inputs)
        total(output).backward()
    moved = [after - start for start, after in zip(before, versions(inputs), strict=True)]
    assert moved == steps and type(output) is type(plain)
    assert all(torch.equal(a, b) for a, b in zip(tensors(output), tensors(plain), strict=True))
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None) and (
            ours.grad is None or torch.equal(ours.grad, theirs.grad)
        )
    table = probe.table()
    assert len(table) == rows if isinstance(rows, int) else list(table["name"]) == rows
    noted = table.loc[table["note"].str.startswith("not measured: "), "name"]
    assert len(noted) == silent if isinstance(silent, int) else list(noted) == silent
    measured = table[table["note"] == ""]
    assert measured[["feature_norm", "feature_ratio"]].notna().all(axis=None)
    if name != "no node":
        assert table["backward_norm"].notna().any() and probe.diagnosis().verdict


def weighted(x, pi, inverse=None):
    """Deviation and norm by loops."""
    mean = sum(p * row for p, row in zip(pi, x, strict=True))
    spread = sum(float(p * (row - mean).square().sum()) for p, row in zip(pi, x, strict=True))
    return spread**0.5, (spread + float(mean.square().sum())) ** 0.5


def test_a_bipartite_relation_has_a_weight_on_either_side():
    """Sources by the edges that leave, targets by those that arrive; the pair's own tensors with as many rows too."""
    for sources, targets in ((60, 30), (30, 60), (40, 40)):
        edges = torch.cat([relation(sources, targets, 150), torch.tensor([[0] * targets, list(range(targets))])], 1)
        torch.manual_seed(0)
        x, y = torch.randn(sources, 5).double(), torch.randn(targets, 5).double()
        conv = gnn.SAGEConv((5, 5), 4).double()
        with osm.Probe(conv) as probe:
            out = conv((x, y), edges)
            B = torch.autograd.grad(out.sin().sum(), out, retain_graph=True)[0]
            out.sin().sum().backward()
        row = probe.table().iloc[0]
        out_degree, in_degree = degree(edges[0], sources).double(), degree(edges[1], targets).double()
        expected = weighted(x, out_degree / out_degree.sum())
        assert (row["feature_deviation"], row["feature_norm"]) == pytest.approx(expected, rel=EXACT)
        pi = in_degree / in_degree.sum()
        expected = weighted(B / pi[:, None], pi)
        assert (row["backward_deviation"], row["backward_norm"]) == pytest.approx(expected, rel=EXACT)
        assert row["nodes"] == sources and row["components"] == 1


def test_nodes_lie_where_the_layer_says():
    data = osm.csbm(40, p_in=0.5, p_out=0.3, num_features=8)
    conv = gnn.DNAConv(8).double()
    x = torch.stack([data.x, 2 * data.x, data.x.square()], 1)
    with osm.Probe(conv) as probe:
        conv(x, data.edge_index).sum().backward()
    d = degree(data.edge_index[1], 40).double() + 1
    row = probe.table().iloc[0]
    assert row["nodes"] == 40
    pi = torch.full((40,), 1 / 40).double() if row["norm"].startswith("uniform") else d / d.sum()
    if row["norm"] == "sqrt_degree":
        x = x / (d / d.mean()).sqrt()[:, None, None]
    assert row["feature_deviation"] == pytest.approx(weighted(x.flatten(1), pi)[0], rel=EXACT)


class Own(gnn.MessagePassing):
    """A user's own layers: with gcn_norm, with its formula by hand, with sums, with a row-stochastic weight."""

    def __init__(self, kind):
        super().__init__(aggr="add")
        self.kind, self.lin = kind, torch.nn.Linear(5, 4)

    def forward(self, x, edge_index):
        n = len(x)
        if self.kind == "gcn_norm":
            edge_index, weight = gcn_norm(edge_index, num_nodes=n, dtype=x.dtype)
        else:
            (row, col), d = edge_index, degree(edge_index[1], n, dtype=x.dtype).clamp(min=1)
            weight = {"by hand": d[row] ** -0.5 * d[col] ** -0.5, "mean": 1 / d[col], "sum": None}[self.kind]
        return self.propagate(edge_index, x=self.lin(x), weight=weight)

    def message(self, x_j, weight):
        return x_j if weight is None else weight[:, None] * x_j


@pytest.mark.parametrize(
    ("kind", "norm"),
    [("gcn_norm", "sqrt_degree"), ("by hand", "sqrt_degree"), ("mean", "degree"), ("sum", "uniform (guessed)")],
)
def test_the_norm_of_an_own_layer_is_what_its_operator_preserves(kind, norm, data):
    data = osm.largest_component(data)
    layer, given = Own(kind).double(), norm.split()[0]
    tables = []
    for chosen in ("auto", given):
        with osm.Probe(layer, norm=chosen) as probe:
            for _ in range(2):
                layer(data.x, data.edge_index).sin().sum().backward()
        tables.append(probe.table())
    assert set(tables[0]["norm"]) == {norm}
    if kind == "by hand":  # whose degrees have no loops, and "sqrt_degree" by name adds none either
        assert tables[0]["feature_deviation"][0] == pytest.approx(tables[1]["feature_deviation"][0], rel=1e-9)
    assert tables[0]["feature_deviation"].nunique() == 1


class Sparse(torch.nn.Module):
    """Kipf's layer: a sparse matrix times a linear map, no torch_geometric in it."""

    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(5, 4)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, self.lin(x))


def test_a_sparse_matrix_of_the_user_is_read_and_not_touched(data):
    P = osm.Propagation.from_data(osm.largest_component(data), kind="gcn")
    x = osm.largest_component(data).x
    adjacency = P.to_dense().to_sparse()
    version = adjacency._version
    layer = Sparse().double()
    with osm.Probe(layer, select=Sparse) as probe:
        layer(x, adjacency).square().sum().backward()
    assert adjacency._version == version and probe.table()["norm"][0] == "sqrt_degree"
    assert probe.table()["feature_deviation"][0] == pytest.approx(float(osm.deviation(x, P)), rel=1e-6)


def test_a_hidden_error_of_the_user_stays():
    """An in-place operation that autograd refuses is refused under the probe too."""

    class Bug(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = gnn.GCNConv(5, 4)

        def forward(self, x, edge_index):
            h = self.conv(x, edge_index).view(-1, 2, 2)
            kept = h.exp()
            kept.add_(1)  # exp needs its own output for the gradient
            return kept.flatten(1)

    model, edges = Bug(), torch.tensor([[0, 1], [1, 0]])
    for context in (osm.Probe(model), warnings.catch_warnings()):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"), context:
            model(torch.randn(2, 5), edges).sum().backward()


def test_what_goes_wrong_in_a_measurement_is_a_row(monkeypatch, data):
    from oversmooth.probe import recorder

    model = gnn.GCN(5, 4, 2, 2).double()

    def fail(*_):
        raise RuntimeError("planted")

    for name in ("inputs", "signal_moments", "signals_of", "node_weights"):
        with monkeypatch.context() as patched:
            patched.setattr(recorder, name, fail)
            with osm.Probe(model) as probe:
                model(data.x, data.edge_index).sum().backward()
        table = probe.table() if probe._recorder.records else None
        assert table is None or table["note"].str.contains("not measured: RuntimeError: planted").all(), name


def test_validation_inside_the_block_is_no_training_pass(data):
    model = gnn.GCN(5, 4, 2, 2, dropout=0.5).double()
    with osm.Probe(model) as probe:
        F.cross_entropy(model(data.x, data.edge_index), data.y).backward()
        model.eval()
        with torch.no_grad():
            model(2 * data.x, data.edge_index)
    table = probe.table()
    assert list(table["pass"]) == [0, 0, 1, 1] and list(table["backward_norm"].isna()) == [False, False, True, True]
    numbers = probe.diagnosis(data.y).numbers
    assert numbers["loss_known"] == 1 and numbers["first_norm"] == table["feature_norm"][0]


def test_every_few_passes(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    probe = osm.Probe(model, every=3)
    seen = []
    for k in range(7):
        with probe:
            model((k + 1) * data.x, data.edge_index).sum().backward()
            with torch.no_grad():
                model(data.x, data.edge_index)
        seen.append(probe.table()["feature_norm"][0])
    scale = [value / seen[0] for value in seen]
    assert scale == pytest.approx([1, 1, 1, 4, 4, 4, 7])
    with osm.Probe(model, every=2) as probe:
        for k in range(5):
            model((k + 1) * data.x, data.edge_index).sum().backward()
    table = probe.table()
    assert list(table["pass"]) == [0, 0, 1, 1, 2, 2]
    assert table["feature_norm"][2] == pytest.approx(3 * table["feature_norm"][0])
    single = []
    for k in (1, 3, 5):
        with osm.Probe(model) as alone:
            model(k * data.x, data.edge_index).sum().backward()
        single += alone.table()["gradient"].tolist()
    assert table["gradient"].tolist() == pytest.approx(single, rel=1e-12)


def test_pickling_and_copying_inside_the_block(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        output = model(data.x, data.edge_index)
        output.sum().backward()
        twin = copy.deepcopy(model)
        loaded = pickle.loads(pickle.dumps(model))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            torch.save(output, io.BytesIO())
            torch.save(model, io.BytesIO())
    for other in (twin, loaded):
        other(data.x, data.edge_index).sum().backward()
    assert len(probe.table()) == 2
    again = pickle.loads(pickle.dumps(probe))
    assert again.table().equals(probe.table()) and again.diagnosis().verdict == probe.diagnosis().verdict
    with again:
        again._model(data.x, data.edge_index).sum().backward()
    assert len(again.table()) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_runs_as_it_was_written(data, caplog):
    torch._dynamo.reset()
    model = gnn.GCN(5, 4, 2, 2)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    x = data.x.float()
    plain = compiled(x, data.edge_index)
    with warnings.catch_warnings(), osm.Probe(compiled) as probe:
        warnings.simplefilter("error")
        output = compiled(x, data.edge_index)
        output.sum().backward()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING] and torch.equal(output, plain)
    with osm.Probe(model) as eager:
        model(x, data.edge_index).sum().backward()
    columns = ["feature_norm", "backward_norm", "gradient"]
    assert probe.table()[columns].equals(eager.table()[columns])
    assert torch.equal(compiled(x, data.edge_index), plain)  # and compiled again afterwards


def test_columns(data):
    model = gnn.GCN(5, 4, 2, 2).double()
    probe = osm.Probe(model, columns="all")
    for _ in range(2):
        with probe:
            model(data.x, data.edge_index).sum().backward()
        rows = probe.table()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter *= 1.25
    edges = data.edge_index
    squares = (data.x[edges[0]] - data.x[edges[1]]).square().sum()
    assert rows["dirichlet"][0] == pytest.approx(float(squares / (data.x[edges].square().sum())), rel=1e-12)
    cosine = F.cosine_similarity(data.x[edges[0]], data.x[edges[1]])
    assert rows["mad"][0] == pytest.approx(float((1 - cosine).mean()), rel=1e-9)
    norm = sum(float(p.square().sum()) for p in model.convs[0].parameters()) ** 0.5 / 1.25
    assert rows["weight_norm"][0] == pytest.approx(norm, rel=1e-12)
    assert rows["update_ratio"].tolist() == pytest.approx([0.2, 0.2])
    assert rows["dead_units"][0] == 0
    with torch.no_grad():
        model.convs[0].bias[:3] = -1e3
    with probe:
        model(data.x, data.edge_index).sum().backward()
    assert probe.table()["dead_units"][1] == 0.75
