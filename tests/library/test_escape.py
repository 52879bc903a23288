"""How long and how far: the bounds against integrated gradient flow, runs of descent and networks that do better."""

import math
from fractions import Fraction

import bounds_cases
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import solve_ivp

import oversmooth as osm
from oversmooth.bounds import weight_norms
from oversmooth.proof import balls, escape
from oversmooth.proof.escape import checked_descent
from oversmooth.smoothness import deviation

pytestmark = pytest.mark.filterwarnings("ignore:the graph has")
LIMIT = 100.0
KINDS = ("metropolis", "max_degree", "random_walk")
RHO = ("identity", "tanh", "elu", "arctan", "softsign", "relu")


def case(seed, loss="mse"):
    """A small network that oversmooths: depth 4 to 9, any averaging kind and activation, with data and a mask."""
    random = np.random.default_rng(seed)
    n, depth = int(random.integers(4, 9)), int(random.integers(4, 10))
    kind, rho = KINDS[int(random.integers(3))], RHO[int(random.integers(6))]
    shape = ("random", "star", "cycle", "two_components")[int(random.integers(4))]
    P = osm.Propagation.from_edges(bounds_cases.edges(shape, n, seed), n, kind=kind)
    outputs = 1 if loss == "mse" else 2
    widths = [2, *random.integers(2, 4, depth - 1).tolist(), outputs]
    net = osm.Network(P, widths, activation=rho, weight_scale=10 ** random.uniform(-0.3, 0.1), seed=seed)
    X = torch.from_numpy(random.standard_normal((n, 2)))
    Y = torch.from_numpy(random.standard_normal((n, 1)) if loss == "mse" else np.arange(n) % 2)
    mask = None if seed % 3 else torch.arange(n) != 0
    return net, X, Y, mask


def loss_of(net, X, Y, loss, mask):
    rows = slice(None) if mask is None else mask

    def value(output):
        if loss == "mse":
            return (output[rows] - Y[rows]).square().sum(-1).mean()
        return torch.nn.functional.cross_entropy(output[rows], Y[rows])

    return value


def best_constant(Y, loss, mask):
    Y = Y if mask is None else Y[mask]
    return (
        float(Y.var(0, correction=0).sum())
        if loss == "mse"
        else float(torch.special.entr(torch.bincount(Y) / len(Y)).sum())
    )


def flow_time(net, X, value, threshold):
    """When gradient flow first has a loss of θ: RK45 on all weights; infinity if not before `LIMIT`."""
    shapes = [weight.shape for weight in net.weights]
    sizes = np.cumsum([0, *(shape.numel() for shape in shapes)])

    def with_weights(row):
        row = torch.from_numpy(np.ascontiguousarray(row))
        parts = [row[a:b].reshape(s) for a, b, s in zip(sizes, sizes[1:], shapes, strict=False)]
        for weight, part in zip(net.weights, parts, strict=True):
            weight.data.copy_(part)

    def slope(_, row):
        with_weights(row)
        return -torch.cat([g.reshape(-1) for g in osm.trace(net, X, value).gradients]).numpy()

    def below(_, row):
        with_weights(row)
        return float(value(net(X))) - threshold

    below.terminal = True
    start = torch.cat([weight.detach().reshape(-1) for weight in net.weights]).numpy().copy()
    found = solve_ivp(slope, (0, LIMIT), start, method="RK45", events=below, rtol=1e-6, atol=1e-9)
    with_weights(start)
    return float(found.t_events[0][0]) if len(found.t_events[0]) else math.inf


