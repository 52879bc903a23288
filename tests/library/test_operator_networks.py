"""Networks on other operators: dense twins, closed forms, and the theorems of the chapter."""

import networkx as nx
import numpy as np
import pytest
import torch
from cases import EXACT, edge_index_of
from operator_cases import graph_of, looped, loss_to
from scipy.sparse import csr_array

import oversmooth as osm
from oversmooth.models.attention import backward_paths, extra_path_bound, node_weights, sequence_rates, sequence_weights
from oversmooth.models.operators import ATTENTION, NAMES, OperatorNetwork, attention_matrix, trace_operator, value_map
from oversmooth.moments import backward_moments, feature_moments
from oversmooth.propagation.kinds import adjacency_matrix
from oversmooth.propagation.perron import fixed_propagation, perron
from oversmooth_book.experiments.other_operators import measure as operators

ISOLATED = "random with an isolated node"


def attention_by_hand(operator, layer, x, mask):
    """P as a dense softmax over the entries of A + I."""
    V = value_map(layer)(x)
    slope = torch.nn.functional.leaky_relu
    if operator == "gat":
        scores = slope((V @ layer.att_dst.flatten())[:, None] + (V @ layer.att_src.flatten())[None, :], 0.2)
    elif operator == "gatv2":
        scores = slope(V[:, None, :] + V[None, :, :], 0.2) @ layer.att.flatten()
    else:
        scores = layer.lin_query(x) @ layer.lin_key(x).T / V.shape[1] ** 0.5
    return torch.softmax(scores.masked_fill(mask == 0, -torch.inf), dim=1)


def dense_operator(operator, name):
    A = looped(name)
    degree = A.sum(1)
    if operator == "random_walk":
        return A / degree[:, None]
    if operator == "gcn":
        return A / (degree[:, None] * degree[None, :]).sqrt()
    if operator == "sum":
        return A
    off = (A - torch.eye(len(A))) / torch.maximum(degree[:, None], degree[None, :])
    return off + torch.diag(1 - off.sum(1))


@pytest.mark.parametrize("operator", ["metropolis", "random_walk", "gcn", "sum"])
@pytest.mark.parametrize("name", ["star", "karate", "barbell"])
def test_a_fixed_operator_is_its_dense_matrix(operator, name):
    data = graph_of(name)
    net = OperatorNetwork(operator, data, [5, 4, 3, 1], "elu", weight_scale=1.3, seed=2)
    weights = [value_map(layer).weight.T for layer in net.layers]
    x, P = data.x, dense_operator(operator, name)
    for weight in weights:
        x = torch.nn.functional.elu(P @ x @ weight)
    assert (net(data.x) - x @ net.head).abs().max() < EXACT
    reference = osm.Network(osm.Propagation.from_data(data), [5, 4, 3, 1], weight_scale=1.3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip([*weights, net.head], reference.weights, strict=True))


@pytest.mark.parametrize("operator", ATTENTION)
@pytest.mark.parametrize("name", ["star", "karate", ISOLATED, "two components"])
def test_attention_is_a_masked_softmax(operator, name):
    data = graph_of(name)
    net = OperatorNetwork(operator, data, [5, 4, 1], seed=3)
    out, edges, alpha = net.attend(net.layers[0], data.x)
    P = torch.from_numpy(attention_matrix(edges, alpha, data.num_nodes).toarray())
    assert (P - attention_by_hand(operator, net.layers[0], data.x, looped(name))).abs().max() < EXACT
    assert (out - P @ value_map(net.layers[0])(data.x)).abs().max() < EXACT
    assert (net.apply_layer(net.layers[0], data.x) - out).abs().max() == 0


def test_the_maximum_is_a_maximum():
    data, A = graph_of(ISOLATED), looped(ISOLATED)
    net = OperatorNetwork("max", data, [5, 4, 1], "identity", seed=0)
    rows = [[max(data.x[j, c] for j in range(len(A)) if A[i, j]) for c in range(5)] for i in range(len(A))]
    expected = torch.tensor(rows, dtype=torch.float64) @ value_map(net.layers[0]).weight.T
    assert (net.apply_layer(net.layers[0], data.x) - expected).abs().max() < EXACT


@pytest.mark.parametrize("operator", NAMES)
def test_the_trace_is_autograds(operator):
    data = graph_of("karate")
    net = OperatorNetwork(operator, data, [5, 6, 4, 3, 1], seed=1)
    target = data.x[:, :1]
    signals = trace_operator(net, data.x, loss_to(target))
    assert all(p.grad is None for p in net.parameters())
    with osm.Probe(net, norm=net.propagation or "uniform") as probe:
        loss_to(target)(net(data.x)).backward()
    table = probe.table()
    P = net.propagation
    for k, (X, B) in enumerate(zip(signals.features, signals.backward, strict=False)):
        row = table.iloc[k]
        assert row["feature_ratio"] == pytest.approx(float(osm.relative_deviation(X, P)), abs=EXACT)
        assert row["backward_ratio"] == pytest.approx(operators._ratio(backward_moments(B, P)), abs=EXACT)
        assert row["gradient"] == pytest.approx(signals.gradients[k], rel=1e-9)
    assert signals.gradients[-1] == pytest.approx(float(net.head.grad.norm()), rel=1e-9)
    assert float(signals.output.sub(target).square().mean()) == pytest.approx(signals.loss, abs=EXACT)


