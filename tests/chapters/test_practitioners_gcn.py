"""The practitioner's GCN: its layers and its training beside PyTorch Geometric's, and what is said of it at the end."""

import itertools
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch_geometric.nn import GCNConv

import oversmooth as osm
from oversmooth_book.book.book import Book
from oversmooth_book.experiments.practitioners_gcn import attack, claims, measure

QUIET = replace(measure.PLAIN, dropout=False, epochs=12)


@pytest.fixture
def data():
    """A block model with bags of words for features: some nodes have none, and the splits leave nodes out."""
    graph, generator = osm.csbm(60, p_in=0.2, p_out=0.1), torch.Generator().manual_seed(3)
    graph.x = (torch.rand(60, 20, generator=generator) < 0.15).float()
    graph.x[7] = 0
    part = torch.randperm(60, generator=generator)
    for name, chosen in (("train_mask", part[:20]), ("val_mask", part[20:35]), ("test_mask", part[35:55])):
        graph[name] = torch.zeros(60, dtype=torch.bool).index_fill(0, chosen, True)
    return graph


class Usual(torch.nn.Module):
    """What everybody writes."""

    def __init__(self, widths, rho):
        super().__init__()
        self.rho = rho
        self.convs = torch.nn.ModuleList(GCNConv(a, b) for a, b in itertools.pairwise(widths))

    def forward(self, x, edge_index):
        for conv in self.convs[:-1]:
            x = self.rho(conv(x, edge_index))
        return self.convs[-1](x, edge_index)


def usual_like(model, at):
    """The usual model with the weights of one seed."""
    widths = [model.weights[0].shape[1], *(W.shape[2] for W in model.weights)]
    usual = Usual(widths, model.rho.function)
    with torch.no_grad():
        for conv, W, b in zip(usual.convs, model.weights, model.biases, strict=True):
            conv.lin.weight.copy_(W[at].T)
            conv.bias.copy_(b[at, 0])
    return usual


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_seed_is_the_usual_network_all_the_way(data, activation):
    """Forward, the loss, and twelve steps of Adam with its decay: one seed of a batch, and PyTorch Geometric alone."""
    recipe = replace(QUIET, activation=activation)
    model = measure.GCN(data, recipe, 4, [5, 6])
    shares = data.x / data.x.sum(1, keepdim=True).clamp(min=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.step_size, weight_decay=recipe.decay)
    twins = [usual_like(model, at) for at in range(2)]
    theirs = [torch.optim.Adam(t.parameters(), lr=recipe.step_size, weight_decay=recipe.decay) for t in twins]
    for _ in range(12):
        optimizer.zero_grad()
        values = measure.losses(model(), data)
        values.sum().backward()
        optimizer.step()
        for at, (twin, their) in enumerate(zip(twins, theirs, strict=True)):
            their.zero_grad()
            output = twin(shares, data.edge_index)
            loss = torch.nn.functional.cross_entropy(output[data.train_mask], data.y[data.train_mask])
            loss.backward()
            their.step()
            assert float(values[at].detach()) == pytest.approx(loss.item(), rel=1e-4)
    assert abs(float(values[0].detach() / values[1].detach()) - 1) > 1e-3  # two seeds, two networks


def test_the_residual_adds_what_came_in(data):
    model = measure.GCN(data, replace(QUIET, residual=True), 3, [1])
    shares = data.x / data.x.sum(1, keepdim=True).clamp(min=1)
    (W0, W1, W2), (b0, b1, b2) = model.weights, model.biases
    first = torch.relu(model.P @ (shares @ W0) + b0)
    second = torch.relu(model.P @ (first @ W1) + b1) + first
    assert torch.allclose(model.eval()(), model.P @ (second @ W2) + b2, atol=1e-6)


def test_words_enter_as_rows_of_the_weights(data):
    words, weights = measure.Words(data.x, 2), torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
    shares = data.x / data.x.sum(1, keepdim=True).clamp(min=1)
    assert torch.allclose(words.times(weights), shares @ weights, atol=1e-6)
    mask = (torch.arange(len(words.shares)) % 2).float() * 2
    kept = torch.zeros(2, 60, 20)
    kept[:, shares > 0] = (shares[shares > 0] * mask.view(2, -1)).view(2, -1)
    assert torch.allclose(words.times(weights, mask), kept @ weights, atol=1e-6)
    assert (words.times(weights)[:, 7] == 0).all()


def test_half_is_dropped_and_the_rest_doubled_in_training_only(data):
    model = measure.GCN(data, measure.PLAIN, 3, [0, 1])
    mask = model.mask(40_001)
    assert set(mask.tolist()) == {0.0, 2.0} and len(mask) == 40_001 and 0.98 < float(mask.mean()) < 1.02
    assert not torch.equal(mask, model.mask(40_001)) and model.eval().mask(9) is None
    assert measure.GCN(data, QUIET, 3, [0]).mask(9) is None
    again = measure.GCN(data, measure.PLAIN, 3, [0, 1]).mask(40_001)
    assert torch.equal(mask, again)  # of the seeds, not of torch's state


