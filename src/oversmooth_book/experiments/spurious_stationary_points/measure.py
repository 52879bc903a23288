"""What happens to every layer's gradient when only the last layer is trained: the chapter on stationary points."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments import common
from oversmooth_book.experiments.common import clear_of_rounding, judged, label_variance

# The network's graph matrix, by the name that figures use; the perceptron has the same weights and no graph.
MODELS = {"gnn": "metropolis", "mlp": "identity"}
# A relative excess below it is rounding.
ROUNDING = 1e-12
# Beyond 1/√(machine epsilon) weights turn rounding into gradient: no two machines would agree on it.
HUGE = 1e8
SLOPE_OF_TANH = 4 / 27**0.5  # β: the Lipschitz constant of tanh'
WAY_DEPTHS = (5, 9, 17, 25, 33)
MANY = {  # the random networks of the plane (gradient, loss)
    "depths": (5, 17, 41),
    "scales": (1.0, 2.0),  # below 1, and with ReLU, gradients vanish in a perceptron, too
    "kinds": ("metropolis", "random_walk", "identity"),
    "activations": ("tanh", "elu"),
}
# Left out: ELU does not saturate, and after so many layers of norm 2 rounding decides the third digit of a gradient.
CHAOTIC = {("elu", 41, 2.0)}


def against_depth(setting, depths):
    """`common.judged` before and after the last layer is trained, with the columns model and last_layer.

    A row for each network, seed and layer; the perceptron has no certificate.
    """
    tables = []
    for model, kind in MODELS.items():
        for depth in depths:
            one = replace(setting, kind=kind, depth=depth)
            for name, network in (("random", one.network()), ("trained", one.trained())):
                table = judged(network, one.data(), certified=model == "gnn")
                tables.append(table.assign(model=model, last_layer=name))
    return pd.concat(tables, ignore_index=True)


def hidden_gradient(table):
    """The gradient of all layers but the last: model, last_layer, depth, seed, gradient, certificate, loss, floor.

    And above and below, the layers whose gradient exceeds the certificate and the rows whose loss lies below the floor
    by more than rounding, and least and most, the certificate over the gradient of single hidden layers.
    """
    table = table.assign(
        above=(table["gradient"] > table["certificate"] * (1 + ROUNDING)).astype(int),
        below=(table["loss"] < table["floor"] * (1 - ROUNDING)).astype(int),
    )
    by = ["model", "last_layer", "depth", "seed"]
    hidden = table[table["layer"] < table["depth"] - 1]
    hidden = hidden.assign(looseness=hidden["certificate"] / hidden["gradient"]).groupby(by, sort=False)
    norm = {name: (name, lambda g: (g**2).sum() ** 0.5) for name in ("gradient", "certificate")}
    keep = {name: (name, "first") for name in ("loss", "floor")}
    result = hidden.agg(**norm, **keep)
    counts = table.groupby(by, sort=False)[["above", "below"]].sum()
    ends = hidden["looseness"].agg(["min", "max"]).set_axis(["least", "most"], axis=1)
    return result.join(counts).join(ends).reset_index()


def on_graphs(tables):
    """`hidden_gradient` of several graphs, from graph's name -> `against_depth`, with the column graph in front."""
    parts = [hidden_gradient(table) for table in tables.values()]
    for part, graph in zip(parts, tables, strict=True):
        part.insert(0, "graph", graph)
    return pd.concat(parts, ignore_index=True)


def certificate_gain(setting, depths):
    """What transporting the mean gains, random last layers, hidden layers: depth, seed, layer, gain.

    The gain is the certificate that carries norms only over the one that transports the mean of the error exactly.
    """
    rows = []
    for depth in depths:
        signals = replace(setting, depth=depth).trace()
        plain, transport = (osm.certificate(signals, method).gradient for method in ("plain", "transport"))
        gain = (plain / transport)[:, :-1].numpy()
        seeds, layers = np.meshgrid(setting.seeds, range(depth - 1), indexing="ij")
        rows.append(
            pd.DataFrame({"depth": depth, "seed": seeds.ravel(), "layer": layers.ravel(), "gain": gain.ravel()})
        )
    return pd.concat(rows, ignore_index=True)


