"""Mini-batches and parts of a model under the probe; what `select` and `norm` take; its errors."""

import pytest
import torch
import torch_geometric.nn as gnn
from cases import EXACT
from probe_cases import MEASURES, numbers, run, square
from torch_geometric.loader import DataLoader, NeighborLoader

import oversmooth as osm


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
    data = osm.largest_component(data)
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
    with pytest.raises(ValueError, match=r"model is 3; a torch\.nn\.Module"):
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
    row = probe.table().iloc[-1]
    assert row["name"] == "convs.0" and row["note"] == "not measured: it never ran while the probe was on"
    with pytest.raises(ValueError, match=r"columns names \['mud'\]; known: dirichlet"):
        osm.Probe(model, columns=["mud"])


def test_network_without_modules_is_sent_to_trace(data):
    net = osm.Network(osm.Propagation.from_data(data), [5, 4, 2])
    with pytest.raises(ValueError, match="for a Network use trace"):
        osm.Probe(net)
