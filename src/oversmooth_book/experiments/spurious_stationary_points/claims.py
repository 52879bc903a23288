"""The claims of the chapter, SP1 and on, and the numbers in the chapter's text, from its published tables."""

import math

from oversmooth_book.experiments.common import log_slope
from oversmooth_book.experiments.spurious_stationary_points.large_weights import SMALL as MAPPED
from oversmooth_book.values import claim, number

# A gradient below it has no digits: sums of numbers of size one are rounded there, and at depth 100 the gradient is.
ROUNDING = 1e-14


def _rate(graphs, graph="CSBM"):
    return graphs.set_index("graph").loc[graph, "rate"]


def _recipe(recipes, name):
    return recipes.set_index("name").loc[name, "value"]


def _end(figure_one_end, model, deep):
    """The networks of Figure 1, at the end of training."""
    depth = figure_one_end["depth"].max() if deep else figure_one_end["depth"].min()
    return figure_one_end[(figure_one_end["model"] == model) & (figure_one_end["depth"] == depth)]


def _trapped(hidden_gradients, graph="CSBM"):
    """The graph networks with a trained last layer."""
    ours = (hidden_gradients["model"] == "gnn") & (hidden_gradients["last_layer"] == "trained")
    return hidden_gradients[ours & (hidden_gradients["graph"] == graph)]


def _at(table, depth):
    return table[table["depth"] == depth]


def _slope(table, least_depth):
    """Of the logarithm of the gradient against depth; log λ is what the theory gives."""
    deep = table[(table["depth"] >= least_depth) & (table["gradient"] > ROUNDING)]
    return log_slope(deep["depth"], deep["gradient"])


def _medians(table, quantity, model, last_layer):
    """Medians over the seeds, in the table's order."""
    rows = (table["quantity"] == quantity) & (table["model"] == model) & (table["last_layer"] == last_layer)
    return table.loc[rows, "median"]


def _norm_kept(layers, model, last_layer):
    """The norm of the error at the input over that at the output."""
    norm = _medians(layers, "backward_norm", model, last_layer)
    return norm.iloc[0] / norm.iloc[-1]


def _deepest(table, how):
    rows = table[table["how"] == how]
    return rows.loc[rows["depth"].idxmax()]


def _flat(random_networks, perceptrons=False):
    """The graph networks, or the perceptrons, with hardly any gradient."""
    kind = (random_networks["kind"] == "identity") == perceptrons
    return random_networks[kind & (random_networks["total"] < 1e-3)]


def _left_by_all(plateaus):
    """Median plateaus of the depths that every seed left: from graph to depth -> steps."""
    left = plateaus.groupby("depth").filter(lambda seeds: seeds["left"].all())
    return left.groupby(["graph_seed", "depth"])["steps"].median()


def _growths(plateaus):
    """By which factor the plateau of gradient descent grows with each layer, on each graph."""
    medians = _left_by_all(plateaus)
    steps = {graph: rows.droplevel(0) for graph, rows in medians.groupby("graph_seed")}
    return {graph: math.exp(log_slope(rows.index, rows)) for graph, rows in steps.items()}


def _falls_of(ways_down, model):
    """The largest fall along the line, network by network."""
    return ways_down[ways_down["model"] == model].groupby("graph_seed")["fall"].max()


def _curvature(eigenvalues, model="gnn"):
    return eigenvalues[eigenvalues["model"] == model].sort_values("depth")


def _downward_slope(eigenvalues):
    deep = _curvature(eigenvalues).query("depth >= 17")
    return log_slope(deep["depth"], deep["lowest"])


@claim("SP1")
@number("sp_fig_gap", ".0e")
def largest_distance_of_the_deep_gnn_s_loss_from_the_entropy(figure_one_end):
    return _end(figure_one_end, "gnn", deep=True)["gap"].max()


