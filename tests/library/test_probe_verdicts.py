"""Verdicts on models with a known trouble, each small and of a kind that people report."""

import pytest
import torch
import torch.nn.functional as F
import torch_geometric.nn as gnn
from torch_geometric.data import Batch

import oversmooth as osm


def graph(seed=0, n=120):
    data = osm.largest_component(osm.csbm(n, p_in=0.2, p_out=0.07, seed=seed))
    data.x = data.x.float()
    return data


def fitted(model, data, steps=60, loss=F.cross_entropy, targets=None, lr=0.01, **options):
    """The probe of one pass after some training."""
    targets = data.y if targets is None else targets
    optimizer = torch.optim.Adam(model.parameters(), lr, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(data.x, data.edge_index), targets).backward()
        optimizer.step()
    return probed(model, data, loss, targets)


def probed(model, data, loss=F.cross_entropy, targets=None, **options):
    with osm.Probe(model, **options) as probe:
        loss(model(data.x, data.edge_index), data.y if targets is None else targets).backward()
    return probe


def smoothing(features, depth, act="tanh"):
    """Means of neighbours without own weight, orthogonal weights: smooths, and nothing vanishes by itself."""
    torch.manual_seed(5)
    model = gnn.GraphSAGE(features, 16, depth, 2, act=act, root_weight=False)
    for parameter in model.parameters():
        torch.nn.init.orthogonal_(parameter) if parameter.dim() == 2 else torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        model.convs[-1].lin_l.bias.copy_(torch.tensor([2.0, -2.0]))
    return model


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_a_batch_of_graphs_hides_nothing(copies):
    graphs = [graph(seed, 60) for seed in range(copies)]
    torch.manual_seed(1)
    for data in graphs[: copies if copies > 1 else 0]:
        data.x = data.x + 2 * torch.randn(8)  # the graphs differ; their nodes do not
    batch = Batch.from_data_list(graphs)
    model = smoothing(8, 20)
    assert probed(model, batch).diagnosis(batch.y).verdict == "backward oversmoothing"
    table = probed(model, batch).table()
    assert set(table["components"]) == {copies} and table["feature_ratio"].iloc[-1] < 1e-2


def test_a_failure_without_a_cause_is_not_healthy():
    """Too small a step for labels with noise: after sixty updates the loss is still nearer to a constant's."""
    data = graph(3)
    torch.manual_seed(0)
    data.y = torch.where(torch.rand(data.num_nodes) < 0.15, 1 - data.y, data.y)
    model = gnn.GCN(8, 16, 2, 2)
    optimizer, probe = torch.optim.Adam(model.parameters(), 0.003), osm.Probe(model, every=20)
    for _ in range(61):
        optimizer.zero_grad()
        with probe:
            F.cross_entropy(model(data.x, data.edge_index), data.y).backward()
        optimizer.step()
    share = probe.diagnosis(data.y).numbers["loss_share"]
    assert 0.65 < share < 0.8 and probe.diagnosis(data.y).verdict == "no better than a constant"
    assert "worth little more than" in str(probe.diagnosis(data.y))
    assert probe.diagnosis(data.y, poor=share).verdict == "healthy"


class Pooled(torch.nn.Module):
    """One answer for each graph, from the mean of its nodes."""

    def __init__(self, depth):
        super().__init__()
        self.gnn, self.head = gnn.GCN(8, 16, depth, 16, act="tanh"), torch.nn.Linear(16, 2)

    def forward(self, batch):
        return self.head(gnn.global_mean_pool(self.gnn(batch.x, batch.edge_index), batch.batch))


@pytest.mark.parametrize("seed", range(3))
def test_a_deep_model_that_works_is_not_ill(seed):
    """All that a graph's class needs is its mean, which smoothing keeps: smooth features, hardly any loss."""
    graphs = [graph(k, 30) for k in range(16)]
    for k, data in enumerate(graphs):
        data.x, data.y = data.x + k % 2, torch.tensor([k % 2])
    batch = Batch.from_data_list(graphs)
    torch.manual_seed(seed)
    model = Pooled(20)
    optimizer, probe = torch.optim.Adam(model.parameters(), 0.01), osm.Probe(model, every=10)
    for _ in range(41):
        optimizer.zero_grad()
        with probe:
            F.cross_entropy(model(batch), batch.y).backward()
        optimizer.step()
    found = probe.diagnosis(batch.y)
    assert found.numbers["loss_share"] < 0.3 and found.verdict == "healthy"
    assert probe.diagnosis().verdict != "healthy", "without the labels nobody knows that it works"
    assert probe.diagnosis(batch.y, works=0.0).verdict == probe.diagnosis().verdict


