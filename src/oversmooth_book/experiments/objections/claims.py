"""The claims OB1 to OB37 and the numbers in the chapter's text, from its published tables."""

import numpy as np

from oversmooth_book.experiments.common import log_slope, rows_with
from oversmooth_book.values import claim, number


def _gcn(recovery, last=True):
    rows = recovery[recovery["propagation"] == "gcn"]
    return rows[rows["layer"] == (rows["layer"].max() if last else 0)].set_index("graph")


@claim("OB1")
def least_deviation_from_a_constant(recovery):
    return _gcn(recovery)["uniform"].min()


@claim("OB2")
def largest_distance_to_the_root_of_the_degree(recovery):
    last = _gcn(recovery)
    return (last["uniform"] / last["limit"] - 1).abs().max()


@claim("OB3")
def largest_share_of_its_own_deviation_that_is_left(recovery):
    return (_gcn(recovery)["own"] / _gcn(recovery, last=False)["own"]).max()


@claim("OB4")
def trained_networks_that_predict_two_classes(trained_constants):
    return (trained_constants["classes"] > 1).sum()


@claim("OB5")
def largest_error_of_the_singular_values(lemma):
    return lemma["error"].max()


def _first(arriving, trained):
    rows = arriving[(arriving["layer"] == 0) & arriving["state"].str.endswith("trained" if trained else "random")]
    return rows.iloc[0]


@claim("OB6")
def largest_error_that_arrives_after_the_last_layer_learned(arriving):
    return _first(arriving, trained=True)["high"]


@claim("OB7")
def least_error_that_arrives_before(arriving):
    return _first(arriving, trained=False)["low"]


def _median(table, name):
    return table[table["name"] == name].set_index("rounds")["median"]


CORRECTED = ("corrected", "corrected GCN")


@claim("OB8")
def largest_ratio_of_errors_in_the_first_rounds(round_errors):
    falls = [_median(round_errors, name).loc[:4] for name in CORRECTED]
    return max((one / one.shift()).max() for one in falls)


@claim("OB9")
def largest_error_after_saturation_over_the_least(round_errors):
    return max(_median(round_errors, name).loc[8:].max() / _median(round_errors, name).min() for name in CORRECTED)


@claim("OB10")
def largest_difference_from_plain_rounds(plain_and_corrected):
    return plain_and_corrected["difference"].max()


def _network(depth_losses, name, depth=None, tiny=False):
    """The row of one kind of network, with Adam's ε or a tiny one, at a depth, by default the greatest."""
    epsilon = depth_losses["epsilon"]
    rows = depth_losses[(depth_losses["name"] == name) & (epsilon == (epsilon.min() if tiny else epsilon.max()))]
    return rows[rows["depth"] == (rows["depth"].max() if depth is None else depth)].iloc[0]


ADAM = 1e-8  # its ε
MIDDLE = 25  # where a plain network is trapped and a corrected one is not


@claim("OB11")
def largest_loss_without_the_dominant_mode(depth_losses):
    return max(_network(depth_losses, name, depth=MIDDLE)["high"] for name in ("corrected", "centred"))


@claim("OB12")
def least_loss_with_it(depth_losses):
    return _network(depth_losses, "plain", depth=MIDDLE)["low"]


@claim("OB13")
def least_loss_where_the_rest_has_faded(depth_losses):
    return min(_network(depth_losses, name)["low"] for name in ("corrected", "centred"))


@claim("OB14")
def largest_loss_of_deflated_networks(depth_losses):
    return _network(depth_losses, "deflated")["high"]


@claim("OB15")
def largest_loss_with_a_tiny_epsilon(depth_losses):
    return _network(depth_losses, "corrected", tiny=True)["high"]


def _start(depth_gradients, name="corrected"):
    return depth_gradients[depth_gradients["name"] == name]


@claim("OB16")
def error_of_the_gradient_s_rate(depth_gradients):
    rows = _start(depth_gradients)
    return abs(log_slope(rows["depth"], rows["median"]) / np.log(rows["rate"].median()) - 1)


@number("objections_epsilon_depth", ".0f")
def depth_at_which_the_gradient_passes_adam_s_epsilon(depth_gradients):
    rows = _start(depth_gradients)
    return np.interp(-np.log(ADAM), -np.log(rows["median"]), rows["depth"])


def _small(amplitudes, most):
    return amplitudes[amplitudes["excess"] <= most * 1.001].groupby("activation")


@claim("OB17")
def largest_departure_from_the_square_root(amplitudes):
    slopes = [log_slope(np.log(rows["excess"]), rows["median"]) for _, rows in _small(amplitudes, 0.04)]
    return max(abs(slope - 0.5) for slope in slopes)


@claim("OB18")
def largest_error_of_the_amplitude_nearest_to_one(amplitudes):
    rows = amplitudes[amplitudes["excess"] == amplitudes["excess"].min()]
    return (rows["median"] / rows["predicted"] - 1).abs().max()


def _at(plain_states, activation, scale):
    return plain_states[(plain_states["activation"] == activation) & (plain_states["scale"] == scale)].iloc[0]


