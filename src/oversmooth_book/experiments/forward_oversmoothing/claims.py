"""The claims F1 to F9 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.values import claim, number


def _linear(collapse, product):
    return collapse[(collapse["activation"] == "identity") & (collapse["product"] == product)]


@claim("F1")
def networks_above_their_bound(bound_draws):
    return bound_draws["violated"].sum()


@claim("F2")
def largest_error_of_a_slope(slopes):
    return slopes["error"].max()


@claim("F3")
def least_deviation_where_weights_compensate(collapse):
    growing = _linear(collapse, 1.25)
    return growing.loc[growing["layer"] == growing["layer"].max(), "low"].min()


@claim("F4")
def largest_dependence_of_the_contrast_on_the_scale(contrast):
    return contrast["difference"].max()


@claim("F5")
def largest_rate_of_tanh_above_one(saturated):
    return saturated["rate"].max()


@claim("F6")
def energy_over_the_rate_printed_beside_it(collapse):
    doubling = _linear(collapse, 2.0)
    return (doubling["high"] ** 2 / doubling["bound"]).max()


@claim("F7")
def largest_difference_from_the_modes(modes):
    return modes["difference"].max()


@claim("F8")
def largest_error_of_the_energy_identities(identities):
    return identities["error"].max()


@claim("F9")
def largest_departure_of_tanh_from_the_growth_of_its_mean(phase):
    tanh = phase[phase["activation"] == "tanh"]
    return (tanh["measured"] - tanh["predicted"]).abs().max()


@number("forward_rate", ".3f")
def rate(collapse):
    return collapse["rate"].iloc[0]


@number("forward_enlarged", ".0f")
def last_picture_s_factor(snapshots):
    return snapshots["factor"].max()


@number("forward_last_picture")
def last_picture_s_layer(snapshots):
    return snapshots["layer"].max()


@number("forward_draws")
def draws(bound_draws):
    return len(bound_draws)


@number("forward_worst_use", ".3f")
def largest_share_of_the_bound(bound_draws):
    return bound_draws["used"].max()


@number("forward_median_use", ".2f")
def median_share_of_the_bound(bound_draws):
    return bound_draws["used"].median()


@number("forward_slope_error", ".1f")
def error_of_a_slope_in_percent(slopes):
    return 100 * slopes["error"].max()


@number("forward_early_error", ".0f")
def error_of_an_early_slope_in_percent(slopes):
    return 100 * slopes["early_error"].max()


@number("forward_saturated_low", ".2f")
def smallest_rate_of_tanh_above_one(saturated):
    return saturated["rate"].min()


@number("forward_saturated_high", ".2f")
def largest_rate_of_saturated_tanh(saturated):
    return saturated["rate"].max()


@number("forward_edge_first", ".1f")
def smallest_product_on_the_edge(phase_edge):
    return phase_edge["product"].min()


@number("forward_edge_last", ".1f")
def largest_product_on_the_edge(phase_edge):
    return phase_edge["product"].max()


@number("forward_edge_rate", ".2f")
def smallest_rate_on_the_edge(phase_edge):
    return phase_edge["rate"].min()


def _caught(phase):
    """Of tanh networks with λs ≥ 2 the one that contracts most."""
    tanh = phase[phase["activation"] == "tanh"]
    beyond = tanh[tanh["rate"] * tanh["scale"] >= 2]
    return beyond.loc[beyond["measured"].idxmin()]


@number("forward_caught_product", ".1f")
def product_of_the_caught(phase):
    return _caught(phase)["rate"] * _caught(phase)["scale"]


@number("forward_caught_rate", ".2f")
def rate_of_the_caught(phase):
    return _caught(phase)["rate"]


@number("forward_caught_measured", ".2f")
def factor_of_the_caught(phase):
    return _caught(phase)["measured"]
