"""What happens to every layer's gradient when only the last layer is trained: the chapter on stationary points."""

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import WIDTH, targets
from oversmooth_book.experiments.common import over_seeds

BUDGET = 3.0  # the norm that the trained last layer may reach
# The network's graph matrix, by the name that figures use; the perceptron has the same weights and no graph.
MODELS = {"gnn": "metropolis", "mlp": "identity"}
ROUNDING = 1e-14  # sums of numbers of size one have no digits below it in float64; at depth 100 the gradient is there
WAY_DEPTHS = (5, 9, 17, 25, 33)
MANY = {  # the random networks of the plane (gradient, loss)
    "depths": (5, 17, 41),
    "scales": (0.7, 1.0, 2.0),
    "kinds": ("metropolis", "random_walk"),
    "activations": ("tanh", "elu", "relu"),
}


def network(data, kind, depth, seeds, weight_scale=1.0, activation="tanh"):
    """A batch of networks with one output, the same weights whatever the propagation.

    Args:
        data: the graph.
        kind: a kind of `oversmooth.Propagation`.
        depth: L+1, at least 2.
        seeds: list of integers.
        weight_scale: spectral norm of every weight matrix.
        activation: name.

    Returns:
        `oversmooth.Network`.
    """
    P = osm.Propagation.from_data(data, kind)
    return osm.Network(P, [data.num_features, *[WIDTH] * (depth - 1), 1], activation, weight_scale, seed=seeds)


def measure(net, data, loss=None):
    """Loss, floor, whole gradient, and per layer gradient, certificate and backward signal of a batch.

    Args:
        net: `oversmooth.Network`, a batch with one output.
        data: the graph; its labels are read as ±1.
        loss: output -> (seeds,); None means the mean squared error.

    Returns:
        pandas.DataFrame: a row for each seed and layer; the columns of `oversmooth.layer_profile`, certificate and
        plain_certificate (the two methods of `oversmooth.certificate`; NaN for P = I), loss, floor, total (norm of the
        whole gradient) and last_norm, ‖W⁽ᴸ⁾‖.
    """
    Y = targets(data)
    signals = osm.trace(net, data.x, loss or (lambda output: (output - Y).square().mean((-1, -2))))
    table = osm.layer_profile(signals)
    per_seed = {
        "loss": signals.loss,
        "floor": osm.loss_floor(net, data.x, Y),
        "last_norm": torch.linalg.matrix_norm(net.weights[-1].detach()),
    }
    for name, values in per_seed.items():
        table[name] = values.numpy()[table["seed"]]
    for name, method in (("certificate", "transport"), ("plain_certificate", "plain")):
        table[name] = float("nan")
        if net.propagation.kind != "identity":
            table[name] = osm.certificate(signals, method).gradient.mT.reshape(-1).numpy()
    table["total"] = table.groupby("seed")["gradient"].transform(lambda g: (g**2).sum() ** 0.5)
    return table


def against_depth(data, depths, num_seeds):
    """Every layer's gradient, before and after the last layer is trained, for graph network and perceptron.

    Args:
        data: the graph.
        depths: the depths L+1.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: what `measure` returns, with the columns model and trained.
    """
    tables = []
    for model, kind in MODELS.items():
        for depth in depths:
            net = network(data, kind, depth, list(range(num_seeds)))
            trained = osm.train_last_layer(net, data.x, targets(data), how="budget", budget=BUDGET)
            for name, one in (("random", net), ("trained", trained)):
                tables.append(measure(one, data).assign(model=model, last_layer=name))
    return pd.concat(tables, ignore_index=True)


def hidden_gradient(table):
    """The norm of the gradient of all layers but the last, a row for each model, last layer, depth and seed.

    Args:
        table: what `against_depth` returned.

    Returns:
        pandas.DataFrame: columns model, last_layer, depth, seed, gradient, certificate, loss, floor.
    """
    hidden = table[table["layer"] < table["depth"] - 1]
    norm = {name: (name, lambda g: (g**2).sum() ** 0.5) for name in ("gradient", "certificate")}
    keep = {name: (name, "first") for name in ("loss", "floor")}
    return hidden.groupby(["model", "last_layer", "depth", "seed"], sort=False).agg(**norm, **keep).reset_index()