def test_smooth_inside_each_component():
    triangles = torch.tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [1, 2, 0, 2, 0, 1, 4, 5, 3, 5, 3, 4]])
    torch.manual_seed(0)
    data = osm.karate()
    data.x, data.edge_index, data.y = torch.randn(6, 4), triangles, torch.tensor([0, 1, 0, 1, 0, 1])
    found = probed(gnn.GCN(4, 16, 3, 2, act="tanh"), data).diagnosis(data.y)
    assert "oversmoothing" in found.verdict and "2 connected components" in str(found)
    assert any(text.startswith("layers 1 to 2: features smoothed") for text in found.reasons)


def test_a_dead_layer_is_named():
    data, model = graph(), gnn.GCN(8, 16, 4, 2)
    with torch.no_grad():
        model.convs[1].bias.fill_(-50)
    found = probed(model, data).diagnosis(data.y)
    assert found.verdict == "dead" and "all units of layer 1 (convs.1) are dead" in str(found)
    assert found.findings["dead"] == [2, 3] and not any("smoothed" in text for text in found.reasons)
    head = torch.nn.Sequential()
    head.body, head.out = gnn.GCN(8, 16, 2), torch.nn.Linear(16, 2)
    head.forward = lambda x, e: head.out(head.body(x, e).relu())
    with torch.no_grad():
        head.body.convs[1].bias.fill_(-50)  # the dead units stand behind the last layer that is measured
    found = probed(head, data).diagnosis(data.y)
    assert found.verdict == "dead" and "dead or saturated units stand between them and the output" in str(found)


def test_zero_input_is_dead():
    data = graph()
    data.x = torch.zeros_like(data.x)
    assert "the input is zero" in str(probed(gnn.GCN(8, 16, 2, 2), data).diagnosis())


def test_a_saturated_decoder_is_no_vanishing_gradient():
    data = graph()
    data.x *= 500
    torch.manual_seed(0)
    model = gnn.GAE(gnn.Sequential("x, e", [(gnn.GraphConv(8, 16), "x, e -> x"), (gnn.GraphConv(16, 8), "x, e -> x")]))
    with osm.Probe(model) as probe:
        model.recon_loss(model.encode(data.x, data.edge_index), data.edge_index).backward()
    found = probe.diagnosis()
    assert found.verdict == "dead" and "saturated" in str(found) and "scale x down" in found.advice


class Residual(torch.nn.Module):
    """ReZero, or a last layer that starts at zero."""

    def __init__(self, gates, head):
        super().__init__()
        self.lift, self.out = torch.nn.Linear(8, 16), torch.nn.Linear(16, 2)
        self.convs = torch.nn.ModuleList(gnn.GCNConv(16, 16) for _ in range(6))
        self.gates = torch.nn.Parameter(torch.zeros(6)) if gates else [1.0] * 6
        if head:
            torch.nn.init.zeros_(self.out.weight)

    def forward(self, x, edge_index):
        h = self.lift(x)
        for gate, conv in zip(self.gates, self.convs, strict=True):
            h = h + gate * conv(h, edge_index).relu()
        return self.out(h)


@pytest.mark.parametrize(("gates", "head", "zero"), [(True, False, "gates"), (False, True, "out.weight")])
def test_what_starts_at_zero_is_healthy(gates, head, zero):
    torch.manual_seed(0)
    data, model = graph(), Residual(gates, head)
    found = probed(model, data).diagnosis(data.y)
    assert found.verdict == "healthy" and f"the error is exactly 0 since {zero} is 0" in str(found)
    assert fitted(model, data).diagnosis(data.y).verdict == "healthy"


def test_features_without_information():
    edges = torch.tensor([[0, 1, 0, 2, 3, 1, 3, 2], [1, 0, 2, 0, 1, 3, 2, 3]])
    data = osm.karate()
    data.x, data.edge_index, data.y = torch.ones(8, 3), torch.cat([edges, edges + 4], 1), torch.arange(8) % 2
    found = fitted(gnn.GCN(3, 16, 2, 2), data).diagnosis(data.y)
    assert found.verdict == "no better than a constant" and "x is the same at every node" in str(found)
    irregular = graph()
    irregular.x = torch.ones_like(irregular.x)
    found = fitted(gnn.GraphSAGE(8, 16, 4, 2), irregular).diagnosis(irregular.y)
    assert found.verdict == "no better than a constant" and "positional encodings" in found.advice


def test_a_loss_that_does_not_fall():
    """Too small a step: nothing is ill, and nothing was learned."""
    torch.manual_seed(0)
    data, model = graph(), gnn.GCN(8, 16, 2, 2)
    with torch.no_grad():
        model.convs[1].lin.weight *= 1e-2
    assert probed(model, data).diagnosis(data.y).verdict == "healthy"
    found = fitted(model, data, lr=1e-6).diagnosis(data.y)
    assert found.verdict == "no better than a constant" and "step size" in found.advice
    assert fitted(model, data).diagnosis(data.y).verdict == "healthy"


