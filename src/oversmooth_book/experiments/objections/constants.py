"""Constant features in a GCN: what looks like recovery from oversmoothing is convergence to √degree.

ReLU networks on P ≥ 0 keep constant features of rank one at every depth, for any weights: if X = c rᵀ with c > 0, then
ρ(PXW) = (Pc) ρ(Wᵀr)ᵀ, since Pc > 0 and ρ(αz) = αρ(z) for α > 0. So X⁽ᵏ⁾ = (Pᵏ1) r_kᵀ, trained or not, and without
biases every node has the same largest output.
"""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, label_entropy
from oversmooth_book.experiments.objections.measure import features
from oversmooth_book.experiments.settings import graph, propagation

HE = 2**0.5  # times Glorot's variance 1/d: He's 2/d, which keeps the size of ReLU networks
ROUNDING = 1e-12


def network(setting, P, widths):
    """ReLU networks with He's variance, a seed each."""
    return osm.Network(P, widths, "relu", HE, seed=list(setting.seeds), init="glorot")


def recovery(setting, graphs=("karate", "CSBM"), kinds=("gcn", "random_walk"), last=64):
    """Features that are 1 everywhere: graph, propagation, layer, uniform, own, limit; medians over the seeds.

    uniform: the relative deviation with equal weights, from a constant; own: from what P leaves as it is, in P's own
    coordinates; limit: the uniform one of √d̃. Below `ROUNDING` all are 0.
    """
    tables = []
    for name in graphs:
        degrees = graph(name).edge_index[0].bincount(minlength=graph(name).num_nodes) + 1
        limit = float(osm.relative_deviation(degrees.double().sqrt()[:, None]))
        for kind in kinds:
            P = propagation(name, kind=kind)
            first = torch.ones(P.num_nodes, setting.width, dtype=torch.float64)
            signals = features(network(setting, P, [setting.width] * (last + 2)), first)
            rows = {"graph": name, "propagation": kind, "layer": range(last + 1)}
            for measure, weights in (("uniform", None), ("own", P)):
                values = [float(osm.relative_deviation(X, weights).median()) for X in signals]
                rows[measure] = clear_of_rounding(np.array(values), ROUNDING)
            tables.append(pd.DataFrame(rows).assign(limit=limit))
    return pd.concat(tables, ignore_index=True)


def trained(setting, depths=(2, 4, 8), name="karate", steps=200, step_size=0.01):
    """GCNs trained on all labels from features that are 1: depth, seed, classes, loss, deviation.

    classes: how many different ones the trained network predicts; loss: as a share of the label entropy; deviation:
    the relative deviation of X⁽ᴸ⁾ in P's own coordinates.
    """
    data, P, tables = graph(name), propagation(name, kind="gcn"), []
    ones = torch.ones(P.num_nodes, setting.width, dtype=torch.float64)
    for depth in depths:
        nets = network(setting, P, [setting.width] * depth + [int(data.y.max()) + 1])
        history = osm.fit(nets, ones, data.y, "cross_entropy", lr=step_size, steps=steps, record_every=steps).table
        with torch.no_grad():
            predicted = nets(ones).argmax(-1)
        last = features(nets, ones)[-1]
        rows = {"depth": depth, "seed": list(setting.seeds), "classes": [len(one.unique()) for one in predicted]}
        rows["loss"] = history.query("step == @steps")["loss"].to_numpy() / label_entropy(data.y)
        rows["deviation"] = osm.relative_deviation(last, P).numpy()
        tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


def first_and_last(table, last):
    """The rows of `recovery` at layer 0 and at the last one, by graph."""
    return [table[table["layer"] == k].set_index("graph") for k in (0, last)]
