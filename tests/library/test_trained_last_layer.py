"""Theorem thm-spurious and lemma lem-mean of the book: hundreds of random networks, and cases near equality."""

import math

import numpy as np
import pytest
import torch
from bounds_cases import ROUNDING, loss_of, propagation
from cases import EXACT
from torch.nn import functional

import oversmooth as osm

# β, the Lipschitz constant of ρ'
BETA = {"identity": 0.0, "tanh": 4 / 27**0.5, "elu": 1.0, "arctan": 3 * 3**0.5 / 8, "softsign": 2.0}
SMOOTHING = [propagation("metropolis", "path", 6), propagation("random_walk", "star", 7)]
SMOOTHING += [
    propagation(kind, None, n, np.random.default_rng(n)) for n in (4, 8) for kind in ("reversible", "one_way")
]
SMOOTHING = [P for P in SMOOTHING if P.rate < 0.98]


def norm(values, P):
    """‖·‖_π."""
    return float((P.stationary[:, None] * values.square()).sum().sqrt())


def per_pi(signals):
    """B̃ of the output."""
    return signals.backward[-1] / signals.propagation.stationary[:, None]


def bound(signals, s, b):
    """The theorem's bound for every hidden layer, with the constants of its proof."""
    P, X, L = signals.propagation, signals.features[0], signals.depth - 1
    t, spread = P.rate * s, float(osm.deviation(X, P))
    kappa = BETA[signals.activation.name] * spread / float(P.stationary.min()) ** 0.5
    seen = float(osm.mean(signals.propagated[L], P).norm())
    left = (float(signals.gradients[L].norm()) + P.rate * t**L * spread * b) / seen
    gamma = math.prod(1 + kappa * t ** (k + 1) for k in range(L))
    q = (left + L * kappa * P.rate ** (L + 1) * s**L * b) * math.exp(min((kappa * t**2 / (1 - t**2)) ** 2, 500))
    shared = float(torch.linalg.matrix_norm(signals.weights[L], 2)) * s ** (L - 1) * gamma
    rest = [P.rate ** (L - k) * b + kappa * t ** (k + 1) * q / (1 - t**2) for k in range(L)]
    return [shared * (norm(X, P) * q + P.rate ** (k + 1) * spread * rest[k]) for k in range(L)]


def drawn(seed):
    """A pass with hidden weights of norm at most s, 1 ≤ s < 1/λ, and s: any loss, P not symmetric, unequal widths."""
    random = np.random.default_rng(seed)
    P = SMOOTHING[random.integers(len(SMOOTHING))]
    s = random.choice([1.0, random.uniform(1, 0.95 / P.rate)])
    widths = random.integers(1, 5, random.integers(3, 10)).tolist()
    network = osm.Network(P, widths, str(random.choice(list(BETA))), seed=seed)
    with torch.no_grad():
        for k, weight in enumerate(network.weights):
            raw = torch.from_numpy(random.standard_normal(tuple(weight.shape)))
            size = 10 ** random.uniform(-1, 1) if k == network.depth - 1 else s * random.choice([1.0, random.random()])
            weight.copy_(size * raw / torch.linalg.matrix_norm(raw, 2))
    X = 10 ** random.uniform(-3, 0) * torch.from_numpy(random.standard_normal((P.num_nodes, widths[0])))
    X += random.choice([0.0, 1.0])
    loss = str(random.choice(["mse", "cross_entropy", "masked_mse", "masked_cross_entropy", "weird"]))
    return osm.trace(network, X, loss_of(loss, P.num_nodes, widths[-1], random)), s


def test_every_layer_is_as_stationary_as_promised():
    useful = 0
    for seed in range(400):
        signals, s = drawn(seed)
        P, L = signals.propagation, signals.depth - 1
        b = norm(per_pi(signals), P)
        limits = bound(signals, s, b)
        for gradient, limit in zip(signals.gradients, limits, strict=False):
            assert gradient.norm() <= limit * (1 + ROUNDING) + ROUNDING * b
        # the last layer, read backwards
        F, B = signals.propagated[L], signals.backward[L]
        left = float(signals.gradients[L].norm() + osm.deviation(F, P) * osm.backward_deviation(B, P))
        assert osm.mean(F, P).norm() * osm.backward_mean(B, P).norm() <= left + ROUNDING * b
        useful += limits[0] < 100 * signals.gradients[0].norm()
    assert useful > 50  # not all of them are met by being void


def mode_of(P):
    """The slowest mode of a reversible P, of π-norm 1 and mean 0."""
    root = P.stationary.sqrt()
    values, vectors = torch.linalg.eigh(root[:, None] * P.to_dense() / root)
    slow = values[:-1].abs().argmax()
    return (vectors[:, slow] / root)[:, None]


