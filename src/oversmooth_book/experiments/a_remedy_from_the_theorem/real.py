"""Real graphs: deep deflated networks that keep a mode for each class but one, against plain ones, deep and shallow."""

import functools
from dataclasses import replace

import oversmooth as osm
from oversmooth_book.experiments import settings
from oversmooth_book.experiments.a_remedy_from_the_theorem.shallow import LONGER, SHALLOW
from oversmooth_book.experiments.a_remedy_from_the_theorem.training import (
    PLAIN,
    WALK,
    fitted,
    labelled_and_test,
    named,
    operator,
)
from oversmooth_book.experiments.common import label_entropy, over_seeds

# Graph -> how many networks, and how many times the steps the long budget of shallow ones has: least where a pass takes
# longest.
GRAPHS = {"karate": (8, LONGER), "digits": (8, LONGER), "Cora": (3, 1)}


@functools.cache
def problem(graph):
    """A real graph and its published split: data, labelled, test (masks).

    The digits have no split: a tenth of their labels, as on the block model. All others are tested where a split names
    no test nodes.
    """
    data = settings.graph(graph)
    if "train_mask" not in data:
        return data, *labelled_and_test(data.y, 0.1, 0)
    return data, data.train_mask, data.test_mask if "test_mask" in data else ~data.train_mask


def on_graph(setting, graph, name, modes, depth, seed):
    """`fitted` on a graph, whose split is given; ``seed`` of the first of its `GRAPHS` networks.

    Losses are shares of the label entropy. Shallow networks after both budgets.
    """
    data, labelled, test = problem(graph)
    networks, longer = GRAPHS[graph]
    one = replace(setting, depth=depth, seeds=tuple(range(seed, seed + networks)))
    rows = fitted(one, operator(name, data, modes), data, labelled, test, longer if depth in SHALLOW else 1)
    entropy = label_entropy(data.y[labelled])
    return [row | {"loss": row["loss"] / entropy} for row in rows]


def trained(setting, graphs, deep, seed=10, jobs=1):
    """Graph, name, modes, depth, seed, network, steps, loss, accuracy, operator (plain or `training.MORE`).

    Plain networks of the depths `SHALLOW` and ``deep``, deflated ones of ``deep``; ``seed``: of the first of each.
    """
    cells = []
    for graph in graphs:
        modes = int(settings.graph(graph).y.max())  # one for each class but one
        kinds = [*((PLAIN, 1, depth) for depth in (*SHALLOW, deep)), (WALK, modes, deep)]
        cells += [{"graph": graph, "name": name, "modes": m, "depth": depth} for name, m, depth in kinds]
    return named(osm.sweep(functools.partial(on_graph, setting), cells, [seed], jobs))


def real_bands(runs):
    """`trained` over the networks, of accuracy and of loss: graph, depth, operator, steps, median, low, high."""
    return [over_seeds(runs, ["graph", "depth", "operator", "steps"], value) for value in ("accuracy", "loss")]