@claim("SP2")
@number("sp_fig_gradient", ".0e")
def largest_gradient_of_the_deep_gnn(figure_one_end):
    return _end(figure_one_end, "gnn", deep=True)["gradient"].max()


@claim("SP48")
@number("sp_fig_mlp_graphs", ".2f")
def largest_loss_of_the_deep_mlp(perceptrons):
    return perceptrons["share"].max()


@number("sp_fig_mlp", ".2f")
def largest_loss_of_the_deep_mlp_of_the_figure(figure_one_end):
    return _end(figure_one_end, "mlp", deep=True)["share"].max()


@claim("SP4")
@number("sp_fig_shallow", ".2f")
def largest_loss_of_the_shallow_gnn(figure_one_end):
    return _end(figure_one_end, "gnn", deep=False)["share"].max()


@claim("SP5")
def slope_of_the_gradient_over_that_of_the_rate(hidden_gradients, graphs):
    return _slope(_trapped(hidden_gradients), 24) / math.log(_rate(graphs))


@claim("SP6")
@number("sp_equal", ".1f")
def spread_of_the_gradient_over_layers(layers):
    hidden = _medians(layers, "gradient", "gnn", "trained").iloc[:-1]
    return hidden.max() / hidden.min()


@claim("SP7")
def gradients_above_their_certificate(hidden_gradients):
    return hidden_gradients["above"].sum()


@claim("SP8")
def losses_below_their_floor(hidden_gradients):
    return hidden_gradients["below"].sum()


@claim("SP9")
def smallest_loss_with_the_last_layer_trained(hidden_gradients):
    return _at(_trapped(hidden_gradients), 41)["loss"].min()


@claim("SP10")
def smallest_norm_of_an_exact_last_layer(three_ways_last_norm):
    return _deepest(three_ways_last_norm, "exact")["low"]


@claim("SP11")
def smallest_loss_by_descent_on_the_last_layer(three_ways_loss):
    return _deepest(three_ways_loss, "descent")["low"]


@claim("SP12")
@number("sp_mlp_factor", ".1f")
def spread_of_the_mlp_s_gradient_over_depths(last_layer):
    gradient = _medians(last_layer[last_layer["depth"] <= 64], "gradient", "mlp", "trained")
    return gradient.max() / gradient.min()


@claim("SP13")
@number("sp_norm_after", ".0e")
def share_of_the_norm_that_reaches_the_input(layers):
    return _norm_kept(layers, "gnn", "trained")


@claim("SP14")
@number("sp_ratio_before", ".4f")
def smallest_ratio_before_training(layers):
    return _medians(layers, "backward_ratio", "gnn", "random").min()


@claim("SP15")
@number("sp_many_loss", ".4f")
def smallest_loss_without_gradient(random_networks):
    return _flat(random_networks)["share"].min()


@claim("SP49")
@number("sp_mean_left", ".3f")
def largest_mean_error_left(first_check):
    return first_check["left"].max()


@claim("SP50")
@number("sp_tenth", ".2f")
def time_to_a_tenth_of_the_mean_error(first_check):
    times = first_check["tenth"]
    return times.loc[times.map(math.log).abs().idxmax()]


@claim("SP51")
def distance_of_the_last_loss_from_the_variance(first_check):
    return first_check["last"].max()


@claim("SP52")
def growth_of_the_plateau_times_the_rate(plateaus):
    rates = plateaus.groupby("graph_seed")["rate"].first()
    growths = [growth * rates[graph] for graph, growth in _growths(plateaus).items()]
    return max(growths, key=lambda growth: abs(math.log(growth)))


def _on_map(large_weights_map, recipe="Adam"):
    """The points of the graph that all profiles have."""
    return large_weights_map[(large_weights_map["recipe"] == recipe) & (large_weights_map["graph"] == MAPPED)]


def _from_large_weights(large_weights_map, depth):
    return _at(_on_map(large_weights_map), depth).query("scale >= 8")


