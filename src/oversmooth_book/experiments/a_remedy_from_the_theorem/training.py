"""Training with and without deflation, and against other remedies; part of `a_remedy_from_the_theorem`.

All networks have tanh, orthogonal weights of scale 1, hidden width 16 and an output bias, and are trained by full-batch
Adam on the cross-entropy of the labelled nodes. The budget, steps and step size, is the same for all that is compared.
"""

import dataclasses
import functools

import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.operators import Filter, Rotation
from oversmooth_book.experiments.common import descend, label_entropy, over_seeds
from oversmooth_book.experiments.common import graph as load

WIDTH = 16
# Classes -> block model, of mean degree 16 to 19.
BLOCKS = {2: {}, 3: {"num_classes": 3, "p_in": 0.1, "p_out": 0.02}, 4: {"num_classes": 4, "p_in": 0.12, "p_out": 0.02}}
# Name -> kind of P, and whether it is deflated.
OPERATORS = {
    "plain": ("metropolis", False),
    "deflated": ("metropolis", True),
    "plain, random walk": ("random_walk", False),
    "deflated, random walk": ("random_walk", True),
}
MORE = "deflated, one mode per class but one"  # the operator's name where graphs have many classes
# Name -> operator and remedy of `osm.REMEDIES`. exp(iP) needs a symmetric P: the random walk in its own coordinates.
METHODS = {
    "plain": ("plain, random walk", "plain"),
    "deflated": ("deflated, random walk", "plain"),
    "mean subtraction": ("plain, random walk", "mean subtraction"),
    "PairNorm": ("plain, random walk", "PairNorm"),
    "BatchNorm": ("plain, random walk", "BatchNorm"),
    "residual": ("plain, random walk", "residual"),
    "GCNII": ("plain, random walk", "GCNII"),
    "unitary": ("rotation", "plain"),
}


@functools.cache
def problem(classes, share, seed):
    """A block model and a share of its labels.

    Args:
        classes: number of classes, 2 to 4.
        share: of each class's nodes that are labelled; at least one is.
        seed: of the graph and of the choice.

    Returns:
        (data, labelled, test), masks (n,).
    """
    data = osm.largest_component(osm.csbm(**BLOCKS[classes], seed=seed))
    return data, *labelled_and_test(data.y, share, seed)


@functools.cache
def real_problem(graph):
    """A real graph and its published split; the digits have none: a tenth of their labels, as in `problem`.

    Args:
        graph: name for `real_graphs.load`.

    Returns:
        (data, labelled, test), masks (n,): all others where the split names no test nodes.
    """
    data = load(graph)
    if "train_mask" not in data:
        return data, *labelled_and_test(data.y, 0.1, 0)
    return data, data.train_mask, data.test_mask if "test_mask" in data else ~data.train_mask


def labelled_and_test(labels, share, seed):
    """A share of every class, and half of the others.

    Args:
        labels: (n,) integers.
        share: of each class's nodes that are labelled; at least one is.
        seed: of the choice.

    Returns:
        (labelled, test): the others in two halves, of which this is the second; masks (n,).
    """
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
    """P or Q of a graph.

    Args:
        name: of `OPERATORS`, "rotation" or "filter".
        data: the graph.
        modes: how many a deflated operator keeps; more than there are means all.

    Returns:
        What a network takes for its propagation.
    """
    if name == "rotation":
        return Rotation(osm.Propagation.from_data(data, kind="gcn"))
    if name == "filter":
        return Filter(osm.Propagation.from_data(data, kind="deflated", base="random_walk"), 0.8, 9)
    kind, deflated = OPERATORS[name]
    P = osm.Propagation.from_data(data, kind=kind)
    return osm.deflate(P, min(modes, data.num_nodes - 1)) if deflated else P