def test_balanced_labels_make_no_stationary_point_before_training():
    """The mean error of as many labels of each class is small by construction."""
    data = graph()
    mask = torch.zeros(len(data.y), dtype=torch.bool)
    for label in (0, 1):
        mask[(data.y == label).nonzero()[:10, 0]] = True
    for seed in range(5):
        torch.manual_seed(seed)
        model = gnn.GraphSAGE(8, 32, 6, 2)
        with osm.Probe(model) as probe:
            F.cross_entropy(model(data.x, data.edge_index)[mask], data.y[mask]).backward()
        assert probe.diagnosis(data.y, mask).verdict not in ("spurious stationary point", "no better than a constant")
        numbers = probe.diagnosis(data.y).numbers  # the rows with an error are the mask
        assert numbers["labelled"] == 20 and numbers == probe.diagnosis(data.y, mask).numbers


LOSSES = {
    "cross-entropy": (F.cross_entropy, lambda d: d.y, 2),
    "cross-entropy, summed": (lambda p, y: F.cross_entropy(p, y, reduction="sum"), lambda d: d.y, 2),
    "binary cross-entropy": (
        F.binary_cross_entropy_with_logits,
        lambda d: torch.stack([d.y, 1 - d.y, (d.x[:, 0] > 0).long()], 1).float(),
        3,
    ),
    "squared error": (F.mse_loss, lambda d: d.x[:, :3], 3),
    "squared error of zeros and ones": (F.mse_loss, lambda d: F.one_hot(d.y).float(), 2),
    "absolute error": (F.l1_loss, lambda d: d.x[:, :3], 3),
}
BEST = {
    "binary cross-entropy": lambda y: F.binary_cross_entropy(y.mean(0).expand_as(y), y),
    "squared error": lambda y: F.mse_loss(y.mean(0).expand_as(y), y),
    "absolute error": lambda y: F.l1_loss(y.median(0).values.expand_as(y), y),
    "cross-entropy": lambda y: F.nll_loss((torch.bincount(y) / len(y)).log().expand(len(y), 2), y),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_known_by_its_gradient(name):
    loss, make, width = LOSSES[name]
    data = graph()
    targets = make(data)
    torch.manual_seed(0)
    model = gnn.GCN(8, 16, 2, width)
    found = probed(model, data, loss, targets).diagnosis(targets)
    base = name.split(",")[0].split(" of")[0]
    assert f"({base})" in str(found) and found.numbers["loss_known"] == 1
    scale = len(targets) if "summed" in name else 1
    value = float(loss(model(data.x, data.edge_index), targets)) / scale
    assert found.numbers["loss"] == pytest.approx(value, rel=1e-5)
    assert found.numbers["constant_loss"] == pytest.approx(float(BEST[base](targets)), rel=1e-5)
    given = probed(model, data, loss, targets).diagnosis(targets, loss=loss)
    assert given.numbers["constant_loss"] == pytest.approx(scale * float(BEST[base](targets)), rel=1e-3)
    valued = probed(model, data, loss, targets).diagnosis(targets, loss=scale * value)
    assert valued.numbers["loss_share"] == pytest.approx(found.numbers["loss_share"], rel=1e-5)


def test_a_weighted_loss_is_a_guess_until_it_is_given():
    data = graph()
    weight = torch.tensor([1.0, 30.0])
    torch.manual_seed(0)
    probe = probed(gnn.GCN(8, 16, 2, 2), data, lambda p, y: F.cross_entropy(p, y, weight=weight))
    guessed = probe.diagnosis(data.y)
    assert guessed.numbers["loss_known"] == 0 and "a guess: the error that arrived is not its gradient" in str(guessed)
    given = probe.diagnosis(data.y, loss=lambda p, y: F.cross_entropy(p, y, weight=weight.to(p.dtype)))
    assert given.numbers["loss_known"] == 1 and "guess" not in str(given)
    assert given.numbers["constant_loss"] < guessed.numbers["constant_loss"]


class Links(torch.nn.Module):
    """Node embeddings in a dictionary, and scores of pairs made outside the model."""

    def __init__(self):
        super().__init__()
        self.conv = gnn.GCN(8, 16, 2)

    def forward(self, x, edge_index):
        z = self.conv(x, edge_index)
        return {"left": z[:, :8], "right": z[:, 8:]}


def test_targets_of_edges_and_an_output_of_parts():
    data, model = graph(), Links()
    pairs = torch.randint(0, len(data.x), (2, 300), generator=torch.Generator().manual_seed(0))
    targets = (data.y[pairs[0]] == data.y[pairs[1]]).float()

    def score(z):
        return (z["left"][pairs[0]] * z["right"][pairs[1]]).sum(1)

    with osm.Probe(model) as probe:
        loss = F.binary_cross_entropy_with_logits(score(model(data.x, data.edge_index)), targets)
        loss.backward()
    found = probe.diagnosis(targets, output=score)
    assert found.numbers["loss_known"] == 1 and found.numbers["loss"] == pytest.approx(float(loss), rel=1e-5)
    with pytest.raises(ValueError, match=r"targets has 300 rows, the output of the last pass \d+; .*output="):
        probe.diagnosis(targets)
    with pytest.raises(ValueError, match=r"output='top' is not in the model's output, which has \['left', 'right'\]"):
        probe.diagnosis(targets, output="top")
    with pytest.raises(
        ValueError, match=r"targets has shape \(\d+,\) \(integers\), the output \(\d+, 8\): class numbers"
    ):
        probe.diagnosis(data.y + 50, output="left")
    assert probe.diagnosis(data.y, output="left").numbers["loss_known"] == 0


def test_collapse_of_two_sides_is_found():
    torch.manual_seed(0)
    edges = torch.stack([torch.randint(0, 40, (400,)), torch.randint(0, 100, (400,))])
    edges[:, :100] = torch.stack([torch.arange(100) % 40, torch.arange(100)])

    class Sides(torch.nn.Module):
        def __init__(self):
            super().__init__()
            make = lambda k: gnn.SAGEConv((16 if k else 8,) * 2, 16, root_weight=False)  # noqa: E731
            self.users, self.items = (torch.nn.ModuleList(map(make, range(6))) for _ in range(2))

        def forward(self, u, i):
            for to_user, to_item in zip(self.users, self.items, strict=True):
                i, u = to_item((u, i), edges).tanh(), to_user((i, u), edges.flip(0)).tanh()
            return u, i

    model = Sides()
    with osm.Probe(model) as probe:
        u, i = model(torch.randn(40, 8), torch.randn(100, 8))
        F.mse_loss((u[edges[0]] * i[edges[1]]).sum(1), torch.rand(400)).backward()
    assert "oversmoothing" in probe.diagnosis().verdict and set(probe.table()["nodes"]) == {40, 100}


ZOO = {
    "GCN": lambda: gnn.GCNConv(8, 16),
    "SAGE": lambda: gnn.SAGEConv(8, 16),
    "SAGE max": lambda: gnn.SAGEConv(8, 16, aggr="max"),
    "GraphConv": lambda: gnn.GraphConv(8, 16, aggr="mean"),
    "GAT": lambda: gnn.GATConv(8, 4, heads=4),
    "GATv2": lambda: gnn.GATv2Conv(8, 4, heads=4),
    "Transformer": lambda: gnn.TransformerConv(8, 4, heads=4),
    "GIN": lambda: gnn.GINConv(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16))),
    "TAG": lambda: gnn.TAGConv(8, 16),
    "SG": lambda: gnn.SGConv(8, 16, K=2),
    "SSG": lambda: gnn.SSGConv(8, 16, alpha=0.1, K=2),
    "ARMA": lambda: gnn.ARMAConv(8, 16),
    "Cheb": lambda: gnn.ChebConv(8, 16, K=2),
    "Cluster": lambda: gnn.ClusterGCNConv(8, 16),
    "LE": lambda: gnn.LEConv(8, 16),
    "MF": lambda: gnn.MFConv(8, 16, max_degree=4),
    "FeaSt": lambda: gnn.FeaStConv(8, 16, heads=2),
    "GEN": lambda: gnn.GENConv(8, 16),
    "ResGated": lambda: gnn.ResGatedGraphConv(8, 16),
    "Gated": lambda: gnn.GatedGraphConv(16, 2),
    "SuperGAT": lambda: gnn.SuperGATConv(8, 4, heads=4),
    "Film": lambda: gnn.FiLMConv(8, 16),
    "EG": lambda: gnn.EGConv(8, 16),
    "General": lambda: gnn.GeneralConv(8, 16),
    "AntiSymmetric": lambda: gnn.Sequential(
        "x, e", [(torch.nn.Linear(8, 16), "x -> x"), (gnn.AntiSymmetricConv(16), "x, e -> x")]
    ),
}


class Shallow(torch.nn.Module):
    def __init__(self, make):
        super().__init__()
        self.conv, self.out = make(), torch.nn.Linear(16, 2)

    def forward(self, x, edge_index):
        return self.out(self.conv(x, edge_index).relu())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ZOO)
def test_healthy_layers_raise_no_alarm(name):
    torch.manual_seed(0)
    data, model = graph(), Shallow(ZOO[name])
    before = probed(model, data).diagnosis(data.y)
    after = fitted(model, data).diagnosis(data.y)
    assert (before.verdict, after.verdict) == ("healthy", "healthy"), (str(before), str(after))
    assert after.numbers["loss_share"] < 0.9
