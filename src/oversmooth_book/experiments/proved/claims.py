"""The claims of the chapter on proofs, PV1 and on, and the numbers in its text, from its published tables.

Minimum and maximum of proved numbers are proved; arithmetic is not, and serves for checks only.
"""

import math

from oversmooth_book.experiments.common import log_slope, rows_with
from oversmooth_book.values import claim, number

ASYMPTOTIC = 41  # from this depth on the exponential outweighs the rest of the bound


def _deepest(table):
    return rows_with(table, depth=table["depth"].max())


# Networks


@claim("PV1")
def gradient_of_the_deepest_network_at_most(certificates):
    return _deepest(certificates)["gradient_at_most"].max()


@claim("PV2")
def loss_of_the_deepest_network_at_least(certificates):
    return _deepest(certificates)["loss_at_least"].min()


def _where_floats_tell(certificates, floats):
    """Proofs beside floats, down to the depth beyond which the last layer, and so the bound in floats, is rounding."""
    both = floats.merge(certificates)
    return both[both["depth"] <= 65]


@claim("PV3")
def floats_over_the_proved_gradient(certificates, floats):
    both = _where_floats_tell(certificates, floats)
    return (both["gradient"] / both["gradient_at_most"].astype(float) - 1).abs().max()


@claim("PV4")
def proof_over_the_certificate(certificates, floats):
    both = _where_floats_tell(certificates, floats)
    return (both["gradient_at_most"].astype(float) / both["certificate"]).max()


@number("proved_gradient_33", ".2e")
def gradient_at_depth_33(certificates):
    return rows_with(certificates, depth=33)["gradient_at_most"].max()


@number("proved_gap_33", ".1e")
def gap_at_depth_33(certificates):
    return 1 - float(rows_with(certificates, depth=33)["loss_at_least"].min())


@number("proved_bits_deepest", "d")
def bits_of_the_deepest(certificates):
    return int(_deepest(certificates)["bits"].max())


@number("proved_depth", "d")
def deepest(certificates):
    return int(certificates["depth"].max())


@number("proved_gain", ".0f")
def least_gain_over_the_certificate(certificates, floats):
    both = _where_floats_tell(certificates, floats)
    return (both["certificate"] / both["gradient_at_most"].astype(float)).min()


# The plateau


@claim("PV5")
def time_of_the_deepest_network_at_least(escape):
    return _deepest(escape)["time_at_least"].min()


@claim("PV6")
def growth_per_layer_times_the_rate(escape, certificates):
    rows = escape[escape["depth"] >= ASYMPTOTIC]
    slope = log_slope(rows["depth"], rows["time_at_least"])
    return math.exp(slope) * float(certificates["rate_at_most"].max())


@claim("PV7")
def largest_bound_over_what_was_measured(escapes):
    rows = escapes.dropna()
    return (rows["bound"] / rows["time"]).max()


@claim("PV8")
def distance_of_the_deepest_network_at_least(escape):
    return _deepest(escape)["distance_at_least"].min()


@claim("PV9")
def largest_distance_bound_over_what_was_travelled(escape_small, escapes):
    bounds = escape_small[["depth", "seed"]].assign(proved=escape_small["distance_at_least"].astype(float))
    both = escapes.dropna(subset="distance").merge(bounds)
    return (both["proved"] / both["distance"]).max()


@number("proved_time_41", ".0f")
def time_at_depth_41(escape):
    return rows_with(escape, depth=41)["time_at_least"].min()


@number("proved_time_deepest", ".1e")
def time_of_the_deepest(escape):
    return _deepest(escape)["time_at_least"].min()


@number("proved_slack_small", ".0f")
def least_factor_between_flow_and_bound(escapes):
    rows = escapes[(escapes["method"] == "gradient flow") & (escapes["depth"] == escapes["depth"].max())].dropna()
    return (rows["time"] / rows["bound"]).min()


@number("proved_distance_deepest", ".2f")
def distance_of_the_deepest(escape):
    return _deepest(escape)["distance_at_least"].min()


# Fractions


@claim("PV10")
def largest_distance_from_the_closed_form(exact):
    return exact["gap_exactly"].max()


# Other graphs


@claim("PV11")
def gradient_on_the_karate_club_at_most(graphs):
    return rows_with(graphs, graph="karate")["gradient_at_most"].max()


@claim("PV12")
def loss_on_the_karate_club_at_least(graphs):
    return rows_with(graphs, graph="karate")["loss_at_least"].min()


@claim("PV13")
def rate_of_cora_at_most(graphs):
    return rows_with(graphs, graph="Cora")["rate_at_most"].max()


@number("proved_karate_depth", "d")
def depth_on_the_karate_club(graphs):
    return int(rows_with(graphs, graph="karate")["depth"].max())


@number("proved_karate_gradient", ".1e")
def gradient_on_the_karate_club(graphs):
    return rows_with(graphs, graph="karate")["gradient_at_most"].max()


@number("proved_cora_gradient", ".2g")
def gradient_on_cora(graphs):
    return rows_with(graphs, graph="Cora")["gradient_at_most"].max()