def chain(P, s, last, depth):
    """A linear network of width 1, hidden weights s."""
    network = osm.Network(P, [1] * (depth + 1), "identity")
    with torch.no_grad():
        for k, weight in enumerate(network.weights):
            weight.fill_(last if k == depth - 1 else s)
    return network


@pytest.mark.parametrize("s", [1.0, 1.1])
def test_the_bound_is_nearly_attained(s):
    """Features are a large mean and a little of the slowest mode, the error is that mode: within a factor of three."""
    P = propagation("random_walk", "star", 7)
    mode = mode_of(P)
    network, X = chain(P, s, 2.5, 9), 100 + mode
    signals = osm.trace(network, X, lambda output: 0.3 * (P.stationary[:, None] * mode * output).sum())
    for gradient, limit in zip(signals.gradients[:-1], bound(signals, s, 0.3), strict=True):
        assert limit / 3.001 <= gradient.norm() <= limit


def test_for_large_weights_the_mean_costs_as_much_as_promised():
    """Constant features and a constant error: the bound is exact; over that at s = 1 it grows like a power of s."""
    P = propagation("one_way", None, 6, np.random.default_rng(3))
    sizes = []
    for s in (1.0, 1.3):
        constant = torch.ones(6, 1, dtype=torch.float64)
        loss = lambda output: 0.2 * (P.stationary[:, None] * output).sum()  # noqa: E731
        signals = osm.trace(chain(P, s, 2.0, 8), constant, loss)
        for gradient, limit in zip(signals.gradients[:-1], bound(signals, s, 0.2), strict=True):
            assert gradient.norm().item() == pytest.approx(limit, rel=1e-8)
        sizes.append(signals.gradients[0].norm().item())
    assert sizes[1] / sizes[0] == pytest.approx(1.3**6, rel=EXACT)


def masked(random, n):
    mask = torch.from_numpy(random.random(n) < 0.6)
    mask[random.integers(n)] = True
    return mask


def losses(output, targets, classes, mask):
    return (output - targets)[mask].square().sum(1).mean(), functional.cross_entropy(output[mask], classes[mask])


def test_the_output_error_is_bounded_for_both_losses_on_any_mask():
    for seed in range(300):
        random = np.random.default_rng(seed)
        P = SMOOTHING[seed % len(SMOOTHING)]
        n, mask = P.num_nodes, masked(random, P.num_nodes)
        output = (10 ** random.uniform(-2, 2) * torch.from_numpy(random.standard_normal((n, 3)))).requires_grad_()
        squared, entropy = losses(output, torch.ones(n, 3).double(), torch.from_numpy(random.integers(0, 3, n)), mask)
        share = 1 / (float(mask.sum()) * float(P.stationary.min()))
        for loss, b in ((squared, 2 * (squared.item() * share) ** 0.5), (entropy, (2 * share) ** 0.5)):
            error = torch.autograd.grad(loss, output)[0] / P.stationary[:, None]
            assert norm(error, P) <= b * (1 + ROUNDING)


def test_the_bounds_on_the_output_error_are_attained():
    """The mask is a leaf of a star, where π is least: a sure error in classes, any residual."""
    P = propagation("random_walk", "star", 7)
    mask = P.stationary == P.stationary.min()
    output = torch.zeros(7, 2, dtype=torch.float64)
    output[:, 0] = 50
    output.requires_grad_()
    squared, entropy = losses(output, torch.zeros(7, 2).double(), torch.ones(7, dtype=torch.long), mask)
    share = 1 / (float(mask.sum()) * float(P.stationary.min()))
    for loss, b in ((squared, 2 * (squared.item() * share) ** 0.5), (entropy, (2 * share) ** 0.5)):
        error = torch.autograd.grad(loss, output)[0] / P.stationary[:, None]
        assert norm(error, P) == pytest.approx(b, rel=EXACT)


def rest(signals, s, m):
    """r_L."""
    P, L = signals.propagation, signals.depth - 1
    last, spread = torch.linalg.matrix_norm(signals.weights[L], 2), osm.deviation(signals.features[0], P)
    return float(last * P.rate * (P.rate * s) ** L * spread) / (m * float(P.stationary.min())) ** 0.5


