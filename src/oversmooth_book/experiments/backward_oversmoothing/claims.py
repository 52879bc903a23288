"""The claims BW1 to BW24 and the numbers in the chapter's text, from its published tables."""

import numpy as np
import pandas as pd

from oversmooth_book.values import claim, number

SMOOTH = ["tanh", "elu"]


def _of(valleys, network, graph="CSBM"):
    return valleys[(valleys["network"] == network) & (valleys["graph"] == graph)]


def _medians(profile, quantity, network):
    """Medians over the seeds, layer by layer from the input."""
    rows = profile[(profile["quantity"] == quantity) & (profile["network"] == network)]
    return rows.set_index("layer")["median"].sort_index()


def _deepest(by_depth):
    return by_depth[by_depth["depth"] == by_depth["depth"].max()]


def _within(positions, layers=2):
    """The share of networks whose smallest ratio is at most so many layers from where it is predicted."""
    return ((positions["measured"] - positions["predicted"]).abs() <= layers).mean()


@claim("BW1")
def rises_in_linear_networks(valleys):
    return valleys.loc[valleys["network"] == "identity", "rises"].sum()


@claim("BW2")
def share_of_tanh_networks_whose_minimum_is_predicted(positions):
    return _within(positions.query("network == 'tanh'"))


@claim("BW3")
def depth_of_the_valley_with_tanh(valleys):
    return _of(valleys, "tanh")["valley"].median()


@claim("BW4")
def share_of_elu_networks_whose_minimum_is_predicted(positions):
    return _within(positions.query("network == 'elu' and weight_scale < 2"))


@claim("BW5")
def depth_of_the_valley_with_elu(valleys):
    return _of(valleys, "elu")["valley"].median()


@claim("BW6")
def share_of_the_deepest_with_their_minimum_in_the_middle_half(by_depth):
    return _deepest(by_depth)["position"].between(0.25, 0.75).mean()


@claim("BW7")
def shallowest_valley_of_the_deepest(by_depth):
    return _deepest(by_depth)["valley"].min()


@claim("BW8")
def smallest_factor_of_errors_beyond_the_edge(levels):
    return levels.loc[levels["scale"] >= 6, "level"].min()


@claim("BW9")
def largest_rise_with_the_first_quarter_frozen(rises):
    return rises.loc[rises["frozen"] == "first quarter", "rise"].max()


@claim("BW24")
def least_share_of_the_rise_that_is_left_with_the_others_frozen(rises):
    rise = rises.pivot(index=["network", "seed"], columns="frozen", values="rise")
    return (rise["all but the first quarter"] / rise["nothing"]).min()


@claim("BW11")
def largest_departure_of_a_linear_average(steps):
    return steps.loc[steps["network"] == "identity", "departure"].max()


@claim("BW12")
def smallest_distance_to_the_transported_average(backward_profile):
    return max(_medians(backward_profile, "distance", network).min() for network in SMOOTH)


@claim("BW13")
def largest_departure_of_an_average_beyond_the_first_quarter(steps):
    return steps.loc[steps["network"].isin(SMOOTH), "beyond"].max()


@claim("BW14")
@number("bw_naive_gap", ".1e")
def largest_gap_between_uniform_norm_and_degrees(stopped):
    return stopped["gap"].max()


@claim("BW15")
@number("bw_own_ratio", ".1e")
def largest_ratio_left_in_the_right_norm(stopped):
    return stopped["own"].max()


def _violations(random_draws, certificate):
    rows = random_draws["statement"].str.startswith("certificate") == certificate
    return random_draws.loc[rows, "violations"].sum()


@claim("BW16")
def random_networks_that_violate_a_step(random_draws):
    return _violations(random_draws, certificate=False)


@claim("BW17")
def random_networks_that_violate_the_certificate(random_draws):
    return _violations(random_draws, certificate=True)