def _from_scale_one(large_weights_map, depth):
    return _on_map(large_weights_map).query("scale == 1 and depth >= @depth")


@claim("SP41")
def whether_a_fifth_trains_and_stays_rough(large_weights_map):
    rows = _from_large_weights(large_weights_map, 21)
    return rows["kept"].sum() >= 0.2 * rows["networks"].sum()


@claim("SP45")
def networks_of_large_weights_that_do_not_explode(large_weights_map):
    rows = _from_large_weights(large_weights_map, 41)
    return (rows["networks"] - rows["explodes"]).sum()


@claim("SP42")
def networks_of_scale_one_that_train(large_weights_map):
    return _from_scale_one(large_weights_map, 21)["trains"].sum()


@claim("SP43")
def networks_of_scale_one_that_are_not_trapped(large_weights_map):
    rows = _from_scale_one(large_weights_map, 41)
    return (rows["networks"] - rows["trapped"]).sum()


@claim("SP44")
def scales_at_which_few_shallow_networks_train(large_weights_map):
    rows = _at(_on_map(large_weights_map), 13).query("scale >= 1")
    return (rows["trains"] * 3 < rows["networks"] * 2).sum()


@claim("SP46")
def deepest_networks_that_train(large_weights_map):
    return _at(_on_map(large_weights_map), 41).query("scale >= 1")["trains"].sum()


@claim("SP47")
def networks_that_clipped_descent_trains(large_weights_map):
    return _at(_on_map(large_weights_map, "clipped descent"), 21).query("scale >= 1")["trains"].sum()


@claim("SP23")
def slope_of_the_downward_curvature_over_that_of_the_rate(eigenvalues, graphs):
    return _downward_slope(eigenvalues) / math.log(_rate(graphs))


@claim("SP24")
def steepest_curvature_over_the_predicted_one(eigenvalues):
    deepest = _curvature(eigenvalues).iloc[-1]
    return deepest["highest"] / deepest["predicted"]


@claim("SP25")
def least_way_down_of_the_mlp(eigenvalues):
    return _curvature(eigenvalues, "mlp")["lowest"].min()


@claim("SP54")
@number("sp_down_gnn", ".0e")
def largest_fall_along_the_gnn_s_way_down(ways_down):
    return _falls_of(ways_down, "gnn").max()


@claim("SP27")
def slope_on_the_karate_club_over_that_of_the_rate(hidden_gradients, graphs):
    return _slope(_trapped(hidden_gradients, "karate club"), 100) / math.log(_rate(graphs, "karate club"))


@claim("SP28")
def smallest_gradient_on_the_karate_club(hidden_gradients):
    return _at(_trapped(hidden_gradients, "karate club"), 41)["gradient"].min()


@claim("SP29")
def share_that_trains_on_the_karate_club(karate_training):
    return karate_training["trained"].mean()


@claim("SP30")
def largest_gradient_of_the_hidden_layers(hidden_gradients):
    return _at(_trapped(hidden_gradients), 41)["gradient"].max()


@claim("SP31")
@number("sp_many_flat_mlp")
def perceptrons_without_gradient(random_networks):
    return len(_flat(random_networks, perceptrons=True))


@claim("SP32")
def share_of_the_deep_networks_without_gradient(random_networks):
    ours = random_networks[(random_networks["kind"] != "identity") & (random_networks["scale"] == 1)]
    return (_at(ours, ours["depth"].max())["total"] < 1e-3).mean()


@claim("SP33")
def whether_three_quarters_fall_back_at_the_larger_step(falls):
    row = falls.loc[falls["step_size"].idxmax()]
    return row["fell"] >= 0.75 * row["networks"]


@claim("SP35")
def decade_of_the_curvature_where_networks_leave(leaving_curvature):
    return leaving_curvature["decade"].iloc[0]


@claim("SP36")
@number("sp_down_mlp", ".2f")
def least_fall_along_the_mlp_s_way_down(ways_down):
    return _falls_of(ways_down, "mlp").min()


