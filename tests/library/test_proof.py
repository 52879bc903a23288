"""Proofs by ball arithmetic against mpmath at 60 digits: naive loops forward, differentiated by differences."""

import math
import subprocess
import sys
from fractions import Fraction
from functools import partial

import bounds_cases
import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

import oversmooth as osm
from oversmooth.activations import find_activation
from oversmooth.losses import Objective
from oversmooth.proof import activations, balls, certify, entries

pytestmark = pytest.mark.filterwarnings("ignore:the graph has")
KINDS = ("metropolis", "max_degree", "random_walk", "gcn", "identity")
RHO = {
    "identity": lambda h: h,
    "tanh": mpmath.tanh,
    "elu": lambda h: h if h > 0 else mpmath.expm1(h),
    "arctan": mpmath.atan,
    "softsign": lambda h: h / (1 + abs(h)),
    "relu": lambda h: max(h, mpf(0)),
}


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(60):
        yield


def numbers(tensor):
    return [[mpf(float(entry)) for entry in row] for row in tensor.detach()]


def entries_of(edge_index, n, kind):
    """P by its definition, from the edge list."""
    neighbours = [set() for _ in range(n)]
    for i, j in edge_index.T.tolist():
        if i != j:
            neighbours[i].add(j)
    degree = [len(found) for found in neighbours]
    P = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in neighbours[i]:
            P[i][j] = {
                "metropolis": lambda i, j: mpf(1) / (1 + max(degree[i], degree[j])),
                "max_degree": lambda i, j: mpf(1) / (1 + max(degree)),
                "random_walk": lambda i, j: mpf(1) / (1 + degree[i]),
                "gcn": lambda i, j: 1 / mpmath.sqrt((1 + degree[i]) * (1 + degree[j])),
                "identity": lambda i, j: mpf(0),
            }[kind](i, j)
        P[i][i] = mpf(1) / (1 + degree[i]) if kind in ("random_walk", "gcn") else 1 - sum(P[i])
    return P


def times(A, B):
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*B, strict=True)] for row in A]


class Naive:
    """The loss as a function of all weights, one number after the other."""

    def __init__(self, P, rho, X, Y, loss, mask, bias, width):
        self.P, self.rho, self.X, self.Y, self.kind, self.mask = P, RHO[rho], X, Y, loss, mask
        self.trained, self.bias = bias is not None, bias or [mpf(0)] * width

    def loss(self, weights, bias=None):
        signal = self.X
        for k, W in enumerate(weights):
            signal = times(times(self.P, signal), W)
            if k < len(weights) - 1:
                signal = [[self.rho(h) for h in row] for row in signal]
        bias = self.bias if bias is None else bias
        rows = [([x + b for x, b in zip(signal[i], bias, strict=True)], self.Y[i]) for i in self.mask]
        if self.kind == "mse":
            return sum(sum((x - y) ** 2 for x, y in zip(*row, strict=True)) for row in rows) / len(rows)
        return sum(mpmath.log(sum(mpmath.exp(x) for x in row)) - row[label] for row, label in rows) / len(rows)

    def gradients(self, weights):
        """‖∂𝓛/∂W⁽ᵏ⁾‖_F of every layer, then that of the bias (0 if there is none), by central differences."""
        found, step = [], mpf(10) ** -18
        for k, W in enumerate(weights):
            square = mpf(0)
            for i, row in enumerate(W):
                for j in range(len(row)):
                    ends = []
                    for sign in (1, -1):
                        moved = [[list(r) for r in each] for each in weights]
                        moved[k][i][j] += sign * step
                        ends.append(self.loss(moved))
                    square += ((ends[0] - ends[1]) / (2 * step)) ** 2
            found.append(mpmath.sqrt(square))
        square = mpf(0)
        for j in range(len(self.bias) if self.trained else 0):
            ends = [
                self.loss(weights, [b + sign * step * (c == j) for c, b in enumerate(self.bias)]) for sign in (1, -1)
            ]
            square += ((ends[0] - ends[1]) / (2 * step)) ** 2
        return [*found, mpmath.sqrt(square)]


