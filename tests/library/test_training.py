"""fit: against autograd with torch.optim; batches against singles; masks, divergence, and what it must leave alone."""

import math
from copy import deepcopy

import pytest
import torch
from cases import EXACT
from torch.nn import functional

import oversmooth as osm

WIDTHS = [3, 5, 4, 2]


def random_walk(num_nodes=7, seed=0):
    """A graph with a pendant node and an isolated one; P is not symmetric."""
    generator = torch.Generator().manual_seed(seed)
    edges = [(i, i + 1) for i in range(num_nodes - 2)] + [(0, 2), (1, 4)]
    forward = torch.tensor(edges).T
    P = osm.Propagation.from_edges(torch.cat([forward, forward.flip(0)], 1), num_nodes, kind="random_walk")
    return P, torch.randn(num_nodes, WIDTHS[0], generator=generator, dtype=torch.float64), generator


def targets_for(loss, generator, num_nodes=7):
    if loss == "mse":
        return torch.randn(num_nodes, WIDTHS[-1], generator=generator, dtype=torch.float64)
    return torch.randint(0, WIDTHS[-1], (num_nodes,), generator=generator)


def plain_loop(network, X, y, loss, mask, optimizer, lr, steps):
    """The same training written the ordinary way: a dense P, autograd, torch.optim; the loss at each step."""
    P = network.propagation.to_dense()
    weights = [w.detach().clone().requires_grad_() for w in network.weights]
    bias = None if network.bias is None else network.bias.detach().clone().requires_grad_()
    parameters = weights if bias is None else [*weights, bias]
    kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    trainer, losses = kind(parameters, lr=lr), []
    for step in range(steps + 1):
        x = X
        for k, weight in enumerate(weights):
            x = P @ x @ weight
            if k < len(weights) - 1:
                x = network.activation(x)
        x = x if bias is None else x + bias
        value = (
            (x[mask] - y[mask]).square().sum(1).mean() if loss == "mse" else functional.cross_entropy(x[mask], y[mask])
        )
        losses.append(value.item())
        if step < steps:
            trainer.zero_grad()
            value.backward()
            trainer.step()
    return parameters, losses


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_equals_autograd(loss, optimizer, masked, bias, activation):
    P, X, generator = random_walk()
    y = targets_for(loss, generator)
    mask = torch.tensor([True, False, True, True, False, False, True]) if masked else None
    network = osm.Network(P, WIDTHS, activation=activation, output_bias=bias, seed=3)
    every = torch.ones(7, dtype=torch.bool) if mask is None else mask
    expected, losses = plain_loop(network, X, y, loss, every, optimizer, 0.05, 20)
    history = osm.fit(network, X, y, loss=loss, mask=mask, optimizer=optimizer, lr=0.05, steps=20)
    found = [*network.weights] if network.bias is None else [*network.weights, network.bias]
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() < EXACT
    assert history.table["loss"].to_numpy() == pytest.approx(losses, abs=EXACT)
    assert losses[-1] < losses[0] - 1e-3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("per_seed", [False, True])
def test_batch_equals_singles(optimizer, per_seed):
    P, X, generator = random_walk()
    if per_seed:
        X = torch.randn(3, *X.shape, generator=generator, dtype=torch.float64)
    y = targets_for("mse", generator)
    singles = [osm.Network(P, WIDTHS, output_bias=True, seed=seed) for seed in range(3)]
    stacked = [deepcopy(one) for one in singles]
    batch = osm.Network(P, WIDTHS, output_bias=True, seed=[0, 1, 2])
    options = {"optimizer": optimizer, "lr": 0.03, "steps": 15, "record_every": 4}
    tables = [osm.fit(one, X[i] if per_seed else X, y, **options).table for i, one in enumerate(singles)]
    of_batch = osm.fit(batch, X, y, **options).table
    of_list = osm.fit(stacked, X, y, **options).table
    for i, one in enumerate(singles):
        for k in range(3):
            assert (one.weights[k] - batch.weights[k][i]).abs().max() < EXACT
            assert (one.weights[k] - stacked[i].weights[k]).abs().max() < EXACT
        assert (one.bias - batch.bias[i, 0]).abs().max() < EXACT
        assert (one.bias - stacked[i].bias).abs().max() < EXACT
        for table in (of_batch, of_list):
            mine = table[table.seed == i].drop(columns=["seed"]).astype(float)
            alone = tables[i].drop(columns=["seed"]).astype(float)
            assert mine.to_numpy() == pytest.approx(alone.to_numpy(), abs=EXACT)


