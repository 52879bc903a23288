"""Deflated propagation against dense matrices, autograd and eigenvectors."""

import copy
import pickle

import numpy as np
import pytest
import torch
from cases import EDGE_KINDS, EXACT, GRAPHS, ITERATIVE, MATRICES, UNSMOOTHING, edge_index_of, propagation_of, signal
from reference import one_pass

import oversmooth as osm

# connected, not complete
NAMES = ["path", "9-cycle", "star", "grid", "karate", "barbell"]


def dense_deflated(P):
    """(P − S1 (S⁻¹π)ᵀ)/λ with λ from the singular values of the whole, not from the library's rate."""
    pi, matrix = P.stationary.numpy(), P.to_dense().numpy()
    scaling = np.ones_like(pi) if P.scaling is None else P.scaling
    centred = matrix - np.outer(scaling, pi / scaling)
    root = np.sqrt(pi) / scaling
    return centred / np.linalg.norm(root[:, None] * centred / root, 2)


def graph_case(name, base="metropolis", modes=1):
    graph = GRAPHS[name]
    return osm.Propagation.from_edges(
        edge_index_of(graph), graph.number_of_nodes(), kind="deflated", base=base, modes=modes
    )


@pytest.mark.parametrize("base", EDGE_KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_products_are_the_dense_ones(name, base):
    Q, P = graph_case(name, base), propagation_of(name, base)
    dense = torch.from_numpy(dense_deflated(P))
    for seeds in (None, 3):
        X = signal(Q.num_nodes, 4, seeds)
        assert (Q @ X - dense @ X).abs().max() < ITERATIVE * 1e-3
        assert (Q.adjoint(X) - dense.T @ X).abs().max() < ITERATIVE * 1e-3
    assert (Q.to_dense() - dense).abs().max() < ITERATIVE * 1e-3


@pytest.mark.parametrize("matrix", MATRICES)
def test_any_stochastic_matrix(matrix):
    P = osm.Propagation.from_matrix(MATRICES[matrix])
    Q = osm.deflate(P)
    dense = torch.from_numpy(dense_deflated(P))
    X = signal(Q.num_nodes, 3, 2)
    assert (Q @ X - dense @ X).abs().max() < EXACT and (Q.adjoint(X) - dense.T @ X).abs().max() < EXACT


@pytest.mark.parametrize("base", EDGE_KINDS)
def test_what_it_says_of_itself(base):
    Q, P = graph_case("karate", base), propagation_of("karate", base)
    assert (Q.kind, Q.rate, Q.num_components, Q.mean_factor) == ("deflated", 1.0, 1, 0.0)
    assert torch.equal(Q.stationary, P.stationary) and Q.num_nodes == P.num_nodes
    constant = torch.ones(34, 1, dtype=torch.float64)
    if P.scaling is not None:
        constant = torch.from_numpy(P.scaling)[:, None]
    X = signal(34, 2)
    assert (Q @ constant).abs().max() < EXACT
    assert osm.mean(Q @ X, Q).abs().max() < EXACT  # μ(QX) = 0
    ratio = osm.deviation(Q @ X, Q) / osm.deviation(X, Q)
    assert ratio < 1
    # the rate is attained: the top singular vector in the π inner product loses nothing
    root = Q.stationary.sqrt() / (1.0 if P.scaling is None else torch.from_numpy(P.scaling))
    _, sizes, right = torch.linalg.svd(root[:, None] * Q.to_dense() / root)
    assert sizes[0] == pytest.approx(1, abs=1e-8)
    top = right[0][:, None] / root[:, None]
    assert osm.deviation(Q @ top, Q) == pytest.approx(float(osm.deviation(top, Q)), rel=1e-7)
    assert "deflated" in repr(Q) and base in repr(Q)


@pytest.mark.parametrize("base", EDGE_KINDS)
@pytest.mark.parametrize("modes", [1, 2, 5, 33])
def test_kept_modes_have_modulus_one_and_the_others_their_share(base, modes):
    P = propagation_of("karate", base)
    rates = np.linalg.eigvals(P.to_dense().numpy()).real
    rates = np.delete(rates, np.argmax(rates))  # without the constant's 1
    rates = rates[np.argsort(-np.abs(rates))]
    expected = np.clip(rates / np.abs(rates[modes - 1]), -1, 1)
    found = np.linalg.eigvals(graph_case("karate", base, modes).to_dense().numpy()).real
    assert np.sort(found) == pytest.approx(np.sort(np.append(expected, 0.0)), abs=1e-7)


def test_lanczos_modes_of_a_larger_graph_are_the_dense_ones(random_state_untouched):
    data = osm.largest_component(osm.csbm(700, seed=3))
    P = osm.Propagation.from_data(data, kind="random_walk")
    Q = osm.deflate(P, 4)
    root = P.stationary.sqrt()
    similar = root[:, None] * P.to_dense() / root - torch.outer(root, root)
    rates, vectors = torch.linalg.eigh(similar)
    order = rates.abs().argsort(descending=True)
    rates, vectors = rates[order], vectors[:, order]
    clipped = (rates / rates[3].abs()).clamp(-1, 1)
    dense = (vectors * clipped) @ vectors.T * root / root[:, None]
    X = signal(data.num_nodes, 2)
    assert (Q @ X - dense @ X).abs().max() < ITERATIVE


def test_gradients_twice_and_other_dtypes():
    Q = graph_case("barbell", "random_walk", 2)
    X = signal(Q.num_nodes, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Q @ x, X) and torch.autograd.gradcheck(Q.adjoint, X)
    assert torch.autograd.gradgradcheck(lambda x: (Q @ x).pow(3), X)
    assert (Q @ X.float()).dtype == torch.float32
    with pytest.raises(ValueError, match="graph has 12 nodes"):
        Q @ signal(5, 2)


def test_copies_and_pickles():
    Q = graph_case("grid")
    X = signal(Q.num_nodes, 2)
    image = Q @ X
    assert torch.equal(pickle.loads(pickle.dumps(Q)) @ X, image)
    network = copy.deepcopy(osm.Network(Q, [2, 3, 1]))
    assert torch.equal(network.propagation @ X, image)


@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_networks_traces_and_last_layers(activation):
    P = osm.Propagation.from_matrix(MATRICES["non-reversible"])
    Q = osm.deflate(P)
    net = osm.Network(Q, [3, 5, 2, 4, 2], activation, seed=[4, 5], output_bias=True)
    X, Y = signal(7, 3), signal(7, 2, seed=1)
    signals = osm.trace(net, X, lambda output: (output - Y).square().mean((-1, -2)))
    for s in range(2):
        weights = [w[s] for w in net.weights]
        twin = one_pass(dense_deflated(P), weights, net.activation, X, lambda o: (o - Y).square().mean(), net.bias[s])
        for ours, theirs in zip(signals.gradients, twin["gradients"], strict=True):
            assert (ours[s] - theirs).abs().max() < EXACT
    trained = osm.train_last_layer(net, X, Y, how="exact")
    error = trained(X) - Y
    last = Q @ osm.trace(trained, X, lambda o: o.square().mean((-1, -2))).features[-1]
    assert (last.mT @ error).abs().max() < 1e-8 and error.mean(-2).abs().max() < EXACT


def test_training_is_autograds_descent():
    Q = graph_case("karate", "random_walk")
    X, y = signal(34, 3), (torch.arange(34) % 2)
    net, twin = (osm.Network(Q, [3, 4, 4, 2], seed=1, output_bias=True) for _ in range(2))
    osm.fit(net, X, y, "cross_entropy", optimizer="sgd", lr=0.1, steps=3)
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(twin(X), y)
        parameters = list(twin.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter -= 0.1 * gradient
    assert all((a - b).abs().max() < EXACT for a, b in zip(net.parameters(), twin.parameters(), strict=True))


def certificate_by_hand(P, weights, slopes, propagated, error):
    """Theorem: σ(F) S_k, S_k = (‖WᵀC‖ + ‖WᵀR‖) S_{k+1}, from dense pieces and loops."""
    pi = P.stationary.numpy()

    def sigma(X):
        centred = X - pi @ X
        return float(np.sqrt((pi[:, None] * centred**2).sum()))

    S = [sigma(error / pi[:, None])]
    for W, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        high, low = slope.max(0), slope.min(0)
        norms = [np.linalg.norm(W.T @ np.diag(d), 2) for d in ((high + low) / 2, (high - low) / 2)]
        S.insert(0, sum(norms) * S[0])
    return [sigma(F) * s for F, s in zip(propagated, S, strict=True)]


@pytest.mark.parametrize("base", ["metropolis", "random_walk"])
def test_the_certificate_is_the_theorems_and_holds(base):
    P = propagation_of("barbell", base)
    Q = osm.deflate(P)
    for seed in range(60):
        net = osm.Network(Q, [3, 6, 2, 5, 2], "tanh", 0.5 + seed / 40, seed=seed, output_bias=True)
        X, Y = signal(12, 3, seed=seed), signal(12, 2, seed=seed + 1)
        signals = osm.trace(net, X, lambda o, Y=Y: (o - Y).square().mean())
        slopes = [net.activation.slope(h).detach().numpy() for h in signals.preactivations[:-1]]
        propagated = [f.detach().numpy() for f in signals.propagated]
        weights = [w.detach().numpy() for w in net.weights]
        expected = certificate_by_hand(Q, weights, slopes, propagated, signals.backward[-1].numpy())
        found = osm.certificate(signals).gradient
        assert found.tolist() == pytest.approx(expected, rel=1e-9)
        norms = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients])
        assert (norms <= found * (1 + 1e-12)).all()
        assert (norms <= osm.certificate(signals, "plain").gradient * (1 + 1e-12)).all()
        sizes = torch.stack([osm.deviation(x, Q) for x in [*signals.features, signals.output]])
        assert (sizes <= osm.forward_bound(net, X) * (1 + 1e-12)).all()
        step = osm.backward_step(signals)
        assert (step.deviation <= step.deviation_bound * (1 + 1e-12)).all()
        assert (step.departure <= step.departure_bound * (1 + 1e-12)).all()