def case(seed, kind, rho, shape="random", n=5, depth=3, loss="mse", bias=False, scale=1.0, largest=3):
    """A network with data, and its naive twin."""
    random = np.random.default_rng(seed)
    edge_index = bounds_cases.edges(shape, n, seed)
    P = osm.Propagation.from_edges(edge_index, n, kind=kind)
    widths = random.integers(1, largest + 1, depth + 1).tolist()
    widths[-1] = max(widths[-1], 2) if loss == "cross_entropy" else widths[-1]
    net = osm.Network(P, widths, activation=rho, output_bias=bias, weight_scale=scale, seed=seed)
    X = torch.from_numpy(random.standard_normal((n, widths[0])))
    Y = random.standard_normal((n, widths[-1])) if loss == "mse" else random.integers(0, widths[-1], n)
    Y = torch.from_numpy(Y)
    mask = None if seed % 2 else torch.arange(n) < n - 1
    b = None
    if bias:
        with torch.no_grad():
            net.bias.copy_(torch.from_numpy(random.standard_normal(widths[-1])))
        b = [mpf(float(entry)) for entry in net.bias.detach()]
    nodes = range(n) if mask is None else range(n - 1)
    targets = numbers(Y) if loss == "mse" else Y.tolist()
    naive = Naive(entries_of(edge_index, n, kind), rho, numbers(X), targets, loss, nodes, b, widths[-1])
    return net, X, Y, mask, naive, [numbers(weight) for weight in net.weights]


def inside(proof, naive, weights, tight):
    """The truth lies within the proof's bounds, and they are as tight as promised."""
    loss, (*gradients, bias) = naive.loss(weights), naive.gradients(weights)
    assert mpf(proof.loss[0]) <= loss <= mpf(proof.loss[1])
    slack = mpf(10) ** -30  # of the differences
    whole = mpmath.sqrt(sum(g * g for g in gradients) + bias * bias)
    assert whole <= mpf(proof.stationarity) + slack
    for bound, gradient in zip(proof.gradient.tolist(), gradients, strict=True):
        assert gradient <= mpf(bound) + slack
        if tight and gradient > mpf(10) ** -12:
            assert mpf(bound) <= gradient * mpf("1.001")
    if tight and whole > mpf(10) ** -12:
        assert mpf(proof.stationarity) <= whole * mpf("1.001")
        assert proof.loss[1] - proof.loss[0] <= 1e-12 * max(1.0, proof.loss[1])


@pytest.mark.parametrize("rho", RHO)
@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_lies_inside_and_the_bound_is_tight(kind, rho):
    for seed, shape in enumerate(("random", "isolated", "two_components", "star")):
        for loss in ("mse", "cross_entropy"):
            net, X, Y, mask, naive, weights = case(seed, kind, rho, shape, loss=loss, bias=seed % 2 == 0)
            inside(osm.certify(net, X, Y, loss=loss, mask=mask), naive, weights, tight=True)


def pick_one(random, options):
    return options[int(random.integers(len(options)))]


@pytest.mark.parametrize("part", range(10))
def test_five_hundred_random_networks(part):
    """Fifty here: any kind, activation, depth, scale and number of bits, few enough that radii count."""
    for seed in range(100 + 50 * part, 150 + 50 * part):
        random = np.random.default_rng(seed)
        pick = partial(pick_one, random)
        net, X, Y, mask, naive, weights = case(
            seed,
            pick(KINDS),
            pick(list(RHO)),
            pick(list(bounds_cases.SHAPES)),
            n=int(random.integers(2, 6)),
            depth=int(random.integers(1, 5)),
            loss=pick(("mse", "cross_entropy")),
            bias=bool(random.integers(2)),
            scale=10 ** random.uniform(-0.5, 0.5),
            largest=2,
        )
        bits = int(random.integers(32, 60))
        inside(osm.certify(net, X, Y, loss=naive.kind, mask=mask, bits=bits), naive, weights, tight=False)


def test_a_deep_network_is_proved_far_below_rounding():
    """Depth 101: hidden gradients of 1e-31, and no bound is loose."""
    data = osm.csbm(60, p_in=0.4, p_out=0.2, num_features=3)
    P, Y = osm.Propagation.from_data(data), 2.0 * data.y.double()[:, None] - 1
    net = osm.train_last_layer(osm.Network(P, [3, *[4] * 100, 1]), data.x, Y, how="budget", budget=3.0)
    proof = osm.certify(net, data.x, Y)
    assert proof.relative < 4e-4 and proof.gradient[:-1].max() < 1e-30 and 0 <= 1 - proof.loss[0] < 1e-15
    finer = osm.certify(net, data.x, Y, bits=2 * proof.bits)
    assert torch.all(finer.gradient <= proof.gradient) and torch.all(proof.gradient <= finer.gradient * 1.001)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", list(bounds_cases.SHAPES))