def batch(name, depth, classes, share, modes, steps, weights, seed):
    """Train a batch of networks on one block model: a run for `osm.sweep`.

    Args:
        name: of the operator.
        depth: number of weight matrices.
        classes: number of classes.
        share: of labelled nodes.
        modes: how many a deflated operator keeps.
        steps: of Adam, step size 0.001.
        weights: number of networks, which differ in their weights.
        seed: of the graph.

    Returns:
        A dictionary for each network: network (its seed), loss (on the labelled nodes), accuracy (on the test nodes).
    """
    data, labelled, test = problem(classes, share, seed)
    net = _network(operator(name, data, modes), data, depth, weights)
    return _fitted(net, data, labelled, test, steps, 0.001)


def _network(P, data, depth, weights):
    widths = [data.num_features, *[WIDTH] * (depth - 1), int(data.y.max()) + 1]
    return osm.Network(P, widths, output_bias=True, seed=range(weights))


def _fitted(net, data, labelled, test, steps, lr):
    options = {"lr": lr, "steps": steps, "record_every": max(1, steps), "test_mask": test}
    table = osm.fit(net, data.x, data.y, "cross_entropy", labelled, **options).table
    last = table[table["step"] == steps]
    rows = zip(last["seed"], last["loss"], last["test_accuracy"], strict=True)
    return [{"network": int(seed), "loss": loss, "accuracy": accuracy} for seed, loss, accuracy in rows]


def depths_trained(depths, steps, weights, graphs, jobs=2):
    """Loss and accuracy after training, against depth: two classes, a tenth of the labels.

    Args:
        depths: numbers of weight matrices.
        steps: of Adam.
        weights: networks a graph.
        graphs: number of graphs.
        jobs: processes.

    Returns:
        What `batch` returned, for every operator, depth and graph.
    """
    grid = {"name": list(OPERATORS), "depth": list(depths), **_fixed(steps, weights)}
    return osm.sweep(batch, grid, range(graphs), jobs)


def conditions(depth, steps, weights, graphs, jobs=2):
    """The same at one depth for two to four classes and three shares of labels.

    The deflated walk runs twice where there are more than two classes: also with one mode for each class but one.

    Args:
        depth: number of weight matrices.
        steps: of Adam.
        weights: networks a graph.
        graphs: number of graphs.
        jobs: processes.

    Returns:
        What `batch` returned, for every case.
    """
    cells, walk = [], "deflated, random walk"
    for classes in BLOCKS:
        for share in (0.02, 0.1, 0.5):
            for name, modes in dict.fromkeys([("plain, random walk", 1), (walk, 1), (walk, classes - 1)]):
                cell = {"name": name, "depth": depth, "classes": classes, "share": share, "modes": modes}
                cells.append(cell | {"steps": steps, "weights": weights})
    return osm.sweep(batch, cells, range(graphs), jobs)


def modes_kept(depth, counts, steps, weights, graphs, jobs=2):
    """From the deflated walk to a flat spectrum: how many modes never fade, and the polynomial that does without them.

    Args:
        depth: number of weight matrices.
        counts: numbers of modes kept.
        steps: of Adam.
        weights: networks a graph.
        graphs: number of graphs.
        jobs: processes.

    Returns:
        What `batch` returned; the rows named filter have modes = 0.
    """
    fixed = {"depth": depth, "classes": 2, "share": 0.1, "steps": steps, "weights": weights}
    cells = [{"name": "deflated, random walk", "modes": count} | fixed for count in counts]
    cells.append({"name": "filter", "modes": 0} | fixed)
    return osm.sweep(batch, cells, range(graphs), jobs)


def _fixed(steps, weights):
    return {"classes": [2], "share": [0.1], "modes": [1], "steps": [steps], "weights": [weights]}


