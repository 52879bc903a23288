"""The landscape, by other roads: the dense Hessian of torch.autograd.functional, a loop over points, a closed form."""

import pytest
import torch
from cases import EXACT, ITERATIVE, signal, unfriendly_network

import oversmooth as osm


def problem(activation="tanh"):
    network = unfriendly_network(activation)
    features = signal(network.propagation.num_nodes, network.widths[0])
    targets = signal(network.propagation.num_nodes, network.widths[-1], seed=1)
    return network, features, lambda output: (output - targets).square().sum((-1, -2))


def flat_loss(network, features, loss):
    """The loss as a function of all weights in one row, written out layer by layer with dense P."""
    P, shapes = network.propagation.to_dense(), [weight.shape for weight in network.weights]

    def value(row):
        X = features
        parts = row.split([a * b for a, b in shapes])
        for k, (part, shape) in enumerate(zip(parts, shapes, strict=True)):
            H = P @ X @ part.reshape(shape)
            X = network.activation(H) if k < len(shapes) - 1 else H
        return loss(X)

    return value, torch.cat([weight.detach().reshape(-1) for weight in network.weights])


@pytest.mark.parametrize("activation", ["identity", "tanh", "elu"])
def test_hessian_product_is_the_dense_hessian(activation):
    network, features, loss = problem(activation)
    value, row = flat_loss(network, features, loss)
    hessian = torch.autograd.functional.hessian(value, row)
    product = osm.hessian_product(network, features, loss)
    vectors = signal(len(row), 4, seed=5)
    found = torch.stack([product(vector) for vector in vectors.T], 1)
    assert float((found - hessian @ vectors).abs().max()) < EXACT * float(hessian.abs().max())


@pytest.mark.parametrize("activation", ["identity", "tanh", "elu"])
def test_curvature_is_the_ends_of_the_dense_spectrum(activation):
    network, features, loss = problem(activation)
    value, row = flat_loss(network, features, loss)
    values, vectors = torch.linalg.eigh(torch.autograd.functional.hessian(value, row))
    found = osm.curvature(network, features, loss, tolerance=1e-9)
    for k, number, direction in (
        (0, found.lowest, found.lowest_direction),
        (-1, found.highest, found.highest_direction),
    ):
        assert number == pytest.approx(float(values[k]), rel=ITERATIVE)
        assert float((vectors[:, k] @ direction).abs()) == pytest.approx(1, abs=ITERATIVE)
        assert float(direction[direction.abs().argmax()]) > 0


@pytest.mark.parametrize("largest", [1e3, 1e10])
def test_a_small_curvature_is_found_beside_a_large_one(largest):
    """One layer, P = I, one sample a node: the Hessian is 2 Qᵀ diag(c) Q for a loss Σ c_i ŷ_i² of rotated inputs Q."""
    size = 60
    network = osm.Network(osm.Propagation.from_matrix(torch.eye(size, dtype=torch.float64)), [size, 1], "identity")
    rotation = torch.linalg.qr(signal(size, size)).Q
    coefficients = torch.linspace(-1e-6, 1e-4, size, dtype=torch.float64)[:, None]
    coefficients[-1] = largest
    found = osm.curvature(network, rotation, lambda output: (coefficients * output.square()).sum())
    assert found.highest == pytest.approx(2 * largest, rel=EXACT)
    assert found.lowest == pytest.approx(-2e-6, rel=1e-4)
    assert float((rotation[0] @ found.lowest_direction).abs()) == pytest.approx(1, abs=1e-6)


def test_the_plane_is_the_loss_point_by_point():
    network, features, loss = problem()
    value, row = flat_loss(network, features, loss)
    directions = signal(2, len(row), seed=3)
    first, second = [-0.5, 0.0, 1.0], [0.0, 2.0]
    plane = osm.loss_plane(network, features, loss, directions, first, second)
    assert plane.shape == (3, 2)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            expected = value(row + a * directions[0] + b * directions[1])
            assert float(plane[i, j]) == pytest.approx(float(expected), rel=EXACT)


def test_nothing_of_the_network_changes(random_state_untouched):
    network, features, loss = problem()
    before = [weight.detach().clone() for weight in network.weights]
    osm.curvature(network, features, loss)
    size = sum(weight.numel() for weight in network.weights)
    osm.loss_plane(network, features, loss, signal(2, size), [0.0], [0.0])
    assert all(torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))
    assert all(weight.grad is None for weight in network.weights)


def test_what_it_refuses():
    network, features, loss = problem()
    with pytest.raises(ValueError, match="batch of seeds"):
        osm.hessian_product(unfriendly_network("tanh", seed=[0, 1]), features, loss)
    with pytest.raises(ValueError, match="output bias"):
        osm.curvature(unfriendly_network("tanh", output_bias=True), features, loss)
    with pytest.raises(ValueError, match="two rows of"):
        osm.loss_plane(network, features, loss, signal(2, 3), [0.0], [0.0])
    with pytest.raises(ValueError, match="at least 4"):
        osm.curvature(osm.Network(network.propagation, [1, 1, 1]), signal(features.shape[0], 1), loss)