def test_lambda_is_bounded_and_close(kind, shape):
    n = 7
    edge_index = bounds_cases.edges(shape, n, 3)
    P = np.array(entries_of(edge_index, n, kind), dtype=float)
    similar = P
    if kind == "random_walk":
        root = np.sqrt([1.0 / row[i] for i, row in enumerate(P)])
        similar = root[:, None] * P / root
    eigenvalues = np.sort(np.abs(np.linalg.eigvalsh((similar + similar.T) / 2)))
    bound = entries.rate_bound(osm.Propagation.from_edges(edge_index, n, kind=kind))
    assert eigenvalues[-2] - 1e-14 <= bound <= min(eigenvalues[-2] + 1e-7, 1.0)


FEW = 8  # bits: rounding is a large part of every radius


def ball_and_truth(random, n, d, size=1.0, radius=3.0):
    """A ball of few bits and a signal on its surface, as fractions."""
    middle = np.array([[int(v) for v in row] for row in random.normal(0, size * 2**FEW, (n, d))], dtype=object)
    radii, way = radius * random.random(n), random.standard_normal((n, d))
    way *= radii[:, None] / np.linalg.norm(way, axis=1, keepdims=True) * (1 - 1e-12)
    truth = [[Fraction(m) + Fraction(w) for m, w in zip(*rows, strict=True)] for rows in zip(middle, way, strict=True)]
    return balls.Ball(middle, radii, FEW), np.array(truth, dtype=object) / 2**FEW


def share_of_radius(ball, truth):
    """How far off the truth is, over the radius: at most 1."""
    off = (truth * 2**ball.bits - ball.middle).astype(float)
    return float((np.linalg.norm(off, axis=1) / ball.radius).max())


def test_every_operation_keeps_the_truth_inside():
    """On surfaces of balls, against fractions; and no term of a radius is idle: the worst case comes close to 1."""
    worst = dict.fromkeys(("propagate", "multiply", "apply", "slope"), 0.0)
    for seed in range(300):
        random = np.random.default_rng(seed)
        n, d, e = random.integers(1, 6, 3).tolist()
        # Exact or unsure, small or large signals: each term of the radii has its turn to be the largest.
        size, radius = 10.0 ** random.integers(-1, 3), float(random.choice([0.0, 3.0, 100.0]))
        ball, truth = ball_and_truth(random, n, d, size, radius)
        edge_index, kind = bounds_cases.edges("random", n, seed), KINDS[seed % 4]
        P = osm.Propagation.from_edges(edge_index, n, kind=kind)
        exact = np.array(
            [[Fraction(str(mpmath.nstr(v, 40))) for v in row] for row in entries_of(edge_index, n, kind)], dtype=object
        )
        worst["propagate"] = max(
            worst["propagate"], share_of_radius(balls.propagate(entries.weights(P, FEW), ball), exact @ truth)
        )
        W = random.standard_normal((d, e))
        product = balls.multiply(ball, balls.exact(W, FEW), np.linalg.norm(W, 2) * (1 + 1e-12))
        fractions = np.array([[Fraction(float(w)) for w in row] for row in W], dtype=object)
        worst["multiply"] = max(worst["multiply"], share_of_radius(product, truth @ fractions))
        rho = activations.RHO["softsign"]
        value = activations.apply(rho, ball)
        worst["apply"] = max(worst["apply"], share_of_radius(value, truth / (1 + np.abs(truth))))
        error, backward = ball_and_truth(random, n, d, size, radius * float(random.integers(2)))
        slopes = balls.times_slope(error, *activations.slope(rho, ball, value))
        worst["slope"] = max(worst["slope"], share_of_radius(slopes, backward / (1 + np.abs(truth)) ** 2))
    assert all(0.3 < share <= 1 for share in worst.values()), worst


def hand(random, n, d, bits=FEW):
    """A ball of small integers, and its rows as plain numbers: (midpoint, radius) in the units of the signal."""
    middle = np.array([[int(v) for v in row] for row in random.integers(-900, 900, (n, d))], dtype=object)
    ball = balls.Ball(middle, random.random(n) * 5 + 1, bits)
    return ball, [
        ([m / 2**bits for m in row], r / 2**bits) for row, r in zip(middle.tolist(), ball.radius, strict=True)
    ]


def same(found, expected):
    """Of radii: to the last digits, so that no rounding upwards is lost."""
    return found == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("seed", range(3))
