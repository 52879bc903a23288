"""The probe leaves a model as it was: outputs, gradients, random state, hooks and memory, whatever happens."""

import copy
import weakref

import pytest
import torch
import torch_geometric.nn as gnn
from probe_cases import MEASURES, numbers, run, square

import oversmooth as osm


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
