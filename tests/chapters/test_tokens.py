"""Attention on tokens: the stacks beside loops over tokens, and what is said of a read-out."""

import math

import pytest
import torch

from oversmooth_book.experiments.other_operators import measure, tokens

SETTING = measure.replace(measure.REFERENCE, width=4, depth=3, seeds=(5,))


def attention(Z, Q, K):
    """P of every pair, entry by entry."""
    n, d = Z.shape
    rows = []
    for i in range(n):
        scores = [math.exp(float((Z[i] @ Q) @ (Z[j] @ K)) / math.sqrt(d)) for j in range(n)]
        rows.append([score / sum(scores) for score in scores])
    return torch.tensor(rows, dtype=torch.float64)


def by_hand(stack, X):
    """The last features, layer by layer."""
    for Q, K, V in stack.layers():
        Z = X
        if stack.kind == "skip and norm":
            Z = torch.stack([(x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt() for x in X])
        P = attention(Z, Q, K)
        assert torch.allclose(P.sum(1), torch.ones(len(P), dtype=torch.float64))
        if stack.kind == "deflated":
            P = P - torch.full_like(P, 1 / len(P))
            P = P / torch.linalg.svdvals(P)[0]
        X = (X if stack.kind.startswith("skip") else 0) + P @ (Z @ V)
    return X


@pytest.mark.parametrize("kind", tokens.KINDS)
def test_stacks_are_loops_over_tokens(kind):
    X, stack = torch.randn(7, 4, generator=torch.Generator().manual_seed(1)).double(), tokens.Stack(kind, 4, 3, seed=2)
    with torch.no_grad():
        assert torch.allclose(stack(X), by_hand(stack, X), atol=1e-12)
    for matrices in stack.layers():
        assert len(matrices) == 3
        assert all(torch.allclose(W.T @ W, torch.eye(4, dtype=torch.float64), atol=1e-12) for W in matrices)
    assert len(stack.layers()) == 3 and not torch.equal(stack.weights[0], stack.weights[1])


def test_tokens_are_of_two_kinds():
    X, Y = tokens.problem(SETTING, 0)
    assert X.shape == (tokens.TOKENS, 4) and Y.sum() == 0 and (Y.abs() == 1).all()
    far = X[Y[:, 0] > 0].mean(0) - X[Y[:, 0] < 0].mean(0)
    assert float(far.norm()) == pytest.approx(2, abs=0.8)
    assert not torch.equal(X, tokens.problem(SETTING, 1)[0])


def test_a_setting_varies_tokens_as_it_varies_nodes():
    X, Y = tokens.problem(SETTING, 0)
    more = measure.replace(SETTING, graph="CSBM 100", shares=(0.3, 0.7), label_noise=0.2)
    Z, targets = tokens.problem(more, 0)
    assert Z.shape == (16, 4) and len(targets.unique()) == 2
    assert float(targets.mean()) == pytest.approx(0) and float(targets.square().mean()) == pytest.approx(1)
    moved = measure.replace(SETTING, feature_scale=10.0, feature_shift=1.0)
    assert torch.equal(tokens.problem(moved, 0)[0], 10 * X + 1)
    far = tokens.problem(measure.replace(SETTING, separation=3.0), 0)[0] - X
    assert torch.allclose(far, 2 * Y / 4**0.5)
    assert not torch.equal(tokens.problem(measure.replace(SETTING, graph_seed=1), 0)[0], X)
    heavy = tokens.Stack("plain", 4, 3, 2, weight_scale=1.5).weights
    assert all(torch.allclose(a, 1.5 * b) for a, b in zip(heavy, tokens.Stack("plain", 4, 3, 2).weights, strict=True))


@pytest.mark.parametrize("kind", ["plain", "skip and norm"])
def test_a_row_is_that_of_the_trained_read_out(kind):
    row = tokens.read_out(SETTING, kind)
    (X, Y), stack = tokens.problem(SETTING, 5), tokens.Stack(kind, 4, 3, 5)
    with torch.no_grad():
        F = stack(X)
    best = torch.linalg.lstsq(F, Y).solution
    if float(best.norm()) <= 3:
        assert row["loss"] == pytest.approx(float((F @ best - Y).square().mean()), rel=1e-9)
        loss = (stack(X) @ best - Y).square().mean()
        norms = []
        for matrices in stack.layers():
            parts = torch.autograd.grad(loss, matrices, retain_graph=True)
            norms.append(math.sqrt(sum(float(part.square().sum()) for part in parts)))
        assert row["gradient"] == pytest.approx(max(*norms, tokens.SILENT), rel=1e-6)
    else:
        assert row["loss"] > float((F @ best - Y).square().mean())
    assert 0 < row["loss"] <= 1 + 1e-9 and row["before"] > 1e-6


def test_what_is_silent_is_written_as_such():
    row = tokens.read_out(measure.replace(SETTING, width=16, depth=8), "plain")
    assert row["gradient"] == tokens.SILENT and row["before"] > 1e-4 and row["loss"] == pytest.approx(1)


def test_bands_of_every_kind_and_depth():
    table = tokens.read_outs(measure.replace(SETTING, seeds=(5, 6)), depths=(1, 2))
    assert len(table) == len(tokens.KINDS) * 2 * 3
    one = tokens.read_out(measure.replace(SETTING, depth=2, seeds=(6,)), "skip")
    other = tokens.read_out(measure.replace(SETTING, depth=2, seeds=(5,)), "skip")
    found = table[(table["kind"] == "skip") & (table["depth"] == 2) & (table["quantity"] == "loss")]
    assert found[["low", "high"]].values[0].tolist() == sorted([one["loss"], other["loss"]])