def test_records_are_those_of_trace():
    P, X, generator = random_walk()
    y = torch.where(targets_for("mse", generator)[:, :1] > 0, 1.0, -1.0).double()
    mask = torch.tensor([True, True, False, True, True, False, True])
    network = osm.Network(P, [3, 5, 4, 1], seed=[4, 5], output_bias=True)
    start = deepcopy(network)
    history = osm.fit(network, X, y[:, 0], mask=mask, test_mask=~mask, optimizer="sgd", lr=0.1, steps=7, record_every=3)
    assert sorted(set(history.table.step)) == [0, 3, 6, 7]
    for step, net in ((0, start), (7, network)):
        output = net(X)
        signals = osm.trace(net, X, lambda out: (out - y)[:, mask].square().mean((-1, -2)))
        rows = history.table[history.table.step == step]
        assert rows["loss"].to_numpy() == pytest.approx(signals.loss.numpy(), abs=EXACT)
        correct = (output.sign() == y)[..., 0].double()
        assert rows["accuracy"].to_numpy() == pytest.approx(correct[:, mask].mean(1).numpy())
        assert rows["test_accuracy"].to_numpy() == pytest.approx(correct[:, ~mask].mean(1).numpy())
        error = osm.backward_mean(signals.backward[-1], P).norm(dim=-1)
        assert rows["mean_error"].to_numpy() == pytest.approx(error.numpy(), abs=EXACT)
        whole = signals.backward[-1].sum((-1, -2)) ** 2
        for k, (gradient, x) in enumerate(zip(signals.gradients, signals.features, strict=True)):
            norm = gradient.square().sum((-1, -2))
            whole = whole + norm
            assert rows[f"gradient_{k}"].to_numpy() == pytest.approx(norm.sqrt().numpy(), abs=EXACT)
            assert rows[f"deviation_{k}"].to_numpy() == pytest.approx(osm.deviation(x, P).numpy(), abs=EXACT)
            ratio = osm.relative_deviation(x, P).numpy()
            assert rows[f"relative_deviation_{k}"].to_numpy() == pytest.approx(ratio, abs=EXACT)
        assert rows["gradient"].to_numpy() == pytest.approx(whole.sqrt().numpy(), abs=EXACT)
    layers = history.layers.set_index(["step", "seed", "layer"])
    assert len(layers) == 4 * 2 * 3
    last = history.table.set_index(["step", "seed"])
    assert layers.loc[(7, 1, 2), "gradient"] == last.loc[(7, 1), "gradient_2"]
    assert layers.loc[(3, 0, 1), "deviation"] == last.loc[(3, 0), "deviation_1"]


# Scale 1e30: output about 1e90, a finite loss, and the first step overflows. 1e60: the loss is infinite at once.
@pytest.mark.parametrize(("optimizer", "scale", "finite"), [("sgd", 1e30, 1), ("sgd", 1e60, 0), ("adam", 1e60, 0)])
def test_a_diverging_seed_is_frozen_and_alone(optimizer, scale, finite):
    P, X, generator = random_walk()
    y = targets_for("mse", generator)
    networks = [osm.Network(P, WIDTHS, activation="relu", seed=seed) for seed in range(3)]
    with torch.no_grad():
        for weight in networks[1].weights:
            weight.mul_(scale)
    twins = [deepcopy(one) for one in networks]
    options = {"optimizer": optimizer, "lr": 0.01, "steps": 6}
    history = osm.fit(networks, X, y, **options)
    assert history.diverged.tolist() == [False, True, False]
    row = history.table[history.table.seed == 1].set_index("step")
    assert row.diverged.tolist() == [False] * finite + [True] * (7 - finite)
    assert row[["loss", "gradient", "gradient_0"]].isna().all(axis=1).tolist() == row.diverged.tolist()
    for weight, first in zip(networks[1].weights, twins[1].weights, strict=True):
        assert torch.equal(weight, first)
    for i in (0, 2):
        alone = osm.fit(twins[i], X, y, **options).table
        mine = history.table[history.table.seed == i]
        assert not mine.diverged.any()
        assert mine.loss.to_numpy() == pytest.approx(alone.loss.to_numpy(), abs=EXACT)
        for k in range(3):
            assert (networks[i].weights[k] - twins[i].weights[k]).abs().max() < EXACT


def test_leaves_everything_else_alone(capfd):
    P, X, generator = random_walk()
    y = targets_for("mse", generator)
    network = osm.Network(P, WIDTHS)
    network.weights[0].grad = torch.full_like(network.weights[0], 7.0)
    kept, before = X.clone(), torch.random.get_rng_state()
    history = osm.fit(network, X, y, steps=3)
    assert torch.equal(X, kept) and torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(network.weights[0].grad, torch.full_like(network.weights[0], 7.0))
    assert network.weights[1].grad is None and network.weights[0].requires_grad and network.training
    assert capfd.readouterr() == ("", "")  # no progress bar where there is no terminal
    assert "accuracy" not in history.table  # targets that are no classes
    assert osm.fit(network, X, y, steps=0).table.loss.item() == history.table.loss.iloc[-1]


