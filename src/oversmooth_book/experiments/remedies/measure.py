"""Chapter remedies: every remedy on the same graphs, under the same budget, and the link of the chain it breaks."""

import pandas
import torch
from torch.nn.functional import cross_entropy

import oversmooth as osm
from oversmooth_book.experiments.common import descend, label_entropy, score
from oversmooth_book.experiments.remedies.graphs import problem

FAMILIES = {
    "skip connections": ("residual", "initial residual", "GCNII", "jumping knowledge"),
    "norms": ("BatchNorm", "PairNorm", "mean subtraction", "LayerNorm"),
    "weights and edges": ("orthogonal", "large weights", "DropEdge", "no graph"),
}
STEPS = 100  # of Adam, for every network of the chapter
# Where gradients explode, at the greatest depth, rounding decides at which loss a run ends; more draws make up for it.
CHAOTIC, MANY = ("BatchNorm", "no graph"), 8
ALL = ("plain", *(remedy for family in FAMILIES.values() for remedy in family))


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


def compare(graph, depths, seeds, rates, remedies=ALL, steps=STEPS, jobs=2):
    """`outcome` for every remedy, depth, seed and step size.

    Args:
        graph: see `problem`.
        depths: list of L+1.
        seeds: of graph and weights: how many, or a range.
        rates: Adam's step sizes.
        remedies: some of `ALL`.
        steps: of Adam.
        jobs: processes.

    Returns:
        pandas.DataFrame: columns graph, remedy, depth, steps, lr, seed, and those of `outcome`.
    """
    grid = {"graph": [graph], "remedy": list(remedies), "depth": depths, "steps": [steps], "lr": rates}
    return osm.sweep(outcome, grid, range(seeds) if isinstance(seeds, int) else seeds, jobs=jobs)


def compare_all(depths, num_seeds, rates):
    """`compare` on the block model for all remedies, and with `MANY` seeds for the `CHAOTIC` ones at the last depth.

    Args:
        depths: list of L+1.
        num_seeds: of graph and weights.
        rates: Adam's step sizes.

    Returns:
        Like `compare`.
    """
    more = range(num_seeds, max(num_seeds, MANY))
    parts = [compare("CSBM", depths, num_seeds, rates)]
    parts += [compare("CSBM", depths[-1:], more, rates, CHAOTIC)] if more else []
    return pandas.concat(parts, ignore_index=True)


def profile(graph, remedy, depth, seed, steps, lr):
    """The backward signal of one network layer by layer, its output layer random and then trained.

    Args:
        graph: see `problem`.
        remedy: see `build`.
        depth: L+1.
        seed: of graph and weights.
        steps: of Adam, on the output layer.
        lr: its step size.

    Returns:
        pandas.DataFrame: columns output_layer (random or trained), layer, ratio σ(B̃)/‖B̃‖, mean ‖μ(B̃)‖/‖B̃‖, size
        ‖B̃⁽ᵏ⁾‖/‖B̃⁽ᴸ⁾‖.
    """
    model, tables = build(graph, remedy, depth, seed), []
    for state in ("random", "trained"):
        if state == "trained":
            train_output(model, graph, seed, steps, lr)
        table = probed(model, graph, seed)
        norm = table["backward_norm"]
        columns = {"output_layer": state, "ratio": table["backward_ratio"], "mean": table["backward_mean"] / norm}
        columns["size"] = norm / norm.iloc[-1]
        tables.append(table[["layer"]].assign(**columns))
    return pandas.concat(tables, ignore_index=True)


def profiles(graph, depth, num_seeds, lr, steps=STEPS, jobs=2):
    """`profile` for every remedy and seed.

    Args:
        graph: see `problem`.
        depth: L+1.
        num_seeds: of graph and weights.
        lr: see `profile`.
        steps: likewise.
        jobs: processes.

    Returns:
        pandas.DataFrame.
    """
    grid = {"graph": [graph], "remedy": list(ALL), "depth": [depth], "steps": [steps], "lr": [lr]}
    return osm.sweep(profile, grid, range(num_seeds), jobs=jobs)
