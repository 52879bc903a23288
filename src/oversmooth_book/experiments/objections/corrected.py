"""Propagation without its dominant mode, as published: to which depth it trains, and what it classifies."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.training import labelled_and_test
from oversmooth_book.experiments.common import clear_of_rounding, label_entropy, over_seeds
from oversmooth_book.experiments.objections.measure import least_losses
from oversmooth_book.experiments.settings import Setting, cross_entropy

# Adam's own ε, and one that no gradient of these depths is below -> operators of the networks that get it.
EPSILON, TINY = 1e-8, 1e-14
NETWORKS = {EPSILON: ("plain", "corrected", "centred", "deflated"), TINY: ("corrected",)}
ROUNDS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
CLOSE = Setting(graph="CSBM 1600", separation=0.3)


class Corrected:
    """P − left rightᵀ, for P a `Propagation` and two columns (n, 1): no division by λ.

    The corrected convolution removes the dominant mode of P, left = 1 and right = π of the walk, or left = right ∝ √d̃
    of the symmetric normalisation; centred aggregation removes the mean over the nodes, left = 1 and right = 1/n.
    """

    kind = "corrected"

    def __init__(self, propagation, left, right):
        self.base, self.left, self.right, self.num_nodes = propagation, left, right, propagation.num_nodes

    def __matmul__(self, signal):
        return self.base @ signal - self.left * (self.right.mT @ signal)

    def adjoint(self, signal):
        """The transpose."""
        return self.base.adjoint(signal) - self.right * (self.left.mT @ signal)


class SideBySide:
    """Dense operators on the same nodes, one for each network of a batch: (seeds, n, n)."""

    kind = "side by side"

    def __init__(self, matrices):
        self.matrices, self.num_nodes = matrices, matrices.shape[-1]

    def __matmul__(self, signal):
        return self.matrices @ signal

    def adjoint(self, signal):
        """The transposes."""
        return self.matrices.mT @ signal


def operator(name, P):
    """P, its published corrections, or Q = (P − 1πᵀ)/λ, by a name in `NETWORKS`; "corrected GCN" for kind gcn."""
    ones = torch.ones(P.num_nodes, 1, dtype=torch.float64)
    if name == "corrected GCN":
        mode = torch.from_numpy(P.scaling)[:, None]
        return Corrected(P, mode / mode.norm(), mode / mode.norm())
    known = {"corrected": P.stationary[:, None], "centred": ones / P.num_nodes}
    if name in known:
        return Corrected(P, ones, known[name])
    return osm.deflate(P) if name == "deflated" else P


def depths_trained(setting, depths, graphs):
    """Tanh networks at equal budget: name, epsilon, depth, graph, seed, rate, loss, gradient.

    Half of the labels; orthogonal weights, an output bias, Adam. loss: the least, as a share of the entropy; gradient:
    the root mean square of the entries of the middle layer's, before the first step.
    """
    tables = []
    for epsilon, names in NETWORKS.items():
        for depth, draw in product(depths, graphs):
            one = replace(setting, graph_seed=draw, depth=depth)
            keys = {"epsilon": epsilon, "depth": depth, "graph": draw, "rate": one.propagation().rate}
            tables.append(_trained(one, names, epsilon).assign(**keys))
    return pd.concat(tables, ignore_index=True)


def _trained(setting, names, epsilon):
    """Networks on several operators, with the same weights, trained side by side: name, seed, loss, gradient."""
    data, P = setting.data(), setting.propagation()
    labelled, _ = labelled_and_test(data.y, 0.5, setting.graph_seed)
    widths = [data.num_features, *[setting.width] * (setting.depth - 1), int(data.y.max()) + 1]
    dense = [operator(name, P) @ torch.eye(P.num_nodes, dtype=torch.float64) for name in names]
    each = SideBySide(torch.stack(dense).repeat_interleave(len(setting.seeds), 0))
    keys = {"name": np.repeat(names, len(setting.seeds)), "seed": setting.seeds * len(names)}
    nets = osm.Network(each, widths, seed=list(keys["seed"]), output_bias=True)
    measure = cross_entropy(data.y[labelled])

    def objective():
        return measure(nets(data.x)[:, labelled])

    middle = nets.weights[setting.depth // 2]
    (start,) = torch.autograd.grad(objective().sum(), [middle])
    least = least_losses(nets.parameters(), objective, setting.steps, setting.step_size, epsilon)
    found = {"loss": least / label_entropy(data.y[labelled]), "gradient": start.square().mean((-1, -2)).sqrt()}
    return pd.DataFrame(keys | {name: values.numpy() for name, values in found.items()})


def depth_bands(table):
    """`depths_trained` over all networks, two tables, loss and gradient: name, epsilon, depth, median, low, high.

    The gradients, which no ε changes, with rate, the median λ.
    """
    keys = ["name", "epsilon", "depth"]
    start = table[table["name"].isin(["plain", "corrected", "deflated"]) & (table["epsilon"] == EPSILON)]
    gradients = over_seeds(start, ["name", "depth"], "gradient").assign(rate=table["rate"].median())
    return over_seeds(table, keys, "loss"), gradients


def rounds(seeds, reference=CLOSE):
    """Linear convolutions and a least-squares classifier with a bias: name, rounds, seed, error, norm, ratio.

    Block models as in ``reference``, drawn from each seed. Half of the nodes' labels; error on the other half; norm of
    the classifier's weights; relative deviation of what it reads. P^kX and (P − 1πᵀ)^kX differ by one row, the same for
    every node, which the bias absorbs.
    """
    rows = []
    for seed in seeds:
        one = replace(reference, graph_seed=seed)
        data, (walk, gcn) = one.data(), (replace(one, kind=kind).propagation() for kind in ("random_walk", "gcn"))
        train = torch.rand(data.num_nodes, generator=torch.Generator().manual_seed(seed)) < 0.5
        operators = {"plain": walk, "corrected": operator("corrected", walk), "deflated": osm.deflate(walk)}
        operators["corrected GCN"] = operator("corrected GCN", gcn)
        for name, P in operators.items():
            signal, done = data.x, 0
            for k in ROUNDS:
                for _ in range(k - done):
                    signal = P @ signal
                done = k
                error, norm = classified(signal, data.y, train)
                ratio = float(osm.relative_deviation(signal, walk))
                keys = {"name": name, "rounds": k, "seed": seed}
                rows.append({**keys, "error": error, "norm": norm, "ratio": ratio})
    return pd.DataFrame(rows)


def classified(signal, labels, train):
    """Error outside ``train`` of the least-squares fit, with a bias, to the labels ±1 inside; norm of its weights.

    Columns are centred and scaled first: the fit is the same, and well conditioned.
    """
    centre, scale = signal[train].mean(0), signal[train].std(0)
    standard = (signal - centre) / scale
    design = torch.cat([standard, torch.ones(len(standard), 1, dtype=torch.float64)], 1)
    weights = torch.linalg.lstsq(design[train], 2 * labels[train, None].double() - 1).solution
    wrong = ((design @ weights)[:, 0] > 0) != (labels > 0)
    return float(wrong[~train].double().mean()), float((weights[:-1, 0] / scale).norm())


def round_bands(table):
    """`rounds` over the draws, three tables, error, norm and ratio: name, rounds, median, low, high."""
    return [over_seeds(table, ["name", "rounds"], value) for value in ("error", "norm", "ratio")]


def disagreement(table):
    """Error after plain rounds against that after corrected ones: rounds, difference (largest over the draws)."""
    errors = table.pivot(index=["rounds", "seed"], columns="name", values="error")
    gap = (errors["plain"] - errors["corrected"]).abs().groupby("rounds").max()
    return pd.DataFrame({"difference": clear_of_rounding(gap)}, index=gap.index).reset_index()
