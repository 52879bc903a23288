"""The claims PG1 to PG13 and the numbers in the chapter's text, from its published tables."""

import math

from oversmooth_book.experiments.common import rows_with
from oversmooth_book.experiments.practitioners_gcn.measure import EVERYBODY
from oversmooth_book.values import claim, number

# What is published of two layers: Kipf and Welling (2017).
PUBLISHED = {"Cora": 0.815, "CiteSeer": 0.703}


def median(bands, quantity, recipe=EVERYBODY, depth=8, graph="Cora"):
    """The median over the seeds of one quantity of one recipe."""
    return rows_with(bands, graph=graph, recipe=recipe, depth=depth, quantity=quantity)["median"].item()


def beyond(bands, quantity, recipe=EVERYBODY, depth=8, *, least=-math.inf, most=math.inf):
    """1 if one of the seeds' networks on Cora is below the least or above the most, else 0.

    Deep trainings are chaotic: rounding moves the median of four networks, and not the side on which all of them are.
    """
    row = rows_with(bands, graph="Cora", recipe=recipe, depth=depth, quantity=quantity)
    return int(row["low"].item() < least or row["high"].item() > most)


# Accuracy


def points_from_the_published(shallow, graph):
    """How far two layers are from what is published, in points, rounded up: rounding moves single test nodes."""
    distance = abs(median(shallow, "accuracy", depth=2, graph=graph) - PUBLISHED[graph])
    return math.ceil(round(100 * distance, 6))


@claim("PG1")
def distance_from_the_published_accuracy_on_cora(shallow):
    return points_from_the_published(shallow, "Cora")


@claim("PG2")
def distance_from_the_published_accuracy_on_citeseer(shallow):
    return points_from_the_published(shallow, "CiteSeer")


@claim("PG3")
def accuracy_lost_by_six_more_layers_on_cora(bands):
    return median(bands, "accuracy", depth=2) - median(bands, "accuracy")


@claim("PG4")
def accuracy_lost_by_six_more_layers_on_citeseer(bands):
    return median(bands, "accuracy", depth=2, graph="CiteSeer") - median(bands, "accuracy", graph="CiteSeer")


@claim("PG5")
def recipes_of_tanh_and_residual_with_a_worse_network(bands):
    return sum(beyond(bands, "accuracy", recipe, least=0.65) for recipe in ("tanh", "residual"))


@claim("PG6")
def recipes_that_gain_from_more_than_four_layers(bands):
    accuracy = rows_with(bands, quantity="accuracy").pivot(index=["graph", "recipe"], columns="depth", values="median")
    deep = [depth for depth in accuracy if depth > 4]
    return int((accuracy[deep].max(axis=1) >= accuracy[2]).sum())


# Reasons


@claim("PG7")
def whether_everybody_fits_with_sixteen_layers(bands):
    return beyond(bands, "loss", depth=16, least=0.9)


@claim("PG8")
def weights_of_everybody_with_sixteen_layers(bands):
    return median(bands, "spectral", depth=16)


@claim("PG9")
def whether_adamw_loses_weights_with_sixteen_layers(bands):
    return beyond(bands, "spectral", "AdamW", depth=16, least=1.5)


@claim("PG10")
def whether_adamw_fails_to_fit_with_eight_layers(bands):
    return beyond(bands, "loss", "AdamW", most=0.6)


@claim("PG11")
def loss_without_a_graph_with_eight_layers(bands):
    return median(bands, "loss", "no graph")


@claim("PG12")
def gradient_without_decay_at_the_greatest_depth(whole):
    rows = rows_with(whole, graph="Cora", recipe="no decay", quantity="gradient")
    return rows.loc[rows["depth"].idxmax(), "median"]


@claim("PG13")
def recipes_that_differ_from_the_full_run_with_two_layers(bands, whole):
    keys = ["graph", "recipe"]
    here, there = (rows_with(t, quantity="accuracy", depth=2).set_index(keys)["median"] for t in (bands, whole))
    return ((here - there.loc[here.index]).abs() > 0.02).sum()


# Numbers of the full run, which the figures show


@number("gcn_two", ".2f")
def accuracy_with_two_layers(whole):
    return median(whole, "accuracy", depth=2)


@number("gcn_eight", ".2f")
def accuracy_with_eight_layers(whole):
    return median(whole, "accuracy")


@number("gcn_eight_adamw", ".2f")
def accuracy_with_eight_layers_and_adamw(whole):
    return median(whole, "accuracy", "AdamW")


@number("gcn_eight_tanh", ".2f")
def accuracy_with_eight_layers_of_tanh(whole):
    return median(whole, "accuracy", "tanh")


@number("gcn_eight_residual", ".2f")
def accuracy_with_eight_residual_layers(whole):
    return median(whole, "accuracy", "residual")


@number("gcn_depth", "d")
def greatest_depth_of_the_full_run(whole):
    return int(whole["depth"].max())


@number("gcn_mean_error", ".3f")
def mean_of_the_error_without_decay_at_the_greatest_depth(whole):
    return median(whole, "mean_error", "no decay", whole["depth"].max())
