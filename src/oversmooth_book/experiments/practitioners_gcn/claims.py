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


def steps_below(value, step):
    """A number rounded down to a multiple of a step: what of the median of a few chaotic trainings rounding leaves."""
    return round(step * math.floor(round(value / step, 6)), 9)


def steps_above(value, step):
    """A number rounded up to a multiple of a step."""
    return -steps_below(-value, step)


# Accuracy


def distance_from_the_published_accuracy(shallow, graph):
    """In steps of one point."""
    return steps_above(abs(median(shallow, "accuracy", depth=2, graph=graph) - PUBLISHED[graph]), 0.01)


@claim("PG1")
def distance_from_the_published_accuracy_on_cora(shallow):
    return distance_from_the_published_accuracy(shallow, "Cora")


@claim("PG2")
def distance_from_the_published_accuracy_on_citeseer(shallow):
    return distance_from_the_published_accuracy(shallow, "CiteSeer")


@claim("PG3")
def accuracy_lost_by_six_more_layers_on_cora(bands):
    return median(bands, "accuracy", depth=2) - median(bands, "accuracy")


@claim("PG4")
def accuracy_lost_by_six_more_layers_on_citeseer(bands):
    return median(bands, "accuracy", depth=2, graph="CiteSeer") - median(bands, "accuracy", graph="CiteSeer")


@claim("PG5")
def worse_accuracy_of_tanh_and_residual_with_eight_layers(bands):
    return steps_below(min(median(bands, "accuracy", recipe) for recipe in ("tanh", "residual")), 0.05)


@claim("PG6")
def largest_gain_of_more_than_four_layers_over_two(bands):
    accuracy = rows_with(bands, quantity="accuracy").pivot(index=["graph", "recipe"], columns="depth", values="median")
    deep = [depth for depth in accuracy if depth > 4]
    return accuracy[deep].sub(accuracy[2], axis=0).max(axis=None)


# Reasons


@claim("PG7")
def loss_of_everybody_with_sixteen_layers(bands):
    return steps_below(median(bands, "loss", depth=16), 0.1)


@claim("PG8")
def weights_of_everybody_with_sixteen_layers(bands):
    return median(bands, "spectral", depth=16)


@claim("PG9")
def weights_of_adamw_with_sixteen_layers(bands):
    return math.floor(math.log10(median(bands, "spectral", "AdamW", depth=16)))


@claim("PG10")
def loss_of_adamw_with_eight_layers(bands):
    return steps_above(median(bands, "loss", "AdamW"), 0.2)


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