@pytest.mark.parametrize("part", range(6))
def test_never_above_the_time_of_the_flow(part):
    """150 networks in all; where the bound says something that the flow can be followed for, the flow is followed."""
    ratios = []
    for seed in range(25 * part, 25 * part + 25):
        loss = ("mse", "cross_entropy")[seed % 2]
        net, X, Y, mask = case(seed, loss)
        value, best = loss_of(net, X, Y, loss, mask), best_constant(Y, loss, mask)
        threshold = min(0.9 * best, 0.97 * float(value(net(X)).detach()))
        bound = osm.escape_time(net, X, Y, loss, threshold, mask)
        proved = osm.escape_time(net, X, Y, loss, threshold, mask, rigorous=True)
        assert proved.value <= bound.value * (1 + 1e-9) and proved.rigorous and not bound.rigorous
        if bound.value < math.inf and net.propagation.rate > 1e-3:  # a smaller rate is proved to 1e-10 only
            assert proved.value >= 0.9 * bound.value
        if 0 < bound.value < LIMIT / 10:
            measured = flow_time(net, X, value, threshold)
            assert bound.value <= measured * (1 + 1e-4)
            ratios.append(bound.value / measured)
    assert len(ratios) >= 5, ratios


@pytest.mark.parametrize("seed", range(30))
def test_no_network_that_does_better_is_nearer(seed):
    """Found by descent from where the bound is taken: on any way, and Adam has another than descent."""
    loss = ("mse", "cross_entropy")[seed % 2]
    net, X, Y, mask = case(seed, loss)
    threshold = min(0.9 * best_constant(Y, loss, mask), 0.97 * float(loss_of(net, X, Y, loss, mask)(net(X)).detach()))
    start = [weight.detach().clone() for weight in net.weights]
    bound = osm.escape_distance(net, X, Y, loss, threshold, mask, rigorous=seed % 3 == 0)
    value, optimizer = loss_of(net, X, Y, loss, mask), torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        now = value(net(X))
        if float(now.detach()) < threshold:
            break
        now.backward()
        optimizer.step()
    moved = math.sqrt(sum(float((a - b).square().sum()) for a, b in zip(net.weights, start, strict=True)))
    assert float(now.detach()) >= threshold or moved >= float(bound)


@pytest.mark.parametrize("seed", range(12))
def test_descent_takes_at_least_so_many_steps(seed):
    net, X, Y, mask = case(100 + seed)
    value, lr = loss_of(net, X, Y, "mse", mask), 0.02
    threshold = min(0.9 * best_constant(Y, "mse", mask), 0.97 * float(value(net(X)).detach()))
    first = osm.escape_time(net, X, Y, "mse", threshold, mask)
    run = osm.Network(net.propagation, net.widths, activation=net.activation, seed=0)
    run.load_state_dict(net.state_dict())
    table = osm.fit(run, X, Y, "mse", mask, optimizer="sgd", lr=lr, steps=400).table
    if lr * table["gradient"][0] ** 2 < 1e-11:  # one of the twelve: no double tells how its loss falls
        with pytest.raises(ValueError, match="fell by less than rounding"):
            checked_descent(table, lr)
        return
    decrease, stride = checked_descent(table, lr)
    assert 0.5 < decrease <= 1 and stride == lr * table["gradient"].max()
    bound = osm.escape_time(net, X, Y, "mse", threshold, mask, decrease=decrease, stride=stride)
    assert float(bound) <= decrease * float(first) * (1 + 1e-9)
    below = table.loc[table["loss"] < threshold, "step"]
    assert below.empty or float(bound) <= lr * below.iloc[0]


def test_the_formula_by_hand():
    """On a network whose norms are all 1 and above every least norm: a naive search over D."""
    data = osm.csbm(60, p_in=0.4, p_out=0.2, num_features=3)
    P, Y = osm.Propagation.from_data(data), 2.0 * data.y.double()[:, None] - 1
    net = osm.train_last_layer(osm.Network(P, [3, *[4] * 20, 1], seed=1), data.x, Y, how="budget", budget=1.0)
    s = weight_norms([weight.detach() for weight in net.weights]).numpy()
    loss = float((net(data.x).detach() - Y).square().mean())
    smooth, best, at = P.rate ** len(s) * s.prod() * float(deviation(data.x, P)), 0.0, 0.0
    for D in np.linspace(1e-3, 3, 3000):
        S = smooth * math.exp(D * math.sqrt((s**-2.0).sum()))
        floor = max(float(Y.std(correction=0)) - S, 0) ** 2
        if floor >= 0.8:
            best, at = max((best, at), (D * D / (loss - floor), D))
    bound = osm.escape_time(net, data.x, Y)
    assert bound.value == pytest.approx(best, rel=1e-3) and bound.distance == pytest.approx(at, rel=2e-2)
    distance = math.log((1 - math.sqrt(0.8)) / smooth) / math.sqrt((s**-2.0).sum())
    assert float(osm.escape_distance(net, data.x, Y)) == pytest.approx(distance, rel=1e-9)


