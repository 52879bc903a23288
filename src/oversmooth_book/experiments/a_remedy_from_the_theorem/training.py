"""Training with and without deflation, and against other remedies.

All networks have tanh, orthogonal weights of scale 1, hidden width 16 and an output bias, and are trained by full-batch
Adam on the cross-entropy of the labelled nodes. The budget, steps and step size, is the same for all that is compared.
"""

import dataclasses
import functools
from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments import settings
from oversmooth_book.experiments.a_remedy_from_the_theorem.operators import Filter, Rotation
from oversmooth_book.experiments.common import accuracy, descend, label_entropy, over_seeds
from oversmooth_book.experiments.settings import Setting

# Classes -> block model, of mean degree 16 to 19; of two, the one of the book.
BLOCKS = {2: {}, 3: {"num_classes": 3, "p_in": 0.1, "p_out": 0.02}, 4: {"num_classes": 4, "p_in": 0.12, "p_out": 0.02}}
SHARES = (0.02, 0.1)  # of the labels
# Name -> kind of P, and whether it is deflated.
OPERATORS = {
    "plain": ("metropolis", False),
    "deflated": ("metropolis", True),
    "plain, random walk": ("random_walk", False),
    "deflated, random walk": ("random_walk", True),
}
WALK = "deflated, random walk"
MORE = "deflated, one mode per class but one"  # the operator's name where graphs have many classes
# Name -> operator and remedy of `osm.REMEDIES`. exp(iP) needs a symmetric P: the random walk in its own coordinates.
METHODS = {
    "plain": ("plain, random walk", "plain"),
    "deflated": (WALK, "plain"),
    "mean subtraction": ("plain, random walk", "mean subtraction"),
    "PairNorm": ("plain, random walk", "PairNorm"),
    "BatchNorm": ("plain, random walk", "BatchNorm"),
    "residual": ("plain, random walk", "residual"),
    "GCNII": ("plain, random walk", "GCNII"),
    "unitary": ("rotation", "plain"),
}


def problem(setting, classes, share, seed):
    """A block model of 2 to 4 classes and a share of its labels: data, labelled, test (masks); ``seed`` of both.

    Of two classes it is the setting's, counted from its own seed.
    """
    own = replace(setting, graph_seed=setting.graph_seed + seed)
    data = own.data() if classes == 2 else osm.csbm(**BLOCKS[classes], seed=seed)
    data = osm.largest_component(data)
    return data, *labelled_and_test(data.y, share, seed)


@functools.cache
def real_problem(graph):
    """A real graph and its published split: data, labelled, test (masks).

    The digits have no split: a tenth of their labels, as in `problem`. All others are tested where a split names no
    test nodes.
    """
    data = settings.graph(graph)
    if "train_mask" not in data:
        return data, *labelled_and_test(data.y, 0.1, 0)
    return data, data.train_mask, data.test_mask if "test_mask" in data else ~data.train_mask


