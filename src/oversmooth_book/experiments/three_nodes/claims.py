"""The claims TN1 to TN4 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.experiments.common import rows_with
from oversmooth_book.values import claim, number


@claim("TN1")
def features_that_differ_from_the_formula(averages):
    return _differ(averages, "features")


@claim("TN2")
def errors_that_differ_from_the_formula(averages):
    return _differ(averages, "errors")


@claim("TN3")
def networks_that_differ_from_autograd(comparison):
    return ((comparison["gradients"] == 0) | (comparison["errors"] == 0)).sum()


@claim("TN4")
def sums_of_errors_above_their_bound(comparison):
    return (comparison["sum_bounded"] == 0).sum()


def _differ(averages, signal):
    return (rows_with(averages, signal=signal)["formula"] == 0).sum()


def _fractions(averages, signal, step):
    rows = rows_with(averages, signal=signal, step=step)
    return ", ".join(rows.sort_values("node")["fraction"].astype(str))


@number("three_feature_one")
def features_after_one_step(averages):
    return _fractions(averages, "features", 1)


@number("three_feature_two")
def features_after_two_steps(averages):
    return _fractions(averages, "features", 2)


@number("three_error_one")
def errors_after_one_step(averages):
    return _fractions(averages, "errors", 1)


@number("three_error_two")
def errors_after_two_steps(averages):
    return _fractions(averages, "errors", 2)


@number("three_draws")
def random_networks(comparison):
    return len(comparison)


@number("three_depth")
def depth_of_the_network(layers):
    return layers["layer"].max() + 1


def _layers(layers, network, state):
    return rows_with(layers, network=network, state=state)


def _last(rows, column):
    return rows.loc[rows["layer"] == rows["layer"].max(), column].iloc[0]


def _largest_hidden(rows):
    return rows.loc[rows["layer"] < rows["layer"].max(), "gradient"].max()


@number("three_before", ".0e")
def least_gradient_of_a_hidden_layer_before(layers):
    rows = _layers(layers, "graph", "untrained")
    return rows.loc[rows["layer"] < rows["layer"].max(), "gradient"].min()


@number("three_after", ".0e")
def largest_gradient_of_a_hidden_layer_after(layers):
    return _largest_hidden(_layers(layers, "graph", "last layer trained"))


@number("three_sum_before", ".2f")
def sum_of_errors_before(layers):
    return _last(_layers(layers, "graph", "untrained"), "error_sum")


@number("three_sum_after", ".0e")
def sum_of_errors_after(layers):
    return _last(_layers(layers, "graph", "last layer trained"), "error_sum")


@number("three_loss", ".4f")
def loss_after(layers):
    return _layers(layers, "graph", "last layer trained")["loss"].iloc[0]


@number("three_error_output", ".2f")
def error_at_the_output(layers):
    return _last(_layers(layers, "graph", "last layer trained"), "error")


@number("three_error_input", ".0e")
def error_at_the_first_layer(layers):
    return _layers(layers, "graph", "last layer trained")["error"].iloc[0]


@number("three_mlp", ".2f")
def largest_gradient_of_a_hidden_layer_without_the_graph(layers):
    return _largest_hidden(_layers(layers, "no graph", "last layer trained"))


@number("three_mlp_loss", ".2f")
def loss_without_the_graph(layers):
    return _layers(layers, "no graph", "last layer trained")["loss"].iloc[0]


@number("three_larger", ".0e")
def largest_gradient_of_a_hidden_layer_with_larger_weights(layers):
    return _largest_hidden(_layers(layers, "graph, larger weights", "last layer trained"))


def _values(other_averages, average, signal):
    rows = rows_with(other_averages, average=average, signal=signal)
    return ", ".join(f"{value:.3f}" for value in rows.sort_values("node")["value"])


@number("three_triangle")
def features_on_a_triangle(other_averages):
    return _values(other_averages, "triangle", "features")


@number("three_plain_features")
def features_under_the_plain_mean(other_averages):
    return _values(other_averages, "plain mean", "features")


@number("three_plain_errors")
def errors_under_the_plain_mean(other_averages):
    return _values(other_averages, "plain mean", "errors")
