"""`trace` against autograd on dense matrices, in every shape it takes, and what it leaves alone."""

import pytest
import reference
import torch
from cases import EXACT, MATRICES, UNSMOOTHING, WAVE, close, propagation_of, signal, unfriendly_network
from torch.nn import functional

from oversmooth import ACTIVATIONS, Network, Propagation, trace

pytestmark = pytest.mark.usefixtures("random_state_untouched")
LISTS = ("features", "propagated", "preactivations", "backward", "gradients")
TARGET, CLASSES = signal(7, 3, seed=5), torch.tensor([0, 2, 1, 1, 0, 2, 2])
MASK = torch.tensor([True, False, True, True, False, False, True])
LOSSES = {
    "mean squared error": lambda output: functional.mse_loss(output, TARGET),
    "cross-entropy": lambda output: functional.cross_entropy(output, CLASSES),
    "masked": lambda output: functional.cross_entropy(output[MASK], CLASSES[MASK]),
    "coupled": lambda output: torch.sin(output.pow(3).sum()) + output[0, 0] * output[-1, -1] + output.logsumexp(0)[1],
    "linear": lambda output: (output * TARGET).sum(),
}


def equals_autograd(signals, network, X, loss, at=None):
    """The naive twin of a pass, or of the part of a batch at one seed, if they are equal; else says where not."""
    pick = (lambda tensor: tensor) if at is None else (lambda tensor: tensor[at])
    own_weights = [W if W.dim() == 2 else W[at] for W in network.weights]
    bias = network.bias if network.bias is None or network.bias.dim() == 1 else network.bias[at, 0]
    twin = reference.one_pass(
        network.propagation.to_dense(), own_weights, network.activation, X if X.dim() == 2 else X[at], loss, bias
    )
    for name in LISTS:
        actual = getattr(signals, name)
        assert len(actual) == len(twin[name]) == network.depth == signals.depth
        for k, (ours, theirs) in enumerate(zip(actual, twin[name], strict=True)):
            torch.testing.assert_close(
                pick(ours), theirs, rtol=EXACT, atol=EXACT, msg=lambda m, name=name, k=k: f"{name}[{k}]: {m}"
            )
    assert close(pick(signals.output), twin["preactivations"][-1])
    return twin


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, WAVE], ids=lambda a: a if isinstance(a, str) else a.name)
def test_equals_autograd_for_every_activation_and_loss(activation, loss):
    network, X = unfriendly_network(activation), signal(7, 3)
    twin = equals_autograd(trace(network, X, LOSSES[loss]), network, X, LOSSES[loss])
    assert close(trace(network, X, LOSSES[loss]).loss, twin["loss"])
    assert max(float(g.abs().max()) for g in twin["gradients"]) > 1e-3  # zeros would agree whatever the code


@pytest.mark.parametrize("name", [*MATRICES, *UNSMOOTHING])
def test_equals_autograd_on_every_matrix(name):
    P = Propagation.from_matrix((MATRICES | UNSMOOTHING)[name])
    network, X = unfriendly_network("elu", P, output_bias=True), signal(P.num_nodes, 3)
    loss = lambda output: output.pow(2).mean() + output[0].sum()  # noqa: E731
    assert equals_autograd(trace(network, X, loss), network, X, loss)


@pytest.mark.parametrize("kind", ["metropolis", "random_walk", "gcn", "identity"])
@pytest.mark.parametrize("name", ["random with an isolated node", "two components", "single node", "star"])
def test_equals_autograd_on_graphs(name, kind):
    P = propagation_of(name, kind)
    network, X = unfriendly_network("tanh", P), signal(P.num_nodes, 3)
    loss = lambda output: output.exp().mean()  # noqa: E731
    assert equals_autograd(trace(network, X, loss), network, X, loss)


@pytest.mark.parametrize("widths", [(3, 3), (1, 1), (3, 1, 3), (2, 7, 1)])
def test_equals_autograd_at_small_depth_and_width(widths):
    network, X = unfriendly_network(widths=widths, output_bias=True), signal(7, widths[0])
    loss = lambda output: output.pow(2).sum()  # noqa: E731
    assert equals_autograd(trace(network, X, loss), network, X, loss)