def test_radii_of_products_by_hand(seed):
    random, up = np.random.default_rng(seed), balls.UP
    n, d, e = 4, 3, 2
    signal, rows = hand(random, n, d)
    norms = [math.hypot(*row) * up + balls.TINY for row, _ in rows]
    assert same(signal.norms().tolist(), norms)
    reach = [(norm + radius) * up for norm, (_, radius) in zip(norms, rows, strict=True)]
    assert same(signal.reach().tolist(), reach)
    P = osm.Propagation.from_edges(bounds_cases.edges("random", n, seed), n, kind="metropolis")
    weights, dense, degree = entries.weights(P, FEW), P.to_dense().numpy(), entries.degrees(P)
    expected = []
    for i in range(n):
        near = [j for j in range(n) if dense[i, j]]
        errors = {j: max(degree[i], 1) if i == j else 1 for j in near}
        inherited = sum(dense[i, j] * up * signal.radius[j] + errors[j] * reach[j] for j in near)
        expected.append((inherited + math.sqrt(d)) * up)
    assert same(balls.propagate(weights, signal).radius.tolist(), expected)
    W, _ = hand(random, d, e)
    norm, off = 1.7, math.hypot(*W.radius) * up
    expected = [(norm * r + off * far + math.sqrt(e)) * up for r, far in zip(signal.radius, reach, strict=True)]
    assert same(balls.multiply(signal, W, norm).radius.tolist(), expected)
    error, errors = hand(random, n, d)
    found = certify._gradient(signal, error)
    expected = sum(far * b.item() for far, b in zip(reach, error.radius, strict=True))
    expected += sum(r * math.hypot(*row) * up for r, (row, _) in zip(signal.radius, errors, strict=True))
    assert same(found[1], (expected + math.sqrt(d * d) + 1) * up)
    product = [
        [sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) >> FEW for y in error.middle.T]
        for x in signal.middle.T
    ]
    assert found[0] == math.isqrt(sum(v * v for row in product for v in row))
    middle, radius = certify._column_sums(error)
    assert middle == math.isqrt(sum(sum(map(int, column)) ** 2 for column in error.middle.T))
    assert same(radius, float(error.radius.sum()) * up + 1)


@pytest.mark.parametrize("kinks", [(), ((1, 2), (2, 0), (2, 1))])
def test_radii_of_slopes_by_hand(kinks):
    random, up = np.random.default_rng(5), balls.UP
    error, rows = hand(random, 4, 3)
    slopes = np.array([[int(v) for v in row] for row in random.integers(0, 2**FEW, (4, 3))], dtype=object)
    slope, wide = balls.Ball(slopes, np.array([0.0, 1.0, 30.0, 400.0]), FEW), np.zeros((4, 3), dtype=bool)
    for place in kinks:
        wide[place] = True
    expected = []
    for i, (row, _) in enumerate(rows):
        steepest = max(1.0 if wide[i, j] else slopes[i, j] / 2**FEW for j in range(3)) * up + slope.radius[i] / 2**FEW
        halves = [row[j] * 2**FEW / 2 if wide[i, j] else 0.0 for j in range(3)]
        unsure = math.hypot(*halves) * up + balls.TINY if kinks else 0.0
        largest = max(map(abs, row)) * up + balls.TINY
        radius = min(steepest, 1) * error.radius[i] + largest * slope.radius[i] + unsure + math.sqrt(3)
        expected.append(radius * up)
    assert same(balls.times_slope(error, slope, wide).radius.tolist(), expected)


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_radii_of_losses_by_hand(kind):
    random, up, m, d = np.random.default_rng(2), balls.UP, 3, 2
    output, rows = hand(random, 5, d)
    mask = torch.tensor([True, False, True, True, False])
    weights = mask[:, None].double() / m
    targets = torch.tensor([[0.1, 0.5]] * 5, dtype=torch.float64) if kind == "mse" else torch.tensor([0, 1, 1, 0, 1])
    (value, off), error = certify._LOSS[kind](output, Objective(kind, targets, weights))
    seen = [i for i in range(5) if mask[i]]
    lost = balls.UP  # 0.1 is no double of 8 bits: one entry of the target's two
    if kind == "mse":
        rest = [[int(output.middle[i, 0]) - int(0.1 * 2**FEW), int(output.middle[i, 1]) - 2 ** (FEW - 1)] for i in seen]
        radius = [(output.radius[i] + lost) * up for i in seen]
        far = [math.hypot(*row) / 2**FEW * up + balls.TINY for row in rest]
        whole = sum(2 * f * r + r * r / 2**FEW for f, r in zip(far, radius, strict=True)) * up
        assert value == Fraction(sum(a * a for row in rest for a in row), 2**FEW) / m
        expected = [(2 * r / m * up + math.sqrt(d)) * up for r in radius]
    else:
        whole = sum(1.5 * output.radius[i] + 2 for i in seen) * up
        expected = [((output.radius[i] / 2 + 2 * math.sqrt(d)) / m * up + math.sqrt(d)) * up for i in seen]
        losses = [math.log(math.exp(a) + math.exp(b)) - (a, b)[targets[i]] for i in seen for a, b in [rows[i][0]]]
        assert float(value) / 2**FEW == pytest.approx(sum(losses) / m, abs=2 / 2**FEW)
    assert same(off, whole / m * up)
    assert same(error.radius[seen].tolist(), expected)
    assert not error.radius[[1, 4]].any() and not error.middle[[1, 4]].any()