def labelled_and_test(labels, share, seed):
    """A share of every class, at least one node, and the second half of the others: labelled, test (masks)."""
    generator = torch.Generator().manual_seed(seed)
    labelled, test = (torch.zeros(len(labels), dtype=torch.bool) for _ in range(2))
    for c in range(int(labels.max()) + 1):
        nodes = torch.nonzero(labels == c)[:, 0]
        nodes = nodes[torch.randperm(len(nodes), generator=generator)]
        count = max(1, round(share * len(nodes)))
        labelled[nodes[:count]] = True
        test[nodes[(count + len(nodes)) // 2 :]] = True
    return labelled, test


def operator(name, data, modes=1):
    """P or Q of a graph, by a name of `OPERATORS`, "rotation" or "filter"; more modes than there are means all."""
    if name == "rotation":
        return Rotation(osm.Propagation.from_data(data, kind="gcn"))
    if name == "filter":
        return Filter(osm.Propagation.from_data(data, kind="deflated", base="random_walk"), 0.8, 9)
    kind, deflated = OPERATORS[name]
    P = osm.Propagation.from_data(data, kind=kind)
    return osm.deflate(P, min(modes, data.num_nodes - 1)) if deflated else P


def fitted(setting, P, data, labelled, test, longer=1):
    """Networks after training: rows of network (its seed), steps, loss (labelled), accuracy (test).

    After the setting's steps; with ``longer`` = 5 also after five times as many, of the same run.
    """
    widths = [data.num_features, *[setting.width] * (setting.depth - 1), int(data.y.max()) + 1]
    options = {"seed": setting.seeds, "init": setting.init, "output_bias": True}
    net = osm.Network(P, widths, setting.activation, setting.weight_scale, **options)
    budget = {"optimizer": setting.optimizer, "lr": setting.step_size, "steps": longer * setting.steps}
    records = {"record_every": max(1, setting.steps), "test_mask": test}
    table = osm.fit(net, data.x, data.y, setting.loss, labelled, **budget, **records).table
    rows = []
    for steps in dict.fromkeys((setting.steps, longer * setting.steps)):
        last = table[table["step"] == steps]
        found = zip(setting.seeds, last["loss"], last["test_accuracy"], strict=True)
        rows += [{"network": seed, "steps": steps, "loss": loss, "accuracy": hit} for seed, loss, hit in found]
    return rows


def batch(setting, name, depth, modes=1, classes=2, share=0.1, *, seed):
    """`fitted` on one block model: ``seed`` of the graph, ``setting.seeds`` of the weights."""
    data, labelled, test = problem(setting, classes, share, seed)
    return fitted(replace(setting, depth=depth), operator(name, data, modes), data, labelled, test)


def depths_trained(setting, depths, seeds, jobs=2):
    """Against depth, two classes, a tenth of the labels: name (operator), depth, seed, network, steps, loss, accuracy.

    ``seeds``: of the graphs, as below; ``setting.seeds`` of the weights.
    """
    grid = {"name": list(OPERATORS), "depth": list(depths)}
    return osm.sweep(functools.partial(batch, setting), grid, seeds, jobs)


def conditions(setting, seeds, jobs=2):
    """Classes and labels: name, depth, classes, share, modes, seed, network, steps, loss, accuracy, operator.

    Two to four classes, two shares of labels. The deflated walk runs twice where there are more than two classes:
    also with one mode for each class but one (operator `MORE`).
    """
    cells = []
    for classes in BLOCKS:
        for share in SHARES:
            for name, modes in dict.fromkeys([("plain, random walk", 1), (WALK, 1), (WALK, classes - 1)]):
                cell = {"name": name, "depth": setting.depth, "classes": classes, "share": share, "modes": modes}
                cells.append(cell)
    return _named(osm.sweep(functools.partial(batch, setting), cells, seeds, jobs))


def modes_kept(setting, counts, seeds, jobs=2):
    """From the deflated walk to a flat spectrum: name, depth, modes (never fade), seed, network, steps, loss, accuracy.

    The polynomial that does without eigenvectors is named filter and has modes = 0.
    """
    cells = [{"name": WALK, "depth": setting.depth, "modes": count} for count in counts]
    cells.append({"name": "filter", "depth": setting.depth, "modes": 0})
    return osm.sweep(functools.partial(batch, setting), cells, seeds, jobs)


def _named(runs):
    """What the page calls the operators of the random walk."""
    return runs.assign(operator=runs["name"].str.replace(", random walk", "").where(runs["modes"] == 1, MORE))


def one(setting, method, depth, lr, share=0.1, *, seed):
    """One network with one remedy: loss, accuracy on test nodes, validation (accuracy on the nodes of neither mask).

    ``seed``: of the graph and of the weights.
    """
    data, labelled, test = problem(setting, 2, share, seed)
    name, remedy = METHODS[method]
    remedy = dataclasses.replace(osm.REMEDIES[remedy], init=setting.init)
    sizes = {"features": data.num_features, "classes": 2, "depth": depth, "width": setting.width}
    model = osm.DeepNetwork(operator(name, data), **sizes, remedy=remedy, activation=setting.activation, seed=seed)

    def loss():
        return torch.nn.functional.cross_entropy(model(data.x)[labelled], data.y[labelled])

    descend(model.parameters(), loss, setting.steps, lr)
    with torch.no_grad():
        output, nodes = model(data.x), {"accuracy": test, "validation": ~labelled & ~test}
        return {"loss": loss().item(), **{name: accuracy(output[mask], data.y[mask]) for name, mask in nodes.items()}}


def comparison(setting, depths, rates, jobs=2, methods=tuple(METHODS)):
    """Every remedy under one budget: method, depth, lr, seed, loss, accuracy, validation.

    Of the step sizes the one that the method's validation nodes prefer. ``setting.seeds``: of graph and weights.
    """
    keys = ["method", "depth"]
    grid = {"method": list(methods), "depth": list(depths), "lr": list(rates)}
    table = osm.sweep(functools.partial(one, setting), grid, setting.seeds, jobs)
    mean = table.groupby([*keys, "lr"], sort=False)["validation"].mean().reset_index()
    best = mean.loc[mean.groupby(keys, sort=False)["validation"].idxmax(), [*keys, "lr"]]
    return table.merge(best, on=[*keys, "lr"])


def depth_bands(runs):
    """`depths_trained` over graphs and weights, two tables (accuracy, loss): name, depth, median, low, high."""
    return [over_seeds(runs, ["name", "depth"], value) for value in ("accuracy", "loss")]


def condition_bands(runs):
    """The accuracy of `conditions` over graphs and weights: classes, share, operator, median, low, high."""
    return over_seeds(runs, ["classes", "share", "operator"], "accuracy")


def comparison_bands(runs):
    """`comparison` over the seeds, two tables: method, depth, median, low, high of the accuracy, and of the loss.

    Without batch norm's loss: at this depth its gradients explode, and another machine does not repeat it.
    """
    keys = ["method", "depth"]
    return over_seeds(runs, keys, "accuracy"), over_seeds(runs[runs["method"] != "BatchNorm"], keys, "loss")


def modes_bands(runs):
    """`modes_kept` over graphs and weights: name, modes, median, low, high, quantity (accuracy, loss)."""
    bands = [over_seeds(runs, ["name", "modes"], value).assign(quantity=value) for value in ("accuracy", "loss")]
    return pd.concat(bands, ignore_index=True)


def on_graph(setting, graph, name, modes, depth, seed):
    """`fitted` on a real graph, whose split is given, whatever ``seed``; losses are shares of the label entropy."""
    data, labelled, test = real_problem(graph)
    rows = fitted(replace(setting, depth=depth), operator(name, data, modes), data, labelled, test)
    entropy = label_entropy(data.y[labelled])
    return [row | {"loss": row["loss"] / entropy} for row in rows]


def depths_on_graphs(setting, graphs, depths, jobs=2):
    """Real graphs: graph, name, modes, depth, seed, network, steps, loss, accuracy, operator (as in `conditions`)."""
    cells = []
    for graph in graphs:
        classes = int(settings.graph(graph).y.max()) + 1
        for name, modes in (("plain, random walk", 1), (WALK, 1), (WALK, classes - 1)):
            cells += [{"graph": graph, "name": name, "modes": modes, "depth": depth} for depth in depths]
    return _named(osm.sweep(functools.partial(on_graph, setting), cells, [0], jobs))


def real_bands(setting, graphs, depths):
    """`depths_on_graphs` over the weights, of accuracy and of loss: graph, depth, operator, median, low, high."""
    runs = depths_on_graphs(setting, graphs, depths)
    return [over_seeds(runs, ["graph", "depth", "operator"], value) for value in ("accuracy", "loss")]


REFERENCE = Setting(width=16, depth=41, loss="cross_entropy", step_size=0.001, steps=40)