def one(method, depth, share, lr, steps, seed):
    """Train one network with one remedy: a run for `osm.sweep`.

    Args:
        method: of `METHODS`.
        depth: number of weight matrices.
        share: of labelled nodes.
        lr: step size.
        steps: of Adam.
        seed: of the graph and the weights.

    Returns:
        A dictionary: loss, accuracy on the test nodes, validation (accuracy on the nodes of neither mask).
    """
    data, labelled, test = problem(2, share, seed)
    name, remedy = METHODS[method]
    remedy = dataclasses.replace(osm.REMEDIES[remedy], init="orthogonal")
    model = osm.DeepNetwork(operator(name, data), data.num_features, 2, depth, WIDTH, remedy, seed=seed)

    def loss():
        return torch.nn.functional.cross_entropy(model(data.x)[labelled], data.y[labelled])

    descend(model.parameters(), loss, steps, lr)
    with torch.no_grad():
        hit = (model(data.x).argmax(1) == data.y).double()
        row = {"loss": loss().item(), "accuracy": hit[test].mean().item()}
    return row | {"validation": hit[~labelled & ~test].mean().item()}


def comparison(depths, shares, rates, steps, seeds, jobs=2):
    """Every remedy under one budget; for each the step size that its validation nodes prefer.

    Args:
        depths: numbers of weight matrices.
        shares: of labelled nodes.
        rates: step sizes to choose from.
        steps: of Adam.
        seeds: how many draws of graph and weights.
        jobs: processes.

    Returns:
        A row for each method, depth, share and seed: lr chosen, loss, accuracy, validation.
    """
    keys = ["method", "depth", "share"]
    grid = {"method": list(METHODS), "depth": list(depths), "share": list(shares), "lr": list(rates), "steps": [steps]}
    table = osm.sweep(one, grid, range(seeds), jobs)
    mean = table.groupby([*keys, "lr"], sort=False)["validation"].mean().reset_index()
    best = mean.loc[mean.groupby(keys, sort=False)["validation"].idxmax(), [*keys, "lr"]]
    return table.merge(best, on=[*keys, "lr"])


def on_graph(graph, name, modes, depth, steps, weights, seed):
    """Train a batch of networks on a real graph's largest component: a run for `osm.sweep`.

    Args:
        graph: see `real_problem`.
        name: of the operator.
        modes: how many a deflated operator keeps.
        depth: number of weight matrices.
        steps: of Adam, step size 0.003.
        weights: number of networks.
        seed: not used; graph and split are given.

    Returns:
        A dictionary for each network, as in `batch`, with the loss as a share of the entropy of the labels.
    """
    data, labelled, test = real_problem(graph)
    net = _network(operator(name, data, modes), data, depth, weights)
    entropy = label_entropy(data.y[labelled])
    return [row | {"loss": row["loss"] / entropy} for row in _fitted(net, data, labelled, test, steps, 0.003)]


def depths_on_graphs(graphs, depths, steps, weights, jobs=2):
    """Loss and accuracy on real graphs against depth: plain, deflated, and with one mode for each class but one.

    Args:
        graphs: see `real_problem`.
        depths: numbers of weight matrices.
        steps: of Adam.
        weights: number of networks.
        jobs: processes.

    Returns:
        What `on_graph` returned, for each graph, operator and depth.
    """
    cells, walk = [], "deflated, random walk"
    for graph in graphs:
        classes = int(load(graph).y.max()) + 1
        for name, modes in (("plain, random walk", 1), (walk, 1), (walk, classes - 1)):
            cell = {"graph": graph, "name": name, "modes": modes, "steps": steps, "weights": weights}
            cells += [cell | {"depth": depth} for depth in depths]
    return osm.sweep(on_graph, cells, [0], jobs)


def real_bands(graphs, depths, steps, weights):
    """What the figure of the real graphs draws: test accuracy and training loss of `depths_on_graphs`.

    Args:
        graphs: see there.
        depths: likewise.
        steps: likewise.
        weights: likewise.

    Returns:
        Two tables, of the accuracy and of the loss: a row for each graph, depth and operator (plain, deflated, `MORE`):
        median, low, high.
    """
    runs = depths_on_graphs(graphs, depths, steps, weights)
    runs["operator"] = runs["name"].str.replace(", random walk", "").where(runs["modes"] == 1, MORE)
    keys = ["graph", "depth", "operator"]
    return [over_seeds(runs, keys, value) for value in ("accuracy", "loss")]