def test_the_row_is_that_of_the_best_epoch_on_the_validation_nodes(data, monkeypatch):
    """Outputs that are known: two seeds, best at epochs 2 (first of two) and 3."""
    right = {0: [0.2, 0.8, 0.8], 1: [0.1, 0.2, 0.9]}
    epoch = [0]

    def output(model):
        scores = torch.zeros(2, 60, 2)
        for at, shares in right.items():
            share = shares[epoch[0] // 2]
            chosen = torch.arange(60) < round(60 * share)
            scores[at, torch.arange(60), torch.where(chosen, data.y, 1 - data.y)] = 1.0
        epoch[0] += 1
        return scores + 0 * sum(W.sum() for W in model.weights)

    monkeypatch.setattr(measure.GCN, "forward", output)
    monkeypatch.setattr(measure, "at_the_end", lambda model, data: {})
    found = measure.train(data, replace(QUIET, epochs=3), 2, [0, 1])
    correct = [float((torch.arange(60) < round(60 * share))[data.test_mask].double().mean()) for share in (0.8, 0.9)]
    assert found["epoch"].tolist() == [2, 3] and found["accuracy"].tolist() == pytest.approx(correct)


def test_what_is_said_at_the_end_is_the_networks_own(data):
    found = measure.train(data, replace(QUIET, activation="tanh"), 3, [2, 3])
    model = measure.GCN(data, replace(QUIET, activation="tanh"), 3, [2, 3])
    row = measure.at_the_end(model, data)
    assert list(found.columns) == ["seed", "accuracy", "epoch", *row]
    shares, twin = data.x / data.x.sum(1, keepdim=True).clamp(min=1), usual_like(model, 1)
    output = twin(shares, data.edge_index)
    loss = torch.nn.functional.cross_entropy(output[data.train_mask], data.y[data.train_mask])
    error, *gradients = torch.autograd.grad(loss, [output, *(conv.lin.weight for conv in twin.convs)])
    P = model.P
    weighted = torch.as_tensor(P.scaling)[:, None] * error.double()
    mean, uneven = weighted.sum(0).norm(), osm.backward_deviation(error.double(), P)
    shares_of_labels = data.y[data.train_mask].bincount() / 20
    entropy = -(shares_of_labels * shares_of_labels.log()).sum()
    expected = {
        "loss": loss / entropy,
        "mean_error": mean / (mean**2 + uneven**2).sqrt(),
        "gradient": min(gradient.norm() for gradient in gradients[:-1]),  # of two, the lower median
        "spectral": torch.stack([torch.linalg.svdvals(conv.lin.weight)[0] for conv in twin.convs]).sort().values[1],
    }
    for name, value in expected.items():
        assert row[name][1] == pytest.approx(float(value), rel=1e-4), name


def test_the_whole_table_is_the_committed_one_until_more_was_measured(tmp_path, monkeypatch):
    few = pd.DataFrame({"graph": ["Cora"], "median": [0.8]})
    monkeypatch.setattr(measure, "find_book", lambda: Book(tmp_path))
    assert measure.whole(few) is few
    folder = Book(tmp_path).published_full("practitioners_gcn") / "tables"
    folder.mkdir(parents=True)
    pd.DataFrame({"graph": ["Cora", "Cora"], "median": [0.7, 0.6]}).to_csv(folder / "bands.csv", index=False)
    assert list(measure.whole(few)["median"]) == [0.7, 0.6]
    more = pd.concat([few] * 3)
    assert measure.whole(more) is more


def test_cora_meets_all_recipes_and_other_graphs_few(monkeypatch):
    asked = []
    monkeypatch.setattr(measure.osm, "load", lambda name: name)
    row = dict.fromkeys(("seed", *measure.SHOWN), 1.0)
    monkeypatch.setattr(
        measure, "train", lambda *task: asked.append(task) or pd.DataFrame([row, {**row, "accuracy": 3.0}])
    )
    table = measure.compare(["Cora", "CiteSeer"], [2, 8], [0], few=["AdamW"])
    recipes = [(graph, recipe, depth) for graph, recipe, depth, _ in asked]
    assert recipes[:2] == [("Cora", measure.PLAIN, 2), ("Cora", measure.PLAIN, 8)]
    assert len(recipes) == 2 * (len(measure.EXCHANGED) + 1) and recipes[-1][:2] == (
        "CiteSeer",
        measure.EXCHANGED["AdamW"],
    )
    accuracy = table[(table["quantity"] == "accuracy") & (table["graph"] == "CiteSeer")]
    assert accuracy[["recipe", "depth", "median", "low", "high"]].values.tolist() == [
        ["AdamW", 2, 2.0, 1.0, 3.0], ["AdamW", 8, 2.0, 1.0, 3.0]
    ]  # fmt: skip
    assert set(table["quantity"][table["graph"] == "CiteSeer"]) == {"accuracy"}
    assert set(table["quantity"]) == set(measure.SHOWN)
    table = measure.compare(["Cora"], [2], [0], on_cora=["AdamW"])
    assert set(table["quantity"]) == set(measure.CLAIMED)


@pytest.mark.parametrize(
    ("accuracy", "distance"), [(0.815, 0), (0.8145, 0.01), (0.825, 0.01), (0.8255, 0.02), (0.804, 0.02)]
)
def test_a_point_begun_is_a_point(accuracy, distance):
    """A hundredth away is within a point, the least bit more is not."""
    shallow = pd.DataFrame({"graph": ["Cora"], "recipe": [measure.EVERYBODY], "depth": [2], "quantity": ["accuracy"]})
    assert claims.distance_from_the_published_accuracy_on_cora(shallow.assign(median=accuracy)) == distance
    assert claims.steps_below(0.7, 0.1) == pytest.approx(0.7) and claims.steps_below(0.699, 0.1) == pytest.approx(0.6)


def test_a_drawn_split_has_the_published_sizes():
    labels = torch.arange(2000) % 3
    train, validation, test = attack._split(labels, torch.Generator().manual_seed(1))
    assert labels[train].bincount().tolist() == [20, 20, 20]
    assert (int(validation.sum()), int(test.sum())) == (500, 1000)
    assert (train.int() + validation.int() + test.int()).max() == 1
    other = attack._split(labels, torch.Generator().manual_seed(2))
    assert not torch.equal(train, other[0])
