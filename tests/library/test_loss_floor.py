"""The loss floor: never above the loss, attained, and the targets that it refuses."""

import math
from collections import Counter

import numpy as np
import pytest
import reference_bounds as reference
import torch
from bounds_cases import (
    EDGE_KINDS,
    HOMOGENEOUS,
    MATRIX_KINDS,
    ROUNDING,
    SHAPES,
    edges,
    many,
    propagation,
    unsmoothing_allowed,
)
from cases import EXACT
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import oversmooth as osm

pytestmark = unsmoothing_allowed


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
    net = osm.Network(osm.Propagation.identity(3), [2, 2])
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


@pytest.mark.parametrize(
    ("targets", "kind", "mask", "message"),
    [
        (torch.zeros(3, 2), "mse", None, "3"),
        (torch.zeros(4, 3), "mse", None, r"\(4, 3\)"),
        (torch.zeros(4), "mse", None, r"\(4, 1\)|\(4,\)"),
        (torch.zeros(()), "mse", None, "shape"),
        ([[0.0, 0.0]] * 4, "mse", None, "targets is .*; a torch.Tensor is needed"),
        (torch.full((4, 2), math.nan), "mse", None, "non-finite"),
        (torch.zeros(4), "cross_entropy", None, "integers"),
        (torch.zeros(4, 2).long(), "cross_entropy", None, "integer"),
        (torch.zeros(5).long(), "cross_entropy", None, "5"),
        (torch.tensor([0, 1, 2, 0]), "cross_entropy", None, "classes 0 to 2"),
        (torch.tensor([0, 1, -1, 0]), "cross_entropy", None, "classes -1 to 1"),
        (torch.zeros(4, 2), "mse", torch.ones(3, dtype=torch.bool), r"\(3,\)"),
        (torch.zeros(4, 2), "mse", torch.ones(4), "booleans"),
        (torch.zeros(4, 2), "mse", [True] * 4, "mask is .*; a torch.Tensor or None"),
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
