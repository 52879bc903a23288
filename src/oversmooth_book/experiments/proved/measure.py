"""What is proved of trained networks, and what floats, descent and flow measure of the same ones.

Functions whose name begins with ``prove`` return rows for `oversmooth_book.save_proofs`, the others tables. The depth
is the number of weight matrices.
"""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import torch
from scipy.integrate import solve_ivp

import oversmooth as osm
from oversmooth.proof.escape import checked_descent, start
from oversmooth_book.experiments.common import label_variance
from oversmooth_book.experiments.settings import Setting, signs, squared_error

REFERENCE = Setting()
# A small graph that mixes fast: bounds say something at depths from which descent still gets away while one watches.
SMALL = replace(REFERENCE, graph="CSBM 100", density=2.0, width=16)
LEFT = 0.8  # θ, a share of the label variance
TIMES = {"gradient descent": 0.005, "Adam": 0.001}  # step sizes; a larger one of descent falls back as it leaves
LIMIT = 20_000  # steps
LONGEST = 200.0  # of the flow, in time


def single(setting):
    """The setting's first network, last layer trained under the norm budget: one network, as a proof needs it."""
    return setting.trained(seed=setting.seeds[0])


def problem(setting):
    """Features and targets ±1."""
    data = setting.data()
    return data.x, signs(data.y)


def prove_networks(setting, depths):
    """Proofs for networks of several depths, and a table of what floats say of them.

    Rows graph, depth, network; table graph, depth, gradient, certificate, gap: gradient is the norm of the whole
    gradient, certificate that of the spurious chapter's bounds of it, gap the label variance minus the loss, all three
    computed in doubles; gap is 0 where they see none.
    """
    proofs, floats = [], []
    for depth in depths:
        one = replace(setting, depth=depth)
        network, (X, Y) = single(one), problem(one)
        proofs.append({"graph": one.graph, "depth": depth, "network": osm.certify(network, X, Y)})
        floats.append({"graph": one.graph, "depth": depth, **in_floats(one, network)})
    return proofs, pd.DataFrame(floats)


def in_floats(setting, network):
    """gradient, certificate and gap of one network, in doubles."""
    X, Y = problem(setting)
    signals = osm.trace(network, X, squared_error(Y))
    gradient = math.sqrt(sum(float(part.square().sum()) for part in signals.gradients))
    certificate = float(osm.certificate(signals).gradient.square().sum().sqrt())
    gap = label_variance(setting) - float(signals.loss)
    return {"gradient": gradient, "certificate": certificate, "gap": max(gap, 0.0)}


def prove_escapes(setting, depths):
    """How long and how far, for networks of several depths and seeds: rows depth, seed, time, distance."""
    rows = []
    for depth in depths:
        for seed in setting.seeds:
            one = replace(setting, depth=depth, seeds=(seed,))
            network, (X, Y) = single(one), problem(one)
            begun, threshold = start(network, X, Y, rigorous=True), LEFT * label_variance(one)
            bounds = {"time": begun.time(threshold), "distance": begun.distance(threshold)}
            rows.append({"depth": depth, "seed": seed, **bounds})
    return rows


def escapes(setting, depths, num_flows=0):
    """When the loss is first below `LEFT`: method, depth, seed, time, distance, bound.

    Methods are gradient flow (of the first ``num_flows`` seeds), descent and Adam, whose time is steps times step size;
    distance is the weights' from the start. bound is `osm.escape_time` in doubles, for descent with the run's own
    decrease and stride; there is none for Adam, nor for descent that rises above its first loss on the way out.
    """
    tables = []
    for depth in depths:
        one = replace(setting, depth=depth)
        tables += [descend(one, method) for method in TIMES]
        flows = [flow(replace(one, seeds=(seed,))) for seed in setting.seeds[:num_flows]]
        tables.append(pd.DataFrame(flows))
    return pd.concat(tables, ignore_index=True)[["method", "depth", "seed", "time", "distance", "bound"]]


