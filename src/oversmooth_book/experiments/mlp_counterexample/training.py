"""Training MLPs and GNNs side by side; part of the experiments of `mlp_counterexample`.

Step sizes are those at which the runs repeat on other machines: with larger ones the training of a deep MLP is chaotic,
and rounding decides the digits of the loss.
"""

import pandas
import torch

import oversmooth as osm

WIDTH = 16  # smaller than elsewhere in the chapter: training costs a thousand passes
DEPTHS = (5, 41)
SCALES = (0.5, 0.7, 1.0, 1.5, 3.0)
RATES = {"gradient descent": ("sgd", 0.02), "Adam": ("adam", 0.001)}
DIAL = (0.0, 0.05, 0.2, 0.5, 0.7, 0.85, 1.0)


def reference():
    """The features (n, 8) of the reference graph, and its classes as targets −1 and 1, (n, 1)."""
    data = osm.csbm()
    return data.x, 2.0 * data.y[:, None] - 1


def propagation(t):
    """P_t = (1−t) I + t P of the reference graph; the identity, not a product with it, for t = 0.

    Args:
        t: between 0, an MLP, and 1, the GNN with Metropolis weights.

    Returns:
        `Propagation`.
    """
    P = osm.Propagation.from_data(osm.csbm(), kind="identity" if t == 0 else "metropolis")
    if t in (0, 1):
        return P
    dense = P.to_dense()
    return osm.Propagation.from_matrix((1 - t) * torch.eye(len(dense), dtype=dense.dtype) + t * dense)


def training_curves(steps, seeds):
    """Loss and gradient against the step, for the MLP and the GNN of both depths, scale 1, both optimisers.

    Args:
        steps: number of updates.
        seeds: seeds of the weights.

    Returns:
        A row for each network (mlp, gnn), depth, optimizer, step and seed: loss, gradient (norm of the whole gradient),
        relative_deviation (of the features that enter the last layer).
    """
    cases = [(name, depth, 1.0, rule) for name in ("mlp", "gnn") for depth in DEPTHS for rule in RATES]
    tables = []
    for case in cases:
        tables.append(_train(*case, steps, seeds, record_every=max(1, steps // 40)))
    return pandas.concat(tables, ignore_index=True)


def outcomes(curves, seeds):
    """Who has learned after half of the steps: the same training at every scale of the weights.

    Args:
        curves: what `training_curves` returned: the row of scale 1, and which recorded step is the middle one.
        seeds: seeds of the weights; at the largest scale at least eight, because they disagree there.

    Returns:
        A row for each network, depth, scale and optimizer: learned, whether the loss is below 0.5, half the label
        variance, for all, some or no seeds. No numbers: at scale 3 the losses are chaotic.
    """
    recorded = sorted(set(curves["step"]))
    steps, tables = int(recorded[len(recorded) // 2]), [curves]
    for name in ("mlp", "gnn"):
        for depth in DEPTHS:
            for scale in SCALES:
                several = seeds if scale < max(SCALES) else list(range(max(8, len(seeds))))
                for rule in RATES if scale != 1 else ():
                    tables.append(_train(name, depth, scale, rule, steps, several, record_every=steps))
    return who_learned(pandas.concat(tables, ignore_index=True), steps)


def who_learned(curves, step):
    """Whether all, some or no seeds have a loss below 0.5 at a step.

    Args:
        curves: columns network, depth, scale, optimizer, step, seed, loss.
        step: which one.

    Returns:
        A row for each network, depth, scale and optimizer: learned.
    """
    last = curves[curves["step"] == step]
    learned = last.assign(learned=last["loss"] < 0.5).groupby(["network", "depth", "scale", "optimizer"])["learned"]
    words = learned.mean().map(lambda share: "all" if share == 1 else "some" if share else "none")
    return words.reset_index()


def dial_training(steps, seeds):
    """The loss after training at depth 41 with P_t = (1−t) I + t P, Adam, scale 1.

    Args:
        steps: number of updates.
        seeds: seeds of the weights.

    Returns:
        A row for each t and seed: loss.
    """
    tables = [_train(t, 41, 1.0, "Adam", steps, seeds, record_every=steps).assign(t=t) for t in DIAL]
    table = pandas.concat(tables, ignore_index=True)
    return table.loc[table["step"] == steps, ["t", "seed", "loss"]].reset_index(drop=True)


def _train(where, depth, scale, rule, steps, seeds, record_every):
    """One batch of seeds; ``where`` is mlp, gnn, or t."""
    x, y = reference()
    P = propagation({"mlp": 0.0, "gnn": 1.0}.get(where, where))
    widths = [x.shape[1], *[WIDTH] * (depth - 1), 1]
    network = osm.Network(P, widths, weight_scale=scale, seed=seeds)
    optimizer, rate = RATES[rule]
    history = osm.fit(network, x, y, optimizer=optimizer, lr=rate, steps=steps, record_every=record_every)
    last = f"relative_deviation_{depth - 1}"
    table = history.table[["step", "seed", "loss", "gradient", last]]
    return table.rename(columns={last: "relative_deviation"}).assign(
        network=where, depth=depth, scale=scale, optimizer=rule
    )
