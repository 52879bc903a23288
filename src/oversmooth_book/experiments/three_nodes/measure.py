"""Three nodes on a path, by hand, in fractions; and random networks that ask whether six lines are right."""

from fractions import Fraction
from itertools import pairwise

import pandas as pd
import torch

import oversmooth as osm

NEIGHBOURS = ((1,), (0, 2), (1,))
FEATURES = (Fraction(1), Fraction(0), Fraction(0))
# What the best constant answer, a third, leaves of the labels 1, 0, 0.
ERRORS = (Fraction(-2, 3), Fraction(1, 3), Fraction(1, 3))
RATE = Fraction(2, 3)
# Two numbers of one layer agree if they differ by no more than this share: the rest is rounding.
TOLERANCE = 1e-9


def share(values):
    """One averaging step, node by node: of every difference to a neighbour, a third is made up."""
    return tuple(value + sum((values[j] - value) / 3 for j in NEIGHBOURS[i]) for i, value in enumerate(values))


def averages(num_steps):
    """Features and errors averaged by hand: signal, step, node, value, fraction (text), and formula (1: it agrees)."""
    rows = []
    for signal, start in (("features", FEATURES), ("errors", ERRORS)):
        values = start
        for step in range(num_steps + 1):
            agrees = values == matrix_power(start, step) == closed_form(start, step)
            for node, value in enumerate(values):
                parts = {"signal": signal, "step": step, "node": node + 1, "value": float(value)}
                rows.append({**parts, "fraction": str(value).replace("-", "−"), "formula": int(agrees)})
            values = share(values)
    return pd.DataFrame(rows)


def matrix_power(values, step):
    """Pᵏ x in fractions, with P written out."""
    P = [[Fraction(entry, 3) for entry in row] for row in ((2, 1, 0), (1, 1, 1), (0, 1, 2))]
    for _ in range(step):
        values = tuple(sum(p * x for p, x in zip(row, values, strict=True)) for row in P)
    return tuple(values)


def closed_form(values, step):
    """The mean, and half the difference of the ends times (2/3)ᵏ: what is left after the first step."""
    if step == 0:
        return tuple(values)
    mean, half = sum(values) / 3, (values[0] - values[2]) / 2
    return mean + half * RATE**step, mean, mean - half * RATE**step


def path_network(depth, scale=1.0):
    """The chapter's network: P, weights, features, labels; a hidden layer turns by the angle of the 3-4-5 triangle."""
    P = torch.tensor([[2, 1, 0], [1, 1, 1], [0, 1, 2]], dtype=torch.float64) / 3
    turn = scale * torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    weights = [turn] * (depth - 1) + [torch.tensor([[1.0], [0.0]], dtype=torch.float64)]
    features = torch.tensor([[1, 0], [1, 1], [0, 1]], dtype=torch.float64)
    return P, weights, features, torch.tensor([[1], [0], [0]], dtype=torch.float64)


def train_last(passes, P, weights, features, labels, num_steps, rate=0.5):
    """The weights after gradient descent on the last layer alone; ``passes`` returns features, errors, gradients."""
    weights = list(weights)
    for _ in range(num_steps):
        weights[-1] = weights[-1] - rate * passes(P, weights, features, labels)[2][-1]
    return weights


def layers(passes, depth, num_steps):
    """Sizes before and after the last layer is trained: network, state, layer, gradient, error, error_sum, loss."""
    tables = []
    for name, scale in (("graph", 1.0), ("no graph", 1.0), ("graph, larger weights", 1.5)):
        P, weights, features, labels = path_network(depth, scale)
        P = torch.eye(3, dtype=P.dtype) if name == "no graph" else P
        trained = train_last(passes, P, weights, features, labels, num_steps)
        for state, W in (("untrained", weights), ("last layer trained", trained)):
            _, errors, gradients = passes(P, W, features, labels)
            table = {"layer": range(depth), "gradient": [float(g.norm()) for g in gradients]}
            table |= {"error": [float(b.norm()) for b in errors], "error_sum": [float(b.sum().abs()) for b in errors]}
            table["loss"] = float(errors[-1].square().sum()) / 2
            tables.append(pd.DataFrame({"network": name, "state": state, **table}))
    return pd.concat(tables, ignore_index=True)


def comparison(passes, num_draws):
    """The chapter's six lines on random networks: seed, gradients and errors (1: as autograd's), sum_bounded.

    Directed graphs and unequal widths, for with a symmetric P a transpose that is forgotten is not seen.
    """
    rows = []
    for seed in range(10, 10 + num_draws):
        P, weights, features, labels = random_network(seed)
        X, errors, gradients = passes(P, weights, features, labels)
        wanted_errors, wanted = autograd(P, weights, features, labels)
        row = {"gradients": _agree(gradients, wanted), "errors": _agree(errors, wanted_errors)}
        rows.append({"seed": seed, **row, "sum_bounded": int(sum_is_bounded(P @ X[-1], errors[-1], gradients[-1]))})
    return pd.DataFrame(rows)


def random_network(seed):
    """P with rows that sum to one and is not symmetric, weights of unequal widths, features and labels."""
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator, "dtype": torch.float64}
    nodes, depth = (int(torch.randint(low, high, (1,), generator=generator)) for low, high in ((2, 8), (1, 7)))
    P = torch.rand(nodes, nodes, **options) * (torch.rand(nodes, nodes, **options) < 0.6) + torch.eye(nodes)
    widths = [int(width) for width in torch.randint(1, 6, (depth + 1,), generator=generator)]
    weights = [torch.randn(a, b, **options) for a, b in pairwise(widths)]
    features, labels = torch.randn(nodes, widths[0], **options), torch.randn(nodes, widths[-1], **options)
    return P / P.sum(1, keepdim=True), weights, features, labels


def autograd(P, weights, features, labels):
    """Errors ∂loss/∂H and gradients ∂loss/∂W of half the squared distance, as the library traces them."""
    widths = [features.shape[1], *(weight.shape[1] for weight in weights)]
    network = osm.Network(osm.Propagation.from_matrix(P), widths, activation="tanh", seed=10)
    with torch.no_grad():
        for weight, value in zip(network.weights, weights, strict=True):
            weight.copy_(value)
    signals = osm.trace(network, features, lambda output: (output - labels).square().sum() / 2)
    return signals.backward, signals.gradients


def _agree(found, wanted):
    pairs = zip(found, wanted, strict=True)
    return int(all((a - b).norm() <= TOLERANCE * max(1.0, float(b.norm())) for a, b in pairs))


def sum_is_bounded(propagated, error, gradient):
    """Whether |Σᵢ Bᵢ| ‖μ‖ ≤ ‖FᵀB‖ + ‖F − 1μ‖ ‖B‖, in the Frobenius norm: a trained last layer on smooth features."""
    mean = propagated.mean(0)
    size = error.sum(0).norm() * mean.norm()
    bound = gradient.norm() + (propagated - mean).norm() * error.norm()
    return bool(size <= bound * (1 + TOLERANCE))


def other_averages(num_steps):
    """Two other averages, for the exercises: average, signal, node, value; after one step and after many."""
    path = torch.tensor([[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]], dtype=torch.float64)
    triangle = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    first, rows = torch.tensor([1, 0, 0], dtype=torch.float64), []
    for name, P, steps in (("triangle", triangle, 1), ("plain mean", path, num_steps)):
        for signal, matrix in (("features", P), ("errors", P.T)):
            values = torch.linalg.matrix_power(matrix, steps) @ first
            rows += [(name, signal, node + 1, float(value)) for node, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["average", "signal", "node", "value"])