@claim("BW18")
def layers_of_deep_networks_that_violate_a_step(steps):
    return steps["violations"].sum()


@claim("BW19")
def depth_of_the_valley_with_relu(valleys):
    return _of(valleys, "relu, scale √2")["valley"].median()


@claim("BW20")
def shallowest_valley_on_the_karate_club(valleys):
    return min(_of(valleys, network, "karate club")["valley"].min() for network in SMOOTH)


@claim("BW21")
def deepest_valley_where_none_is_expected(positions):
    rows = positions.query("network == 'tanh' and (depth == 21 or (depth == 41 and feature_scale == 0.1))")
    return rows.groupby(["depth", "feature_scale"])["valley"].median().max()


def _layers_moved(by_depth):
    """By how many layers the smallest ratio moves for each layer more, between the two greatest depths: by network."""
    layer = by_depth["position"] * (by_depth["depth"] - 1)
    medians = layer.groupby([by_depth["network"], by_depth["depth"]]).median().unstack()
    return (medians.iloc[:, -1] - medians.iloc[:, -2]) / (medians.columns[-1] - medians.columns[-2])


@claim("BW22")
def largest_departure_from_half_a_layer_a_layer(by_depth):
    return (_layers_moved(by_depth) - 0.5).abs().max()


@claim("BW23")
def largest_departure_from_the_predicted_factors(rate_bands, predicted_rates):
    measured = rate_bands[rate_bands["scale"] <= 2].set_index(["graph", "scale"])
    predicted = predicted_rates.set_index(["graph", "scale"])
    ways = (measured[measured["direction"] == way]["median"] - predicted[way] for way in ("forward", "backward"))
    return max(difference.abs().max() for difference in ways)


@number("bw_tanh_in", ".3f")
def ratio_at_the_input_with_tanh(backward_profile):
    return _medians(backward_profile, "backward_ratio", "tanh").iloc[0]


@number("bw_tanh_min", ".4f")
def smallest_ratio_with_tanh(backward_profile):
    return _medians(backward_profile, "backward_ratio", "tanh").min()


@number("bw_tanh_out", ".2f")
def ratio_at_the_output_with_tanh(backward_profile):
    return _medians(backward_profile, "backward_ratio", "tanh").iloc[-1]


@number("bw_tanh_layer")
def layer_of_the_smallest_ratio_with_tanh(backward_profile):
    return _medians(backward_profile, "backward_ratio", "tanh").idxmin()


@number("bw_tanh_worst", ".0f")
def shallowest_valley_with_tanh(valleys):
    return _of(valleys, "tanh")["valley"].min()


@number("bw_elu_in", ".3f")
def ratio_at_the_input_with_elu(backward_profile):
    return _medians(backward_profile, "backward_ratio", "elu").iloc[0]


@number("bw_elu_min", ".4f")
def smallest_ratio_with_elu(backward_profile):
    return _medians(backward_profile, "backward_ratio", "elu").min()


@number("bw_elu_out", ".2f")
def ratio_at_the_output_with_elu(backward_profile):
    return _medians(backward_profile, "backward_ratio", "elu").iloc[-1]


@number("bw_elu_layer")
def layer_of_the_smallest_ratio_with_elu(backward_profile):
    return _medians(backward_profile, "backward_ratio", "elu").idxmin()


@number("bw_elu_worst", ".0f")
def shallowest_valley_with_elu(valleys):
    return _of(valleys, "elu")["valley"].min()


@number("bw_norm_out", ".2f")
def norm_of_the_output_error(backward_profile):
    return _medians(backward_profile, "backward_norm", "tanh").iloc[-1]