def test_the_time_grows_by_one_over_lambda_per_layer():
    data = osm.csbm(100, p_in=0.3, p_out=0.1, num_features=3)
    P, Y, times = osm.Propagation.from_data(data), 2.0 * data.y.double()[:, None] - 1, []
    for depth in (20, 40):
        net = osm.train_last_layer(osm.Network(P, [3, *[4] * (depth - 1), 1]), data.x, Y, how="budget", budget=3.0)
        times.append(osm.escape_time(net, data.x, Y, rigorous=True))
    growth = (times[1].value / times[0].value) ** (1 / 20)
    assert 0.9 < growth * P.rate < 1
    said = str(times[0])
    assert "Proved: the loss stays above 0.8 for a time of" in said
    assert 0.99 * times[0].value <= float(said.split("time of ")[1].split(",")[0]) <= times[0].value  # downwards


def test_void_and_never():
    data = osm.karate()
    X, Y = torch.randn(34, 2, generator=torch.Generator().manual_seed(0)).double(), torch.ones(34, 1).double()
    Y[:17] = -1
    net = osm.Network(osm.Propagation.from_data(data), [2, 3, 1], weight_scale=3.0)
    for bound in (osm.escape_time(net, X, Y), osm.escape_distance(net, X, Y, rigorous=True)):
        assert bound.void and float(bound) == 0 and str(bound).startswith("Void: no ")
    # Every output of the complete graph is constant: no weights go below the label variance.
    full = osm.Propagation.from_edges(bounds_cases.edges("complete", 6, 0), 6, kind="random_walk")
    net = osm.Network(full, [2, 3, 1])
    never = osm.escape_time(net, X[:6], torch.arange(6.0).double()[:, None], threshold=1.0)
    assert never.value == math.inf and not never.void


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "gcn"}, "P is of kind 'gcn'"),
        ({"seed": [0, 1]}, "a batch of seeds"),
        ({"activation": "gelu"}, "has slope .*; at most 1 is needed"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"decrease": 0.0}, "decrease is 0.0"),
        ({"stride": -1.0}, "stride is -1.0"),
        ({"kind": "deflated", "rigorous": True}, "of kind 'deflated'"),
    ],
)
def test_what_cannot_be_bound_is_refused(changes, words):
    data = osm.karate()
    P = osm.Propagation.from_data(data, changes.pop("kind", "metropolis"))
    parts = {name: changes.pop(name) for name in ("seed", "activation") if name in changes}
    net = osm.Network(P, [2, 3, 1], **parts)
    with pytest.raises(ValueError, match=words):
        osm.escape_time(net, torch.ones(34, 2).double(), torch.ones(34, 1).double(), **changes)


def test_a_run_that_went_up_is_refused():
    table = osm.fit(osm.Network(osm.Propagation.identity(3), [1, 2, 1]), torch.ones(3, 1).double(),
                    torch.zeros(3, 1).double(), optimizer="sgd", lr=0.01, steps=3).table  # fmt: skip
    table.loc[1, "loss"] = 10.0
    with pytest.raises(ValueError, match="the loss rose, or fell by less than rounding"):
        checked_descent(table, 0.01)


UP = 1 + escape.ROUNDED


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_the_rounding_of_a_bound_is_on_its_safe_side_by_hand(kind):
    """Each slack is in: left out, no bound would be violated on any machine that we know."""
    start = escape._Constants(kind, -3.0, 0.7, (1.2, 1.3), 0.6, 0.25)
    S = math.exp(-3 + 0.7 * (2 + 0.1)) * UP
    lost = S * (2 * 1.3 - S) if kind == "mse" else S * 1.3
    assert start.time(2.0, 0.1) == pytest.approx(4 / (0.25 + lost + escape.ROUNDED * (0.25 + S)), rel=1e-15, abs=0)
    room = 1.2 - math.sqrt(0.3) * UP if kind == "mse" else (0.6 - 0.3) / 1.3
    expected = (math.log(room * (1 - escape.ROUNDED)) + 3) / 0.7 * (1 - escape.ROUNDED)
    assert start.farthest(0.3) == pytest.approx(expected, rel=1e-15, abs=0)
    assert start.farthest(1.5) == 0