def slope(table, least_depth):
    """Least-squares slope of the logarithm of the gradient against depth.

    Args:
        table: columns depth, gradient; gradients below `ROUNDING` are left out.
        least_depth: shallower networks are left out.

    Returns:
        The slope, per layer; log λ is what the theory gives.
    """
    deep = table[(table["depth"] >= least_depth) & (table["gradient"] > ROUNDING)]
    x = torch.tensor(deep["depth"].to_numpy(), dtype=torch.float64)
    y = torch.tensor(deep["gradient"].to_numpy()).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def three_ways(data, depths, num_seeds):
    """The last layer trained under a norm budget, by gradient descent, and exactly.

    Args:
        data: the graph.
        depths: the depths L+1.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: columns how, depth, seed, loss, total, last_norm.
    """
    tables = []
    for depth in depths:
        net = network(data, "metropolis", depth, list(range(num_seeds)))
        for how in ("budget", "descent", "exact"):
            trained = osm.train_last_layer(net, data.x, targets(data), how=how, budget=BUDGET)
            tables.append(measure(trained, data).query("layer == 0").assign(how=how))
    columns = ["how", "depth", "seed", "loss", "total", "last_norm"]
    return pd.concat(tables, ignore_index=True)[columns]


def random_networks(data, depths, scales, kinds, activations, num_seeds):
    """Many networks with a trained last layer in the plane (gradient, loss above its floor).

    Args:
        data: the graph.
        depths: the depths L+1.
        scales: the weight scales.
        kinds: the propagations.
        activations: the activations.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: a row for each network: kind, activation, depth, scale, seed, loss, floor, total, and
        share, the loss over the label variance.
    """
    rows = []
    for kind in kinds:
        for activation in activations:
            for depth in depths:
                for scale in scales:
                    net = network(data, kind, depth, list(range(num_seeds)), scale, activation)
                    net = osm.train_last_layer(net, data.x, targets(data), how="budget", budget=BUDGET)
                    table = measure(net, data).query("layer == 0")
                    rows.append(table.assign(kind=kind, activation=activation, scale=scale))
    columns = ["kind", "activation", "depth", "scale", "seed", "loss", "floor", "total"]
    table = pd.concat(rows, ignore_index=True)[columns]
    return table.assign(share=table["loss"] / float(targets(data).var(correction=0)))


def by_layer(table, depth):
    """Every layer of the networks of one depth: gradient, certificate, and the three numbers of the backward signal.

    Args:
        table: what `against_depth` returned.
        depth: which one.

    Returns:
        pandas.DataFrame: columns model, last_layer, layer, quantity, median, low, high (over the seeds).
    """
    one = table[table["depth"] == depth]
    names = ["gradient", "certificate", "backward_deviation", "backward_norm", "backward_ratio"]
    parts = [over_seeds(one, ["model", "last_layer", "layer"], name).assign(quantity=name) for name in names]
    return pd.concat(parts, ignore_index=True)


def summary(hidden, names=("gradient", "certificate", "loss", "floor")):
    """Medians and ranges over the seeds of what `hidden_gradient` returned.

    Args:
        hidden: columns model, last_layer, depth, seed, and ``names``.
        names: the quantities.

    Returns:
        pandas.DataFrame: columns model, last_layer, depth, quantity, median, low, high.
    """
    parts = [over_seeds(hidden, ["model", "last_layer", "depth"], name).assign(quantity=name) for name in names]
    return pd.concat(parts, ignore_index=True)


def certified(table, rounding=1e-12):
    """Whether certificate and floor hold, and how far the certificate lies above the gradient.

    Args:
        table: what `against_depth` returned.
        rounding: relative excess that counts as rounding.

    Returns:
        Dictionary: violations (layers whose gradient exceeds the certificate), below_floor (rows whose loss lies below
        the floor), low and high (the certificate over the gradient, last layer trained, hidden layers).
    """
    ours = table[table["model"] == "gnn"]
    hidden = ours[(ours["last_layer"] == "trained") & (ours["layer"] < ours["depth"] - 1)]
    above = hidden["certificate"] / hidden["gradient"]
    return {
        "violations": int((ours["gradient"] > ours["certificate"] * (1 + rounding)).sum()),
        "below_floor": int((table["loss"] < table["floor"] * (1 - rounding)).sum()),
        "low": above.min(),
        "high": above.max(),
    }
