"""The chapter on other operators: the bounds of attention checked, the control without a graph, and training."""

import pandas as pd
import torch

import oversmooth as osm
from oversmooth.models.attention import backward_paths, extra_path_bound, sequence_rates, sequence_weights
from oversmooth.models.operators import ATTENTION, trace_operator
from oversmooth.moments import backward_moments, feature_moments
from oversmooth_book.experiments.other_operators import measure as base


def attention_bounds(graph_name, operator, depth, seed):
    """Both sides of the chapter's bounds for one attention network with tanh: left over right, at most 1.

    Args:
        graph_name: see `other_operators.graph`.
        operator: gat, gatv2 or transformer.
        depth: L + 1.
        seed: of the weights.

    Returns:
        A row for each layer: forward, backward (attention held fixed), extra; and the step's rate λ_k.
    """
    net, x, y = base.network(graph_name, operator, "tanh", depth, seed)
    signals = trace_operator(net, x, lambda output: (output - y - 1).square().mean())
    weights = sequence_weights(signals.attention)
    norms = [base.node_weights(one) for one in weights]
    rates = sequence_rates(signals.attention, weights)
    rows = []
    for k, (X, H, B) in enumerate(zip(signals.features, signals.preactivations, signals.backward, strict=False)):
        G, _ = backward_paths(net, k, X, B)
        spreads = (feature_moments(H, norms[k + 1]), feature_moments(X, norms[k]))
        back = (backward_moments(G, norms[k]), backward_moments(B, norms[k + 1]))
        left, right = extra_path_bound(net, k, X, B)
        row = {"layer": k, "rate": rates[k], "extra": left / right}
        for name, (after, before) in (("forward", spreads), ("backward", back)):
            row[name] = float((after[0] / before[0]).sqrt() / rates[k])
        rows.append(row)
    return pd.DataFrame(rows)


def check_bounds(depth, num_seeds):
    """`attention_bounds` on the karate club, over operators and seeds.

    Args:
        depth: L + 1.
        num_seeds: draws of the weights.

    Returns:
        The rows.
    """
    grid = {"graph_name": ["karate"], "operator": ATTENTION, "depth": [depth]}
    return osm.sweep(attention_bounds, grid, range(num_seeds))


def mlp_control(depth, num_seeds, weight_scale=0.5):
    """A network without graph and with small weights: what the survey's measures say where nothing is smoothed.

    Args:
        depth: L + 1.
        num_seeds: draws of the weights.
        weight_scale: factor on the orthogonal weights.

    Returns:
        Rows like those of `other_operators.profile`: operator "mlp", forward, dirichlet, distance, rank.
    """
    data, y = base.graph("csbm")
    P = osm.Propagation.from_data(data, kind="identity")
    rows = []
    for seed in range(num_seeds):
        widths = [data.num_features, *[base.WIDTH] * (depth - 1), 1]
        net = osm.Network(P, widths, "identity", weight_scale, seed=seed)
        signals = osm.trace(net, data.x.double(), lambda output: (output - y).square().mean())
        for k, X in enumerate(signals.features[1:]):
            row = {"operator": "mlp", "activation": "identity", "seed": seed, "layer": k}
            rows.append(row | {"forward": float(osm.relative_deviation(X)), **base.survey_measures(X, data.edge_index)})
    return pd.DataFrame(rows)


def training(operators, num_steps, num_seeds, depth, record_every=10):
    """Adam on all layers of tanh networks on the block model, step 0.003.

    Args:
        operators: names.
        num_steps: updates.
        num_seeds: draws of the weights.
        depth: L + 1.
        record_every: steps between records.

    Returns:
        A row for each operator, seed and recorded step: loss, in units of the targets' variance, and gradient, the
        largest of the operator layers.
    """
    grid = {"operator": list(operators), "num_steps": [num_steps], "depth": [depth], "record_every": [record_every]}
    return osm.sweep(train, grid, range(num_seeds), jobs=base.JOBS)


def train(operator, num_steps, depth, record_every, seed):
    """One cell of `training`.

    Args:
        operator: name.
        num_steps: updates.
        depth: L + 1.
        record_every: steps between records.
        seed: of the weights.

    Returns:
        Rows of step, loss, gradient.
    """
    net, x, y = base.network("csbm", operator, "tanh", depth, seed)
    groups = [[p for p in layer.parameters() if p.requires_grad] for layer in net.layers]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    rows = []
    for step in range(num_steps + 1):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        if step % record_every == 0:
            norms = [sum(float(p.grad.square().sum()) for p in group if p.grad is not None) for group in groups]
            rows.append({"step": step, "loss": loss.item(), "gradient": max(norms) ** 0.5})
        optimizer.step()
    return rows