def test_bounds_are_attained_by_the_second_mode():
    P = propagation_of("path")
    Q = osm.deflate(P)
    rates, modes = np.linalg.eigh(P.to_dense().numpy())
    assert abs(rates[-2]) > abs(rates[0])
    X = torch.from_numpy(modes[:, [-2]].copy())
    net = osm.Network(Q, [1, 1, 1, 1], "identity", seed=0)
    signals = osm.trace(net, X, lambda o: (o * X).sum())
    assert signals.output.abs().numpy() == pytest.approx(X.abs().numpy(), abs=EXACT)
    sizes = torch.stack([osm.deviation(x, Q) for x in [*signals.features, signals.output]])
    assert sizes.tolist() == pytest.approx(osm.forward_bound(net, X).tolist(), rel=1e-8)
    norms = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients])
    assert norms.tolist() == pytest.approx(osm.certificate(signals).gradient.tolist(), rel=1e-8)


def test_a_linear_network_keeps_the_means_out():
    Q = osm.deflate(propagation_of("grid", "random_walk"))
    net = osm.Network(Q, [3, 4, 4, 2], "identity", seed=2)
    signals = osm.trace(net, signal(15, 3), lambda o: (o - 1).square().mean())
    predicted = osm.mean_transport(signals)
    assert predicted[-1].norm() > 0.1
    for k in range(2):
        assert predicted[k].abs().max() < EXACT and osm.backward_mean(signals.backward[k], Q).abs().max() < EXACT


