"""Random networks on random graphs: are the backward bounds ever violated, and how sharp can they be?"""

import math

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.settings import squared_error

BATCH = 20
OPERATORS = ("metropolis", "random_walk", "gcn", "identity")
# Of a side that is zero in exact arithmetic, rounding leaves about 1e-16 of the signal per operation.
ROUNDING = 1e-12


def random_draws(num_draws):
    """How far random networks are from violating a statement: operator, activation, statement, excess, violated, ….

    Graphs of 12 to 60 nodes, every operator, every activation that it covers, weights with mixed norms (factors 0.2
    to 4 for each matrix), unequal widths, random targets. A row for each network and statement, with the number of
    steps (inequalities); excess is the largest (left − right)/size of the signal, tightness the largest left/right,
    and violated is 1 where the excess is more than rounding.
    """
    generator = torch.Generator().manual_seed(0)
    pairs = [(kind, name) for kind in OPERATORS for name in osm.ACTIVATIONS]
    pairs = [(kind, name) for kind, name in pairs if kind != "gcn" or osm.ACTIVATIONS[name].homogeneous]
    tables = []
    for batch in range(math.ceil(num_draws / BATCH)):
        kind, name = pairs[batch % len(pairs)]
        signals = _random_signals(kind, name, batch, generator)
        rows = [_judged(statement, *sides) for statement, sides in _inequalities(signals).items()]
        tables.append(pd.concat(rows).assign(batch=batch, operator=kind, activation=name))
    return pd.concat(tables, ignore_index=True)


def summary(table):
    """How sharp every statement was: operator, activation, statement, networks, violations, tightness (the largest)."""
    groups = table.groupby(["operator", "activation", "statement"])
    columns = {"networks": ("seed", "size"), "violations": ("violated", "sum"), "tightness": ("tightness", "max")}
    return groups.agg(**columns).reset_index()


def _random_signals(kind, activation, batch, generator):
    """`Signals` of 20 random networks on one random graph."""
    nodes = int(torch.randint(12, 61, (), generator=generator))
    data = osm.largest_component(osm.csbm(nodes, p_in=0.4, p_out=0.1, num_features=3, seed=batch))
    P = osm.Propagation.from_data(data, kind=kind)
    network = osm.Network(P, [3, 5, 8, 4, 6, 2], activation, seed=range(BATCH * batch, BATCH * (batch + 1)))
    with torch.no_grad():
        for weight in network.weights:
            weight *= torch.exp(torch.empty(BATCH, 1, 1, dtype=weight.dtype).uniform_(-1.6, 1.4, generator=generator))
    Y = torch.randn(data.num_nodes, 2, generator=generator, dtype=torch.float64)
    return osm.trace(network, data.x, squared_error(Y))


def _inequalities(signals):
    """Left, right and size of the signal, each (seeds, steps), of every statement."""
    step, bound, P = osm.backward_step(signals), osm.certificate(signals), signals.propagation
    mean = torch.stack([osm.backward_mean(b, P).norm(dim=-1) for b in signals.backward], -1)
    spread = torch.stack([osm.backward_deviation(b, P) for b in signals.backward], -1)
    gradient = torch.stack([g.flatten(-2).norm(dim=-1) for g in signals.gradients], -1)
    return {
        "(B1)": (step.deviation, step.deviation_bound, step.gamma),
        "(B2)": (step.departure, step.departure_bound, step.gamma),
        "certificate: deviation": (spread, bound.deviation, bound.deviation),
        "certificate: mean": (mean, bound.mean, bound.mean),
        "certificate: gradient": (gradient, bound.gradient, bound.gradient),
    }


def _judged(statement, left, right, size):
    """Excess and tightness of a statement, and whether it is violated: a row for each network."""
    certain = right > ROUNDING * size
    tightness = torch.where(certain, left / torch.where(certain, right, 1.0), 0.0).amax(-1)
    excess = ((left - right) / size).amax(-1)
    columns = {"seed": range(len(excess)), "excess": excess.numpy(), "tightness": tightness.numpy()}
    columns["violated"] = (excess > ROUNDING).int().numpy()
    return pd.DataFrame({"statement": statement, "steps": left.shape[-1]} | columns)