@pytest.mark.parametrize("operator", ATTENTION)
@pytest.mark.parametrize("name", ["karate", ISOLATED])
def test_the_two_paths_add_up(operator, name):
    data = graph_of(name)
    net = OperatorNetwork(operator, data, [5, 4, 3, 1], seed=4)
    signals = trace_operator(net, data.x, loss_to(1.0))
    for k, B in enumerate(signals.backward):
        X = signals.features[k].clone().requires_grad_()
        (whole,) = torch.autograd.grad(net.apply_layer(net.layers[k], X), X, B)
        fixed, extra = backward_paths(net, k, signals.features[k], B)
        assert (fixed + extra - whole).abs().max() < EXACT
        P = torch.from_numpy(signals.attention[k].toarray())
        assert (fixed - P.T @ B @ value_map(net.layers[k]).weight).abs().max() < EXACT
        assert extra.abs().max() > 1e-6  # the split is not trivial


@pytest.mark.parametrize("operator", ATTENTION)
def test_the_second_path_is_bounded_and_dies_with_the_features(operator):
    data = graph_of("barbell")
    ratios = []
    for seed in range(40):
        net = OperatorNetwork(operator, data, [5, 4, 1], weight_scale=1 + seed / 10, seed=seed)
        B = torch.randn(data.num_nodes, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        left, right = extra_path_bound(net, 0, data.x, B)
        ratios.append(left / right)
        constant = data.x.mean(0).expand_as(data.x)
        flat_left, flat_right = extra_path_bound(net, 0, constant, B)
        assert max(flat_left, flat_right) < 1e-12 * right
        P = net.attend(net.layers[0], constant)
        walk = dense_operator("random_walk", "barbell").numpy()
        assert np.abs(attention_matrix(*P[1:], data.num_nodes).toarray() - walk).max() < EXACT
    assert max(ratios) <= 1 and max(ratios) > 0.01


def test_the_second_paths_bound_is_nearly_attained():
    """Two nodes, one channel each way: GAT's error falls on one score difference, and nothing cancels."""
    data = graph_of("two nodes", width=1)
    net = OperatorNetwork("gat", data, [1, 1, 1], seed=0)
    layer = net.layers[0]
    with torch.no_grad():
        layer.att_src.fill_(1.0)
        layer.att_dst.fill_(0.0)
        value_map(layer).weight.fill_(1.0)
    X = torch.tensor([[1.0], [1.0 + 1e-6]], dtype=torch.float64)
    B = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    left, right = extra_path_bound(net, 0, X, B)
    assert left == pytest.approx(right, rel=1e-5)


def random_averages(count, nodes, seed):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        P = (
            generator.uniform(0, 1, (nodes, nodes)) ** 4 * (generator.uniform(size=(nodes, nodes)) < 0.5)
            + np.eye(nodes) / 9
        )
        yield csr_array(P / P.sum(1, keepdims=True))


def test_any_sequence_of_averages_contracts_both_ways():
    for seed in range(60):
        matrices = list(random_averages(4, 6, seed))
        weights = sequence_weights(matrices)
        rates = sequence_rates(matrices, weights)
        assert all(w.sum() == pytest.approx(1, abs=EXACT) and (w > 0).all() for w in weights)
        assert (rates <= 1 + EXACT).all()
        generator = torch.Generator().manual_seed(seed)
        X, B = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
        for P, rate, before, after in zip(matrices, rates, weights, weights[1:], strict=False):
            P = torch.from_numpy(P.toarray())
            before, after = node_weights(before), node_weights(after)
            for moments, one, other, left, right in (
                (feature_moments, X, P @ X, before, after),
                (backward_moments, B, P.T @ B, after, before),
            ):
                spread, centre, _ = moments(one, left)
                spread_after, centre_after, _ = moments(other, right)
                assert float(centre_after) == pytest.approx(float(centre), abs=EXACT)
                assert float(spread_after.sqrt()) <= rate * float(spread.sqrt()) + EXACT


def test_the_sequences_rate_is_attained_and_is_the_reversible_one():
    data = graph_of("karate")
    P = osm.Propagation.from_data(data, kind="random_walk")
    dense, pi = P.to_dense().numpy(), P.stationary.numpy()
    assert np.abs(csr_array(dense).T @ pi - pi).max() < EXACT
    assert sequence_rates([csr_array(dense)], [pi, pi])[0] == pytest.approx(P.rate, abs=1e-8)
    (matrix,) = random_averages(1, 6, 5)
    weights = sequence_weights([matrix])
    M = np.sqrt(weights[1])[:, None] * matrix.toarray() / np.sqrt(weights[0])
    _, singular, right = np.linalg.svd(M)
    X = torch.from_numpy(right[1] / np.sqrt(weights[0]))[:, None]
    after = feature_moments(torch.from_numpy(matrix.toarray()) @ X, node_weights(weights[1]))[0]
    ratio = float((after / feature_moments(X, node_weights(weights[0]))[0]).sqrt())
    assert ratio == pytest.approx(singular[1], abs=EXACT)


def test_the_sum_has_perrons_norm():
    """Star with 4 leaves: Ã has the eigenvalues 3, 1, 1, 1 and −1, so λ = 1/3; u is (2, 1, 1, 1, 1)/√8."""
    star = nx.star_graph(4)
    adjacency = adjacency_matrix(edge_index_of(star), 5)
    root, vector = perron(adjacency)
    assert root == pytest.approx(3, abs=EXACT)
    assert vector == pytest.approx(np.array([2, 1, 1, 1, 1]) / 8**0.5, abs=EXACT)
    P = fixed_propagation("sum", adjacency)
    assert P.rate == pytest.approx(1 / 3, abs=1e-8)
    X = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert osm.mean(P @ X, P) == pytest.approx(osm.mean(X, P), abs=EXACT)
    assert float(osm.deviation(P @ X, P)) <= P.rate * float(osm.deviation(X, P)) + EXACT
    assert float(osm.relative_deviation(torch.from_numpy(vector)[:, None], P)) < EXACT
    with pytest.raises(ValueError, match="2 connected components"):
        OperatorNetwork("sum", graph_of("two components"), [5, 4, 1])


def test_perrons_vector_of_a_large_graph():
    adjacency = adjacency_matrix(edge_index_of(nx.barabasi_albert_graph(600, 3, seed=0)), 600)
    root, vector = perron(adjacency)
    assert np.abs(adjacency @ vector + vector - root * vector).max() < 1e-9 and vector.min() > 0


@pytest.mark.parametrize("operator", ["metropolis", "random_walk", "gcn", "sum"])
def test_the_limits_of_a_complete_graph_come_in_one_layer(operator):
    """K_6 with self-loops: P = 11ᵀ/6 (times 6 for the sum), so features and errors are constant after one layer."""
    data, factor = graph_of("complete"), 6 if operator == "sum" else 1
    net = OperatorNetwork(operator, data, [5, 4, 4, 4, 1], "identity", seed=0)
    signals = trace_operator(net, data.x, loss_to(2.0))
    weights = [factor * value_map(layer).weight.T for layer in net.layers]
    mean, total = data.x.mean(0), signals.backward[-1].sum(0)
    for k, weight in enumerate(weights):
        mean = mean @ weight
        assert (signals.features[k + 1] - mean).abs().max() < EXACT * factor**4
    for k in (1, 0):
        total = total @ weights[k + 1].T
        assert (signals.backward[k] - total / 6).abs().max() < EXACT * total.norm().item()


def test_relu_sum_and_gcn_obey_the_forward_bound():
    data = graph_of("barbell")
    for operator in ("gcn", "sum"):
        net = OperatorNetwork(operator, data, [5, 5, 5, 5, 5, 1], "relu", seed=1)
        P = net.propagation
        factor = perron(adjacency_matrix(data.edge_index, data.num_nodes))[0] if operator == "sum" else 1.0
        signals = trace_operator(net, data.x, loss_to(0.5))
        for before, after in zip(signals.features, signals.features[1:], strict=False):
            assert float(osm.deviation(after, P)) <= factor * P.rate * float(osm.deviation(before, P)) + EXACT


def test_the_maximum_conserves_each_channels_error():
    data = graph_of("karate")
    net = OperatorNetwork("max", data, [5, 4, 4, 1], "identity", seed=2)
    signals = trace_operator(net, data.x, loss_to(3.0))
    handed = signals.backward[1].sum(0) @ value_map(net.layers[1]).weight
    assert (signals.backward[0].sum(0) - handed).abs().max() < EXACT
    spans = [x.amax(0) - x.amin(0) for x in signals.features[:1]]
    maximum = net.layers[0].aggr_module(data.x[net.edge_index[0]], net.edge_index[1], dim_size=34, dim=0)
    assert ((maximum.amax(0) - maximum.amin(0)) <= spans[0] + EXACT).all()


def test_nothing_of_the_callers_changes():
    state = torch.random.get_rng_state()
    net = OperatorNetwork("gat", graph_of("karate"), [5, 4, 1], seed=7)
    same = OperatorNetwork("gat", graph_of("karate"), [5, 4, 1], seed=7)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(net.layers[0].att_src, same.layers[0].att_src)
    with pytest.raises(ValueError, match="operator is 'mean'; known: metropolis"):
        OperatorNetwork("mean", graph_of("karate"), [5, 4, 1])