@pytest.mark.parametrize("batched", ["weights", "features", "both"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", WAVE], ids=["tanh", "gelu", "wave"])
def test_batches_equal_their_parts(batched, activation):
    seed = [4, 1] if batched != "features" else 4
    X = signal(7, 3, None if batched == "weights" else 2)
    network = unfriendly_network(activation, seed=seed, output_bias=True)
    single = LOSSES["mean squared error"]
    each = lambda output: torch.stack([single(one) for one in output])  # noqa: E731
    for loss in (each, lambda output: each(output).sum()):
        signals = trace(network, X, loss)
        for name in LISTS:
            assert all(tensor.shape[0] == 2 and tensor.dim() == 3 for tensor in getattr(signals, name))
        for at in range(2):
            twin = equals_autograd(signals, network, X, single, at)
            if signals.loss.dim():
                assert close(signals.loss[at], twin["loss"])


def test_mean_over_a_batch_divides_the_error():
    network, X = unfriendly_network(seed=[0, 1]), signal(7, 3)
    loss = LOSSES["mean squared error"]
    averaged = trace(network, X, lambda output: torch.stack([loss(one) for one in output]).mean())
    summed = trace(network, X, lambda output: torch.stack([loss(one) for one in output]).sum())
    for half, whole in zip(averaged.gradients, summed.gradients, strict=True):
        assert close(2 * half, whole)


def test_three_nodes_by_hand():
    """P of a path with self-loops, one feature, W⁰ = 2, W¹ = 3, identity, loss = Ŷ_0.

    B¹ = e_0; B⁰ = 3 Pᵀe_0 = 3 (1/2, 1/2, 0); with X = (1, 2, 6), PX = (3/2, 3, 4), so ∂𝓛/∂W⁰ = 3 (3/2 + 3)/2 = 27/4;
    F¹ = P(2PX) = (9/2, 17/3, 7), so ∂𝓛/∂W¹ = 9/2.
    """
    P = Propagation.from_edges(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3, kind="random_walk")
    network = Network(P, [1, 1, 1], activation="identity")
    with torch.no_grad():
        network.weights[0].fill_(2)
        network.weights[1].fill_(3)
    signals = trace(network, torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64), lambda output: output[0, 0])
    expected = {
        "features": [[1, 2, 6], [3, 6, 8]],
        "propagated": [[1.5, 3, 4], [4.5, 17 / 3, 7]],
        "preactivations": [[3, 6, 8], [13.5, 17, 21]],
        "backward": [[1.5, 1.5, 0], [1, 0, 0]],
        "gradients": [[6.75], [4.5]],
    }
    for name, values in expected.items():
        for actual, value in zip(getattr(signals, name), values, strict=True):
            assert close(actual[:, 0], torch.tensor(value, dtype=torch.float64))
    assert float(signals.loss) == pytest.approx(13.5, abs=EXACT)


def test_float32_stays_float32():
    network, X = unfriendly_network(dtype=torch.float32), signal(7, 3).float()
    signals = trace(network, X, lambda output: output.square().mean())
    for name in LISTS:
        assert all(tensor.dtype == torch.float32 for tensor in getattr(signals, name))


def test_leaves_everything_as_it_was():
    network = unfriendly_network(output_bias=True)
    network.eval()
    network.weights[0].grad = torch.full_like(network.weights[0], 7.0)
    X = signal(7, 3).requires_grad_()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    state, enabled = torch.random.get_rng_state(), torch.is_grad_enabled()
    signals = trace(network, X, LOSSES["coupled"])
    assert (network.weights[0].grad == 7).all() and network.weights[1].grad is None and X.grad is None
    assert not network.training and torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled() == enabled and all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    tensors = [tensor for name in LISTS for tensor in getattr(signals, name)] + [signals.output, signals.loss]
    assert not any(tensor.requires_grad for tensor in tensors + signals.weights)


def test_works_without_gradients_enabled_and_keeps_its_weights():
    network, X = unfriendly_network(), signal(7, 3)
    with torch.no_grad():
        signals = trace(network, X, LOSSES["masked"])
        assert not torch.is_grad_enabled()
    assert equals_autograd(signals, network, X, LOSSES["masked"])
    kept = [weight.clone() for weight in signals.weights]
    with torch.no_grad():
        for weight in network.weights:
            weight.zero_()
    assert all(torch.equal(a, b) for a, b in zip(kept, signals.weights, strict=True))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda output: output.sum(1), r"loss gave shape \(7,\); a scalar"),
        (lambda output: output, r"loss gave shape \(7, 3\); a scalar"),
        (lambda output: output.sum(0, keepdim=True).sum(1), r"loss gave shape \(1,\)"),
        (lambda output: float(output.detach().sum()), "loss gave .*; a scalar tensor"),
        (lambda output: None, "loss gave None"),
        (lambda output: output.detach().sum(), "does not depend on the network's output, or was detached"),
        (lambda output: torch.tensor(1.0), "does not depend on the network's output"),
        (lambda output: torch.ones(2, requires_grad=True).sum(), "does not depend on the network's output"),
    ],
)
def test_losses_that_are_no_scalar_of_the_output(loss, message):
    with pytest.raises(ValueError, match=message):
        trace(unfriendly_network(), signal(7, 3), loss)


