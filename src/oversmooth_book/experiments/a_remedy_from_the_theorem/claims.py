"""The claims DF1 to DF31 and the numbers in the chapter's text, from its published tables."""

import math

import pandas as pd

from oversmooth_book.experiments.common import log_slope
from oversmooth_book.values import claim, number

MORE = "deflated, one mode per class but one"
SMOOTH, SPARSE = ("karate", "digits"), ("Cora", "CiteSeer", "minesweeper")


def _deflated(table):
    return table[table["operator"] == "deflated"]


def _second(spectra):
    """The second eigenvalue and its share of the labels, by graph and base."""
    return spectra.groupby(["graph", "base"]).first()


def _second_share(spectra, graph):
    return _second(spectra)["share"][graph, "random_walk"]


def _first_modes(spectra):
    """The labels' share in the modes 2 to the number of classes, random walk, an eigenvalue's all counted: by graph."""
    enough = spectra[(spectra["mode"] >= spectra["classes"]) & (spectra["base"] == "random_walk")]
    return enough.groupby("graph")["cumulative"].first()


# A graph's greatest depth and budgets are its own: without raw files its rows are those of the published run.


def _deep(table, operator):
    """Medians on real graphs at the greatest depth, by graph."""
    deepest = table[table["depth"] == table.groupby("graph")["depth"].transform("max")]
    return deepest[deepest["operator"] == operator].set_index("graph")["median"]


def _shallow(table, budget="short"):
    """The accuracy of the best shallow plain network after the short or the long budget, by graph."""
    shallow = table[table["depth"] < table.groupby("graph")["depth"].transform("max")]
    return pd.Series({graph: _after(rows, budget)["median"].max() for graph, rows in shallow.groupby("graph")})


# What the theorem says


@claim("DF1")
def networks_above_a_bound(certified):
    return certified["violated"].sum()


@claim("DF2")
def largest_mean(certified):
    return certified["mean"].max()


@claim("DF3")
def largest_difference_from_the_unexplained_variance(trap_loss):
    deep = _deflated(trap_loss)
    return deep.loc[deep["depth"] >= 41, "difference"].max()


@claim("DF4")
def departure_of_the_slope_of_the_gradient(trap_gradient):
    rows = _deflated(trap_gradient)
    rows = rows[rows["depth"] >= 21]
    return abs(log_slope(rows["depth"], rows["median"]) / math.log(ratio_of_third_and_second(trap_gradient)) - 1)


@claim("DF5")
def largest_difference_from_slow_fading(amplitude_walk):
    rows = _deflated(amplitude_walk)
    return rows.loc[rows["layer"] >= 20, "difference"].max()


@claim("DF6")
def smallest_gain_at_layer_50(amplitude_walk, amplitude_metropolis):
    at_50 = [
        table[table["layer"] == 50].set_index("operator")["median"] for table in (amplitude_walk, amplitude_metropolis)
    ]
    return min(median["deflated"] / median["plain"] for median in at_50)


@number("deflated_trap_loss", ".3f")
def loss_in_the_moved_trap(trap_loss):
    return _deflated(trap_loss)["predicted"].iloc[0]


@number("deflated_ratio", ".2f")
def ratio_of_third_and_second(trap_gradient):
    # What is predicted falls by this ratio a layer.
    rows = _deflated(trap_gradient)
    return math.exp(log_slope(rows["depth"], rows["predicted"]))


@number("deflated_fourth", ".0f")
def fourth_moment_of_metropolis_over_walk(fourth_moments):
    fourth = fourth_moments.set_index("base")["fourth"]
    return fourth["metropolis"] / fourth["random_walk"]


# Training


def _is_plain(table):
    return table["name"].str.startswith("plain")


@claim("DF7")
def best_accuracy_of_deep_plain_networks(depth_accuracy):
    return depth_accuracy.loc[_is_plain(depth_accuracy) & (depth_accuracy["depth"] >= 41), "median"].max()


@claim("DF8")
def worst_accuracy_of_deflated_networks(depth_accuracy):
    return depth_accuracy.loc[~_is_plain(depth_accuracy), "median"].min()


