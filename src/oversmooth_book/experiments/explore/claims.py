"""The claims EX1 to EX4 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.values import claim, number


@claim("EX1")
def networks_missing(checks):
    return checks["missing"].sum()


@claim("EX2")
def gradients_above_their_certificate(checks):
    return checks["above"].sum()


@claim("EX3")
def losses_below_their_floor(checks):
    return checks["below"].sum()


@claim("EX4")
@number("explore_gap", ".0f")
def weakest_gap(networks):
    """How much larger the MLP's gradient is than a graph network's, the smallest quotient.

    The linear activation is left out: a linear MLP with square orthogonal weights and a trained last layer has fitted
    the data as well as it ever can, so its gradient is zero for another reason.
    """
    deepest = (networks["depth"] == networks["depth"].max()) & (networks["activation"] != "identity")
    rows = networks[deepest & (networks["scale"] == 1) & (networks["last_layer"] == "trained")]
    wide = rows.pivot(index="activation", columns="operator", values="gradient_max")
    return (wide[["identity"]].to_numpy() / wide.drop(columns="identity")).min(axis=None)


@number("explore_networks")
def networks_of_the_grid(networks):
    return len(networks)


@number("explore_covered", ".0f")
def certified_layers_in_percent(checks):
    return 100 * checks["certified"].sum() / checks["layers"].sum()