def descend(setting, method):
    """Gradient descent or Adam on every seed until all have left: a table for `escapes`; NaN who has not."""
    network, (X, Y) = setting.trained(), problem(setting)
    start = [weight.detach().clone() for weight in network.weights]
    kind = torch.optim.Adam if method == "Adam" else torch.optim.SGD
    optimizer, threshold = kind(network.parameters(), lr=TIMES[method], foreach=True), LEFT * label_variance(setting)
    losses, gradients, distance = [], [], np.full(len(setting.seeds), math.nan)
    while len(losses) < LIMIT and np.isnan(distance).any():
        optimizer.zero_grad()
        loss = squared_error(Y)(network(X))
        loss.sum().backward()  # no seed's loss depends on another's weights
        losses.append(loss.numpy(force=True))
        gradients.append(_norms([weight.grad for weight in network.weights]))
        fresh = (losses[-1] < threshold) & np.isnan(distance)
        distance[fresh] = _norms([a.detach() - b for a, b in zip(network.weights, start, strict=True)])[fresh]
        optimizer.step()
    losses, gradients = np.array(losses), np.array(gradients)
    steps = np.where(np.isnan(distance), math.nan, (losses < threshold).argmax(0))
    table = pd.DataFrame(
        {"seed": setting.seeds, "time": steps * TIMES[method], "distance": distance, "bound": math.nan}
    )
    if method != "Adam":
        table["bound"] = [_bound(setting, k, losses[:, k], gradients[:, k], steps[k]) for k in range(len(table))]
    return table.assign(method=method, depth=setting.depth)


def _bound(setting, k, losses, gradients, steps):
    """`osm.escape_time` for a run of descent of the k-th seed, by what it did until it left."""
    if np.isnan(steps) or losses[: int(steps) + 1].max() > losses[0]:
        return math.nan
    run = pd.DataFrame({"loss": losses, "gradient": gradients})[: int(steps) + 1]
    decrease, stride = checked_descent(run, TIMES["gradient descent"])
    one = replace(setting, seeds=setting.seeds[k : k + 1])
    task = {"threshold": LEFT * label_variance(setting), "decrease": decrease, "stride": stride}
    return float(osm.escape_time(single(one), *problem(one), **task))


def _norms(parts):
    """The norm of all parts together, (seeds,): each of them (seeds, rows, columns)."""
    return sum(part.square().sum((-2, -1)) for part in parts).sqrt().numpy(force=True)


def flow(setting):
    """Gradient flow of all weights of one network, by Runge-Kutta of order 5: a row of `escapes`."""
    run, (X, Y) = single(setting), problem(setting)
    threshold, weights = LEFT * label_variance(setting), list(run.weights)
    bound, sizes = float(osm.escape_time(run, X, Y, threshold=threshold)), [weight.numel() for weight in weights]

    def loss(row):
        with torch.no_grad():
            for weight, part in zip(weights, torch.from_numpy(row.copy()).split(sizes), strict=True):
                weight.copy_(part.view_as(weight))
        return squared_error(Y)(run(X))

    def slope(_, row):
        return -torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss(row), weights)]).numpy()

    def left(_, row):
        return float(loss(row).detach()) - threshold

    left.terminal = True
    start = torch.cat([weight.detach().flatten() for weight in weights]).numpy()
    found = solve_ivp(slope, (0, LONGEST), start, events=left, rtol=1e-6, atol=1e-9)
    times, ends = found.t_events[0], found.y_events[0]
    ended = {"time": float(times[0]), "distance": float(np.linalg.norm(ends[0] - start))} if len(times) else {}
    return {"method": "gradient flow", "depth": setting.depth, "seed": setting.seeds[0], "bound": bound, **ended}


def prove_exactly(depths, twin_depths):
    """The counter-example in fractions, minus what it is claimed to be: rows network, activation, depth, gap.

    gap is the sum of the distances of loss and all gradients from 19/40, (0, −171/200) and 0; for the twin on the
    4-cycle from its closed form.
    """
    rows = []
    for activation in ("elu", "relu"):
        for depth in depths:
            found = osm.exact_counterexample(depth, activation=activation)
            loss, last = Fraction(19, 40), Fraction(-171, 200)
            rows.append({"network": "mlp", "activation": activation, "depth": depth, "gap": _gap(found, loss, last)})
        for depth in twin_depths:
            found, (loss, last) = osm.exact_counterexample(depth, "cycle", activation), twin(depth)
            rows.append({"network": "gnn", "activation": activation, "depth": depth, "gap": _gap(found, loss, last)})
    return rows


def twin(depth):
    """Loss and second entry of the first gradient of the twin on the 4-cycle, by the theorem's closed form."""
    a = Fraction(1, 2 * 3**depth)
    w = Fraction(9) / (9 + 4 * a**2)
    residual = [w * (Fraction(3, 2) + end * a) - y for end, y in ((-1, 1), (-1, 2), (1, 1), (1, 2))]
    return sum(r**2 for r in residual) / 4, w / 2 * (9 * (w - 1) - (-1) ** depth * 2 * a)


def _gap(found, loss, last):
    parts = [found.loss - loss, found.gradient[0], found.gradient[1] - last, *found.others]
    return sum(map(abs, parts), Fraction(0))
