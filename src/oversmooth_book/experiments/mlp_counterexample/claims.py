"""The claims of the chapter, M1 and on, and the numbers in the chapter's text, from its published tables."""

import numpy as np

from oversmooth_book.experiments.common import log_slope, rows_with
from oversmooth_book.values import claim, number

# The exact example


@claim("M1")
def largest_error_of_the_exact_mlp_per_layer(exact):
    return exact["error"].max()


@claim("M2")
def largest_loss_after_one_step(exact):
    return exact["stepped"].max()


@claim("M3")
def largest_error_of_mlp_and_twin(twin):
    return twin["error"].max()


@claim("M4")
def error_of_the_twin_s_slope(twin):
    # Shallower, the closed form itself is no power of 1/3 yet; deeper, the logarithm's sixth digit is rounding.
    rows = rows_with(twin[twin["depth"].between(8, 14)], network="gnn")
    return abs(log_slope(rows["depth"], rows["measured"]) / np.log(1 / 3) - 1)


@number("counter_stepped", ".3f")
def loss_after_one_step(exact):
    return exact["stepped"].max()


# Random networks


@claim("M5")
def range_of_the_mlp_s_gradient(generic_gradient):
    mlp = rows_with(generic_gradient, network="mlp")
    return mlp["high"].max() / mlp["low"].min()


@claim("M25")
def least_slope_of_the_gnn(by_seed):
    return by_seed["slope"].min()


@claim("M7")
def least_ratio_of_mlp_to_gnn(by_seed):
    return by_seed["ratio"].min()


@number("counter_rate", ".3f")
def rate(generic_gradient):
    return generic_gradient["rate"].min()


@number("counter_mlp_low", ".2f")
def smallest_gradient_of_the_mlp(generic_gradient):
    return rows_with(generic_gradient, network="mlp")["low"].min()


@number("counter_mlp_high", ".2f")
def largest_gradient_of_the_mlp(generic_gradient):
    return rows_with(generic_gradient, network="mlp")["high"].max()


@number("counter_gnn_41", ".1e")
def median_gradient_of_the_deep_gnn(generic_gradient):
    return rows_with(generic_gradient, network="gnn", depth=41)["median"].iloc[0]


def _bent(flat_perceptrons):
    return flat_perceptrons[flat_perceptrons["activation"] != "identity"]


@claim("M20")
def largest_gradient_of_relu_and_gelu(flat_perceptrons):
    return _bent(flat_perceptrons)["gradient"].max()


@claim("M21")
def smallest_loss_of_relu_and_gelu(flat_perceptrons):
    return _bent(flat_perceptrons)["loss"].min()


@claim("M22")
def largest_gradient_of_linear_mlps(flat_perceptrons):
    return rows_with(flat_perceptrons, activation="identity")["gradient"].max()


@number("counter_relu", ".0e")
def largest_gradient_with_relu(flat_perceptrons):
    return rows_with(flat_perceptrons, activation="relu")["gradient"].max()


@number("counter_gelu", ".0e")
def largest_gradient_with_gelu(flat_perceptrons):
    return rows_with(flat_perceptrons, activation="gelu")["gradient"].max()


@number("counter_linear_loss", ".2f")
def largest_loss_of_linear_mlps(flat_perceptrons):
    return rows_with(flat_perceptrons, activation="identity")["loss"].max()


@number("counter_linear_best", ".2f")
def loss_of_the_best_linear_map(flat_perceptrons):
    return flat_perceptrons["best"].iloc[0]


# The dial


@claim("M23")
def least_fall_per_layer_over_the_predicted_one(dial):
    far = dial[dial["t"] >= 0.3]
    return (np.log(far["measured"]) / np.log(far["rate"])).min()


def crossing(dial, column):
    """The t from which on a column lies below the MLP's gradient; between two rows logarithms are interpolated."""
    level = np.log(dial["gradient"].iloc[0])
    logarithms, t = np.log(dial[column].to_numpy()), dial["t"].to_numpy()
    last = int(np.flatnonzero(logarithms > level).max())
    share = (logarithms[last] - level) / (logarithms[last] - logarithms[last + 1])
    return float(t[last] + share * (t[last + 1] - t[last]))


@claim("M11")
def largest_loss_of_a_small_dial(dial_losses):
    trained = rows_with(dial_losses, kind="all layers trained, Adam")
    return trained.loc[trained["t"] <= 0.2, "high"].max()


@claim("M12")
def largest_distance_of_the_full_dial_from_the_label_variance(dial_losses):
    return rows_with(dial_losses, kind="all layers trained, Adam", t=1)["distance"].max()


@claim("M24")
@number("counter_crossing", ".2f")
def where_the_gradient_crosses_the_mlp_s(dial):
    return crossing(dial, "gradient")


@number("counter_crossing_predicted", ".2f")
def where_it_should(dial):
    return crossing(dial, "predicted")


@number("counter_best_t", ".2f")
def where_the_loss_is_lowest(dial_losses):
    last = rows_with(dial_losses, kind="last layer trained")
    return last.loc[last["median"].idxmin(), "t"]


# Training


def _trained(training_loss, network):
    """Both optimisers' last losses at depth 41."""
    return rows_with(training_loss, network=network, depth=41, step=training_loss["step"].max())


def _learned(outcomes, network, depth):
    """How many seeds have learned, in words, by scale and optimiser."""
    return rows_with(outcomes, network=network, depth=depth).set_index(["scale", "optimizer"])["learned"].sort_index()


@claim("M13")
def largest_distance_of_the_deep_gnn_from_the_label_variance(training_loss):
    return _trained(training_loss, "gnn")["distance"].max()


@claim("M14")
def largest_loss_of_the_deep_mlp(training_loss):
    return _trained(training_loss, "mlp")["high"].max()


@claim("M15")
def settings_where_the_mlp_and_a_gnn_learn(outcomes):
    mlp, gnn = (_learned(outcomes, network, 41) for network in ("mlp", "gnn"))
    return ((mlp == "most") & (gnn != "few")).sum()


@claim("M16")
def settings_where_most_deep_mlps_learn(outcomes):
    return (_learned(outcomes, "mlp", 41) == "most").sum()


@claim("M17")
def settings_where_few_deep_mlps_learn(outcomes):
    return (_learned(outcomes, "mlp", 41) == "few").sum()


@claim("M18")
def settings_where_most_shallow_gnns_learn(outcomes):
    return (_learned(outcomes, "gnn", 5) == "most").sum()


@number("counter_cases")
def settings(outcomes):
    return len(_learned(outcomes, "mlp", 41))


@number("counter_mlp_learns")
def settings_where_the_mlp_learns(outcomes):
    return (_learned(outcomes, "mlp", 41) == "most").sum()


@number("counter_mlp_fails")
def settings_where_the_mlp_fails(outcomes):
    return (_learned(outcomes, "mlp", 41) == "few").sum()
