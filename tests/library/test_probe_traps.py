"""Traps of hooks: in-place layers, shared ones, checkpoints, layers of layers, inputs that change, several passes."""

import pytest
import torch
import torch_geometric.nn as gnn
from cases import EXACT
from probe_cases import MEASURES, numbers, run, square
from torch.utils.checkpoint import checkpoint
from torch_geometric.utils import to_torch_csr_tensor

import oversmooth as osm


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
    # Not to the bit: ELU's backward pass takes the output where the input is overwritten, and rounds otherwise.
    assert torch.allclose(*map(numbers, tables), rtol=EXACT, atol=0)
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
