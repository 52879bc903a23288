"""Every remedy on the same graphs, under the same budget, and the link of the chain it breaks.

A network is a `Setting` (of which the first seed counts) and the name of a remedy.
"""

from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from torch.nn.functional import cross_entropy

import oversmooth as osm
from oversmooth_book.experiments.common import accuracy, descend, label_entropy, score
from oversmooth_book.experiments.remedies.graphs import problem
from oversmooth_book.experiments.settings import Setting

FAMILIES = {
    "skip connections": ("residual", "initial residual", "GCNII", "jumping knowledge"),
    "norms": ("BatchNorm", "PairNorm", "mean subtraction", "LayerNorm"),
    "weights and edges": ("orthogonal", "large weights", "DropEdge", "no graph"),
}
# Where errors grow on their way back, in deep networks, rounding decides which loss a run meets: more draws of those of
# which something is claimed.
CHAOTIC, MANY, DEEP = ("BatchNorm", "PairNorm"), 8, 16
ALL = ("plain", *(remedy for family in FAMILIES.values() for remedy in family))


def build(setting, remedy):
    """An `osm.DeepNetwork` with one remedy; "no graph" is the plain network with P = I, a perceptron."""
    data, P, *_ = problem(setting)
    if remedy == "no graph":
        P, remedy = osm.Propagation.from_data(data, kind="identity"), "plain"
    sizes = {"features": data.num_features, "classes": int(data.y.max()) + 1, "depth": setting.depth}
    sizes["width"] = setting.width
    return osm.DeepNetwork(P, **sizes, remedy=remedy, activation=setting.activation, seed=setting.seeds[0])


def loss(setting, model):
    """The cross-entropy of a model on the training nodes, a scalar tensor."""
    data, _, train, _ = problem(setting)
    return cross_entropy(model(data.x)[train], data.y[train])


def train_output(setting, model):
    """Train the output layer alone, as the theorem asks; the model is left in evaluation mode."""
    data, _, train, _ = problem(setting)
    model.eval()
    with torch.no_grad():
        propagated = (model.propagation @ model.embed(data.x))[train]

    def objective():
        return cross_entropy(model.output.lin(propagated) + model.output.bias, data.y[train])

    descend(model.output.parameters(), objective, setting.steps, setting.step_size)