def three_ways(setting, depths=WAY_DEPTHS):
    """The last layer trained under a norm budget, by descent, and exactly: how, depth, seed, loss, total, last_norm.

    Where the weights are `HUGE`, the whole gradient is NaN.
    """
    tables = []
    for depth in depths:
        one = replace(setting, depth=depth)
        for how in ("budget", "descent", "exact"):
            table = judged(one.trained(how), one.data(), certified=False).query("layer == 0")
            tables.append(table.assign(how=how))
    table = pd.concat(tables, ignore_index=True)[["how", "depth", "seed", "loss", "total", "last_norm"]]
    return table.assign(total=table["total"].mask(table["last_norm"] > HUGE))


def random_networks(setting, depths, scales, kinds, activations):
    """Networks with a trained last layer: kind, activation, depth, scale, seed, loss, floor, total, share, gap.

    share is the loss over the label variance, gap the loss above its floor, 0 where it is rounding. `CHAOTIC` ones are
    left out.
    """
    rows = []
    for kind, activation, depth, scale in itertools.product(kinds, activations, depths, scales):
        if (activation, depth, scale) not in CHAOTIC:
            one = replace(setting, kind=kind, activation=activation, depth=depth, weight_scale=scale)
            table = judged(one.trained(), one.data(), certified=False).query("layer == 0")
            rows.append(table.assign(kind=kind, activation=activation, scale=scale))
    columns = ["kind", "activation", "depth", "scale", "seed", "loss", "floor", "total"]
    table = pd.concat(rows, ignore_index=True)[columns]
    gap = clear_of_rounding(table["loss"] - table["floor"])
    return table.assign(share=table["loss"] / label_variance(setting), gap=gap)


def mean_kept(setting, graph_seeds):
    """The last layer's mean and its bound, tanh, s = 1, a network on each graph: graph_seed, layer, mean, bound.

    layer is the first from which on the lemma on the mean applies, NaN if none; mean is ‖μ(F⁽ᴸ⁾)‖, bound the lemma's.
    """
    rows = []
    for seed in graph_seeds:
        signals = replace(setting, graph_seed=seed, seeds=(seed,)).trace()
        P, last = signals.propagation, signals.depth - 1
        reached = [k for k, X in enumerate(signals.features) if mean_rules(X[0], P)]
        layer = min(reached, default=np.nan)
        bound = np.nan
        if reached:
            bound = float(osm.mean(signals.features[layer][0], P).square().sum().reciprocal() + last - layer)
            bound = (2 * bound) ** -0.5
        mean = float(osm.mean(signals.propagated[last][0], P).norm())
        rows.append({"graph_seed": seed, "layer": layer, "mean": mean, "bound": bound})
    return pd.DataFrame(rows)


def mean_rules(X, P, terms=1000):
    """Whether the lemma applies to these features: 3β σ(X)² Σ_j λ²ʲ √(2/‖μ(X)‖² + 2j) ≤ log 2, β that of tanh."""
    steps = np.arange(1, terms + 1)
    weights = P.rate ** (2.0 * steps) * np.sqrt(2 / float(osm.mean(X, P).square().sum()) + 2 * steps)
    return bool(3 * SLOPE_OF_TANH * float(osm.energy(X, P)) * weights.sum() <= np.log(2))


def graphs(settings):
    """What the claims need to know of each graph, from its name -> setting: graph, rate (λ), variance (the labels')."""
    names = settings.items()
    rows = [{"graph": name, "rate": one.propagation().rate, "variance": label_variance(one)} for name, one in names]
    return pd.DataFrame(rows)


def by_layer(table, depth):
    """Every layer of the networks of one depth: model, last_layer, layer, median, low, high, quantity."""
    names = ["gradient", "certificate", "backward_deviation", "backward_norm", "backward_ratio"]
    return common.bands(table[table["depth"] == depth], ["model", "last_layer", "layer"], names)


def summary(hidden, names=("gradient", "certificate", "loss", "floor")):
    """`hidden_gradient` over the seeds: model, last_layer, depth, median, low, high, quantity."""
    return common.bands(hidden, ["model", "last_layer", "depth"], names)