@number("bw_norm_mid", ".3f")
def norm_of_the_error_in_the_middle(backward_profile):
    norms = _medians(backward_profile, "backward_norm", "tanh")
    return norms.iloc[len(norms) // 2]


@number("bw_mean_error", ".1e")
def departure_beyond_the_first_quarter_with_tanh(steps):
    return steps.loc[steps["network"] == "tanh", "beyond"].max()


@number("bw_mean_error_elu", ".1e")
def departure_beyond_the_first_quarter_with_elu(steps):
    return steps.loc[steps["network"] == "elu", "beyond"].max()


@number("bw_mean_input", ".2f")
def departure_at_the_input_with_tanh(backward_profile):
    return _medians(backward_profile, "mean_departure", "tanh").iloc[0]


@number("bw_mean_input_elu", ".2f")
def departure_at_the_input_with_elu(backward_profile):
    return _medians(backward_profile, "mean_departure", "elu").iloc[0]


def _looseness(profile):
    """The right side of (B1) over the left one, layer by layer."""
    return _medians(profile, "deviation_bound", "tanh") / _medians(profile, "backward_deviation", "tanh")


@number("bw_tight", ".3f")
def looseness_in_the_middle(backward_profile):
    looseness = _looseness(backward_profile)
    return looseness.iloc[len(looseness) // 2]


@number("bw_loose", ".0f")
def looseness_at_the_input(backward_profile):
    return _looseness(backward_profile).iloc[0]


@number("bw_gcn_tanh", ".1e")
def last_ratio_of_tanh_under_gcn(operators):
    rows = operators.query("operator == 'gcn' and network == 'tanh' and direction == 'forward' and norm == 'own'")
    return rows["median"].iloc[-1]


@number("bw_relu_layer")
def layers_with_units_of_both_signs(relu):
    return (_medians(relu, "mixed_signs", "relu") > 0).sum()


@number("bw_relu_mean", ".0e")
def average_output_error_of_relu(steps):
    return steps.loc[steps["network"] == "relu", "output_mean"].median()


@number("bw_lambda", ".3f")
def rate_of_the_block_model(graphs):
    return graphs.set_index("graph").loc["CSBM", "rate"]


@number("bw_lambda_karate", ".3f")
def rate_of_the_karate_club(graphs):
    return graphs.set_index("graph").loc["karate club", "rate"]


@number("bw_karate_depth")
def depth_on_the_karate_club(graphs):
    return graphs.set_index("graph").loc["karate club", "depth"]


@number("bw_depth")
def depth(graphs):
    return graphs.set_index("graph").loc["CSBM", "depth"]


@number("bw_seeds")
def seeds(valleys):
    return valleys["seed"].nunique()


@number("bw_draws")
def random_networks(random_draws):
    return random_draws.loc[random_draws["statement"] == "(B1)", "networks"].sum()


@number("bw_sharpest", ".2f")
def largest_share_of_the_mean_s_bound(random_draws):
    return random_draws.loc[random_draws["statement"] == "(B2)", "tightness"].max()


@number("bw_edge_first", ".1f")
def smallest_scale_that_stops_smoothing(predicted_rates):
    return _edges(predicted_rates).min()


@number("bw_edge_last", ".1f")
def largest_scale_that_stops_smoothing(predicted_rates):
    return _edges(predicted_rates).max()


def _edges(predicted_rates):
    """By graph, the scale at which λg(s) reaches 1, on the line between the scales beside it."""
    edges = {}
    for graph, rows in predicted_rates.groupby("graph"):
        edges[graph] = np.interp(1, rows["rate"] * rows["growth"], rows["scale"])
    return pd.Series(edges)


@number("bw_rates_least", ".2f")
def smallest_rate_of_the_block_models(predicted_rates):
    return predicted_rates["rate"].min()


@number("bw_rates_most", ".2f")
def largest_rate_of_the_block_models(predicted_rates):
    return predicted_rates["rate"].max()


@number("bw_least_off", ".0f")
def percent_between_the_smallest_ratio_and_the_predicted_one(positions):
    rows = positions.query("network == 'tanh' or weight_scale < 2")
    return 100 * (rows["least"] / rows["least_predicted"] - 1).abs().median()