@claim("SP37")
def least_mean_of_the_last_layer_over_its_bound(mean_kept):
    return (mean_kept["mean"] / mean_kept["bound"]).min(skipna=False)


@number("sp_mean_layer", ".0f")
def last_layer_at_which_the_mean_rules(mean_kept):
    return mean_kept["layer"].max()


@number("sp_mean_low", ".2f")
def least_mean_of_the_last_layer(mean_kept):
    return mean_kept["mean"].min()


@number("sp_mean_bound", ".2f")
def least_bound_on_the_mean(mean_kept):
    return mean_kept["bound"].min()


@number("sp_rate", "g")
def step_size_of_the_first_figure(recipes):
    return _recipe(recipes, "step size, figure one")


@number("sp_budget", "g")
def budget_of_the_last_layer(recipes):
    return _recipe(recipes, "budget")


@number("sp_sgd", "g")
def step_size_of_gradient_descent(recipes):
    return _recipe(recipes, "step size, sgd")


@number("sp_first", "g")
def step_size_of_the_first_steps(recipes):
    return _recipe(recipes, "step size, first steps")


@number("sp_descent_steps", ".0f")
def steps_of_descent_on_the_last_layer(recipes):
    return _recipe(recipes, "descent steps")


@number("sp_steps", ".0f")
def steps_of_training(recipes):
    return _recipe(recipes, "steps")


@number("sp_karate_rate", ".3f")
def rate_of_the_karate_club(graphs):
    return _rate(graphs, "karate club")


@number("sp_karate_times", ".0f")
def times_that_the_karate_club_is_slower(graphs):
    return math.log(_rate(graphs)) / math.log(_rate(graphs, "karate club"))


@number("sp_slope", ".3f")
def slope_of_the_gradient(hidden_gradients):
    return _slope(_trapped(hidden_gradients), 24)


@number("sp_log_rate", ".3f")
def logarithm_of_the_rate(graphs):
    return math.log(_rate(graphs))


@number("sp_depth")
def depth(layers):
    return layers["layer"].max() + 1


@number("sp_karate_slope", ".4f")
def slope_on_the_karate_club(hidden_gradients):
    return _slope(_trapped(hidden_gradients, "karate club"), 100)


@number("sp_karate_log_rate", ".4f")
def logarithm_of_the_karate_club_s_rate(graphs):
    return math.log(_rate(graphs, "karate club"))


def _looseness(hidden_gradients):
    return hidden_gradients.query("model == 'gnn' and last_layer == 'trained'")


@number("sp_cert_low", ".1f")
def least_looseness_of_the_certificate(hidden_gradients):
    return _looseness(hidden_gradients)["least"].min()


@number("sp_cert_high", ".0f")
def most_looseness_of_the_certificate(hidden_gradients):
    return _looseness(hidden_gradients)["most"].max()


@number("sp_cert_gain", ".2f")
def median_gain_of_the_transported_mean(certificate_gain):
    return certificate_gain["gain"].median()


@number("sp_cert_gain_most", ".0f")
def largest_gain_of_the_transported_mean(certificate_gain):
    return certificate_gain["gain"].max()


@number("sp_karate_variance", ".2f")
def label_variance_of_the_karate_club(graphs):
    return graphs.set_index("graph").loc["karate club", "variance"]


@number("sp_karate_shallow", ".1f")
def gradient_on_the_karate_club(hidden_gradients):
    return _at(_trapped(hidden_gradients, "karate club"), 41)["gradient"].median()


@number("sp_many")
def random_networks_drawn(random_networks):
    return (random_networks["kind"] != "identity").sum()


@number("sp_many_flat")
def random_networks_without_gradient(random_networks):
    return len(_flat(random_networks))


@number("sp_many_depth")
def depth_of_the_deepest_random_networks(random_networks):
    return random_networks["depth"].max()


