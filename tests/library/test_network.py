"""The network: by hand, by dense matrices, as a torch MLP; its weights, its seeds and what it refuses."""

import copy
import pickle
from itertools import pairwise

import pytest
import torch
from cases import MATRICES, WAVE, close, propagation_of, signal, unfriendly_network
from torch import nn

from oversmooth import ACTIVATIONS, Network, Propagation

pytestmark = pytest.mark.usefixtures("random_state_untouched")
PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def set_weights(network, values):
    with torch.no_grad():
        for weight, value in zip(network.weights, values, strict=True):
            weight.copy_(torch.tensor(value, dtype=weight.dtype))
    return network


def test_three_nodes_by_hand():
    """Random walk on a path, X = (1, 2, 6): PX = (3/2, 3, 4); W⁰ = (1, −1) gives ReLU (3/2, 0), (3, 0), (4, 0)."""
    P = Propagation.from_edges(PATH, 3, kind="random_walk")
    network = set_weights(Network(P, [1, 2, 1], activation="relu", output_bias=True), [[[1, -1]], [[2], [5]]])
    with torch.no_grad():
        network.bias.fill_(0.5)
    X = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    assert close(network(X).detach(), [[2 * 9 / 4 + 0.5], [2 * 17 / 6 + 0.5], [2 * 7 / 2 + 0.5]])


@pytest.mark.parametrize("activation", [*ACTIVATIONS, WAVE], ids=lambda a: a if isinstance(a, str) else a.name)
@pytest.mark.parametrize("bias", [False, True])
def test_forward_equals_dense_matrices(activation, bias):
    network, X = unfriendly_network(activation, output_bias=bias), signal(7, 3)
    P, Y = torch.from_numpy(MATRICES["non-reversible"]), X
    for k, W in enumerate(network.weights):
        Y = P @ Y @ W
        if k < network.depth - 1:
            Y = network.activation.function(Y)
    assert close(network(X).detach(), (Y + network.bias if bias else Y).detach())


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_identity_propagation_is_a_multi_layer_perceptron(activation):
    network = unfriendly_network(activation, propagation_of("karate", "identity"), output_bias=True)
    modules = []
    for k, W in enumerate(network.weights):
        linear = nn.Linear(*W.shape, bias=k == network.depth - 1, dtype=torch.float64, device="meta")
        linear.weight = nn.Parameter(W.detach().T)
        if linear.bias is not None:
            linear.bias = nn.Parameter(network.bias.detach())
        modules += [linear, {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}[activation]()]
    X = signal(34, 3)
    assert close(network(X).detach(), nn.Sequential(*modules[:-1])(X).detach())


def test_autograd_passes_through_the_network():
    network, X = unfriendly_network(widths=(3, 4, 2)), signal(7, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *weights: network(x), (X, *network.weights))


@pytest.mark.parametrize("widths", [(3, 5, 2, 4), (6, 6), (1, 7, 1)])
def test_orthogonal_weights_have_one_singular_value(widths):
    network = Network(propagation_of("path"), widths, weight_scale=1.7, seed=3)
    for W, shape in zip(network.weights, pairwise(widths), strict=True):
        assert tuple(W.shape) == shape
        assert close(torch.linalg.svdvals(W.detach()), [1.7] * min(shape))


def test_orthogonal_weights_are_uniformly_distributed():
    """Haar measure: the entries of a 3 × 3 orthogonal matrix have mean 0, variance 1/3 and E w⁴ = 1/5."""
    draws = Network(propagation_of("two nodes"), (3, 3), seed=range(20_000)).weights[0].detach()
    sigmas = 6 / len(draws) ** 0.5
    for moment, value in ((1, 0.0), (2, 1 / 3), (4, 1 / 5)):
        assert ((draws**moment).mean(0) - value).abs().max() < sigmas * float((draws**moment).std(0).max())
    signs = torch.linalg.det(draws).sign().mean()
    assert abs(signs) < sigmas


def test_glorot_weights_are_uniform_with_their_variance():
    W = Network(propagation_of("two nodes"), (300, 500), init="glorot", weight_scale=2.0).weights[0].detach() / 2
    limit = (6 / 800) ** 0.5
    assert 0.999 * limit < W.max() <= limit and -limit <= W.min() < -0.999 * limit
    assert abs(float(W.var()) / (2 / 800) - 1) < 6 / W.numel() ** 0.5
    assert abs(float(W.mean())) < 6 * limit / W.numel() ** 0.5


