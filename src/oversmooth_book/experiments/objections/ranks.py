"""Rank collapse: the effective rank of features, whatever the operator."""

from dataclasses import replace

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.objections.corrected import operator
from oversmooth_book.experiments.objections.measure import features

OPERATORS = {"Metropolis": ("metropolis", "plain"), "GCN": ("gcn", "plain"), "deflated": ("random_walk", "deflated")}


def ranks(setting, graphs=("CSBM", "karate"), activations=("identity", "tanh"), last=100):
    """Effective rank of untrained networks: graph, operator, activation, layer, median, low, high over the seeds."""
    rows = []
    for name in graphs:
        here = replace(setting, graph=name)
        X, options = here.data().x, {"seed": list(here.seeds), "init": here.init}
        for title, (kind, change) in OPERATORS.items():
            P = operator(change, replace(here, kind=kind).propagation())
            for activation in activations:
                widths = [X.shape[1], *[here.width] * (last + 1)]
                signals = features(osm.Network(P, widths, activation, here.weight_scale, **options), X)
                for k in range(1, last + 1, 9):
                    keys = {"graph": name, "operator": title, "activation": activation, "layer": k}
                    rows += [keys | {"rank": float(osm.effective_rank(one))} for one in signals[k]]
    return over_seeds(pd.DataFrame(rows), ["graph", "operator", "activation", "layer"], "rank")
