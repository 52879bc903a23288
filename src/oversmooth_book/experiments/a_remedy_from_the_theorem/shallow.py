"""What needs no depth: shallow plain networks and the sign of one mode, against a deep deflated network."""

import functools
from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem import training
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import second_modes
from oversmooth_book.experiments.common import over_seeds

# Edge probabilities within and between two classes, of the same mean degree. The first is the block model of the book.
COMMUNITIES = {"strong": (0.06, 0.02), "weak": (0.05, 0.03), "heterophilous": (0.02, 0.06)}
PLAIN, SHALLOW = "plain, random walk", (2, 3, 5)
LONGER = 5  # times the chapter's steps: the long budget
MODE, MODES = "one mode, no training", 10  # the last, how many leading modes it is chosen from


@functools.cache
def problem(communities, seed, share=0.1):
    """A block model of two classes and a share of its labels: data, labelled, test (masks); ``seed`` of both."""
    p_in, p_out = COMMUNITIES[communities]
    data = osm.largest_component(osm.csbm(p_in=p_in, p_out=p_out, seed=seed))
    return data, *training.labelled_and_test(data.y, share, seed)


def mode_accuracy(data, labelled, test):
    """The test accuracy of the sign of one leading mode, the one that fits the labelled nodes best: no features."""
    # By modulus alone the mode of heterophilous classes, whose eigenvalue is negative, need not be the second.
    _, modes = second_modes(osm.Propagation.from_data(data, kind="random_walk"), MODES)
    hits = ((modes > 0) == (data.y > 0)[:, None]).double()
    fit = hits[labelled].mean(0)
    best = torch.maximum(fit, 1 - fit).argmax()
    found = hits[test, best].mean()
    return float(found if fit[best] >= 0.5 else 1 - found)


def trained(setting, communities, name, depth, *, seed):
    """One network, ``seed`` of graph and weights, after both budgets: network, steps, loss (labelled), accuracy."""
    data, labelled, test = problem(communities, seed)
    one = replace(setting, depth=depth, seeds=(seed,))
    return training.fitted(one, training.operator(name, data), data, labelled, test, LONGER)


def baselines(setting, seeds, jobs=2):
    """Three block models: communities, name (operator), depth, seed, network, steps, loss, accuracy (test).

    Plain networks of the depths `SHALLOW` and the deflated one of the setting's, after its steps and after `LONGER`
    times as many; and one mode, with depth and steps 0.
    """
    networks = [(PLAIN, depth) for depth in SHALLOW] + [(training.WALK, setting.depth)]
    cells = [
        {"communities": communities, "name": name, "depth": depth}
        for communities in COMMUNITIES
        for name, depth in networks
    ]
    table = osm.sweep(functools.partial(trained, setting), cells, seeds, jobs)
    modes = [
        {"communities": name, "name": MODE, "depth": 0, "seed": seed, "steps": 0}
        | {"accuracy": mode_accuracy(*problem(name, seed))}
        for name in COMMUNITIES
        for seed in seeds
    ]
    return pd.concat([table, pd.DataFrame(modes)], ignore_index=True)


def baseline_bands(runs):
    """The accuracy of `baselines` over the draws: communities, name, depth, steps, median, low, high."""
    return over_seeds(runs, ["communities", "name", "depth", "steps"], "accuracy")


def on_graph(setting, graph, name, depth, *, seed):
    """`fitted` on a real graph, whose split is given; plain networks after both budgets."""
    data, labelled, test = training.real_problem(graph)
    Q = training.operator(name, data, int(data.y.max()))
    return training.fitted(replace(setting, depth=depth), Q, data, labelled, test, LONGER if name == PLAIN else 1)


def real_shallow(setting, graphs, deep, jobs=2):
    """Test accuracy over the weights: graph, operator (plain, `training.MORE`), depth, steps, median, low, high.

    Plain networks of the depths `SHALLOW`, and deflated ones of depth ``deep`` that keep a mode for each class but one.
    """
    networks = [(PLAIN, depth) for depth in SHALLOW] + [(training.WALK, deep)]
    cells = [{"graph": graph, "name": name, "depth": depth} for graph in graphs for name, depth in networks]
    runs = osm.sweep(functools.partial(on_graph, setting), cells, [0], jobs)
    runs["operator"] = runs["name"].map({PLAIN: "plain", training.WALK: training.MORE})
    return over_seeds(runs, ["graph", "operator", "depth", "steps"], "accuracy")
