"""Training with and without deflation, and against other remedies.

All networks have tanh, orthogonal weights of scale 1, hidden width 16 and an output bias, and are trained by full-batch
Adam on the cross-entropy of the labelled nodes. The budget, steps and step size, is the same for all that is compared.
"""

import dataclasses
import functools
from dataclasses import replace

import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.operators import Rotation
from oversmooth_book.experiments.common import accuracy, bands, descend, over_seeds
from oversmooth_book.experiments.settings import Setting

# Classes -> block model, of mean degree 16 to 18; of two, the one of the book.
BLOCKS = {2: {}, 4: {"num_classes": 4, "p_in": 0.12, "p_out": 0.02}}
FEW = 0.02  # of the labels
# Name -> kind of P, and whether it is deflated.
OPERATORS = {
    "plain": ("metropolis", False),
    "deflated": ("metropolis", True),
    "plain, random walk": ("random_walk", False),
    "deflated, random walk": ("random_walk", True),
}
PLAIN, WALK = "plain, random walk", "deflated, random walk"
MORE = "deflated, one mode per class but one"  # the operator's name where graphs have many classes
# Name -> operator and remedy of `osm.REMEDIES`. exp(iP) needs a symmetric P: the random walk in its own coordinates.
METHODS = {
    "plain": (PLAIN, "plain"),
    "deflated": (WALK, "plain"),
    "mean subtraction": (PLAIN, "mean subtraction"),
    "PairNorm": (PLAIN, "PairNorm"),
    "residual": (PLAIN, "residual"),
    "GCNII": (PLAIN, "GCNII"),
    "unitary": ("rotation", "plain"),
}


def problem(setting, classes, share, seed):
    """A block model of two or four classes and a share of its labels: data, labelled, test (masks); ``seed`` of both.

    Of two classes it is the setting's, counted from its own seed.
    """
    own = replace(setting, graph_seed=setting.graph_seed + seed)
    data = own.data() if classes == 2 else osm.csbm(**BLOCKS[classes], seed=seed)
    data = osm.largest_component(data)
    return data, *labelled_and_test(data.y, share, seed)


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
    """P or Q of a graph, by a name of `OPERATORS`, or "rotation"; more modes than there are means all."""
    if name == "rotation":
        return Rotation(osm.Propagation.from_data(data, kind="gcn"))
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


def depths_trained(setting, depths, seeds, jobs=1):
    """Against depth, two classes, a tenth of the labels: name (operator), depth, seed, network, steps, loss, accuracy.

    ``seeds``: of the graphs, as below; ``setting.seeds`` of the weights.
    """
    grid = {"name": list(OPERATORS), "depth": list(depths)}
    return osm.sweep(functools.partial(batch, setting), grid, seeds, jobs)


def conditions(setting, seeds, jobs=1):
    """Few labels: name, depth, classes, share, modes, seed, network, steps, loss, accuracy, operator.

    Two and four classes. The deflated walk runs twice where there are four: also with one mode for each class but one
    (operator `MORE`).
    """
    cells = []
    for classes in BLOCKS:
        for name, modes in dict.fromkeys([(PLAIN, 1), (WALK, 1), (WALK, classes - 1)]):
            cells.append({"name": name, "depth": setting.depth, "classes": classes, "share": FEW, "modes": modes})
    return named(osm.sweep(functools.partial(batch, setting), cells, seeds, jobs))


def modes_kept(setting, counts, seeds, jobs=1):
    """From the deflated walk to a flat spectrum: name, depth, modes (kept), seed, network, steps, loss, accuracy."""
    grid = {"name": [WALK], "depth": [setting.depth], "modes": list(counts)}
    return osm.sweep(functools.partial(batch, setting), grid, seeds, jobs)


def named(runs):
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


def comparison(setting, depths, rates, jobs=1, methods=tuple(METHODS)):
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
    """`comparison` over the seeds, two tables: method, depth, median, low, high of the accuracy, and of the loss."""
    return [over_seeds(runs, ["method", "depth"], value) for value in ("accuracy", "loss")]


def modes_bands(runs):
    """`modes_kept` over graphs and weights: modes, median, low, high, quantity (accuracy, loss)."""
    return bands(runs, ["modes"], ("accuracy", "loss"))


REFERENCE = Setting(width=16, depth=41, loss="cross_entropy", step_size=0.001, steps=40)