@number("sp_many_gap", ".0e")
def largest_gap_between_loss_and_floor(random_networks):
    return _flat(random_networks)["gap"].max()


@number("sp_ways_depth")
def depth_of_the_three_ways(three_ways_loss):
    return three_ways_loss["depth"].max()


@number("sp_exact_norm", ".0e")
def norm_of_the_exact_last_layer(three_ways_last_norm):
    return _deepest(three_ways_last_norm, "exact")["median"]


@number("sp_exact_loss", ".2f")
def loss_of_the_exact_last_layer(three_ways_loss):
    return _deepest(three_ways_loss, "exact")["median"]


@number("sp_norm_before", ".3f")
def norm_kept_before_training(layers):
    return _norm_kept(layers, "gnn", "random")


@number("sp_norm_mlp", ".1f")
def norm_kept_in_the_mlp(layers):
    return _norm_kept(layers, "mlp", "trained")


@number("sp_ratio_after", ".2f")
def ratio_after_training(layers):
    return _medians(layers, "backward_ratio", "gnn", "trained").min()


@number("sp_mean_feature_low", ".2f")
def smallest_mean_feature(first_check):
    return first_check["mean_feature"].min()


@number("sp_mean_feature_high", ".2f")
def largest_mean_feature(first_check):
    return first_check["mean_feature"].max()


@number("sp_loss_move", ".0e")
def largest_move_of_the_loss(first_check):
    return first_check["moved"].max()


@number("sp_growth", ".2f")
def growth_of_the_plateau_of_descent(plateaus):
    growths = sorted(_growths(plateaus).values())
    return sum(growths) / len(growths)


@number("sp_label_low", ".2f")
def smallest_rate_of_the_labels(plateaus):
    return plateaus["rate"].min()


@number("sp_label_high", ".2f")
def largest_rate_of_the_labels(plateaus):
    return plateaus["rate"].max()


@number("sp_plateau_7", ".0f")
def plateau_of_seven_layers(plateaus):
    return plateaus.query("depth == 7")["steps"].median()


def _line(large_weights_lines, line):
    return large_weights_lines[large_weights_lines["line"] == line]


@number("sp_map_bound", ".2f")
def scale_at_which_the_forward_bound_is_void(large_weights_lines):
    return _line(large_weights_lines, "bound")["scale"].iloc[0]


@number("sp_map_phase", ".1f")
def scale_of_the_phase_line(large_weights_lines):
    return _line(large_weights_lines, "phase")["scale"].iloc[0]


@number("sp_map_rough", ".1f")
def scale_above_which_the_deepest_features_are_rough(large_weights_lines):
    rows = _line(large_weights_lines, "rough")
    return rows.loc[rows["depth"].idxmax(), "scale"]


@number("sp_map_networks")
def networks_at_each_point(large_weights_map):
    return large_weights_map["networks"].min()


@number("sp_map_gradient", ".0e")
def gradient_from_large_weights_at_the_start(large_weights_map):
    return _from_large_weights(large_weights_map, 41)["gradient_start"].min()


@number("sp_high", ".2f")
def steepest_curvature(eigenvalues):
    return _curvature(eigenvalues)["highest"].iloc[-1]


@number("sp_high_predicted", ".2f")
def predicted_steepest_curvature(eigenvalues):
    return _curvature(eigenvalues)["predicted"].iloc[-1]


@number("sp_low", ".0e")
def downward_curvature(eigenvalues):
    return _curvature(eigenvalues)["lowest"].iloc[-1]


@number("sp_deep_low")
def depth_of_the_deepest_curvature(eigenvalues):
    return _curvature(eigenvalues)["depth"].iloc[-1]


@number("sp_low_growth", ".2f")
def factor_of_the_downward_curvature(eigenvalues):
    return math.exp(_downward_slope(eigenvalues))


@number("sp_rate_lambda", ".2f")
def rate_of_the_block_model(graphs):
    return _rate(graphs)
