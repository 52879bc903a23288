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
SHALLOW = (2, 3, 5)
LONGER = 5  # times the chapter's steps: the long budget, of shallow networks only
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
    """`training.fitted`: ``seed`` of the graph, ``setting.seeds`` of the weights. Shallow ones after both budgets."""
    data, labelled, test = problem(communities, seed)
    longer = LONGER if depth in SHALLOW else 1
    return training.fitted(replace(setting, depth=depth), training.operator(name, data), data, labelled, test, longer)


def baselines(setting, seeds, jobs=1):
    """Three block models: communities, name (operator), depth, seed, network, steps, loss, accuracy (test).

    The deflated network of the setting's depth after its steps, plain ones of the depths `SHALLOW` after as many and
    after `LONGER` times as many; and one mode, with depth and steps 0.
    """
    networks = [(training.PLAIN, depth) for depth in SHALLOW] + [(training.WALK, setting.depth)]
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
    """The accuracy of `baselines` over graphs and weights: communities, name, depth, steps, median, low, high."""
    return over_seeds(runs, ["communities", "name", "depth", "steps"], "accuracy")