@pytest.mark.parametrize("n", [5, 40])
def test_the_bound_on_the_rate_by_hand(n):
    P = osm.Propagation.from_edges(bounds_cases.edges("random", n, 1), n, kind="random_walk")
    v = np.sqrt(P.pi)
    S = P.similar().toarray()
    rounded = 16 * balls.ULP * (np.linalg.norm((S + S.T) / 2 - np.outer(v, v)) + 3)
    candidates = []
    for margin in (1e-12, 1e-10, 1e-8, 1e-6):
        bound = P.rate * (1 + margin) + margin
        candidates.append((bound + 1.1 * (n + 2) * balls.ULP * (n * bound + 2) + rounded) * balls.UP)
    assert entries.rate_bound(P) == pytest.approx(candidates[0], rel=1e-15, abs=0)


def test_a_rate_that_no_margin_proves_is_one(monkeypatch):
    monkeypatch.setattr(entries, "_is_positive", lambda *_: False)
    assert entries.rate_bound(osm.Propagation.from_edges([[0, 1], [1, 0]], 2)) == 1.0


@pytest.mark.parametrize("name", activations.RHO)
def test_the_bounds_of_curvature_are_the_librarys_and_above(name):
    """The library's are tested against finite differences; a kink has none, and is widened instead."""
    rho = activations.RHO[name]
    expected = 0.0 if rho.kink else find_activation(name).beta
    assert expected <= rho.beta <= expected * (1 + 1e-11)
    assert rho.beta == expected or rho.beta >= expected * (1 + 1e-13), "rounding of the closed form is paid for"


def test_doubles_lose_only_what_lies_below_the_last_bit():
    values = np.array([[0.5, -2.25, 2.0**-FEW], [0.1, 1.0, 2.0 ** (-FEW - 1)], [0.1, 0.2, 0.3]])
    ball = balls.exact(values, FEW)
    assert ball.radius.tolist() == [0, math.sqrt(2) * balls.UP, math.sqrt(3) * balls.UP]
    assert ball.middle.tolist() == [[128, -576, 1], [25, 256, 0], [25, 51, 76]]


def test_the_spectral_norm_counts_what_a_long_sum_may_lose():
    n, power = 10**6, balls.UP**2
    excess = balls.spectral_norm(np.ones((n, 1)), squarings=1) / (math.sqrt(n) * power) - 1
    assert excess == pytest.approx(1.01 * (n + 2) * balls.ULP / 2, rel=1e-3)


@pytest.mark.parametrize("n", [4, 64])
def test_the_spectral_norm_of_ones_by_hand(n):
    """Every product and root is a double itself, so that only the slacks are left: each is in, to the last bit."""
    frobenius = math.sqrt(n) / 2 * balls.UP  # of the matrix over 2
    off = 1.01 * (n + 2) * balls.ULP * frobenius**2
    scale = math.ldexp(1.0, math.frexp(n / 4)[1])
    inner = (n / 4 / scale) * balls.UP * scale * balls.UP + balls.TINY
    assert balls.spectral_norm(np.ones((n, 1)), squarings=1) == math.sqrt(inner + off) * 2 * balls.UP + balls.TINY


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 7), (7, 2), (30, 30)])
def test_the_spectral_norm_is_bounded_and_close(shape):
    for seed in range(20):
        matrix = np.random.default_rng(seed).standard_normal(shape) * 10.0 ** np.random.default_rng(seed).integers(
            -200, 200
        )
        true = np.linalg.norm(matrix / np.abs(matrix).max(), 2) * np.abs(matrix).max()
        assert true * (1 - 1e-14) <= balls.spectral_norm(matrix) <= true * 1.02
    assert balls.spectral_norm(np.zeros(shape)) < 1e-280


