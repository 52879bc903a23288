"""The last layer trained alone: against numpy, a general optimiser, the optimality conditions and a naive loop."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import torch
from cases import EXACT, ITERATIVE

import oversmooth as osm
from oversmooth.signals import forward_pass

MASK = torch.tensor([True, False, True, True, True, False, True, True, True])


def problem(widths=(4, 5, 3, 2), seed=0, bias=False, scale=1.0):
    """A network on a small non-symmetric P with an isolated node, and targets for it."""
    generator = torch.Generator().manual_seed(11)
    edges = torch.tensor([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (3, 4), (4, 5), (6, 7)]).T
    P = osm.Propagation.from_edges(torch.cat([edges, edges.flip(0)], 1), 9, kind="random_walk")
    net = osm.Network(P, list(widths), seed=seed, output_bias=bias, weight_scale=scale)
    X = torch.randn(9, widths[0], generator=generator, dtype=torch.float64)
    return net, X, torch.randn(9, widths[-1], generator=generator, dtype=torch.float64)


def last_problem(net, X, Y, mask):
    """F⁽ᴸ⁾ and Y on the mask, as numpy."""
    F = net.propagation @ forward_pass(net, X)[0][-1][0]
    return F[mask].numpy(), Y[mask].numpy()


@pytest.mark.parametrize("mask", [None, MASK])
def test_exact_is_numpys_least_squares(mask):
    net, X, Y = problem()
    F, T = last_problem(net, X, Y, torch.ones(9, dtype=torch.bool) if mask is None else mask)
    expected = np.linalg.lstsq(F, T, rcond=None)[0]
    trained = osm.train_last_layer(net, X, Y, how="exact", mask=mask)
    assert trained.weights[-1].detach().numpy() == pytest.approx(expected, abs=EXACT)


def test_exact_with_bias_is_least_squares_with_a_column_of_ones():
    net, X, Y = problem(bias=True)
    F, T = last_problem(net, X, Y, MASK)
    expected = np.linalg.lstsq(np.hstack([F, np.ones((len(F), 1))]), T, rcond=None)[0]
    trained = osm.train_last_layer(net, X, Y, how="exact", mask=MASK)
    assert trained.weights[-1].detach().numpy() == pytest.approx(expected[:-1], abs=EXACT)
    assert trained.bias.detach().numpy() == pytest.approx(expected[-1], abs=EXACT)


@pytest.mark.parametrize("mask", [None, MASK])
def test_exact_has_least_norm_where_the_rank_is_deficient(mask):
    net, X, Y = problem(widths=(4, 12, 2))  # 12 columns, at most 4 of them independent
    F, T = last_problem(net, X, Y, torch.ones(9, dtype=torch.bool) if mask is None else mask)
    trained = osm.train_last_layer(net, X, Y, how="exact", mask=mask)
    assert trained.weights[-1].detach().numpy() == pytest.approx(np.linalg.pinv(F) @ T, abs=1e-9)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("budget", [0.01, 0.3, 1.0])
def test_budget_satisfies_the_optimality_conditions(bias, budget):
    net, X, Y = problem(bias=bias)
    trained = osm.train_last_layer(net, X, Y, budget=budget, mask=MASK)
    F, T = last_problem(net, X, Y, MASK)
    W = trained.weights[-1].detach().numpy()
    b = trained.bias.detach().numpy() if bias else 0.0
    residual = F @ W + b - T
    assert np.linalg.norm(W) == pytest.approx(budget, rel=1e-12)
    gradient = F.T @ residual
    multiplier = -(gradient * W).sum() / budget**2
    assert multiplier > 1e-3
    assert np.abs(gradient + multiplier * W).max() < EXACT
    if bias:
        assert np.abs(residual.sum(0)).max() < EXACT


def test_budget_agrees_with_a_general_optimiser():
    net, X, Y = problem()
    F, T = last_problem(net, X, Y, MASK)
    found = scipy.optimize.minimize(
        lambda w: ((F @ w.reshape(3, 2) - T) ** 2).sum(),
        np.zeros(6),
        constraints={"type": "ineq", "fun": lambda w: 0.4**2 - (w**2).sum()},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    W = osm.train_last_layer(net, X, Y, budget=0.4, mask=MASK).weights[-1].detach().numpy()
    assert W.ravel() == pytest.approx(found.x, abs=ITERATIVE)


def test_budget_that_does_not_bind_changes_nothing():
    net, X, Y = problem()
    exact = osm.train_last_layer(net, X, Y, how="exact").weights[-1]
    large = osm.train_last_layer(net, X, Y, budget=2 * exact.norm().item()).weights[-1]
    assert (exact - large).abs().max() < EXACT
    tight = osm.train_last_layer(net, X, Y, budget=0.999 * exact.norm().item()).weights[-1]
    assert 1e-5 < (exact - tight).abs().max() < 0.1


def test_budget_holds_when_the_features_are_almost_constant():
    data = osm.csbm(num_nodes=60, p_in=0.3, p_out=0.1, seed=1)
    P, y = osm.Propagation.from_data(data), 2.0 * data.y - 1
    net = osm.Network(P, [8, *[16] * 24, 1], seed=[0, 1, 2])
    budget = osm.train_last_layer(net, data.x, y)
    exact = osm.train_last_layer(net, data.x, y, how="exact")
    assert torch.linalg.matrix_norm(budget.weights[-1].detach()).max() < 3 + 1e-9
    assert torch.linalg.matrix_norm(exact.weights[-1].detach()).min() > 1e4
    slope = osm.trace(exact, data.x, lambda out: (out[..., 0] - y).square().mean(-1)).gradients[-1]
    # W itself is only known up to eps ‖W‖, and the gradient moves with it by as much times ‖F‖²/n, about 1 here.
    assert (slope.norm(dim=(1, 2)) < 1e-14 * torch.linalg.matrix_norm(exact.weights[-1].detach())).all()


@pytest.mark.parametrize("bias", [False, True])
def test_descent_is_descent(bias):
    net, X, Y = problem(bias=bias)
    F, T = last_problem(net, X, Y, MASK)
    A = np.hstack([F, np.ones((len(F), 1))]) if bias else F
    W = net.weights[-1].detach().numpy()
    W = np.vstack([W, np.zeros((1, 2))]) if bias else W
    step = len(A) / (2 * np.linalg.norm(A, 2) ** 2)
    losses = []
    for _ in range(50):
        losses.append(((A @ W - T) ** 2).sum() / len(A))
        W = W - step * 2 / len(A) * A.T @ (A @ W - T)
    trained = osm.train_last_layer(net, X, Y, how="descent", steps=50, mask=MASK)
    assert trained.weights[-1].detach().numpy() == pytest.approx(W[:3], abs=EXACT)
    if bias:
        assert trained.bias.detach().numpy() == pytest.approx(W[3], abs=EXACT)
    assert all(a > b for a, b in pairwise(losses))


@pytest.mark.parametrize("how", ["budget", "descent", "exact"])
@pytest.mark.parametrize("bias", [False, True])
def test_batch_equals_singles_and_nothing_else_changes(how, bias):
    batch, X, Y = problem(seed=[0, 1, 2], bias=bias)
    before = [weight.detach().clone() for weight in batch.weights]
    trained = osm.train_last_layer(batch, X, Y, how=how, budget=0.5, mask=MASK, steps=30)
    assert trained is not batch and trained.propagation is batch.propagation
    for k, weight in enumerate(before):
        assert torch.equal(batch.weights[k], weight)
        assert k == 2 or torch.equal(trained.weights[k], weight)
        assert trained.weights[k] is not batch.weights[k] and trained.weights[k].requires_grad
    for seed in range(3):
        single, _, _ = problem(seed=seed, bias=bias)
        alone = osm.train_last_layer(single, X, Y, how=how, budget=0.5, mask=MASK, steps=30)
        assert (alone.weights[-1] - trained.weights[-1][seed]).abs().max() < 1e-9
        if bias:
            assert (alone.bias - trained.bias[seed, 0]).abs().max() < 1e-9


def test_one_output_takes_flat_targets_and_float32_stays():
    net, X, Y = problem(widths=(4, 5, 1))
    column = osm.train_last_layer(net, X, Y).weights[-1]
    assert torch.equal(column, osm.train_last_layer(net, X, Y[:, 0]).weights[-1])
    assert osm.train_last_layer(net.float(), X.float(), Y.float()).weights[-1].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"how": "adam"}, "known: budget, descent, exact"),
        ({"budget": 0.0}, "positive"),
        ({"steps": -1}, "number of updates"),
        ({"mask": torch.zeros(9, dtype=torch.bool)}, "selects no node"),
        ({"y": torch.zeros(9)}, r"y has shape \(9, 1\)"),
        ({"X": torch.zeros(8, 4).double()}, "8 rows"),
    ],
)
def test_errors(change, words):
    net, X, Y = problem()
    with pytest.raises(ValueError, match=words):
        osm.train_last_layer(**({"net": net, "X": X, "y": Y} | change))


def test_exact_with_bias_does_not_fit_rounding():
    """Features that are equal to the last digit: what centring leaves of them is noise, and no label is in it."""
    data = osm.csbm(seed=0)
    y = 2.0 * data.y - 1
    net = osm.Network(osm.Propagation.from_data(data), [8] + 200 * [32] + [1], output_bias=True)
    trained = osm.train_last_layer(net, data.x, y, how="exact")
    assert torch.linalg.matrix_norm(trained.weights[-1]) < 1
    loss = (trained(data.x)[:, 0] - y).square().mean().item()
    assert loss == pytest.approx(float(y.var(correction=0)), abs=ITERATIVE)


def test_features_of_several_seeds_need_a_network_of_several():
    net, X, Y = problem()
    with pytest.raises(ValueError, match="build it with seed="):
        osm.train_last_layer(net, X.expand(3, -1, -1), Y)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [11, 41])
def test_the_theorem_needs_a_mean_or_a_bias(depth, bias):
    """A hidden layer removes the mean of the features: the last layer is stationary, the one before is not."""
    ring = torch.tensor([[0, 1, 2, 3, 4, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 0, 1, 2, 3, 4]])
    P = osm.Propagation.from_edges(ring, 5)
    net = osm.Network(P, [2] * depth + [1], activation="identity", output_bias=bias)
    with torch.no_grad():
        for weight in net.weights[:-1]:
            weight.copy_(torch.eye(2, dtype=torch.float64))
        net.weights[-2].copy_(torch.diag(torch.tensor([0.0, 1.0], dtype=torch.float64)))
        net.weights[-1].copy_(torch.tensor([[1.0], [0.0]], dtype=torch.float64))
        if bias:
            net.bias.fill_(1.0)
    X = torch.stack([torch.ones(5), torch.tensor([1.0, -1, 0, 1, -1])], 1).double()
    y = torch.tensor([[2.0], [0], [1], [1], [1]], dtype=torch.float64)
    gradients = osm.trace(net, X, lambda output: (output - y).square().mean()).gradients
    small = 30 * P.rate ** (depth - 1)
    assert gradients[-1].norm() < small
    assert gradients[-2].norm() < small if bias else gradients[-2].norm() == pytest.approx(2, abs=1e-3)
