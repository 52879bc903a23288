"""Measures of smoothness against the two axioms of a node similarity: zero on constants alone, and subadditive."""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding
from oversmooth_book.experiments.settings import graph, propagation

NOTHING = 1e-9
COLUMNS, PAIRS = 4, 300


def measures(name):
    """Seven measures, name -> function of features (n, d); energies as their square roots, which are norms."""
    edges, gcn = graph(name).edge_index, propagation(name, kind="gcn")
    degrees = (edges[0].bincount(minlength=gcn.num_nodes) + 1).double().sqrt()[:, None]
    return {
        "Dirichlet energy": lambda X: osm.dirichlet_energy(X, edges).sqrt(),
        "normalised Dirichlet energy": lambda X: osm.dirichlet_energy(X / degrees, edges).sqrt(),
        "σ, uniform": osm.deviation,
        "σ, in GCN's coordinates": lambda X: osm.deviation(X, gcn),
        "relative deviation": osm.relative_deviation,
        "mean average distance": lambda X: osm.mean_average_distance(X, edges),
        "effective rank − 1": lambda X: osm.effective_rank(X) - 1,
    }


def axioms(name="karate", seed=10):
    """Seven measures on features whose truth is known: measure, constant, limit, one, excess.

    constant: on features equal at all nodes; limit: on multiples of √d̃, GCN's smooth state; one: on a single positive
    feature that differs between nodes; each relative to the value on random features, 0 where it is rounding. excess:
    the largest of m(X + Y)/(m(X) + m(Y)) − 1 over pairs of random features with a common part, 0 if there is none.
    """
    stream = np.random.default_rng(seed)
    n = graph(name).num_nodes
    degrees = (graph(name).edge_index[0].bincount(minlength=n) + 1).double().sqrt()[:, None]
    row = torch.from_numpy(stream.uniform(0.5, 2, (1, COLUMNS)))
    known = {
        "constant": row.expand(n, -1),
        "limit": degrees * row,
        "one": torch.from_numpy(stream.uniform(1, 2, (n, 1))),
    }
    pairs = [_pair(stream, n) for _ in range(PAIRS)]
    rows = []
    for title, measure in measures(name).items():
        usual = float(np.mean([float(measure(X)) for X, _ in pairs]))
        values = {key: float(clear_of_rounding(float(measure(X)) / usual, 1e-7)) for key, X in known.items()}
        excess = max(float(measure(X + Y) / (measure(X) + measure(Y))) - 1 for X, Y in pairs)
        rows.append({"measure": title, **values, "excess": max(0.0, float(clear_of_rounding(excess, NOTHING)))})
    return pd.DataFrame(rows)


def _pair(stream, n):
    """Two features (n, COLUMNS) whose common parts nearly cancel in the sum: what a ratio cannot survive."""
    common, X, Y = (torch.from_numpy(stream.standard_normal((rows, COLUMNS))) for rows in (1, n, n))
    return 3 * common + X, -3 * common + Y


def verdicts(table):
    """Which axioms hold, from `axioms`: measure, and as 0 or 1 zero on constants, only there, subadditive, both."""
    zero = table["constant"] == 0
    only = (table["limit"] > 0) & (table["one"] > 0)
    added = table["excess"] == 0
    columns = {"constants": zero, "only constants": only, "subadditive": added, "all": zero & only & added}
    return pd.DataFrame({"measure": table["measure"]} | {key: value.astype(int) for key, value in columns.items()})