@pytest.mark.parametrize("base", ["metropolis", "random_walk"])
def test_gradients_of_linear_networks_are_second_modes_up_to_the_bound(base):
    P = propagation_of("barbell", base)
    Q, pi = osm.deflate(P), P.stationary
    root = pi.sqrt()
    rates, vectors = torch.linalg.eigh(root[:, None] * P.to_dense() / root - torch.outer(root, root))
    order = rates.abs().argsort(descending=True)
    r, u = float((rates[order[1]] / rates[order[0]]).abs()), vectors[:, order[0]] / root
    for depth in (2, 5, 12):
        net = osm.Network(Q, [3, *[6] * (depth - 1), 2], "identity", 0.9, seed=depth)
        signals = osm.trace(net, signal(12, 3), lambda o: (o - 1).square().mean())
        norms = [torch.linalg.matrix_norm(w.detach(), 2) for w in net.weights]
        start = osm.deviation(signals.features[0], P) * osm.backward_deviation(signals.backward[-1], P)
        for k in range(depth):
            second = torch.outer((pi * u) @ signals.propagated[k], u @ signals.backward[k])
            others = torch.stack([s for j, s in enumerate(norms) if j != k]).prod()
            gap = torch.linalg.matrix_norm(signals.gradients[k] - second)
            assert gap <= r**depth * start * others * (1 + 1e-9)