@pytest.mark.parametrize("init", ["orthogonal", "glorot"])
def test_batch_of_seeds_equals_single_seeds(init):
    seeds, X = [5, 0, 17], signal(7, 3)
    make = lambda seed: unfriendly_network(seed=seed, init=init, output_bias=True)  # noqa: E731
    batch = make(seeds)
    assert batch.num_seeds == 3 and make(0).num_seeds is None
    for at, seed in enumerate(seeds):
        single = make(seed)
        assert all(torch.equal(many[at], one) for many, one in zip(batch.weights, single.weights, strict=True))
        with torch.no_grad():
            single.bias.copy_(batch.bias[at, 0])
        assert close(batch(X)[at].detach(), single(X).detach())
        own = torch.stack([X, 2 * X, X - 1])
        assert close(batch(own)[at].detach(), single(own[at]).detach())


def test_seeds_are_reproducible_and_different():
    one, again, other = (unfriendly_network(seed=seed).weights[1] for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.allclose(one, other)
    assert unfriendly_network(seed=range(2)).num_seeds == 2
    assert unfriendly_network(seed=torch.tensor([1, 2]).numpy()).num_seeds == 2


def test_global_random_state_and_dtype():
    before = torch.random.get_rng_state()
    network = Network(propagation_of("karate"), (3, 4, 1), dtype=torch.float32, seed=[0, 1], output_bias=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network(signal(34, 3).float()).dtype == torch.float32
    assert network.depth == 2 and len(list(network.parameters())) == 3


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_after_a_pass(copier):
    network, X = unfriendly_network(), signal(7, 3)
    expected = network(X)
    twin = copier(network)
    assert torch.equal(twin(X), expected)
    with torch.no_grad():
        twin.weights[0].zero_()
    assert torch.equal(network(X), expected)


def test_state_dict_round_trip():
    source, target = unfriendly_network(seed=1, output_bias=True), unfriendly_network(seed=2, output_bias=True)
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(signal(7, 3)), target(signal(7, 3)))


def make(**changes):
    return Network(**({"propagation": propagation_of("path"), "widths": [3, 2]} | changes))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: make(widths=[3]), r"widths is \[3\]; it lists the input, hidden and output"),
        (lambda: make(widths=[]), r"widths is \[\]"),
        (lambda: make(widths=[3, 0, 1]), "each an integer, at least 1"),
        (lambda: make(widths=[3, 2.5]), "a list of integers"),
        (lambda: make(init="xavier"), "'xavier'; known: orthogonal, glorot"),
        (lambda: make(weight_scale=-1.0), r"weight_scale is -1\.0"),
        (lambda: make(weight_scale=float("nan")), "weight_scale is nan"),
        (lambda: make(activation="swish"), "'swish'; known: identity"),
        (lambda: make(seed=[]), "for a batch a list of at least one"),
        (lambda: make(seed=1.5), r"seed is 1\.5; an integer or a list of integers"),
        (lambda: make(seed="12"), "seed is '12'; an integer or a list"),
        (lambda: make()(signal(6, 3)), "features has 6 rows, the graph has 7 nodes"),
        (lambda: make()(signal(7, 2)), "features has 2 columns, the first layer takes 3"),
        (lambda: make(widths=[1, 2])(signal(7, 3)), "features has 3 columns, the first layer takes 1"),
        (lambda: make()(signal(7, 3)[:, 0]), r"shape \(7,\)"),
        (lambda: make()(signal(7, 3).float()), "features has dtype torch.float32, the weights torch.float64"),
        (lambda: make()(signal(7, 3).long()), "dtype torch.int64; float32 or float64"),
        (lambda: make()(signal(7, 3).numpy()), "a ndarray"),
        (lambda: make()(signal(7, 3) / 0), "non-finite"),
        (lambda: make()(signal(7, 3).index_fill(0, torch.tensor([2]), float("nan"))), "non-finite"),
        (lambda: make(seed=[0, 1])(signal(7, 3, 3)), "features holds 3 seeds, the network 2"),
    ],
)
def test_errors_say_what_was_needed_and_what_came(act, message):
    with pytest.raises(ValueError, match=message):
        act()
