"""The claims OP1 to OP33 and the numbers in the chapter's text, from its published tables."""

from oversmooth.models.operators import ATTENTION
from oversmooth_book.experiments.common import rows_with
from oversmooth_book.values import claim, number

NO_AVERAGE = ["sum", "max"]
# The depth at which a trained head is judged, whatever others a profile adds.
DEEP = 33


# Rates and bounds


@claim("OP1")
def largest_error_of_a_fixed_operator_s_slope(slopes):
    fixed = slopes[~slopes["operator"].isin(ATTENTION)]
    return (fixed[["forward", "backward"]] - 1).abs().to_numpy().max()


@claim("OP2")
def largest_error_of_attention_s_forward_slope(slopes):
    return (slopes.loc[slopes["operator"].isin(ATTENTION), "forward"] - 1).abs().max()


@claim("OP3")
def largest_error_of_attention_s_backward_slope(slopes):
    return (slopes.loc[slopes["operator"].isin(ATTENTION), "backward"] - 1).abs().max()


@claim("OP4")
def layers_that_violate_a_bound(bounds):
    return bounds["violated"].sum()


@number("operator_rate_walk", ".2f")
def rate_of_the_random_walk(slopes):
    return rows_with(slopes, operator="random_walk")["rate"].iloc[0]


@number("operator_rate_sum", ".2f")
def rate_of_the_sum(slopes):
    return rows_with(slopes, operator="sum")["rate"].iloc[0]


# The last layer


def _last(last_layers, activation, quantity, graph_name="csbm"):
    rows = rows_with(last_layers, graph_name=graph_name, activation=activation, quantity=quantity)
    return rows.set_index("operator")


@claim("OP5")
def largest_distance_of_attention_from_the_random_walk(last_layers):
    return _last(last_layers, "tanh", "uneven")["high"].max()


@claim("OP6")
def larger_ratio_with_relu(last_layers):
    return _last(last_layers, "relu", "forward")["median"].max()


@claim("OP7")
def ratio_of_gcn_with_tanh_over_relu(last_layers):
    tanh, relu = (_last(last_layers, activation, "forward")["median"] for activation in ("tanh", "relu"))
    return tanh["gcn"] / relu["gcn"]


@claim("OP8")
def ratio_of_the_sum_with_tanh(last_layers):
    return _last(last_layers, "tanh", "forward")["median"]["sum"]


@claim("OP9")
def largest_ratio_of_the_maximum(last_layers):
    return _last(last_layers, "tanh", "forward")["high"]["max"]


@claim("OP10")
def smallest_backward_ratio_of_the_maximum(maximum):
    # the last operator layer is L − 1, two less than the depth
    depth = maximum["layer"].max() + 2
    return maximum.loc[maximum["layer"] < depth / 2, "low"].min()


@claim("OP20")
def largest_rank_of_a_linear_network(last_layers):
    return _last(last_layers, "identity", "rank")["high"].max()


@number("operator_sum_tanh", ".2f")
def what_the_sum_leaves_on_the_block_model(last_layers):
    return _last(last_layers, "tanh", "forward")["median"]["sum"]


@number("operator_sum_karate", ".1f")
def what_the_sum_leaves_on_karate(last_layers):
    return _last(last_layers, "tanh", "forward", "karate")["median"]["sum"]


# Cora


def _cora(profiles):
    rows = rows_with(profiles, graph_name="Cora", quantity="forward")
    return rows_with(rows, layer=rows["layer"].max()).set_index("operator")["median"]


@claim("OP11")
def smallest_ratio_of_an_average_on_cora(profiles):
    return _cora(profiles).drop(NO_AVERAGE).min()


@number("operator_cora_max", ".1f")
def ratio_of_the_maximum_on_cora(profiles):
    return _cora(profiles)["max"]


# Norms


def _uniform_over_own(norms):
    """Where the limit is uneven: the smallest ratio in the uniform norm over that in the operator's own."""
    rows = rows_with(norms, limit="uneven").pivot(index=["operator", "direction"], columns="norm", values="median")
    return rows["uniform"] / rows["own"]


@claim("OP12")
def smallest_quotient_of_the_norms(norms):
    return _uniform_over_own(norms).min()


