"""Untrained networks of the chapter on backward oversmoothing, traced and measured layer by layer: tidy tables."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments import common
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds

CHUNK = 10  # seeds in one batch: all signals of a 41-layer batch then take about 200 MB
NETWORKS = {
    "identity": {"activation": "identity"},
    "tanh": {"activation": "tanh"},
    "elu": {"activation": "elu"},
    "tanh, scale 4": {"activation": "tanh", "weight_scale": 4.0},
}
# ReLU halves the mean square of what passes it; √2 keeps it (He et al., 2015).
RELU_NETWORKS = {"relu": {"activation": "relu"}, "relu, scale √2": {"activation": "relu", "weight_scale": math.sqrt(2)}}
# A rise or an excess by less than this share may be rounding: some thousand roundings of float64.
ROUNDING = 1e-12
# Of what is exactly zero in a linear network, in units of the whole output error, rounding leaves less.
EXACT = 1e-14

THREE = ("backward_deviation", "backward_norm", "backward_ratio")
_LIMIT = ("distance", "mean_departure", "deviation_bound", "departure", "departure_bound")
_STEP = ("backward_ratio", "backward_deviation", "deviation_bound")
# What the figures draw of each network. More would be rounding: where slopes agree, the departures are zero.
DRAWN = {
    "identity": (*THREE, "distance"),
    "tanh": (*THREE, *_LIMIT),
    "elu": (*THREE, *_LIMIT),
    "tanh, scale 4": THREE,
    "relu": (*_STEP, "mixed_signs"),
    "relu, scale √2": _STEP,
}
QUANTITIES = (*THREE, *_LIMIT, "mixed_signs")
# The networks whose ratio has a smallest value that is no accident: the two others stay level.
VALLEYS = ("identity", "tanh", "elu", "relu, scale √2")


def traces(setting):
    """Yield (seeds, `osm.Signals`) of the untrained networks, some seeds at a time."""
    for first in range(0, len(setting.seeds), CHUNK):
        seeds = setting.seeds[first : first + CHUNK]
        yield seeds, replace(setting, seeds=seeds).trace()


def profiles(setting, networks=NETWORKS, bounds=True):
    """`osm.layer_profile` of several networks, with the column network: a row for each network, seed and layer.

    With ``bounds`` also deviation_bound, departure and departure_bound (both sides of (B1) and (B2), but for σ(B̃⁽ᵏ⁾)),
    preactivation_ratio, mean_departure and distance (from the limit, of the mean and of the whole, over ‖B̃⁽ᵏ⁾‖), and
    mixed_signs, the share of the units that are positive at some nodes only.
    """
    tables = []
    for name, changes in networks.items():
        for seeds, signals in traces(replace(setting, **changes)):
            table = osm.layer_profile(signals).assign(**(flat(_extra(signals)) if bounds else {}))
            tables.append(table.assign(network=name, seed=np.take(seeds, table["seed"])))
    return pd.concat(tables, ignore_index=True)


def _extra(signals):
    """Per layer and seed: (depth, seeds) each; NaN at the output where a quantity needs two layers."""
    P, B, H = signals.propagation, signals.backward, signals.preactivations
    mu, spread = [osm.backward_mean(b, P) for b in B], stack(osm.backward_deviation, B, P)
    transport = osm.mean_transport(signals)
    gap = torch.stack([torch.linalg.vector_norm(m - b, dim=-1) for m, b in zip(mu, transport, strict=True)])
    norm = (torch.stack([m.square().sum(-1) for m in mu]) + spread.square()).sqrt()
    step = osm.backward_step(signals)
    padded = {name: _padded(getattr(step, name)) for name in ("deviation_bound", "departure", "departure_bound")}
    mixed = [((h > 0).any(-2) & (h <= 0).any(-2)).double().mean(-1) for h in H]
    return padded | {
        "preactivation_ratio": stack(osm.relative_deviation, H, P),
        # of the whole signal: the mean itself may be a sum that cancels, and a share of it would be rounding
        "mean_departure": gap / norm,
        "distance": (spread.square() + gap.square()).sqrt() / norm,
        "mixed_signs": torch.stack(mixed),
    }


def stack(function, signals, *arguments):
    """A number for each signal and seed of a list over the layers: (depth, seeds)."""
    return torch.stack([function(signal, *arguments) for signal in signals])


def _padded(values):
    """(seeds, L) to (depth, seeds), NaN at the output."""
    return torch.cat([values, values.new_full((*values.shape[:-1], 1), math.nan)], -1).mT


def flat(columns):
    """Tensors (depth, seeds) as columns, in the order of `osm.layer_profile`."""
    return {name: values.reshape(-1).numpy() for name, values in columns.items()}


def bands(table, quantities=QUANTITIES):
    """`profiles` over the seeds: network, layer, median, low, high, quantity."""
    return common.bands(table, ["network", "layer"], quantities)


def drawn(bands, networks):
    """The rows of `bands` that the figures of some networks draw, by `DRAWN`."""
    pairs = zip(bands["network"], bands["quantity"], strict=True)
    keep = [network in networks and quantity in DRAWN[network] for network, quantity in pairs]
    return bands[keep].reset_index(drop=True)


def smoothness_map(table):
    """Medians over the seeds of the ratios of every layer: network, layer, forward (of H⁽ᵏ⁾), backward."""
    table = table[table["network"].isin(NETWORKS)]
    columns = {"preactivation_ratio": "forward", "backward_ratio": "backward"}
    medians = table.groupby(["network", "layer"], sort=False)[list(columns)].median()
    return medians.rename(columns=columns).reset_index()


def valleys(table, by=("network", "seed")):
    """Where the backward ratio is smallest: ``by``, position, rise, valley, rises.

    position is the layer of the minimum over L, rise the ratio at the input over the minimum, valley the lower of the
    ratios at the input and at the output over it; rises counts the steps towards the input at which the ratio grows by
    more than rounding.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        ratio = part.sort_values("layer")["backward_ratio"].to_numpy()
        low = ratio.argmin()
        row = dict(zip(by, key, strict=True)) | {"position": low / (len(ratio) - 1), "rise": ratio[0] / ratio[low]}
        row["valley"] = min(ratio[0], ratio[-1]) / ratio[low]
        row["rises"] = int((ratio[:-1] > ratio[1:] * (1 + ROUNDING)).sum())
        rows.append(row)
    return pd.DataFrame(rows)