def test_a_kink_is_widened_never_guessed():
    """A preactivation of exactly 0: ReLU's slope there is anything from 0 to 1, and the bound holds for each."""
    P = osm.Propagation.identity(2)
    net = osm.Network(P, [1, 1, 1], activation="relu")
    with torch.no_grad():
        for weight in net.weights:
            weight.fill_(1.0)
    X, Y = torch.tensor([[0.0], [0.5]]).double(), torch.tensor([[2.0], [0.5]]).double()
    proof = osm.certify(net, X, Y)
    # B⁽⁰⁾ at the node on the kink is 2 (0 − 2)/2 · slope = −2 slope; its feature is 0, and so is its share of ∂𝓛/∂W⁽⁰⁾.
    assert proof.gradient[0] <= 1e-15
    X = torch.tensor([[1.0, 1.0], [0.5, 0.0]]).double()
    net = osm.Network(P, [2, 1, 1], activation="relu")
    with torch.no_grad():
        net.weights[0].copy_(torch.tensor([[1.0], [-1.0]]))
        net.weights[1].fill_(1.0)
    proof = osm.certify(net, X, Y)
    assert float(proof.gradient[0]) >= 2 * 2**0.5 * (1 - 1e-12)  # slope 1 at the kink: −2 · (1, 1)
    assert float(proof.gradient[0]) <= 2 * 2**0.5 * 1.001


def test_what_it_says_can_be_quoted():
    net, X, Y, mask, *_ = case(1, "gcn", "tanh")
    proof = osm.certify(net, X, Y, mask=mask)
    text = str(proof)
    assert text.startswith(f"Proved, with {proof.bits} bits in ") and "the network of depth 3 on 5 nodes" in text
    assert proof.seconds_per_row == proof.seconds / 15 and proof.spectral.shape == (3,)
    shown = float(text.split("norm at most ")[1].split()[0])
    assert proof.stationarity <= shown <= proof.stationarity * 1.01  # rounded upwards
    shown = float(text.split("loss of at least ")[1].split()[0])
    assert proof.loss[0] - 1e-12 <= shown <= proof.loss[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "batch"}, "a batch of seeds; a proof is of one network"),
        ({"network": "deflated"}, "of kind 'deflated'; entries that a proof can start from have: metropolis, "),
        ({"network": "matrix"}, "of kind 'matrix'"),
        ({"network": "gelu"}, "the activation is 'gelu'; a proof knows: identity, tanh, elu"),
        ({"loss": "hinge"}, "loss is 'hinge'; known: mse, cross_entropy"),
        ({"bits": 20}, "bits is 20; 32 to 1000 are possible"),
        ({"features": "batch"}, "a proof is of one network: give one"),
        ({"network": "huge"}, "grow beyond 1e300: weights of smaller norm, or more bits"),
    ],
)
def test_what_cannot_be_proved_is_refused(changes, words):
    data = osm.karate()
    P = osm.Propagation.from_data(data)
    networks = {
        "batch": lambda: osm.Network(P, [2, 3, 1], seed=[0, 1]),
        "deflated": lambda: osm.Network(osm.deflate(P), [2, 3, 1]),
        "matrix": lambda: osm.Network(osm.Propagation.from_matrix(P.matrix), [2, 3, 1]),
        "gelu": lambda: osm.Network(P, [2, 3, 1], activation="gelu"),
        "huge": lambda: osm.Network(P, [2, *[3] * 60, 1], activation="relu", weight_scale=1e6),
    }
    features, targets = torch.ones(34, 2).double(), torch.ones(34, 1).double()
    features[0] = 2.0
    features = features.expand(2, 34, 2) if changes.get("features") else features
    net = networks.get(changes.get("network"), lambda: osm.Network(P, [2, 3, 1]))()
    with pytest.raises(ValueError, match=words):
        osm.certify(net, features, targets, loss=changes.get("loss", "mse"), bits=changes.get("bits"))


def test_without_flint_it_says_what_to_install():
    code = """
import sys
sys.modules["flint"] = None
import torch
import oversmooth as osm
net = osm.Network(osm.Propagation.identity(3), [1, 1])
try:
    osm.certify(net, torch.ones(3, 1).double(), torch.ones(3).double())
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'a proof needs python-flint: pip install "oversmooth[proof]"'