@number("operator_uneven", ".0f")
def how_far_above_the_uniform_norm_stops(norms):
    return _uniform_over_own(norms).min()


# Attention's two paths


@claim("OP13")
def largest_share_of_the_second_path_in_the_middle(profiles):
    extra = rows_with(profiles, activation="identity", quantity="extra")
    return rows_with(extra, layer=(extra["layer"].max() + 2) // 2)["median"].max()


@claim("OP14")
def smallest_share_of_the_second_path_at_the_input(profiles):
    return rows_with(profiles, activation="identity", quantity="extra", layer=0)["median"].min()


@claim("OP15")
def smallest_roughening_at_the_input(paths):
    first = rows_with(paths, layer=0).pivot(index="operator", columns="path", values="median")
    return (first["whole"] / first["fixed"]).min()


# The survey's measures


def _dirichlet(measures, operator):
    return rows_with(measures, quantity="dirichlet", operator=operator).sort_values("layer")["median"].to_numpy()


@claim("OP16")
def growth_of_the_sum_s_energy(measures):
    energy = _dirichlet(measures, "sum")
    return energy[-1] / energy[0]


@claim("OP17")
def what_gcn_keeps_of_its_energy_in_the_second_half(measures):
    energy = _dirichlet(measures, "gcn")
    return energy[-1] / energy[(len(energy) + 1) // 2]


@claim("OP18")
def what_the_control_keeps_of_its_energy(measures):
    energy = _dirichlet(measures, "mlp")
    return energy[-1] / energy[0]


@claim("OP19")
def largest_change_of_the_control(control):
    return control["change"].max()


# With the head trained


def _heads(trained, operators, quantity, depth=DEEP):
    rows = (
        rows_with(trained, quantity=quantity) if depth is None else rows_with(trained, quantity=quantity, depth=depth)
    )
    return rows[rows["operator"].isin(operators)]


def _averages(trained):
    return [name for name in trained["operator"].unique() if name not in NO_AVERAGE]


@claim("OP21")
def largest_gradient_of_an_average(trained):
    return _heads(trained, _averages(trained), "gradient")["high"].max()


@claim("OP22")
def smallest_loss_of_an_average(trained):
    return _heads(trained, _averages(trained), "loss")["low"].min()


@claim("OP23")
def smallest_gradient_of_the_sum(trained):
    return _heads(trained, ["sum"], "gradient", depth=None)["low"].min()


@claim("OP24")
def smallest_loss_of_the_maximum(trained):
    return _heads(trained, ["max"], "loss")["low"].min()


@claim("OP25")
def smallest_gradient_of_the_maximum(trained):
    return _heads(trained, ["max"], "gradient")["low"].min()


@claim("OP26")
def seeds_whose_largest_gradient_is_elsewhere(places):
    return rows_with(places, depth=DEEP)["elsewhere"].sum()


@claim("OP27")
def smallest_loss_after_training(training):
    losses = rows_with(training, quantity="loss")
    return rows_with(losses, step=losses["step"].max())["low"].min()


# Tokens


def _tokens(tokens, kind, quantity, above=0):
    rows = rows_with(tokens, kind=kind, quantity=quantity)
    return rows[rows["depth"] > above]


@claim("OP28")
def largest_gradient_of_plain_attention_with_a_trained_read_out(tokens):
    return _tokens(tokens, "plain", "gradient", above=2)["high"].max()


@claim("OP29")
def smallest_loss_of_plain_attention(tokens):
    return _tokens(tokens, "plain", "loss", above=2)["low"].min()


@claim("OP30")
def smallest_median_gradient_of_plain_attention_with_a_random_read_out(tokens):
    return _tokens(tokens, "plain", "before", above=2)["median"].min()


@claim("OP31")
def smallest_gradient_with_skip_and_norm(tokens):
    return _tokens(tokens, "skip and norm", "gradient")["low"].min()


@claim("OP32")
def largest_median_loss_with_skip_and_norm(tokens):
    return _tokens(tokens, "skip and norm", "loss")["median"].max()


@claim("OP33")
def growth_of_the_gradient_of_deflated_attention(tokens):
    gradients = _tokens(tokens, "deflated", "gradient").set_index("depth")["median"]
    return gradients.iloc[-1] / gradients.iloc[0]