@claim("DF9")
def worst_accuracy_of_the_deepest_deflated_networks(depth_accuracy):
    deepest = depth_accuracy["depth"] == depth_accuracy["depth"].max()
    return depth_accuracy.loc[~_is_plain(depth_accuracy) & deepest, "median"].min()


@claim("DF10")
def worst_accuracy_over_classes_and_labels(conditions):
    return _deflated(conditions)["median"].min()


@claim("DF11")
def best_of_plain_networks_above_chance(conditions):
    plain = conditions[conditions["operator"] == "plain"]
    return (plain["median"] - 1 / plain["classes"]).max()


@number("deflated_deepest")
def greatest_depth(depth_accuracy):
    return depth_accuracy["depth"].max()


# Against what needs no depth


def _on(table, column, value):
    return table[table[column] == value]


def _after(table, budget):
    """The rows after the short or the long budget."""
    steps = table.loc[table["steps"] > 0, "steps"]
    return _on(table, "steps", steps.min() if budget == "short" else steps.max())


def _of(baselines, communities, budget, kind):
    """The median of the deflated network, or the best one of the shallow plain networks."""
    rows = _after(_on(baselines, "communities", communities), budget)
    return rows.loc[rows["name"].str.startswith(kind), "median"].max()


def _mode(baselines, communities):
    return _on(_on(baselines, "communities", communities), "depth", 0)["median"].iloc[0]


def _lead(baselines, communities, budget="short"):
    """By how much deep and deflated, trained shortly, is ahead of the best shallow plain network after a budget."""
    return _of(baselines, communities, "short", "deflated") - _of(baselines, communities, budget, "plain")


@claim("DF25")
def lead_where_communities_are_strong(baselines):
    return _lead(baselines, "strong")


@claim("DF26")
def lead_over_one_mode(baselines):
    return _of(baselines, "strong", "short", "deflated") - _mode(baselines, "strong")


@claim("DF27")
def lag_where_communities_are_weak(baselines):
    return -_lead(baselines, "weak")


@claim("DF28")
def lead_where_neighbours_differ(baselines):
    return _lead(baselines, "heterophilous")


@claim("DF29")
def lead_over_longer_training_where_neighbours_differ(baselines):
    return _lead(baselines, "heterophilous", "long")


@number("deflated_weak_deep", ".2f")
def deflated_where_communities_are_weak(baselines):
    return _of(baselines, "weak", "short", "deflated")


@number("deflated_weak_shallow", ".2f")
def shallow_where_communities_are_weak(baselines):
    return _of(baselines, "weak", "short", "plain")


@number("deflated_differ_deep", ".2f")
def deflated_where_neighbours_differ(baselines):
    return _of(baselines, "heterophilous", "short", "deflated")


@number("deflated_differ_shallow", ".2f")
def shallow_where_neighbours_differ(baselines):
    return _of(baselines, "heterophilous", "short", "plain")


@number("deflated_differ_long", ".2f")
def shallow_where_neighbours_differ_after_many_steps(baselines):
    return _of(baselines, "heterophilous", "long", "plain")


@number("deflated_differ_mode", ".2f")
def one_mode_where_neighbours_differ(baselines):
    return _mode(baselines, "heterophilous")


# Other remedies


def _less_deflation(accuracy):
    """By remedy its median accuracy at depth 41, less that of deflation."""
    median = accuracy[accuracy["depth"] == 41].set_index("method")["median"]
    return median.drop("deflated") - median["deflated"]


@claim("DF12")
def best_remedy_less_deflation(compared_accuracy):
    return _less_deflation(compared_accuracy).max()


@claim("DF13")
def remedies_close_to_deflation(compared_accuracy):
    return (_less_deflation(compared_accuracy) >= -0.05).sum()


@claim("DF14")
def loss_of_mean_subtraction(compared_loss):
    median = compared_loss[compared_loss["depth"] == 41].set_index("method")["median"]
    return median["mean subtraction"] / math.log(2)  # the entropy of two classes of equal size


def _kept(modes_kept, quantity):
    return _on(modes_kept, "quantity", quantity).set_index("modes")["median"]


@claim("DF15")
def accuracy_that_a_flat_spectrum_costs(modes_kept):
    accuracy = _kept(modes_kept, "accuracy")
    return accuracy[1] - accuracy[400]


