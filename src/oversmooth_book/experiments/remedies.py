"""Chapter remedies: every remedy on the same graphs, under the same budget, and the link of the chain it breaks."""

from functools import cache

import torch
from torch.nn.functional import cross_entropy

import oversmooth as osm
from oversmooth_book.experiments.real_training import label_entropy, score, split

# Links of the chain: the column that measures each, and the level below which the link holds. With a smooth forward
# the features differ by less than a tenth of their size; the other levels say "vanishes" as strictly.
LINKS = {"forward": 0.1, "slope": 0.1, "mean_error": 0.01, "gradient": 0.01}


@cache
def problem(graph, seed):
    """A graph, its propagation, and who is trained and tested.

    Args:
        graph: "CSBM", a draw for each seed, half of the nodes trained; "Cora", the published split, features reduced
            to their 64 leading principal components; or "minesweeper", a published split for each seed.
        seed: of the draw, or of the split.

    Returns:
        (data, P, training mask, test mask).
    """
    if graph == "CSBM":
        data = osm.largest_component(osm.csbm(seed=seed))
        train = torch.randperm(data.num_nodes, generator=torch.Generator().manual_seed(seed)) % 2 == 0
        return data, osm.Propagation.from_data(data), train, ~train
    data = osm.load(graph)
    if data.train_mask.dim() == 2:
        data.train_mask, data.test_mask = (mask[:, [seed % 10]] for mask in (data.train_mask, data.test_mask))
    if data.num_features > 64:
        data.x = principal(data.x, 64)
    return data, osm.Propagation.from_data(data), *split(data)


def principal(features, count):
    """The leading principal components of features.

    Args:
        features: (n, d).
        count: how many, at most d.

    Returns:
        (n, count), the columns of mean 0, scaled together so that their mean square is 1.
    """
    centred = features - features.mean(0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    directions = directions[:, -count:]
    # An eigenvector's sign is the library's choice: make its largest entry positive.
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    parts = centred @ (directions * largest.sign())
    return parts / parts.square().mean().sqrt()


def build(graph, remedy, depth, seed, width=16):
    """A network with one remedy for a graph; "no graph" is the plain network with P = I, a perceptron.

    Args:
        graph: see `problem`.
        remedy: a name of `osm.REMEDIES`, or "no graph".
        depth: L+1.
        seed: of graph and weights.
        width: of the hidden layers.

    Returns:
        `osm.DeepNetwork`.
    """
    data, P, *_ = problem(graph, seed)
    if remedy == "no graph":
        P, remedy = osm.Propagation.from_data(data, kind="identity"), "plain"
    return osm.DeepNetwork(P, data.num_features, int(data.y.max()) + 1, depth, width, remedy, seed=seed)


def loss(model, graph, seed):
    """The cross-entropy on the training nodes.

    Args:
        model: of `build`.
        graph: see `problem`.
        seed: likewise.

    Returns:
        A scalar tensor.
    """
    data, _, train, _ = problem(graph, seed)
    return cross_entropy(model(data.x)[train], data.y[train])


def descend(parameters, objective, steps, lr):
    """Adam, full batch, with torch's other defaults: the one budget of this chapter.

    Args:
        parameters: changed in place.
        objective: () -> loss.
        steps: updates.
        lr: step size.
    """
    optimizer = torch.optim.Adam(parameters, lr=lr, foreach=True)
    for _ in range(steps):
        optimizer.zero_grad()
        objective().backward()
        optimizer.step()


def train_output(model, graph, seed, steps, lr):
    """Train the output layer alone, as the theorem asks; the hidden layers do not move.

    Args:
        model: changed in place; left in evaluation mode.
        graph: see `problem`.
        seed: likewise.
        steps: of Adam.
        lr: step size.
    """
    data, _, train, _ = problem(graph, seed)
    model.eval()
    with torch.no_grad():
        propagated = (model.propagation @ model.embed(data.x))[train]

    def objective():
        return cross_entropy(model.output.lin(propagated) + model.output.bias, data.y[train])

    descend(model.output.parameters(), objective, steps, lr)


def probed(model, graph, seed):
    """What the probe measures in one pass, and how the slopes vary over the nodes.

    Args:
        model: of `build`.
        graph: see `problem`.
        seed: likewise.

    Returns:
        The table of `osm.Probe` with a column slope: σ(ρ'(H)) / (Σ π_i ‖ρ'(H_i)‖²)^{1/2}, NaN for the output layer.
    """
    P, slopes = model.propagation, []

    def note(activation, arguments, output):
        with torch.enable_grad():
            H = arguments[0].detach().requires_grad_()
            slopes.append(torch.autograd.grad(activation(H).sum(), H)[0])

    # The hooked module is called again inside the hook: its forward alone, or it would call the hook for ever.
    handles = [
        layer.act.register_forward_hook(lambda module, *rest: note(module.forward, *rest)) for layer in model.layers
    ]
    model.eval().zero_grad()
    with osm.Probe(model, norm=P) as probe:
        loss(model, graph, seed).backward()
    for handle in handles:
        handle.remove()
    return probe.table().assign(slope=[*(float(osm.relative_deviation(slope, P)) for slope in slopes), float("nan")])


def outcome(graph, remedy, depth, seed, steps, lr):
    """One network twice: with its output layer trained, which is the chain, and with all layers trained.

    Args:
        graph: see `problem`.
        remedy: see `build`.
        depth: L+1.
        seed: of graph and weights.
        steps: of Adam, both times.
        lr: its step size.

    Returns:
        A dictionary. Output layer trained: forward (relative deviation of what the output layer reads), slope (median
        over the hidden layers of the slopes' relative deviation), mean_error ‖μ(B̃⁽ᴸ⁾)‖, gradient (largest of a hidden
        layer), output_loss. All trained: loss. Losses are shares of the entropy of the training labels. score: on the
        test nodes, area under the ROC curve for minesweeper, else accuracy.
    """
    data, _, train, test = problem(graph, seed)
    entropy = label_entropy(data.y[train])
    model = build(graph, remedy, depth, seed)
    train_output(model, graph, seed, steps, lr)
    table = probed(model, graph, seed)
    hidden, last = table.iloc[:-1], table.iloc[-1]
    row = {"forward": last["feature_ratio"], "slope": hidden["slope"].median(), "mean_error": last["backward_mean"]}
    row |= {"gradient": hidden["gradient"].max(), "output_loss": float(loss(model, graph, seed).detach()) / entropy}
    model = build(graph, remedy, depth, seed).train()
    descend(model.parameters(), lambda: loss(model, graph, seed), steps, lr)
    model.eval()
    with torch.no_grad():
        output = model(data.x)
        row["loss"] = float(cross_entropy(output[train], data.y[train])) / entropy
    hit = (output.argmax(1) == data.y)[test].double().mean()
    return row | {"score": score(output[test], data.y[test]) if graph == "minesweeper" else float(hit)}