def test_slow_fading():
    """The theorem's bound for a rank-one Q, at every layer; and without weights it is the scalar recursion."""
    mode = torch.tensor([1.2, -1.0, 0.7, -0.9], dtype=torch.float64)
    mode = (mode - mode.mean()) / (mode - mode.mean()).square().mean().sqrt()
    fourth = float((mode**4).mean())
    net = osm.Network(osm.Propagation.from_matrix(np.full((4, 4), 0.25)), [3] * 40, "tanh", seed=3)
    a = torch.tensor([[0.3, -0.4, 0.2]], dtype=torch.float64)
    a = a * (3 / (4 * fourth)) ** 0.5 / a.norm()
    first = a.norm() ** -2
    for k, weight in enumerate(net.weights):
        assert a.norm() ** -2 <= first + 4 * fourth / 3 * k + EXACT
        a = (mode[None] @ torch.tanh(mode[:, None] @ (a @ weight.detach()))) / 4
    assert a.norm() > 0.1


ERRORS = {
    "two components": ({}, "2 connected components.*largest_component"),
    "complete": ({}, "λ = 0"),
    "single node": ({}, "λ = 0"),
    "karate": ({"base": "identity"}, "identity has λ = 1"),
    "grid": ({"modes": 0}, "modes is 0; an integer from 1 to 14"),
    "path": ({"modes": 7}, "modes is 7"),
    "star": ({"base": "deflated"}, "deflated already"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    options, message = ERRORS[name]
    graph = GRAPHS[name]
    with pytest.raises(ValueError, match=message):
        osm.Propagation.from_edges(edge_index_of(graph), graph.number_of_nodes(), kind="deflated", **options)


@pytest.mark.parametrize("name", UNSMOOTHING)
def test_periodic_matrices_are_refused_without_a_warning(name, recwarn):
    with pytest.raises(ValueError, match="λ = 1"):
        osm.deflate(osm.Propagation.from_matrix(UNSMOOTHING[name]))
    assert not recwarn.list


def test_more_errors():
    with pytest.raises(ValueError, match="not reversible"):
        osm.deflate(osm.Propagation.from_matrix(MATRICES["non-reversible"]), 2)
    with pytest.raises(ValueError, match="options of kind='deflated'"):
        propagation = osm.Propagation
        propagation.from_edges(edge_index_of(GRAPHS["path"]), 7, kind="gcn", modes=2)
    with pytest.raises(ValueError, match="Propagation is needed"):
        osm.deflate(torch.eye(3))
    rank_two = np.array([[0.75, 0.25], [0.25, 0.75]]).repeat(2, 0).repeat(2, 1) / 2
    with pytest.raises(ValueError, match="fewer than 3 modes"):
        osm.deflate(osm.Propagation.from_matrix(rank_two), 3)


def test_linear_smoothing_by_modes():
    Q, X = graph_case("grid", "random_walk"), signal(15, 2)
    predicted = osm.spectral_deviation(Q, X, [0, 3, 9])
    current, measured = X, []
    for k in range(10):
        if k in (0, 3, 9):
            measured.append(float(osm.deviation(current, Q)))
        current = Q @ current
    assert predicted.tolist() == pytest.approx(measured, rel=1e-8)