def test_batches_take_a_scalar_or_one_value_for_each_seed():
    network, X = unfriendly_network(seed=[0, 1]), signal(7, 3)
    with pytest.raises(ValueError, match=r"shape \(7,\); a scalar is needed, or one value for each seed"):
        trace(network, X, lambda output: output.sum((0, 2)))


@pytest.mark.parametrize("features", [signal(6, 3), signal(7, 2), signal(7, 3) / 0, signal(7, 3).float()])
def test_features_are_checked(features):
    with pytest.raises(ValueError, match="features"):
        trace(unfriendly_network(), features, LOSSES["linear"])


def each_seed(output):
    """A loss for a network, or for each seed of a batch."""
    return output.square().mean((-1, -2))


CASES = [("tanh", 4), ("relu", [4, 1]), ("gelu", 4), (WAVE, [4, 1]), ("identity", 4)]


@pytest.mark.parametrize(("activation", "seed"), CASES)
def test_an_earlier_trace_lends_its_memory(activation, seed):
    network, X = unfriendly_network(activation, seed=seed, output_bias=True), signal(7, 3)
    other, Y = unfriendly_network(activation, seed=[9, 8] if isinstance(seed, list) else 9), signal(7, 3, seed=3)
    first = trace(other, Y, each_seed)
    kept = Y.clone()
    second, fresh = trace(network, X, each_seed, out=first), trace(network, X, each_seed)
    for name in LISTS:
        for ours, theirs in zip(getattr(second, name), getattr(fresh, name), strict=True):
            assert torch.equal(ours, theirs), name
    assert torch.equal(second.output, fresh.output) and torch.equal(Y, kept)
    lent = {tensor.data_ptr() for tensor in [*first.features[1:], *first.backward[:-1]]}
    used = {tensor.data_ptr() for tensor in second.backward[:-1]}
    assert len(used & lent) == network.depth - 1  # every error that is not the loss's own
    if network.activation.in_place is not None:
        assert {tensor.data_ptr() for tensor in second.features[1:]} & lent


def test_memory_that_does_not_fit_is_refused():
    network, X = unfriendly_network(), signal(7, 3)
    kept = trace(network, X, each_seed)
    strange = [
        trace(unfriendly_network(seed=[0, 1]), X, each_seed),
        trace(network, signal(7, 3, 2), each_seed),
        trace(unfriendly_network(widths=[3, 5]), X, each_seed),
        trace(unfriendly_network(dtype=torch.float32), X.float(), each_seed),
    ]
    for out in strange:
        with pytest.raises(ValueError, match="out is a trace of other shapes"):
            trace(network, X, each_seed, out=out)
    with pytest.raises(ValueError, match="out is a list"):
        trace(network, X, each_seed, out=kept.features)
    square = unfriendly_network(widths=[3, 3, 3])
    kept = trace(square, X, each_seed)
    with pytest.raises(ValueError, match=r"features lie in the memory of out.*clone"):
        trace(square, kept.features[1], each_seed, out=kept)