def test_the_constants_of_a_start_by_hand():
    norms, found = np.array([0.4, 2.0, 1.1]), []
    for least in escape.LEAST:
        s = [max(norm, least) for norm in (0.4, 2.0, 1.1)]
        parts = 3 * math.log(0.8), sum(map(math.log, s)), math.log(0.3)
        slack = escape.ROUNDED * (abs(parts[0]) + sum(abs(math.log(norm)) for norm in s) + abs(parts[2]))
        found.append((sum(parts) + slack, math.sqrt(sum(norm**-2 for norm in s)) * UP))
    starts = escape._constants("mse", 0.8, norms, 0.3, (1.0, 1.1), 0.5, 0.2)
    assert [value for one in starts for value in (one.smooth, one.growth)] == pytest.approx(
        [value for pair in found for value in pair], rel=1e-15, abs=0
    )
    assert all((one.spread, one.best, one.gap) == ((1.0, 1.1), 0.5, 0.2) for one in starts)
    for rate, deviation_in in ((0.0, 0.3), (0.8, 0.0)):
        (never,) = escape._constants("mse", rate, norms, deviation_in, (1.0, 1.1), 0.5, 0.2)
        assert never.smooth == -math.inf and never.farthest(0.1) == math.inf


def test_deviations_between_two_doubles_by_hand():
    middle = np.array([[3], [-700], [512]], dtype=object)
    weights, ball = [1, 2, 3], balls.Ball(middle, np.array([0.5, 1.0, 2.0]), 8)
    mean = Fraction(3 - 1400 + 1536, 6)
    variance = sum(w * (int(m) - mean) ** 2 for w, m in zip(weights, middle[:, 0], strict=True)) / 6
    assert escape._variance(middle, weights) == variance
    off, root = math.sqrt((0.25 + 2 + 12) / 6) * balls.UP, math.isqrt(math.floor(variance))
    lower, upper = (root - off) / 256 * (1 - escape.ROUNDED), (root + 1 + off) / 256 * UP
    assert escape._deviation(ball, weights) == pytest.approx((lower, upper), rel=1e-15, abs=0)
    P = osm.Propagation.from_edges([[0, 1, 1, 2], [1, 0, 2, 1]], 3, kind="random_walk")
    assert escape._uneven(P, 2) == pytest.approx(UP / math.sqrt(2 * 2 / 7), rel=1e-15, abs=0)


def test_what_a_run_shows_of_descent_by_hand():
    table = pd.DataFrame({"loss": [1.0, 0.7, 0.6], "gradient": [2.0, 3.0, 1.0]})
    c, stride = checked_descent(table, 0.1)
    assert c == pytest.approx(min(0.3 / 0.4, 0.4 / 1.3), rel=1e-14, abs=0) and stride == pytest.approx(
        0.3, rel=1e-15, abs=0
    )
    assert checked_descent(table.assign(gradient=[1.0, 0.1, 0.1]), 0.1)[0] == 1


def test_the_bits_of_a_rigorous_bound_grow_with_depth(monkeypatch):
    """With fewer a deep network's bound would still hold, and say nothing."""
    seen, exact = [], escape.Pass
    monkeypatch.setattr(escape, "Pass", lambda *given: seen.append(given[-1]) or exact(*given))
    P = osm.Propagation.from_edges([[0, 1, 1, 2], [1, 0, 2, 1]], 3)
    features, targets = torch.eye(3, dtype=torch.float64), torch.tensor([[1.0], [-1.0], [0.5]], dtype=torch.float64)
    for depth in (3, 9):
        network = osm.Network(P, [3] * depth + [1], "tanh", seed=0)
        osm.escape_time(network, features, targets, "mse", 0.1, rigorous=True)
    assert seen == [70, 82]