def test_one_step_by_hand():
    P = osm.Propagation.from_matrix([[0.5, 0.5], [0.5, 0.5]])
    network = osm.Network(P, [1, 1])
    with torch.no_grad():
        network.weights[0].fill_(2.0)
    X, y = torch.tensor([[1.0], [3.0]]).double(), torch.tensor([0.0, 2.0]).double()
    # F = (2, 2), output (4, 4), errors (4, 2), loss 10, gradient (2/2)(4·2 + 2·2) = 12, mean error 4 + 2 = 6
    row = osm.fit(network, X, y, optimizer="sgd", lr=0.25, steps=1).table.iloc[0]
    assert (row.loss, row.gradient, row.mean_error, row.deviation_0) == pytest.approx((10.0, 12.0, 6.0, 1.0))
    assert network.weights[0].item() == pytest.approx(-1.0)


def test_clipping_scales_the_gradient_of_each_seed_alone():
    P, X, generator = random_walk()
    y = targets_for("mse", generator)
    # One network far too large and one small: only the first may be scaled, and by torch's own clipping.
    nets = [osm.Network(P, WIDTHS, "tanh", scale, output_bias=True, seed=k) for k, scale in enumerate((6.0, 0.3))]
    expected = []
    for network in nets:
        weights = [w.detach().clone().requires_grad_() for w in [*network.weights, network.bias]]
        x = X
        for k, weight in enumerate(weights[:-1]):
            x = P.to_dense() @ x @ weight
            x = x if k == len(weights) - 2 else torch.tanh(x)
        (x + weights[-1] - y).square().sum(1).mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        expected.append((norm.item(), [w.detach() - 0.1 * w.grad for w in weights]))
    assert expected[0][0] > 3 > 1 > expected[1][0]
    table = osm.fit(nets, X, y, optimizer="sgd", lr=0.1, steps=1, clip=1.0).table
    for k, (network, (norm, weights)) in enumerate(zip(nets, expected, strict=True)):
        assert table["gradient"][k] == pytest.approx(norm, rel=EXACT)  # rows 0 and 1: step 0
        for found, weight in zip([*network.weights, network.bias], weights, strict=True):
            assert torch.allclose(found.detach(), weight, rtol=1e-5, atol=1e-7)  # torch adds 1e-6 to the norm


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "mae"}, "known: mse, cross_entropy"),
        ({"optimizer": "lbfgs"}, "known: sgd, adam"),
        ({"lr": 0.0}, "must be positive"),
        ({"clip": 0.0}, "a positive norm"),
        ({"steps": -1}, "integer of at least 0"),
        ({"record_every": 0}, "integer of at least 1"),
        ({"mask": torch.ones(6, dtype=torch.bool)}, r"needs \(7,\) booleans"),
        ({"mask": torch.zeros(7, dtype=torch.bool)}, "selects no node"),
        ({"test_mask": torch.ones(7)}, r"test_mask needs \(7,\) booleans"),
        ({"y": torch.ones(7, 3)}, r"y has shape \(7, 3\)"),
        ({"y": torch.full((7, 2), math.nan)}, "non-finite"),
        ({"loss": "cross_entropy"}, "integers"),
        ({"loss": "cross_entropy", "y": torch.arange(7)}, "classes 0 to 6"),
        ({"X": torch.ones(2, 7, 3).double()}, "one set of weights"),
        ({"X": torch.ones(6, 3).double()}, "6 rows"),
        ({"X": torch.ones(7, 3)}, "float32"),
        ({"net_or_nets": []}, "non-empty list"),
    ],
)
def test_errors(change, words):
    P, X, _ = random_walk()
    good = {"net_or_nets": osm.Network(P, WIDTHS), "X": X, "y": torch.zeros(7, 2).double(), "steps": 1}
    with pytest.raises(ValueError, match=words):
        osm.fit(**(good | change))


def test_a_list_must_be_alike():
    P, X, generator = random_walk()
    y = targets_for("mse", generator)
    other = osm.Network(osm.Propagation.from_matrix(P.to_dense()), WIDTHS)
    for bad in (other, osm.Network(P, [3, 5, 5, 2]), osm.Network(P, WIDTHS, "relu"), osm.Network(P, WIDTHS, seed=[1])):
        with pytest.raises(ValueError, match="network 1 of the list"):
            osm.fit([osm.Network(P, WIDTHS), bad], X, y, steps=1)


@pytest.mark.parametrize("activation", sorted(osm.ACTIVATIONS))
def test_every_activation_trains_as_with_autograd(activation):
    P, X, generator = random_walk()
    y = targets_for("mse", generator)
    network = osm.Network(P, WIDTHS, activation=activation, seed=[5, 6])
    single = osm.Network(P, WIDTHS, activation=activation, seed=6)
    every = torch.ones(7, dtype=torch.bool)
    expected, _ = plain_loop(single, X, y, "mse", every, "sgd", 0.05, 5)
    osm.fit(network, X, y, optimizer="sgd", lr=0.05, steps=5)
    for one, other in zip(network.weights, expected, strict=True):
        assert (one[1] - other).abs().max() < EXACT
