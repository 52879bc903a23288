"""The claims RG1 to RG28 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.experiments.real_graphs.tables import onset, shrinking_exponents
from oversmooth_book.values import claim, number

PUBLIC = ("Cora", "CiteSeer", "minesweeper", "tolokers")


def _public(table):
    return table[table["graph"].isin(PUBLIC)]


def _left(curves, propagation, graph, layer):
    return curves.set_index(["propagation", "graph", "layer"])["measured"][propagation, graph, layer]


def _alone(summary):
    """Smoothing alone on the public graphs, Metropolis weights, by graph."""
    return _public(summary[summary["propagation"] == "metropolis"]).set_index("graph")


def _walk(summary):
    return summary[summary["propagation"] == "random_walk"].set_index("graph")


def _reached(bands, level, network, where):
    """By graph the layer at which so little is left; the one behind the last where none is."""
    found = onset(bands, level).xs((network, where), level=("network", "where"))
    return found.where(found >= 0, bands.groupby("graph")["layer"].max() + 1).astype(int)


def _signal(table, graph, network, quantity):
    """The median of one signal, layer by layer."""
    rows = table[(table["graph"] == graph) & (table["network"] == network) & (table["quantity"] == quantity)]
    return rows.set_index("layer")["median"].sort_index()


def _vanished(table, network):
    norm = _signal(table, "Cora", network, "backward_norm")
    return norm.iloc[0] / norm.iloc[-1]


def _run(table, graph, network, depth):
    rows = table[(table["graph"] == graph) & (table["network"] == network) & (table["depth"] == depth)]
    return rows.sort_values("step")


def _stuck(table):
    return _run(table, "Cora", "Glorot, ReLU", 64)


def _trapped(table):
    return _run(table, "tolokers", "Glorot, tanh", 32)


def _free(table):
    return _run(table, "tolokers", "orthogonal, tanh", 32)


def _end_over_start(values):
    return values.iloc[-1] / values.iloc[0]


# Smoothing alone


@claim("RG1")
def largest_difference_of_products_and_spectrum(real_smoothing):
    return _public(real_smoothing)["difference"].max()


@claim("RG2")
def largest_difference_of_networks_and_spectrum(linear):
    return linear["difference"].max()


@claim("RG3")
def smallest_rate(summary):
    return _alone(summary)["rate"].min()


@claim("RG4")
def left_of_cora_at_layer_32(real_smoothing):
    return _left(real_smoothing, "metropolis", "Cora", 32)


@claim("RG5")
def fewest_layers_to_a_hundredth(summary):
    return _alone(summary)["hundredth"].min()


@claim("RG6")
@number("real_toloker_gap", ".0f")
def metropolis_over_walk_on_tolokers(real_smoothing):
    metropolis, walk = (_left(real_smoothing, kind, "tolokers", 32) for kind in ("metropolis", "random_walk"))
    return metropolis / walk


@claim("RG7")
def smallest_rate_of_a_graph_in_pieces(census):
    pieces = census[census["components"] > 1]
    # Six digits make a 1 of 0.9999999: whether λ is 1 was decided before they were cut off, and no decides.
    return min(pieces["whole_rate"].min(), pieces["rate_is_one"].min())


@claim("RG8")
def largest_change_between_components(real_components):
    return real_components["change"].max()


@number("real_cora_32", ".0f")
def percent_left_of_cora(real_smoothing):
    return 100 * _left(real_smoothing, "metropolis", "Cora", 32)


@number("real_cora_alone", ".0f")
def percent_that_the_rate_promises(summary):
    return 100 * _alone(summary)["rate"]["Cora"] ** 32


@number("real_cora_hundredth")
def layers_to_a_hundredth_on_cora(summary):
    return _alone(summary)["hundredth"]["Cora"]


@number("real_mine_8", ".0f")
def percent_left_of_minesweeper(real_smoothing):
    return 100 * _left(real_smoothing, "metropolis", "minesweeper", 8)


@number("real_toloker_rate", ".3f")
def rate_of_the_walk_on_tolokers(summary):
    return _walk(summary)["rate"]["tolokers"]


@number("real_toloker_hundredth")
def layers_of_the_walk_to_a_hundredth_on_tolokers(summary):
    return _walk(summary)["hundredth"]["tolokers"]


def _part(table, graph, column):
    return 100 * table[table["graph"] == graph].sort_values("layer")[column]


@number("real_Cora_between", ".0f")
def percent_of_cora_between_components(real_components):
    return _part(real_components, "Cora", "between").iloc[0]


@number("real_Cora_components")
def components_of_cora(census):
    return census.set_index("graph")["components"]["Cora"]


@number("real_CiteSeer_between", ".0f")
def percent_of_citeseer_between_components(real_components):
    return _part(real_components, "CiteSeer", "between").iloc[0]


@number("real_CiteSeer_total", ".0f")
def percent_left_of_all_of_citeseer(real_components):
    return _part(real_components, "CiteSeer", "total").iloc[-1]


@number("real_CiteSeer_components")
def components_of_citeseer(census):
    return census.set_index("graph")["components"]["CiteSeer"]


@number("real_half_depth")
def last_layer_of_the_whole_graphs(real_components):
    return real_components["layer"].max()


# Smoothing and shrinking


@claim("RG9")
@number("real_relu_hundredth")
def most_layers_of_relu_to_a_hundredth(real_norms):
    return _reached(real_norms, 0.01, "Glorot, ReLU", "no graph").max()


@claim("RG10")
def smoothing_over_shrinking_by_relu_to_a_hundredth(summary, real_norms):
    return (_alone(summary)["hundredth"] / _reached(real_norms, 0.01, "Glorot, ReLU", "no graph")).min()


@claim("RG11")
def smoothing_over_shrinking_by_relu_to_a_tenth_on_cora(summary, real_norms):
    return _alone(summary)["tenth"]["Cora"] / _reached(real_norms, 0.1, "Glorot, ReLU", "no graph")["Cora"]


@claim("RG12")
def largest_departure_from_a_square_root(real_norms):
    return (shrinking_exponents(real_norms) + 0.5).abs().max()


@claim("RG13")
def smoothing_over_shrinking_by_tanh_to_a_tenth_on_minesweeper(summary, real_norms):
    shrinking = _reached(real_norms, 0.1, "Glorot, tanh", "no graph")
    return _alone(summary)["tenth"]["minesweeper"] / shrinking["minesweeper"]


@claim("RG14")
def he_and_relu_over_smoothing_to_a_tenth_on_cora(summary, real_factors):
    return _reached(real_factors, 0.1, "He, ReLU", "graph")["Cora"] / _alone(summary)["tenth"]["Cora"]


@number("real_width")
def width_of_the_random_networks(widths):
    return widths.set_index("part")["width"]["random"]


@number("real_relu_factor", ".2f")
def factor_of_relu_per_layer(real_norms):
    return 0.01 ** (1 / _reached(real_norms, 0.01, "Glorot, ReLU", "no graph")["Cora"])


@number("real_relu_tenth")
def layers_of_relu_to_a_tenth_on_cora(real_norms):
    return _reached(real_norms, 0.1, "Glorot, ReLU", "no graph")["Cora"]


@number("real_tanh_tenth")
def layers_of_tanh_to_a_tenth_on_cora(real_norms):
    return _reached(real_norms, 0.1, "Glorot, tanh", "no graph")["Cora"]


@number("real_cora_tenth")
def layers_of_smoothing_to_a_tenth_on_cora(summary):
    return _alone(summary)["tenth"]["Cora"]


@number("real_mine_tenth")
def layers_of_smoothing_to_a_tenth_on_minesweeper(summary):
    return _alone(summary)["tenth"]["minesweeper"]


@number("real_both_tanh")
def layers_of_graph_and_tanh_to_a_tenth_on_cora(real_factors):
    return _reached(real_factors, 0.1, "Glorot, tanh", "graph")["Cora"]


@number("real_both_he")
def layers_of_graph_and_he_to_a_tenth_on_cora(real_factors):
    return _reached(real_factors, 0.1, "He, ReLU", "graph")["Cora"]


@number("real_exponent", ".2f")
def exponent_of_tanh_on_cora(real_norms):
    return shrinking_exponents(real_norms)["Cora"]


# The backward signal


@claim("RG15")
def largest_difference_of_linear_errors_and_spectrum(error_checks):
    rows = _checks(error_checks, "orthogonal, identity")
    return rows[["smoothing", "mean"]].max(axis=None)


@claim("RG16")
@number("real_errors_block", ".0e")
def largest_of_the_least_shares_on_the_block_model(real_errors):
    return _errors(real_errors, "CSBM", "deviation").groupby("propagation")["median"].min().max()


@claim("RG26")
@number("real_errors_tanh", ".2f")
def largest_difference_of_tanh_errors_and_spectrum(error_checks):
    return _checks(error_checks, "orthogonal, tanh")["smoothing"].max()


@claim("RG27")
def least_share_of_an_error_left_on_cora(real_errors):
    return _errors(real_errors, "Cora", "deviation")["median"].min()


@claim("RG28")
def dependence_of_the_ratio_on_the_loss(real_errors):
    least = _least_ratios(real_errors).groupby("propagation")
    return (least.max() - least.min()).min()


def _checks(error_checks, network):
    return error_checks[(error_checks["graph"] == "Cora") & (error_checks["network"] == network)]


def _errors(real_errors, graph, quantity):
    """One quantity of the errors of tanh networks."""
    rows = real_errors[(real_errors["graph"] == graph) & (real_errors["network"] == "orthogonal, tanh")]
    return rows[rows["quantity"] == quantity]


def _least_ratios(real_errors):
    """The smallest ratio on Cora: a Series by propagation and loss."""
    return _errors(real_errors, "Cora", "ratio").groupby(["propagation", "loss"])["median"].min()


@number("real_ratio_book", ".3f")
def smallest_ratio_with_the_training_loss(real_errors):
    return _least_ratios(real_errors)["metropolis", "all classes, training nodes"]


@number("real_ratio_one", ".2f")
def smallest_ratio_with_one_class(real_errors):
    return _least_ratios(real_errors)["metropolis", "one class, all nodes"]


@number("real_ratio_walk", ".2f")
def smallest_ratio_with_one_class_under_the_random_walk(real_errors):
    return _least_ratios(real_errors)["random_walk", "one class, all nodes"]


def _shares_left(real_errors, kind):
    """Percent of the deviation at the output that arrive at the input, of each loss."""
    rows = _errors(real_errors, "Cora", "deviation")
    return 100 * rows[(rows["propagation"] == kind) & (rows["layer"] == 0)]["median"]


@number("real_left_least", ".0f")
def least_percent_left_with_metropolis(real_errors):
    return _shares_left(real_errors, "metropolis").min()


@number("real_left_most", ".0f")
def most_percent_left_with_metropolis(real_errors):
    return _shares_left(real_errors, "metropolis").max()


@number("real_walk_least", ".0f")
def least_percent_left_with_the_random_walk(real_errors):
    return _shares_left(real_errors, "random_walk").min()


@number("real_walk_most", ".0f")
def most_percent_left_with_the_random_walk(real_errors):
    return _shares_left(real_errors, "random_walk").max()


@claim("RG17")
@number("real_backward_vanished", ".0e")
def norm_at_the_input_over_output_with_relu(real_backward):
    return _vanished(real_backward, "Glorot, ReLU")


@claim("RG18")
def norm_at_the_input_over_output_with_tanh(real_backward):
    return _vanished(real_backward, "orthogonal, tanh")


@number("real_backward_depth")
def depth_of_the_backward_signal(real_backward):
    return real_backward["layer"].max() + 1


@number("real_backward_loss", ".0f")
def factor_of_the_deviation_with_tanh(real_backward):
    return _end_over_start(_signal(real_backward, "Cora", "orthogonal, tanh", "backward_deviation"))


# Training


@claim("RG19")
def final_loss_of_deep_tanh_on_cora(real_training):
    return _run(real_training, "Cora", "orthogonal, tanh", 64)["loss"].iloc[-1]


@claim("RG20")
@number("real_stuck_gradient", ".0e")
def largest_gradient_of_deep_relu_on_cora(real_training):
    return _stuck(real_training)["gradient"].max()


@claim("RG21")
def mean_error_that_stays(real_training):
    return _end_over_start(_stuck(real_training)["mean_error"])


@claim("RG22")
@number("real_trapped_loss", ".2f")
def final_loss_of_the_trapped(real_training):
    return _trapped(real_training)["loss"].iloc[-1]


@claim("RG23")
def mean_error_that_vanishes(real_training):
    # Adam makes it swing tenfold from record to record: its last value is chance
    values = _trapped(real_training)["mean_error"]
    return values.iloc[len(values) // 2 :].median() / values.iloc[0]


@claim("RG24")
def final_contrast_of_the_trapped(real_training):
    return _trapped(real_training)["contrast"].iloc[-1]


@claim("RG25")
@number("real_free_loss", ".2f")
def final_loss_of_the_free(real_training):
    return _free(real_training)["loss"].iloc[-1]


@number("real_steps")
def training_steps(real_training):
    return real_training["step"].max()


@number("real_train_width")
def width_of_the_trained_networks(widths):
    return widths.set_index("part")["width"]["trained"]


@number("real_trapped_floor", ".2f")
def floor_of_the_trapped(real_training):
    return _trapped(real_training)["floor"].iloc[-1]


@number("real_trapped_start", ".1f")
def first_contrast_of_the_trapped(real_training):
    return _trapped(real_training)["contrast"].iloc[0]


@number("real_free_start", ".1f")
def first_contrast_of_the_free(real_training):
    return _free(real_training)["contrast"].iloc[0]