@claim("DF16")
def loss_of_a_flat_spectrum(modes_kept):
    loss = _kept(modes_kept, "loss")
    return loss[400] / loss[1]


# Real graphs


@claim("DF17")
@number("deflated_share_csbm", ".3f")
def second_share_on_the_block_model(spectra):
    return _second_share(spectra, "CSBM")


@claim("DF18")
def largest_second_share_on_sparse_graphs(spectra):
    return _second(spectra)["share"][list(SPARSE)].max()


@claim("DF19")
def deep_deflated_less_shallow_plain_on_cora(real_accuracy):
    return _deep(real_accuracy, MORE)["Cora"] - _shallow(real_accuracy)["Cora"]


@claim("DF20")
def loss_of_deflated_over_plain_on_cora(real_loss):
    return (_deep(real_loss, MORE) / _deep(real_loss, "plain"))["Cora"]


@claim("DF21")
def smallest_share_of_the_first_modes(spectra):
    return _first_modes(spectra)[["CSBM", *SMOOTH]].min()


@claim("DF22")
def largest_share_of_the_first_modes_on_sparse_graphs(spectra):
    return _first_modes(spectra)[list(SPARSE)].max()


@claim("DF23")
def largest_loss_of_deflated_over_plain(real_loss):
    return (_deep(real_loss, MORE) / _deep(real_loss, "plain"))[list(SMOOTH)].max()


@claim("DF31")
def deep_deflated_less_shallow_plain_on_karate(real_accuracy):
    return _deep(real_accuracy, MORE)["karate"] - _shallow(real_accuracy)["karate"]


@claim("DF30")
def deep_deflated_less_shallow_plain_with_more_steps_on_digits(real_accuracy):
    return _deep(real_accuracy, MORE)["digits"] - _shallow(real_accuracy, "long")["digits"]


@number("deflated_karate_deep", ".2f")
def deep_deflated_on_karate(real_accuracy):
    return _deep(real_accuracy, MORE)["karate"]


@number("deflated_karate_shallow", ".2f")
def shallow_plain_on_karate(real_accuracy):
    return _shallow(real_accuracy)["karate"]


@number("deflated_karate_long", ".2f")
def shallow_plain_on_karate_after_many_steps(real_accuracy):
    return _shallow(real_accuracy, "long")["karate"]


@number("deflated_digits_deep", ".2f")
def deep_deflated_on_digits(real_accuracy):
    return _deep(real_accuracy, MORE)["digits"]


@number("deflated_digits_shallow", ".2f")
def shallow_plain_on_digits(real_accuracy):
    return _shallow(real_accuracy)["digits"]


@number("deflated_digits_long", ".2f")
def shallow_plain_on_digits_after_many_steps(real_accuracy):
    return _shallow(real_accuracy, "long")["digits"]


@number("deflated_classes_csbm", ".2f")
def share_of_the_first_modes_on_the_block_model(spectra):
    return _first_modes(spectra)["CSBM"]


@number("deflated_classes_karate", ".2f")
def share_of_the_first_modes_on_karate(spectra):
    return _first_modes(spectra)["karate"]


@number("deflated_classes_digits", ".2f")
def share_of_the_first_modes_on_digits(spectra):
    return _first_modes(spectra)["digits"]


@number("deflated_classes_cora", ".2f")
def share_of_the_first_modes_on_cora(spectra):
    return _first_modes(spectra)["Cora"]


@number("deflated_classes_citeseer", ".2f")
def share_of_the_first_modes_on_citeseer(spectra):
    return _first_modes(spectra)["CiteSeer"]


@number("deflated_classes_minesweeper", ".1g")
def share_of_the_first_modes_on_minesweeper(spectra):
    return _first_modes(spectra)["minesweeper"]


@number("deflated_share_cora", ".3f")
def second_share_on_cora(spectra):
    return _second_share(spectra, "Cora")


@number("deflated_rate_cora", ".4f")
def rate_on_cora(spectra):
    return _second(spectra)["rate"]["Cora", "random_walk"]


@number("deflated_rate_citeseer", ".4f")
def rate_on_citeseer(spectra):
    return _second(spectra)["rate"]["CiteSeer", "random_walk"]