def test_the_losses_stay_above_their_floors_on_any_mask():
    for seed in range(300):
        signals, s = drawn(seed)
        random, n = np.random.default_rng(seed), len(signals.output)
        mask, width = masked(random, n), signals.output.shape[1]
        targets = torch.from_numpy(random.standard_normal((n, width)))
        classes = torch.from_numpy(random.integers(0, width, n))
        squared, entropy = losses(signals.output, targets, classes, mask)
        m = int(mask.sum())
        r, seen = rest(signals, s, m), targets[mask]
        spread = (seen - seen.mean(0)).square().sum(1).mean().sqrt().item()
        assert squared >= max(spread - r, 0) ** 2 - ROUNDING
        share = classes[mask].bincount(minlength=width) / m
        floor = torch.special.entr(share).sum().item() - (1 - share.square().sum().item()) ** 0.5 * r
        assert entropy >= floor - 1e-6 * (1 + abs(floor))  # frequencies in float32


def test_the_floors_are_attained():
    """Two nodes, the difference as features: labels along the output; for the entropy, small outputs."""
    P = osm.Propagation.from_matrix(torch.tensor([[0.7, 0.3], [0.3, 0.7]], dtype=torch.float64))
    X = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    signals = osm.trace(chain(P, 1.2, 2.0, 4), X, lambda output: output.square().sum())
    r = rest(signals, 1.2, 2)
    squared = (signals.output - 3 * X).square().mean().item()
    assert squared == pytest.approx((3 - r) ** 2, rel=EXACT)
    network = osm.Network(P, [1, 1, 2], "identity")
    with torch.no_grad():
        network.weights[0].fill_(1.0)
        network.weights[1].copy_(1e-4 * torch.tensor([[1.0, -1.0]]))
    signals = osm.trace(network, X, lambda output: output.square().sum())
    gained = math.log(2) - functional.cross_entropy(signals.output, torch.tensor([0, 1])).item()
    assert gained == pytest.approx(0.5**0.5 * rest(signals, 1.0, 2), rel=1e-3)


@pytest.mark.parametrize("kind", ["identity", "metropolis", "random_walk"])
@pytest.mark.parametrize("activation", ["identity", "tanh", "elu"])
def test_two_layers_of_zeros_are_exactly_stationary(kind, activation):
    P = propagation(kind, "star", 7)
    network = osm.Network(P, [3, 5, 2, 4, 3], activation, weight_scale=1.4)
    with torch.no_grad():
        network.weights[-1].zero_()
        network.weights[-2].zero_()
    random = np.random.default_rng(0)
    X = torch.from_numpy(random.standard_normal((7, 3)))
    for loss in ("mse", "masked_cross_entropy", "weird"):
        signals = osm.trace(network, X, loss_of(loss, 7, 3, random))
        assert all((gradient == 0).all() for gradient in signals.gradients)


def promised(X, P, layers):
    """The lemma's bound after so many layers, or None where it does not apply; the sum as a plain loop."""
    start = 1 / float(osm.mean(X, P).square().sum())
    total = sum(P.rate ** (2 * j) * (2 * (start + j)) ** 0.5 for j in range(1, 2000))
    applies = 3 * BETA["tanh"] * float(osm.deviation(X, P)) ** 2 * total <= math.log(2)
    return (2 * (start + layers)) ** -0.5 if applies else None


def test_the_mean_fades_as_slowly_as_promised():
    applied = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        P, width = SMOOTHING[seed % len(SMOOTHING)], int(random.integers(1, 7))
        network = osm.Network(P, [width] * int(random.integers(3, 60)), "tanh", seed=seed)
        X = torch.from_numpy(random.standard_normal((1, width))) * 10 ** random.uniform(-1, 1)
        X = X + 10 ** random.uniform(-3, 0) * torch.from_numpy(random.standard_normal((P.num_nodes, width)))
        signals = osm.trace(network, X, lambda output: output.square().sum())
        least = promised(X, P, signals.depth - 1)
        if least is not None:
            applied += 1
            assert osm.mean(signals.propagated[-1], P).norm() >= least
    assert applied > 50


def test_the_fading_is_nearly_attained():
    """All in one coordinate: 1/c² grows by 2/3 a layer in the end, by 1 where it begins, and the lemma allows 2."""
    P = propagation("one_way", None, 6, np.random.default_rng(3))
    X = torch.zeros(6, 4, dtype=torch.float64)
    X[:, 0] = 30.0
    network = osm.Network(P, [4] * 402, "tanh")
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(torch.eye(4, dtype=torch.float64))
    signals = osm.trace(network, X, lambda output: output.square().sum())
    inverse = [float(osm.mean(F, P).square().sum().reciprocal()) for F in signals.features]
    assert inverse[1] - inverse[0] == pytest.approx(1, abs=2e-3)
    assert promised(X, P, 400) <= inverse[400] ** -0.5 <= 3**0.5 * promised(X, P, 400) * 1.01
    steps = np.diff(inverse)
    assert (steps <= 1).all() and steps[-1] == pytest.approx(2 / 3, abs=2e-3)