def all_valleys(table):
    """`valleys` of the networks that have one, on all graphs: graph, network, seed, position, rise, valley, rises."""
    return valleys(table[table["network"].isin(VALLEYS)], ("graph", "network", "seed"))


def steps(table):
    """What each network of `profiles` does at its steps: network, seed, violations, beyond, departure, output_mean.

    violations: layers at which the left side of (B1) or (B2) exceeds the right one by more than rounding.
    beyond: the largest ‖μ(B̃⁽ᵏ⁾) − b̄⁽ᵏ⁾‖ / ‖B̃⁽ᵏ⁾‖ beyond the first quarter of the layers.
    departure: the largest ‖μ(B̃⁽ᵏ⁾) − b̄⁽ᵏ⁾‖ / ‖B̃⁽ᴸ⁾‖ of all layers. In units of the whole output error, since that is
    where the average is taken: of balanced labels it is small, and its rounding is a share of what cancels.
    output_mean: ‖μ(B̃⁽ᴸ⁾)‖. What rounding leaves of the departures is saved as 0.
    """
    rows = []
    for (network, seed), part in table.groupby(["network", "seed"], sort=False):
        part = part.sort_values("layer")
        output, norm = part.iloc[-1], part["backward_norm"]
        left, right = part[["backward_deviation", "departure"]], part[["deviation_bound", "departure_bound"]]
        excess = (left.to_numpy() - right.to_numpy()) / norm.to_numpy()[:, None]
        beyond = part.loc[part["layer"] >= output["depth"] // 4, "mean_departure"].max()
        departure = (part["mean_departure"] * norm).max() / output["backward_norm"]
        row = {"network": network, "seed": seed, "violations": int((excess > ROUNDING).sum())}
        row |= {"beyond": float(clear_of_rounding(beyond)), "departure": float(clear_of_rounding(departure, EXACT))}
        rows.append(row | {"output_mean": output["backward_mean"]})
    return pd.DataFrame(rows)


def by_depth(setting, depths, graph_seeds):
    """Where the ratio is smallest, several block models and depths: network, seed, position, valley, depth, graph."""
    networks, tables = {name: NETWORKS[name] for name in ("tanh", "elu")}, []
    for graph in graph_seeds:
        for depth in depths:
            table = profiles(replace(setting, graph_seed=graph, depth=depth), networks, bounds=False)
            tables.append(valleys(table).drop(columns=["rise", "rises"]).assign(depth=depth, graph=graph))
    return pd.concat(tables, ignore_index=True)


def matching(setting, graph):
    """The setting on another graph, at the depth at which it smooths as much: equal λ^L."""
    other = replace(setting, graph=graph)
    layers = (setting.depth - 1) * math.log(setting.propagation().rate) / math.log(other.propagation().rate)
    return replace(other, depth=1 + round(layers))


def rates(settings):
    """λ and depth of each graph, from graph's name -> setting: graph, rate, depth."""
    rows = [(name, one.propagation().rate, one.depth) for name, one in settings.items()]
    return pd.DataFrame(rows, columns=["graph", "rate", "depth"])


def on_graphs(tables):
    """`profiles` of several graphs in one table, from graph's name -> table, with the column graph."""
    return pd.concat([table.assign(graph=graph) for graph, table in tables.items()], ignore_index=True)


def shares(table, networks=("identity", "tanh", "elu")):
    """The ratio on several graphs: graph, network, share of the depth (layer over L), median, low, high."""
    table = table[table["network"].isin(networks)]
    table = table.assign(share=table["layer"] / (table["depth"] - 1))
    return over_seeds(table, ["graph", "network", "share"], "backward_ratio")