def probed(setting, model):
    """The table of `osm.Probe` after one pass, and slope.

    σ(ρ'(H)) / (Σ π_i ‖ρ'(H_i)‖²)^{1/2}, how the slopes vary over the nodes; NaN for the output layer.
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
        loss(setting, model).backward()
    for handle in handles:
        handle.remove()
    return probe.table().assign(slope=[*(float(osm.relative_deviation(slope, P)) for slope in slopes), float("nan")])


def links(setting, remedy):
    """The links of the chain in one network whose output layer alone is trained: a dictionary.

    forward (relative deviation of what the output layer reads), slope (median over the hidden layers of the slopes'
    relative deviation), mean_error ‖μ(B̃⁽ᴸ⁾)‖, gradient (largest of a hidden layer), output_loss (as in `outcome`).
    """
    data, _, train, _ = problem(setting)
    model = build(setting, remedy)
    train_output(setting, model)
    table = probed(setting, model)
    hidden, last = table.iloc[:-1], table.iloc[-1]
    row = {"forward": last["feature_ratio"], "slope": hidden["slope"].median(), "mean_error": last["backward_mean"]}
    share = float(loss(setting, model).detach()) / label_entropy(data.y[train])
    return row | {"gradient": hidden["gradient"].max(), "output_loss": share}


def outcome(setting, remedy, chain=True):
    """One network twice, its output layer trained (its `links`, if ``chain``) and all layers trained: a dictionary.

    All trained: loss, the least on the way. Losses are shares of the entropy of the training labels. score: at that
    loss, on the test nodes, area under the ROC curve for minesweeper, else accuracy.
    """
    data, _, train, test = problem(setting)
    entropy, row = label_entropy(data.y[train]), links(setting, remedy) if chain else {}
    model = build(setting, remedy).train()
    descend(model.parameters(), lambda: loss(setting, model), setting.steps, setting.step_size)
    model.eval()
    with torch.no_grad():
        output = model(data.x)
        row["loss"] = float(cross_entropy(output[train], data.y[train])) / entropy
    measure = score if setting.graph == "minesweeper" else accuracy
    return row | {"score": measure(output[test], data.y[test])}


def budgets(setting, remedy, rates, steps):
    """Other budgets: depth, lr, seed, steps, loss, the least of so many steps as a share of the label entropy."""
    rows = []
    for lr in rates:
        for seed in setting.seeds:
            found = _least_losses(replace(setting, seeds=(seed,), step_size=lr), remedy, steps)
            rows += [{"depth": setting.depth, "lr": lr, "seed": seed, **row} for row in found]
    return pd.DataFrame(rows)


def _least_losses(setting, remedy, steps):
    data, _, train, _ = problem(setting)
    model, met = build(setting, remedy).train(), []

    def objective():
        value = loss(setting, model)
        met.append(float(value.detach()))
        return value

    descend(model.parameters(), objective, max(steps), setting.step_size)
    # Before the first step and after each: of n steps, n + 1 losses.
    return [{"steps": n, "loss": min(met[: n + 1]) / label_entropy(data.y[train])} for n in steps]


def compare(setting, depths, rates, remedies=ALL, jobs=1):
    """`outcome` for every remedy, depth, step size and seed: graph, remedy, depth, lr, seed, and its entries.

    The links at the greatest depth alone, where they are judged; NaN at the others.
    """
    grid = {"graph": [setting.graph], "remedy": list(remedies), "depth": depths, "lr": rates}
    return osm.sweep(partial(_outcome, setting, max(depths)), grid, setting.seeds, jobs=jobs)


def _outcome(setting, deepest, graph, remedy, depth, lr, seed):
    one = replace(setting, graph=graph, depth=depth, step_size=lr, seeds=(seed,))
    return outcome(one, remedy, chain=depth == deepest)


def compare_all(setting, depths, rates):
    """`compare` for all remedies on the block model, which its tables call CSBM, whatever its size.

    With `MANY` seeds for the `CHAOTIC` ones at the last depth, if it is `DEEP`.
    """
    more = tuple(range(setting.seeds[-1] + 1, setting.seeds[0] + MANY)) if depths[-1] >= DEEP else ()
    parts = [compare(setting, depths, rates)]
    parts += [compare(replace(setting, seeds=more), depths[-1:], rates, CHAOTIC)] if more else []
    return pd.concat(parts, ignore_index=True).assign(graph="CSBM")


def profile(setting, remedy):
    """The backward signal of one network, output layer random, then trained: output_layer, layer, ratio, mean, size.

    σ(B̃)/‖B̃‖, ‖μ(B̃)‖/‖B̃‖ and ‖B̃⁽ᵏ⁾‖/‖B̃⁽ᴸ⁾‖.
    """
    model, tables = build(setting, remedy), []
    for state in ("random", "trained"):
        if state == "trained":
            train_output(setting, model)
        table = probed(setting, model)
        norm = table["backward_norm"]
        columns = {"output_layer": state, "ratio": table["backward_ratio"], "mean": table["backward_mean"] / norm}
        columns["size"] = norm / norm.iloc[-1]
        tables.append(table[["layer"]].assign(**columns))
    return pd.concat(tables, ignore_index=True)


def profiles(setting, jobs=1, remedies=ALL):
    """`profile` for every remedy and seed: remedy, seed, and its columns."""
    return osm.sweep(partial(_profile, setting), {"remedy": list(remedies)}, setting.seeds, jobs=jobs)


def _profile(setting, remedy, seed):
    return profile(replace(setting, seeds=(seed,)), remedy)


# What the attack varies; the chapter's own block model is smaller, and its budget shorter.
REFERENCE = Setting(depth=64, width=16, seeds=(10, 11, 12), loss="cross_entropy", step_size=0.005, steps=100)
