"""The bounds against naive twins, against measured gradients, and in cases where they are attained."""

import dataclasses
import math
import warnings
from collections import Counter

import cases
import networkx as nx
import numpy as np
import pytest
import reference_bounds as reference
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

import oversmooth as osm

EXACT = cases.EXACT
# Sums of a few dozen numbers of one size round within this share of that size.
ROUNDING = 1e-12
HOMOGENEOUS = ["identity", "relu", "leaky_relu"]
EDGE_KINDS = list(cases.KINDS)
MATRIX_KINDS = ["reversible", "one_way"]
SHAPES = {
    "random": lambda n, seed: nx.gnp_random_graph(n, 0.6, seed=seed),
    "sparse": lambda n, seed: nx.gnp_random_graph(n, 0.25, seed=seed),
    "path": lambda n, _: nx.path_graph(n),
    "star": lambda n, _: nx.star_graph(n - 1),
    "cycle": lambda n, _: nx.cycle_graph(n),
    "complete": lambda n, _: nx.complete_graph(n),
    "isolated": lambda n, _: nx.disjoint_union(nx.path_graph(n - 1), nx.empty_graph(1)),
    "two_components": lambda n, _: nx.disjoint_union(nx.path_graph(n // 2), nx.star_graph(n - n // 2 - 1)),
    "empty": lambda n, _: nx.empty_graph(n),
}
LOSSES = ["mse", "cross_entropy", "masked_mse", "masked_cross_entropy", "weird"]

many = settings(
    max_examples=1000,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# that λ = 1 is a warning, and many cases here are disconnected or periodic on purpose
pytestmark = pytest.mark.filterwarnings("ignore:.*λ = 1:UserWarning")


# ---- cases


def edges(shape, n, seed=0):
    return cases.edge_index_of(SHAPES[shape](n, seed))


def propagation(kind, shape, n, random=None):
    random = np.random.default_rng(0) if random is None else random
    if kind in EDGE_KINDS:
        return osm.Propagation.from_edges(edges(shape, n, int(random.integers(1000))), n, kind=kind)
    weights = np.where(random.random((n, n)) < 0.5, random.random((n, n)) ** 3, 0) + 0.05 * np.eye(n)
    weights += 0.3 * np.roll(np.eye(n), 1, axis=1)  # a one-way cycle: every node reaches every other
    if kind == "reversible":
        weights = weights + weights.T
    return osm.Propagation.from_matrix(weights / weights.sum(axis=1, keepdims=True))


def loss_of(name, n, width, random):
    """Output -> 𝓛, with targets drawn at random; a batch gives one value for each seed."""
    wanted = torch.from_numpy(random.standard_normal((n, width)))
    classes = torch.from_numpy(random.integers(0, width, n))
    mask = torch.from_numpy(random.random(n) < 0.5)
    mask[random.integers(n)] = True

    def cross_entropy(output, rows):
        chosen = torch.log_softmax(output, -1)[..., torch.arange(n), classes]
        return -chosen[..., rows].mean(-1)

    return {
        "mse": lambda y: (y - wanted).square().sum(-1).mean(-1),
        "masked_mse": lambda y: (y - wanted)[..., mask, :].square().sum(-1).mean(-1),
        "cross_entropy": lambda y: cross_entropy(y, slice(None)),
        "masked_cross_entropy": lambda y: cross_entropy(y, mask),
        # no mean over nodes, neither convex nor symmetric in the nodes
        "weird": lambda y: (torch.sin(3 * y) * wanted).sum((-1, -2)) + torch.tanh(y[..., 0, 0] * y[..., -1, -1]),
    }[name]


def make_signals(kind, shape, n, activation, depth, loss, seed, batch=None, bias=False):
    random = np.random.default_rng(seed)
    return make_pass(propagation(kind, shape, n, random), activation, depth, loss, random, batch, bias)


def make_pass(P, activation, depth, loss, random, batch=None, bias=False):
    """A random pass: unequal widths, Gaussian weights whose norms differ by an order of magnitude or two."""
    n, widths = P.num_nodes, random.integers(1, 5, depth + 1).tolist()
    net = osm.Network(P, widths, activation, output_bias=bias, seed=batch if batch else 0)
    with torch.no_grad():
        for weight in net.weights:
            size = 10 ** random.uniform(-1, 0.7) / math.sqrt(max(weight.shape[-2:]))
            weight.copy_(size * torch.from_numpy(random.standard_normal(tuple(weight.shape))))
        if bias:
            net.bias.copy_(torch.from_numpy(random.standard_normal(tuple(net.bias.shape))))
    X = 10 ** random.uniform(-1, 1) * torch.from_numpy(random.standard_normal((n, widths[0])))
    return osm.trace(net, X, loss_of(loss, n, widths[-1], random))


@st.composite
def passes(draw, min_depth=2):
    kind = draw(st.sampled_from(EDGE_KINDS + MATRIX_KINDS))
    names = HOMOGENEOUS if kind == "gcn" else [*sorted(osm.ACTIVATIONS), cases.WAVE]
    return make_signals(
        kind,
        draw(st.sampled_from(list(SHAPES))),
        draw(st.integers(2, 9)),
        draw(st.sampled_from(names)),
        draw(st.integers(min_depth, 8)),
        draw(st.sampled_from(LOSSES)),
        draw(st.integers(0, 10**6)),
        bias=draw(st.booleans()),
    )


# the unfriendly ones first: P not symmetric, π not uniform, isolated nodes, two components
NAMED = [
    ("random_walk", "star", "tanh", "mse"),
    ("random_walk", "isolated", "elu", "masked_cross_entropy"),
    ("random_walk", "two_components", "softsign", "masked_mse"),
    ("reversible", None, "gelu", "weird"),
    ("one_way", None, "arctan", "cross_entropy"),
    ("one_way", None, "relu", "masked_mse"),
    ("metropolis", "isolated", "silu", "weird"),
    ("max_degree", "sparse", "leaky_relu", "mse"),
    ("identity", "empty", "tanh", "mse"),
    ("gcn", "star", "relu", "mse"),
    ("gcn", "isolated", "leaky_relu", "masked_cross_entropy"),
    ("gcn", "two_components", "identity", "weird"),
]


ZOO = dict(cases.all_propagations())


@pytest.fixture(params=NAMED, ids=lambda case: "-".join(filter(None, case)))
def case(request):
    kind, shape, activation, loss = request.param
    return {"kind": kind, "shape": shape, "n": 7, "activation": activation, "depth": 5, "loss": loss, "seed": 11}


def assert_equal(value, expected, tolerance=EXACT):
    expected = torch.as_tensor(np.asarray(expected), dtype=torch.float64)
    assert value.shape == expected.shape
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


def columns(steps):
    """The naive list of steps as one list per attribute."""
    return {name: [step[name] for step in steps] for name in steps[0]}


def assert_same_step(step, expected):
    gamma = torch.tensor(expected["gamma"], dtype=torch.float64)
    for name, values in expected.items():
        wanted = torch.tensor(values, dtype=torch.float64)
        # what is left after a cancellation (λ = 0, equal slopes, a conserved mean) rounds like what cancelled
        scale = wanted.abs() + (gamma if name.startswith(("deviation", "departure")) else name in ("r_inf", "r_2"))
        assert ((getattr(step, name) - wanted).abs() <= EXACT * scale).all(), name


# ---- naive twins


def test_backward_step_is_its_naive_twin(case):
    signals = make_signals(**case)
    assert_same_step(osm.backward_step(signals), columns(reference.backward_step(signals)))


def test_mean_transport_is_its_naive_twin(case):
    signals = make_signals(**case, bias=True)
    for value, expected in zip(osm.mean_transport(signals), reference.mean_transport(signals), strict=True):
        assert_equal(value, expected)


@pytest.mark.parametrize("name", ZOO)
def test_every_operator_of_the_zoo_against_the_naive_twins(name):
    activation = "leaky_relu" if ZOO[name].kind == "gcn" else cases.WAVE
    random = np.random.default_rng(sum(map(ord, name)))
    signals = make_pass(ZOO[name], activation, 3, "masked_mse", random)
    assert_same_step(osm.backward_step(signals), columns(reference.backward_step(signals)))
    for value, expected in zip(osm.mean_transport(signals), reference.mean_transport(signals), strict=True):
        assert_equal(value, expected)
    for method in ("transport", "plain"):
        value, expected = vars(osm.certificate(signals, method)), reference.certificate(signals, method)
        for field, numbers in expected.items():
            assert_equal(value[field], numbers)
    assert_step_bounded(signals)
    assert_certified(signals)


@pytest.mark.parametrize("method", ["transport", "plain"])
def test_certificate_is_its_naive_twin(case, method):
    signals = make_signals(**case, bias=True)
    value = osm.certificate(signals, method=method)
    for name, expected in reference.certificate(signals, method).items():
        assert_equal(getattr(value, name), expected)


def test_weight_norms_by_eigenvalues():
    random = np.random.default_rng(0)
    weights = [random.standard_normal(shape) for shape in [(3, 5), (5, 2), (2, 2), (1, 4)]]
    assert_equal(osm.weight_norms([torch.from_numpy(w) for w in weights]), reference.weight_norms(weights))
    batch = [torch.from_numpy(random.standard_normal((3, *shape))) for shape in [(2, 4), (4, 1)]]
    expected = [reference.weight_norms([w[seed].numpy() for w in batch]) for seed in range(3)]
    assert_equal(osm.weight_norms(batch), expected)
    parameter = torch.nn.Parameter(batch[0])
    assert not osm.weight_norms([parameter]).requires_grad


def test_a_batch_is_its_seeds(case):
    """Seeds with their own weights, and seeds with the same features: every function gives each seed's own answer."""
    signals = make_signals(**case, batch=[3, 4, 5])
    step, bound, plain = osm.backward_step(signals), osm.certificate(signals), osm.certificate(signals, "plain")
    transport = osm.mean_transport(signals)
    for seed in range(3):
        alone = osm.BackwardStep(*(getattr(step, field.name)[seed] for field in dataclasses.fields(step)))
        assert_same_step(alone, columns(reference.backward_step(signals, seed)))
        for name in ("gradient", "deviation", "mean"):
            assert_equal(getattr(bound, name)[seed], reference.certificate(signals, "transport", seed)[name])
            assert_equal(getattr(plain, name)[seed], reference.certificate(signals, "plain", seed)[name])
        for value, expected in zip(transport, reference.mean_transport(signals, seed), strict=True):
            assert_equal(value[seed], expected)


def test_one_network_on_a_batch_of_features():
    """The weights have no seeds axis, the signals have."""
    random = np.random.default_rng(5)
    P = propagation("random_walk", "star", 6, random)
    net = osm.Network(P, [3, 4, 2, 2], "tanh", 1.7, seed=1)
    X = torch.from_numpy(random.standard_normal((2, 6, 3)))
    loss = loss_of("mse", 6, 2, random)
    together = osm.trace(net, X, loss)
    for seed in range(2):
        alone = osm.trace(net, X[seed], loss)
        for function in (osm.backward_step, osm.certificate):
            for field in dataclasses.fields(function(alone)):
                value = getattr(function(together), field.name)[seed]
                torch.testing.assert_close(value, getattr(function(alone), field.name), rtol=EXACT, atol=EXACT)
        for value, expected in zip(osm.mean_transport(together), osm.mean_transport(alone), strict=True):
            torch.testing.assert_close(value[seed], expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("activation", HOMOGENEOUS)
@pytest.mark.parametrize("shape", ["star", "random", "isolated", "two_components"])
def test_gcn_is_the_random_walk_network_in_other_coordinates(shape, activation):
    """X = diag(√d̃) Z up to a factor: the same weights on Z, the loss of diag(√d̃) times the output."""
    n, random = 8, np.random.default_rng(3)
    edge_index = edges(shape, n, 3)
    degree = 1 + torch.bincount(edge_index[0], minlength=n).double()
    scale = (degree / degree.mean()).sqrt()[:, None]
    X, loss = torch.from_numpy(random.standard_normal((n, 3))), loss_of("masked_mse", n, 2, random)
    gcn, walk = (
        osm.Network(osm.Propagation.from_edges(edge_index, n, kind=kind), [3, 5, 4, 2], activation, 1.3, seed=2)
        for kind in ("gcn", "random_walk")
    )
    ours, twin = osm.trace(gcn, X, loss), osm.trace(walk, X / scale, lambda output: loss(scale * output))
    for gradient, expected in zip(ours.gradients, twin.gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=EXACT, atol=EXACT)
    assert_same_step(osm.backward_step(ours), {k: v.tolist() for k, v in vars(osm.backward_step(twin)).items()})
    for method in ("transport", "plain"):
        value, expected = osm.certificate(ours, method), osm.certificate(twin, method)
        for field in dataclasses.fields(value):
            assert_equal(getattr(value, field.name), getattr(expected, field.name))
    for value, expected in zip(osm.mean_transport(ours), osm.mean_transport(twin), strict=True):
        assert_equal(value, expected)


# ---- the mean transport


@pytest.mark.parametrize("kind", [*EDGE_KINDS, *MATRIX_KINDS])
def test_without_activation_the_summed_error_is_conserved(kind):
    """40 layers, identity: the transport is Σ_i B_i (for GCN Σ_i √d̃_i B_i) to rounding."""
    n, random = 30, np.random.default_rng(8)
    P = propagation(kind, "random", n, random)
    net = osm.Network(P, [5, *[7] * 39, 3], "identity", seed=4)
    X = torch.from_numpy(random.standard_normal((n, 5)))
    signals = osm.trace(net, X, loss_of("weird", n, 3, random))
    scale = 1.0
    if kind == "gcn":
        degree = 1 / P.to_dense().diagonal()
        scale = (degree / degree.mean()).sqrt()[:, None]
    for value, B in zip(osm.mean_transport(signals), signals.backward, strict=True):
        expected = (scale * B).sum(0)
        assert (value - expected).norm() <= ROUNDING * expected.norm()
        assert expected.norm() > 1e-3, "nothing is tested where the mean error is rounding"


def test_transport_of_three_nodes_by_hand():
    """Path 0-1-2, random walk: π = (2, 3, 2)/7. tanh, one feature; B⁽¹⁾ = (1, 0, 2), W⁽¹⁾ = 2."""
    P = osm.Propagation.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3, kind="random_walk")
    net = osm.Network(P, [1, 1, 1], "tanh")
    with torch.no_grad():
        net.weights[0].fill_(1.0)
        net.weights[1].fill_(2.0)
    X = torch.tensor([[1.0], [0.0], [0.5]], dtype=torch.float64)
    signals = osm.trace(net, X, lambda y: y[0, 0] + 2 * y[2, 0])
    # PX = (1/2, 1/2, 1/4), its mean (2·1/2 + 3·1/2 + 2·1/4)/7 = 3/7
    expected = 3 * 2 * (1 - math.tanh(3 / 7) ** 2)
    transport = osm.mean_transport(signals)
    assert transport[1].item() == pytest.approx(3, rel=EXACT)
    assert transport[0].item() == pytest.approx(expected, rel=EXACT)
    # B̃⁽¹⁾ = 7·(1/2, 0, 2/2), so σ² = 49·(2·1/4 + 2·1)/7 − 9
    assert osm.certificate(signals).deviation[1].item() == pytest.approx(math.sqrt(17.5 - 9), rel=EXACT)


# ---- (B1) and (B2)


def size(signals, k):
    """The root mean square of B̃⁽ᵏ⁾ in stochastic coordinates, and its mean norm: what rounding is a share of."""
    P, B = signals.propagation, signals.backward[k]
    return float((osm.backward_deviation(B, P) ** 2 + osm.backward_mean(B, P).square().sum()).sqrt())


def assert_step_bounded(signals):
    step, s = osm.backward_step(signals), osm.weight_norms(signals.weights)
    sizes = [size(signals, k) for k in range(signals.depth)]
    for k in range(signals.depth - 1):
        slack = ROUNDING * (sizes[k] + float(s[k + 1] * (step.delta[k] + step.r_inf[k])) * sizes[k + 1])
        assert step.deviation[k] <= (1 + ROUNDING) * step.deviation_bound[k] + slack
        assert step.departure[k] <= (1 + ROUNDING) * step.departure_bound[k] + slack


@many
@given(passes())
def test_the_backward_step_is_never_violated(signals):
    assert_step_bounded(signals)


def star_with_errors_on_two_leaves(kind, error):
    """A star of five nodes, ReLU, features that are eigenvectors: two leaves are active, their mean is not.

    Differences of leaves are eigenvectors of the rate λ, so nothing is lost in propagation; h̄ < 0 makes D = 0, so the
    whole step is R ⊙ G, and R is 1 on the two active leaves.
    """
    n = 5
    P = osm.Propagation.from_edges(edges("star", n), n, kind=kind)
    degree = 1 / P.to_dense().diagonal() if kind in ("random_walk", "gcn") else torch.ones(n, dtype=torch.float64)
    pi = degree / degree.sum()
    scale = (degree / degree.mean()).sqrt() if kind == "gcn" else torch.ones(n, dtype=torch.float64)
    leaves = torch.tensor([0.0, 1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    net = osm.Network(P, [1, 1, 1], "relu")
    with torch.no_grad():
        net.weights[0].fill_(1.0)
        net.weights[1].fill_(-2.0)
    X = (scale * (leaves - 0.01))[:, None]
    per_pi = torch.tensor(error, dtype=torch.float64)
    return osm.trace(net, X, lambda y: (pi / scale * per_pi * y[:, 0]).sum())


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_deviation_bound_is_attained(kind):
    """The error is +1 and −1 on the two active leaves: an eigenvector, of mean zero, untouched by R. σ(B̃) = r_∞ γ."""
    step = osm.backward_step(star_with_errors_on_two_leaves(kind, [0, 1, -1, 0, 0]))
    assert step.delta.item() == 0 and step.r_inf.item() == 1
    assert step.deviation.item() == pytest.approx(step.deviation_bound.item(), rel=EXACT)
    # by hand: λ = 1 − 1/n (metropolis) or 1/2 (random walk), ‖W‖ = 2, σ² of the error = 2π_leaf
    rate, leaf = (0.8, 0.2) if kind == "metropolis" else (0.5, 2 / 13)
    assert step.deviation.item() == pytest.approx(2 * rate * math.sqrt(2 * leaf), rel=EXACT)


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_departure_bound_is_nearly_attained(kind):
    """Cauchy-Schwarz is tight where G is a multiple of R: here the error that propagation turns into almost that."""
    rate = 0.8 if kind == "metropolis" else 0.5
    signals = star_with_errors_on_two_leaves(kind, [0.5, *[0.5 + 0.5 / rate] * 2, *[0.5 - 0.5 / rate] * 2])
    step = osm.backward_step(signals)
    # G̃ = −2·(1/2, 1, 1, 0, 0): all that Cauchy-Schwarz loses is the centre
    leaf, centre = (0.2, 0.2) if kind == "metropolis" else (2 / 13, 5 / 13)
    assert step.departure.item() == pytest.approx(2 * 2 * leaf, rel=EXACT)
    expected = math.sqrt(2 * leaf) * 2 * math.sqrt(2 * leaf + centre / 4)
    assert step.departure_bound.item() == pytest.approx(expected, rel=EXACT)
    assert step.departure_bound.item() < 1.3 * step.departure.item()


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_without_activation_the_step_is_attained_on_the_slowest_mode(kind):
    signals = slowest_mode(kind, depth=2)
    step = osm.backward_step(signals)
    assert step.r_inf.item() == 0 and step.departure_bound.item() == 0
    assert step.deviation.item() == pytest.approx(step.deviation_bound.item(), rel=EXACT)


# ---- the certificate


def slowest_mode(kind, depth, weight=-1.5):
    """Star, one feature, no activation: features and error are the same eigenvector of the rate λ."""
    n = 5
    P = osm.Propagation.from_edges(edges("star", n), n, kind=kind)
    scale = P.to_dense().diagonal() ** -0.5 if kind == "gcn" else torch.ones(n, dtype=torch.float64)
    pi = P.stationary
    mode = torch.tensor([0.0, 1.0, -3.0, 2.0, 0.0], dtype=torch.float64)
    net = osm.Network(P, [1] * (depth + 1), "identity")
    with torch.no_grad():
        for k, w in enumerate(net.weights):
            w.fill_(weight * (1 + k))
    return osm.trace(net, (scale * mode)[:, None], lambda y: (pi / scale * mode * y[:, 0]).sum())


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_certificate_is_attained(kind, method):
    """Every layer's gradient equals its bound: on the slowest mode, and on a constant signal."""
    depth = 6
    signals = slowest_mode(kind, depth)
    value = osm.certificate(signals, method)
    for k in range(depth):
        assert value.gradient[k].item() == pytest.approx(signals.gradients[k].abs().item(), rel=EXACT)


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "one_way"])
def test_the_certificate_is_attained_where_nothing_varies(kind, method):
    """Constant features and a constant error. "plain" multiplies norms, so it needs one feature everywhere."""
    P = propagation(kind, "star", 5, np.random.default_rng(0))
    widths = [1, 4, 2, 3, 2] if method == "transport" else [1] * 5
    net = osm.Network(P, widths, "tanh", weight_scale=1.4, seed=1)
    X = torch.full((5, 1), 0.7, dtype=torch.float64)
    signals = osm.trace(net, X, lambda y: 3 * (P.stationary[:, None] * y).sum())
    value = osm.certificate(signals, method)
    for bound, gradient in zip(value.gradient, signals.gradients, strict=True):
        assert bound.item() == pytest.approx(gradient.norm().item(), rel=EXACT)


def assert_certified(signals):
    P, slack = signals.propagation, rounding_slack(signals)
    bounds = {method: osm.certificate(signals, method) for method in ("transport", "plain")}
    for k, (F, B) in enumerate(zip(signals.propagated, signals.backward, strict=True)):
        rough, centre = osm.backward_deviation(B, P), torch.linalg.vector_norm(osm.backward_mean(B, P))
        features = (osm.energy(F, P) + osm.mean(F, P).square().sum()).sqrt()
        for method, value in bounds.items():
            assert rough <= (1 + ROUNDING) * value.deviation[k] + slack[k], (method, k)
            assert centre <= (1 + ROUNDING) * value.mean[k] + slack[k], (method, k)
            assert signals.gradients[k].norm() <= (1 + ROUNDING) * value.gradient[k] + slack[k] * features, (method, k)


@pytest.mark.parametrize("method", ["transport", "plain"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_certified_deviation_is_attained_with_a_jumping_slope(kind, method):
    """The star again: half of the roughness comes through the midpoint of the slopes 0 and 1, half by their range."""
    signals = star_with_errors_on_two_leaves(kind, [0, 1, -1, 0, 0])
    rough = osm.backward_deviation(signals.backward[0], signals.propagation).item()
    assert osm.certificate(signals, method).deviation[0].item() == pytest.approx(rough, rel=EXACT)


def rounding_slack(signals):
    """What rounding may add to the measured errors: a share of the largest path of norms down from some layer."""
    s, path, slack = osm.weight_norms(signals.weights), 0.0, []
    for k in reversed(range(signals.depth)):
        factor = float(s[k + 1]) * signals.activation.lipschitz if k + 1 < signals.depth else 0.0
        path = max(size(signals, k), path * factor)
        slack.insert(0, ROUNDING * path)
    return slack


@many
@given(passes(min_depth=1))
def test_the_certificate_is_never_violated(signals):
    assert_certified(signals)


def test_the_certificate_reads_the_last_backward_signal_only(case):
    signals = make_signals(**case)
    generator = torch.Generator().manual_seed(0)

    def noise(tensors):
        return [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]

    garbage = dataclasses.replace(
        signals, backward=[*noise(signals.backward[:-1]), signals.backward[-1]], gradients=noise(signals.gradients)
    )
    for method in ("transport", "plain"):
        value, expected = osm.certificate(garbage, method), osm.certificate(signals, method)
        for field in dataclasses.fields(value):
            assert torch.equal(getattr(value, field.name), getattr(expected, field.name))
    other = dataclasses.replace(signals, backward=[*signals.backward[:-1], 2 * signals.backward[-1]])
    assert_equal(osm.certificate(other).gradient, 2 * osm.certificate(signals).gradient)


@pytest.mark.parametrize(("kind", "factor"), [("random_walk", 30), ("metropolis", 100)])
def test_the_certificate_on_the_reference_network(kind, factor):
    """CSBM, 400 nodes, tanh, depth 33, orthogonal, last layer trained: within 30 of every layer's gradient."""
    data = osm.csbm(seed=0)
    X, y = data.x.double(), 2.0 * data.y.double() - 1
    net = osm.Network(osm.Propagation.from_data(data, kind=kind), [8, *[32] * 32, 1], "tanh", seed=0)
    net = osm.train_last_layer(net, X, y, how="budget", budget=3.0)
    assert torch.linalg.matrix_norm(net.weights[-1], 2) <= 3 + EXACT
    signals = osm.trace(net, X, lambda output: (output[:, 0] - y).square().mean())
    gradient = torch.stack([g.norm() for g in signals.gradients])
    ratio = osm.certificate(signals).gradient / gradient
    assert (ratio >= 1).all() and (ratio <= factor).all()
    loose = osm.certificate(signals, "plain").gradient / gradient
    assert (loose[:-1] > ratio[:-1]).all()


# ---- the forward bound (its other tests: test_forward_bound.py)


@pytest.mark.parametrize("kind", ["random_walk", "gcn"])
@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_the_forward_bound_counts_an_output_bias_where_constants_are_not_constant(kind, seed):
    n, random = 6, np.random.default_rng(1)
    P = propagation(kind, "star", n, random)
    net = osm.Network(P, [2, 3, 2], "relu", weight_scale=0.3, output_bias=True, seed=seed)
    X = torch.from_numpy(random.standard_normal((n, 2)))
    without = osm.forward_bound(net, X)
    with torch.no_grad():
        net.bias.copy_(torch.tensor([5.0, -1.0]))
    bound = osm.forward_bound(net, X)
    assert (osm.deviation(net(X).detach(), P) <= bound[..., -1]).all()
    # in GCN coordinates the bias is c/√d̃ up to a factor, and π ∝ d̃: d̃ = (6, 2, 2, 2, 2, 2), of mean 8/3
    degree = np.array([6, 2, 2, 2, 2, 2])
    value, pi = np.sqrt(8 / 3 / degree), degree / 16
    added = math.sqrt(26 * (pi @ value**2 - (pi @ value) ** 2)) if kind == "gcn" else 0.0
    torch.testing.assert_close(
        bound[..., -1] - without[..., -1], torch.full_like(bound[..., -1], added), rtol=EXACT, atol=EXACT
    )
    assert torch.equal(bound[..., :-1], without[..., :-1])


# ---- the loss floor


def output_bias_network(P, width, bias):
    """Output = features W + bias, with W small or zero as the test asks."""
    net = osm.Network(P, [width, width], output_bias=True)
    with torch.no_grad():
        net.bias.copy_(bias)
    return net


@st.composite
def classified(draw):
    kind = draw(st.sampled_from(["mse", "cross_entropy"]))
    n, width = draw(st.integers(2, 9)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    operator = draw(st.sampled_from(EDGE_KINDS + MATRIX_KINDS))
    P = propagation(operator, draw(st.sampled_from(list(SHAPES))), n, random)
    depth = draw(st.integers(1, 4))
    net = osm.Network(P, [*random.integers(1, 5, depth).tolist(), width], draw(st.sampled_from(HOMOGENEOUS)),
                      10 ** random.uniform(-2, 0.5), output_bias=True, seed=int(random.integers(1000)))  # fmt: skip
    targets = torch.from_numpy(random.standard_normal((n, width)) if kind == "mse" else random.integers(0, width, n))
    mask = None
    if draw(st.booleans()):
        mask = torch.from_numpy(random.random(n) < 0.6)
        mask[random.integers(n)] = True
    rows = slice(None) if mask is None else mask
    X = torch.from_numpy(random.standard_normal((n, net.widths[0])))
    constant = draw(st.sampled_from(["none", "best", "random"]))
    with torch.no_grad():
        if constant == "random":
            net.bias.copy_(torch.from_numpy(random.standard_normal(width)))
        elif constant == "best" and kind == "mse":
            net.bias.copy_((targets - net(X))[rows].mean(0))
        elif constant == "best":
            share = torch.bincount(targets[rows], minlength=width) / targets[rows].numel()
            net.bias.copy_((share + 1e-9).log())
    return net, X, targets, kind, mask


@many
@given(classified())
def test_the_loss_is_never_below_its_floor(drawn):
    net, X, targets, kind, mask = drawn
    output = net(X).detach()
    rows = slice(None) if mask is None else mask
    loss = (
        (output - targets)[rows].square().sum(1).mean()
        if kind == "mse"
        else functional.cross_entropy(output[rows], targets[rows])
    )
    floor = osm.loss_floor(net, X, targets, kind, mask)
    assert isinstance(floor, float) and floor >= 0
    assert floor <= loss * (1 + ROUNDING) + ROUNDING
    assert floor == pytest.approx(reference.loss_floor(output, targets, kind, mask), rel=EXACT, abs=EXACT)


MASK = torch.tensor([True, True, False, True, True, False])


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("columns", [1, 3])
def test_the_floor_is_the_loss_of_the_best_constant_for_mse(columns, mask):
    random = np.random.default_rng(2)
    Y = random.standard_normal((6, columns))
    seen = Y if mask is None else Y[mask.numpy()]
    P = osm.Propagation.from_edges(edges("complete", 6), 6)
    net = output_bias_network(P, columns, torch.from_numpy(seen.mean(0)))
    X = torch.ones(6, columns, dtype=torch.float64)
    with torch.no_grad():
        net.weights[0].zero_()
    floor = osm.loss_floor(net, X, torch.from_numpy(Y), mask=mask)
    assert floor == pytest.approx(((seen - seen.mean(0)) ** 2).sum(1).mean(), rel=EXACT)
    if columns == 1:
        assert osm.loss_floor(net, X, torch.from_numpy(Y[:, 0]), mask=mask) == floor


def test_the_floor_for_mse_is_attained_off_the_constants_too():
    """Ŷ = Y/3 + c: the loss is (1 − 1/3)² σ(Y)², and so is the floor."""
    Y = torch.tensor([[1.0, 0.0], [2.0, -1.0], [0.0, -2.0]], dtype=torch.float64)
    Y = Y - Y.mean(0)
    net = osm.Network(osm.Propagation.from_edges(edges("path", 3), 3, kind="identity"), [2, 2])
    with torch.no_grad():
        net.weights[0].copy_(torch.eye(2, dtype=torch.float64) / 3)
    loss = (net(Y) - Y).square().sum(1).mean().item()
    assert osm.loss_floor(net, Y, Y) == pytest.approx(loss, rel=EXACT)
    assert loss == pytest.approx(4 / 9 * (Y**2).sum().item() / 3, rel=EXACT)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn"])
def test_the_floor_is_the_entropy_of_the_labels_where_the_output_is_constant(kind, mask):
    """A star, so that π is not uniform: the frequencies and the floor must not use it."""
    labels = [2, 0, 0, 1, 0, 1]
    seen = [c for i, c in enumerate(labels) if mask is None or mask[i]]
    counts = Counter(seen)
    entropy = -sum(m / len(seen) * math.log(m / len(seen)) for m in counts.values())
    logits = [math.log(counts[c] / len(seen)) if counts[c] else -40.0 for c in range(3)]
    P = osm.Propagation.from_edges(edges("star", 6), 6, kind=kind)
    net = output_bias_network(P, 3, torch.tensor(logits, dtype=torch.float64))
    y, X = torch.tensor(labels), torch.zeros(6, 3, dtype=torch.float64)
    floor = osm.loss_floor(net, X, y, "cross_entropy", mask)
    assert floor == pytest.approx(entropy, rel=EXACT)
    rows = slice(None) if mask is None else mask
    assert functional.cross_entropy(net(X)[rows], y[rows]).item() == pytest.approx(entropy, rel=EXACT)


def test_a_mask_hides_the_other_rows():
    random = np.random.default_rng(4)
    P = propagation("random_walk", "star", 6, random)
    net = osm.Network(P, [2, 3, 1], weight_scale=0.2)
    X, Y = (torch.from_numpy(random.standard_normal((6, d))) for d in (2, 1))
    other = torch.where(MASK[:, None], Y, 1e3)
    assert osm.loss_floor(net, X, Y, mask=MASK) == osm.loss_floor(net, X, other, mask=MASK) > 0
    alone = torch.zeros(6, dtype=torch.bool)
    alone[2] = True
    assert osm.loss_floor(net, X, Y, mask=alone) == 0


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_the_floor_of_a_batch_is_the_floor_of_each_seed(kind, mask):
    random = np.random.default_rng(6)
    P = propagation("random_walk", "star", 6, random)
    X = torch.from_numpy(random.standard_normal((6, 2)))
    y = torch.from_numpy(random.standard_normal((6, 3)) if kind == "mse" else np.array([0, 1, 2, 1, 1, 0]))
    floors = osm.loss_floor(osm.Network(P, [2, 4, 3], weight_scale=0.3, seed=[7, 8, 9]), X, y, kind, mask)
    assert floors.shape == (3,) and (floors > 0).all()
    for seed, value in zip((7, 8, 9), floors, strict=True):
        single = osm.loss_floor(osm.Network(P, [2, 4, 3], weight_scale=0.3, seed=seed), X, y, kind, mask)
        assert value.item() == pytest.approx(single, rel=EXACT)


def test_the_floor_leaves_the_network_alone():
    net = osm.Network(propagation("metropolis", "path", 4), [2, 1])
    osm.loss_floor(net, torch.ones(4, 2, dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    assert all(w.grad is None and w.requires_grad for w in net.weights)


# ---- errors


@pytest.mark.parametrize("function", [osm.backward_step, osm.mean_transport, osm.certificate])
def test_diverged_signals_are_refused(function):
    for name in ("preactivations", "backward"):
        for bad in (math.nan, math.inf):
            signals = make_signals("random_walk", "star", 5, "tanh", 3, "mse", 0)
            getattr(signals, name)[-1][2, 0] = bad
            with pytest.raises(ValueError, match="layer 2 have non-finite entries"):
                function(signals)


@pytest.mark.parametrize("function", [osm.backward_step, osm.mean_transport, osm.certificate])
def test_gcn_needs_a_homogeneous_activation(function):
    P = propagation("gcn", "star", 5)
    X = torch.ones(5, 2, dtype=torch.float64)
    signals = osm.trace(osm.Network(P, [2, 3, 1], "tanh"), X, lambda y: y.square().mean())
    with pytest.raises(ValueError, match=r"homogeneous activation .*, not tanh: use kind='random_walk'"):
        function(signals)


def test_one_layer():
    """No backward step; the transport is the summed error, the certificate (G) of the only layer."""
    signals = make_signals("random_walk", "star", 5, "tanh", 1, "mse", 0)
    with pytest.raises(ValueError, match="one layer only"):
        osm.backward_step(signals)
    (transport,) = osm.mean_transport(signals)
    assert_equal(transport, signals.backward[0].sum(0))
    for method in ("transport", "plain"):
        value = osm.certificate(signals, method)
        assert value.gradient.shape == (1,)
        assert_equal(value.gradient, reference.certificate(signals, method)["gradient"])


def test_unknown_options_list_the_known_ones():
    signals = make_signals("metropolis", "path", 4, "tanh", 2, "mse", 0)
    with pytest.raises(ValueError, match="method is 'tight'; known: transport, plain"):
        osm.certificate(signals, "tight")
    net = osm.Network(propagation("metropolis", "path", 4), [2, 1])
    with pytest.raises(ValueError, match="'hinge'; known: mse, cross_entropy"):
        osm.loss_floor(net, torch.ones(4, 2).double(), torch.zeros(4), "hinge")


@pytest.mark.parametrize(
    ("targets", "kind", "mask", "message"),
    [
        (torch.zeros(3, 2), "mse", None, "3"),
        (torch.zeros(4, 3), "mse", None, r"\(4, 3\)"),
        (torch.zeros(4), "mse", None, r"\(4, 1\)|\(4,\)"),
        (torch.zeros(()), "mse", None, "shape"),
        ([[0.0, 0.0]] * 4, "mse", None, "list"),
        (torch.full((4, 2), math.nan), "mse", None, "non-finite"),
        (torch.zeros(4), "cross_entropy", None, "integers"),
        (torch.zeros(4, 2).long(), "cross_entropy", None, "integer"),
        (torch.zeros(5).long(), "cross_entropy", None, "5"),
        (torch.tensor([0, 1, 2, 0]), "cross_entropy", None, "classes 0 to 2"),
        (torch.tensor([0, 1, -1, 0]), "cross_entropy", None, "classes -1 to 1"),
        (torch.zeros(4, 2), "mse", torch.ones(3, dtype=torch.bool), r"\(3,\)"),
        (torch.zeros(4, 2), "mse", torch.ones(4), "booleans"),
        (torch.zeros(4, 2), "mse", [True] * 4, "list"),
        (torch.zeros(4, 2), "mse", torch.zeros(4, dtype=torch.bool), "selects no node"),
    ],
)
def test_targets_that_do_not_fit(targets, kind, mask, message):
    net = osm.Network(propagation("metropolis", "path", 4), [2, 2])
    with pytest.raises(ValueError, match=message):
        osm.loss_floor(net, torch.ones(4, 2, dtype=torch.float64), targets, kind, mask)


def test_features_that_do_not_fit():
    net = osm.Network(propagation("metropolis", "path", 4), [2, 2])
    with pytest.raises(ValueError, match="5 rows"):
        osm.loss_floor(net, torch.ones(5, 2, dtype=torch.float64), torch.zeros(4, 2))


def test_no_warning_on_a_connected_graph():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signals = make_signals("random_walk", "star", 5, "relu", 3, "mse", 0)
        osm.certificate(signals), osm.backward_step(signals), osm.mean_transport(signals)