@claim("OB19")
def sine_s_deviation_over_tanh_s(plain_states):
    return _at(plain_states, "sine", 3)["low"] / _at(plain_states, "tanh", 3)["high"]


def _measure(axioms, name):
    return axioms.set_index("measure").loc[name]


@claim("OB20")
def normalised_energy_of_constants(axioms):
    return _measure(axioms, "normalised Dirichlet energy")["constant"]


@claim("OB21")
def measures_that_satisfy_both_axioms(axiom_verdicts):
    return axiom_verdicts["all"].sum()


def _last_share(shares, activation):
    rows = shares[shares["activation"] == activation]
    return rows[rows["layer"] == rows["layer"].max()]


@claim("OB22")
def median_share_in_the_leading_modes(mode_shares):
    return _last_share(mode_shares, "identity")["median"].min()


@number("objections_lingering", ".2f")
def share_of_the_slowest_network(mode_shares):
    return _last_share(mode_shares, "identity")["low"].min()


@claim("OB23")
def least_rank_behind_batch_norm(mode_ranks):
    return _last_share(mode_ranks, "identity")["low"].min()


@claim("OB24")
def largest_share_with_tanh(mode_shares):
    return _last_share(mode_shares, "tanh")["high"].max()


def _place(table, place):
    rows = table[table["place"] == place]
    return rows[rows["layer"] == rows["layer"].max()].iloc[0]


@claim("OB25")
def largest_deviation_with_post_ln(place_ratios):
    return _place(place_ratios, "Post-LN")["high"]


@claim("OB26")
def least_deviation_with_pre_ln(place_ratios):
    return _place(place_ratios, "Pre-LN")["low"]


@claim("OB27")
def last_change_with_pre_ln_over_that_with_post_ln(place_changes):
    return _place(place_changes, "Pre-LN")["high"] / _place(place_changes, "Post-LN")["low"]


def _loss(place_losses, place):
    return place_losses.set_index("place").loc[place]


@claim("OB28")
def largest_loss_with_pre_ln(place_losses):
    return _loss(place_losses, "Pre-LN")["high"]


@claim("OB34")
def least_loss_with_post_ln(place_losses):
    return _loss(place_losses, "Post-LN")["low"]


def _losses(centrings, name):
    return rows_with(centrings, centring=name)["loss"]


@claim("OB35")
def largest_loss_with_a_learned_centring(centrings):
    return _losses(centrings, "learned").max()


def _over_fixed(centrings, name):
    return _losses(centrings, name).median() / _losses(centrings, "fixed").median()


def _learned(centrings, name):
    # Without centring training is chaotic: rounding moves every digit of a loss, and such a count not.
    return (_losses(centrings, name) < 0.2).sum()


@claim("OB36")
def loss_with_a_learned_centring_over_a_fixed_one(centrings):
    return _over_fixed(centrings, "learned")


@claim("OB37")
def networks_that_learn_without_centring(centrings):
    return _learned(centrings, "none")


@claim("OB38")
def loss_with_a_learned_projection_over_a_fixed_centring(centrings):
    return _over_fixed(centrings, "projection")


@claim("OB39")
def networks_that_learn_with_a_projection_from_nothing(centrings):
    return _learned(centrings, "projection, from none")


def _controlled(start_metrics, graph):
    return start_metrics.loc[start_metrics["graph"] == graph, "controlled"].sum()


@claim("OB29")
def scales_that_control_all_on_cora(start_metrics):
    return _controlled(start_metrics, "Cora")


@claim("OB30")
def scales_that_control_all_on_the_block_model(start_metrics):
    return _controlled(start_metrics, "CSBM")


@claim("OB31")
def least_loss_from_the_variances_that_keep_the_size_of_features(start_losses):
    return start_losses["low"].min()


@claim("OB32")
def largest_rank_at_the_last_layer(ranks):
    rows = ranks[ranks["graph"] == "CSBM"]
    return rows.loc[rows["layer"] == rows["layer"].max(), "high"].max()


@claim("OB33")
def largest_deviation_after_the_last_round(round_ratios):
    rows = round_ratios[round_ratios["name"] == "plain"]
    return rows.loc[rows["rounds"] == rows["rounds"].max(), "high"].iloc[0]


@number("objections_first_error", ".2f")
def error_without_any_round(round_errors):
    return _median(round_errors, "corrected").loc[0]


@number("objections_last_error", ".3f")
def error_after_the_last_round(round_errors):
    return _median(round_errors, "corrected").iloc[-1]


@number("objections_arriving_before", ".2f")
def median_error_that_arrives_before(arriving):
    return _first(arriving, trained=False)["median"]


@number("objections_arriving_after", ".4f")
def median_error_that_arrives_after(arriving):
    return _first(arriving, trained=True)["median"]


@number("objections_constant_loss", ".2f")
def least_loss_from_constant_features(trained_constants):
    return trained_constants["loss"].min()


@number("objections_norm_plain", ".0e")
def norm_of_the_classifier_after_the_last_round(round_norms):
    return _median(round_norms, "corrected").iloc[-1]
