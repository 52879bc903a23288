"""Random tests of the bound (F): graphs, propagations, activations, widths and scales, all drawn at random."""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.forward_oversmoothing.phase import ring


def bound_draws(num_draws, seed=0):
    """How much of the bound (F) random networks use: draw, kind, activation, nodes, depth, scale, rate, used, violated.

    ``used`` is the largest σ(X⁽ᵏ⁾)/bound over the layers k ≥ 1 and the output, where both are above rounding, 0 if
    nowhere; ``violated`` is 1 where it exceeds 1 by more than rounding.
    """
    rng = np.random.default_rng(seed)
    return pd.DataFrame([{"draw": draw, **_bound_draw(rng)} for draw in range(num_draws)])


def _bound_draw(rng):
    P = _random_propagation(rng)
    known = [name for name, rho in osm.ACTIVATIONS.items() if P.scaling is None or rho.homogeneous]
    depth = int(rng.integers(1, 13))
    scale = float(np.exp(rng.uniform(np.log(0.3), np.log(3))))
    network = osm.Network(
        P,
        rng.integers(1, 13, size=depth + 1).tolist(),
        activation=str(rng.choice(known)),
        weight_scale=scale,
        seed=int(rng.integers(2**31)),
        init=str(rng.choice(["orthogonal", "glorot"])),
    )
    offset = rng.choice([0.0, 1.0, 10.0])
    features = torch.from_numpy(rng.standard_normal((P.num_nodes, network.widths[0])) + offset)
    used = _share_of_bound(network, features)
    return {
        "kind": P.kind,
        "activation": network.activation.name,
        "nodes": P.num_nodes,
        "depth": depth,
        "scale": scale,
        "rate": P.rate,
        "used": used,
        "violated": int(used > 1 + 1e-9),
    }


def _share_of_bound(network, features):
    P = network.propagation
    signals = osm.trace(network, features, torch.sum)
    states = [*signals.features[1:], signals.output]
    deviation = torch.stack([osm.deviation(x, P) for x in states])
    # The rms size of each state in the operator's coordinates: rounding is relative to it.
    size = torch.stack([(osm.energy(x, P) + osm.mean(x, P).square().sum()).sqrt() for x in states])
    bound = osm.forward_bound(network, features)[1:]
    clear = torch.minimum(bound, deviation) > 1e-12 * size
    return float((deviation[clear] / bound[clear]).max()) if bool(clear.any()) else 0.0


def _random_propagation(rng):
    """A connected random graph, ring or directed chain, with one of the propagations the bound covers."""
    nodes = int(rng.integers(8, 60))
    kind = str(rng.choice(["metropolis", "max_degree", "random_walk", "gcn", "matrix"]))
    if kind == "matrix":
        # not symmetric, not reversible: every node hears a few others with random weights
        matrix = rng.dirichlet(np.ones(nodes), size=nodes) * (rng.random((nodes, nodes)) < 0.3) + np.eye(nodes)
        matrix += np.roll(np.eye(nodes), 1, axis=1)
        return osm.Propagation.from_matrix(matrix / matrix.sum(1, keepdims=True))
    if rng.random() < 0.3:
        return osm.Propagation.from_edges(ring(nodes, int(rng.integers(1, 4))), nodes, kind=kind)
    p_in, p_out = rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.3)
    data = osm.csbm(nodes, p_in=p_in, p_out=p_out, seed=int(rng.integers(2**31)))
    return osm.Propagation.from_data(osm.largest_component(data), kind=kind)
