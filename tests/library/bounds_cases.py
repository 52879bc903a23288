"""Random passes, and checks that the tests of the bounds share: graphs, losses, networks, a comparison a statement."""

import math

import cases
import networkx as nx
import numpy as np
import pytest
import torch
from cases import EXACT, close
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import oversmooth as osm

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
unsmoothing_allowed = pytest.mark.filterwarnings("ignore:.*λ = 1:UserWarning")


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


def _arguments(kind, shape, activation, loss):
    return {"kind": kind, "shape": shape, "n": 7, "activation": activation, "depth": 5, "loss": loss, "seed": 11}


each_named = pytest.mark.parametrize(
    "case", [_arguments(*case) for case in NAMED], ids=["-".join(filter(None, case)) for case in NAMED]
)


def same_values(value, expected):
    """True if a tensor equals a list or an array to a share of its largest entry; else says where not."""
    expected = torch.as_tensor(np.asarray(expected), dtype=torch.float64)
    return close(value, expected, absolute=EXACT * float(expected.abs().max()))


def columns(steps):
    """The naive list of steps as one list per attribute."""
    return {name: [step[name] for step in steps] for name in steps[0]}


def same_step(step, expected):
    """True if a BackwardStep holds the expected numbers; else names the field that does not."""
    gamma = torch.tensor(expected["gamma"], dtype=torch.float64)
    for name, values in expected.items():
        wanted = torch.tensor(values, dtype=torch.float64)
        # what is left after a cancellation (λ = 0, equal slopes, a conserved mean) rounds like what cancelled
        scale = wanted.abs() + (gamma if name.startswith(("deviation", "departure")) else name in ("r_inf", "r_2"))
        assert ((getattr(step, name) - wanted).abs() <= EXACT * scale).all(), name
    return True


def size(signals, k):
    """The root mean square of B̃⁽ᵏ⁾ in stochastic coordinates, and its mean norm: what rounding is a share of."""
    P, B = signals.propagation, signals.backward[k]
    return float((osm.backward_deviation(B, P) ** 2 + osm.backward_mean(B, P).square().sum()).sqrt())


def step_bounded(signals):
    """True if (B1) and (B2) hold at every layer; else says which does not."""
    step, s = osm.backward_step(signals), osm.weight_norms(signals.weights)
    sizes = [size(signals, k) for k in range(signals.depth)]
    for k in range(signals.depth - 1):
        slack = ROUNDING * (sizes[k] + float(s[k + 1] * (step.delta[k] + step.r_inf[k])) * sizes[k + 1])
        assert step.deviation[k] <= (1 + ROUNDING) * step.deviation_bound[k] + slack
        assert step.departure[k] <= (1 + ROUNDING) * step.departure_bound[k] + slack
    return True


def rounding_slack(signals):
    """What rounding may add to the measured errors: a share of the largest path of norms down from some layer."""
    s, path, slack = osm.weight_norms(signals.weights), 0.0, []
    for k in reversed(range(signals.depth)):
        factor = float(s[k + 1]) * signals.activation.lipschitz if k + 1 < signals.depth else 0.0
        path = max(size(signals, k), path * factor)
        slack.insert(0, ROUNDING * path)
    return slack


def certified(signals):
    """True if no certificate, of either method, is below what was measured; else names method and layer."""
    P, slack = signals.propagation, rounding_slack(signals)
    bounds = {method: osm.certificate(signals, method) for method in ("transport", "plain")}
    for k, (F, B) in enumerate(zip(signals.propagated, signals.backward, strict=True)):
        rough, centre = osm.backward_deviation(B, P), torch.linalg.vector_norm(osm.backward_mean(B, P))
        features = (osm.energy(F, P) + osm.mean(F, P).square().sum()).sqrt()
        for method, value in bounds.items():
            assert rough <= (1 + ROUNDING) * value.deviation[k] + slack[k], (method, k)
            assert centre <= (1 + ROUNDING) * value.mean[k] + slack[k], (method, k)
            assert signals.gradients[k].norm() <= (1 + ROUNDING) * value.gradient[k] + slack[k] * features, (method, k)
    return True


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
