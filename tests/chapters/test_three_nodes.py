"""The chapter on three nodes: its numbers by hand, its six lines against autograd, and what a mistake in them does."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import EXACT

import oversmooth as osm
from oversmooth_book.book.book import find_book
from oversmooth_book.book.notebooks import code_cells, read_notebook
from oversmooth_book.experiments.three_nodes import claims, figures
from oversmooth_book.experiments.three_nodes import measure as experiment


def lines():
    """The cell of the chapter that defines the six lines."""
    cells = code_cells(read_notebook(find_book().notebook("three_nodes")))
    (source,) = (cell.source for cell in cells if cell.source.startswith("def passes("))
    return source


def defined(source):
    found = {"torch": torch}
    exec(source, found)
    return found["passes"]


@pytest.fixture(scope="module")
def passes():
    return defined(lines())


@pytest.fixture(scope="module")
def layers(passes):
    return experiment.layers(passes, depth=21, num_steps=200)


def test_two_steps_with_a_pencil():
    table = experiment.averages(2).set_index(["signal", "step"])["fraction"]
    assert table["features", 1].tolist() == ["2/3", "1/3", "0"] and table["features", 2].tolist() == [
        "5/9",
        "1/3",
        "1/9",
    ]
    assert table["errors", 1].tolist() == ["−1/3", "0", "1/3"] and table["errors", 2].tolist() == ["−2/9", "0", "2/9"]


def test_the_path_is_the_librarys():
    P, *_ = experiment.path_network(3)
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    library = osm.Propagation.from_edges(edges, 3, kind="metropolis")
    assert torch.allclose(library.to_dense(), P) and library.rate == pytest.approx(experiment.RATE, abs=EXACT)
    values = np.linalg.matrix_power(P.numpy(), 4) @ [1, 0, 0]
    assert values == pytest.approx(
        [float(value) for value in experiment.closed_form(experiment.FEATURES, 4)], abs=EXACT
    )


def test_a_wrong_formula_is_seen(monkeypatch):
    assert claims.features_that_differ_from_the_formula(experiment.averages(4)) == 0
    monkeypatch.setattr(experiment, "RATE", Fraction(3, 5))
    assert claims.features_that_differ_from_the_formula(experiment.averages(4)) > 0
    assert claims.errors_that_differ_from_the_formula(experiment.averages(4)) > 0


def test_the_six_lines_are_autograd(passes):
    """With torch alone, on networks that the chapter does not draw."""
    for seed in range(5):
        P, weights, features, labels = experiment.random_network(seed)
        wanted = [weight.clone().requires_grad_() for weight in weights]
        X = features
        for weight in wanted[:-1]:
            X = torch.tanh(P @ X @ weight)
        ((P @ X @ wanted[-1] - labels).square().sum() / 2).backward()
        for found, weight in zip(passes(P, weights, features, labels)[2], wanted, strict=True):
            assert torch.allclose(found, weight.grad, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(("line", "wrong"), [("P.T @ B", "P @ B"), ("(1 - X[k] ** 2) * ", ""), ("W[k].T))", "W[k]))")])
def test_a_mistake_in_the_six_lines_is_seen(passes, line, wrong):
    assert claims.networks_that_differ_from_autograd(experiment.comparison(passes, 10)) == 0
    source = lines()
    assert line in source
    try:
        assert (
            claims.networks_that_differ_from_autograd(experiment.comparison(defined(source.replace(line, wrong)), 10))
            > 0
        )
    except RuntimeError as error:
        assert "shape" in str(error), "unequal widths refuse what a square matrix would hide"


def test_the_sum_of_errors_comes_near_its_bound_and_a_smaller_bound_is_broken():
    mean, error = torch.tensor([0.3, -0.4], dtype=torch.float64), torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    alike = mean.expand(2, 2)
    assert experiment.sum_is_bounded(alike, error, alike.T @ error), "equality: all rows alike"
    assert not experiment.sum_is_bounded(alike, error, 0.99 * alike.T @ error)


def test_what_the_text_says_of_the_trained_network(layers):
    trained = layers.query("network == 'graph' and state == 'last layer trained'")
    assert trained["loss"].iloc[0] == pytest.approx(1 / 3, abs=1e-4), "that of the best constant"
    assert (
        claims.largest_gradient_of_a_hidden_layer_after(layers)
        < claims.least_gradient_of_a_hidden_layer_before(layers) / 100
    )
    assert claims.sum_of_errors_after(layers) < 1e-4 < claims.sum_of_errors_before(layers)
    assert claims.error_at_the_first_layer(layers) < 1e-3 * claims.error_at_the_output(layers)
    assert claims.largest_gradient_of_a_hidden_layer_without_the_graph(layers) > 0.1
    assert claims.loss_without_the_graph(layers) < 0.2


def test_training_the_last_layer_is_least_squares(passes):
    """Without a graph the last layer's columns are far from parallel: descent must reach the solution of lstsq."""
    P, weights, features, labels = experiment.path_network(5)
    P = torch.eye(3, dtype=P.dtype)
    trained = experiment.train_last(passes, P, weights, features, labels, 2000)
    F = passes(P, weights, features, labels)[0][-1]
    assert torch.allclose(trained[-1], torch.linalg.lstsq(F, labels).solution, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(trained[:-1], weights[:-1], strict=True))


def test_other_averages_end_where_the_solution_says():
    table = experiment.other_averages(200)
    ends = {key: rows["value"].to_numpy() for key, rows in table.groupby(["average", "signal"])}
    assert ends["triangle", "features"] == pytest.approx([1 / 3] * 3, abs=EXACT)
    assert ends["plain mean", "features"] == pytest.approx([2 / 7] * 3, abs=EXACT)
    assert ends["plain mean", "errors"] == pytest.approx([2 / 7, 3 / 7, 2 / 7], abs=EXACT)
    assert claims.errors_under_the_plain_mean(table) == "0.286, 0.429, 0.286"


def test_the_ladders_show_the_fractions(ax):
    table = experiment.averages(3).query("signal == 'errors'")
    figures.draw_ladder(ax, table)
    spots = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert spots == {(row.node, 3 - row.step): row.fraction for row in table.itertuples()}
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "3 layers down",
        "2 layers down",
        "1 layer down",
        "output",
    ]
    dots = [collection for collection in ax.collections if len(collection.get_offsets()) == 3]
    assert len(dots) == 4, "three nodes a step"


def test_the_gradients_are_drawn_as_measured(ax, layers):
    figures.draw_gradients(ax, layers)
    assert {text.get_text() for text in ax.texts} == {line.get_label() for line in ax.get_lines()}
    for (network, state), (name, *_) in figures.LOOKS.items():
        (line,) = (line for line in ax.get_lines() if line.get_label() == name)
        wanted = layers[(layers["network"] == network) & (layers["state"] == state)]
        assert np.array_equal(line.get_ydata(), wanted["gradient"])
