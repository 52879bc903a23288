"""The claims RM2 to RM14 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.values import claim, number

SKIP = ("residual", "initial residual", "GCNII", "jumping knowledge")
TRAIN = (*SKIP, "BatchNorm", "PairNorm")
DO_NOT = ("LayerNorm", "mean subtraction", "DropEdge", "orthogonal", "large weights")


def _deepest(table):
    return table[table["depth"] == table["depth"].max()].set_index("remedy")


def _medians(chain, link):
    return chain[chain["link"] == link].set_index("remedy")["value"]


def _on(table, graph):
    return table[table["graph"] == graph]


@claim("RM12")
def farthest_loss_of_the_plain_network(losses):
    plain = _deepest(losses).loc["plain", ["low", "high"]].to_numpy().ravel()
    return max(plain, key=lambda loss: abs(loss - 1))


@claim("RM2")
def largest_median_loss_with_skip_connections(losses):
    return _deepest(losses).loc[list(SKIP), "median"].max()


@claim("RM14")
def networks_of_those_that_train_that_did_not(smooth_learners):
    counts = smooth_learners.set_index("remedy").loc[list(TRAIN)]
    return (counts["networks"] - counts["learned"]).sum()


@claim("RM3")
def smallest_loss_of_those_that_do_not(losses):
    return _deepest(losses).loc[list(DO_NOT), "low"].min()


@number("remedies_many")
def draws_of_chaotic_networks(scores):
    return _deepest(_on(scores, "CSBM"))["seeds"]["BatchNorm"]


def _learned(budgets, gentle, longer):
    """How many networks have learned, with the smaller or the larger steps, many or few of them."""
    rates, steps = budgets["lr"], budgets["steps"]
    chosen = (rates == (rates.min() if gentle else rates.max())) & (steps == (steps.max() if longer else steps.min()))
    return budgets.loc[chosen, "learned"].iloc[0]


@claim("RM13")
def networks_that_a_gentler_budget_frees(budgets):
    return _learned(budgets, gentle=True, longer=True) - _learned(budgets, gentle=False, longer=False)


@number("remedies_gentle")
def layer_norms_that_learn_with_small_steps(budgets):
    return _learned(budgets, gentle=True, longer=True)


@number("remedies_longer")
def layer_norms_that_learn_with_more_steps(budgets):
    return _learned(budgets, gentle=False, longer=True)


@number("remedies_budget")
def layer_norms_that_learn_within_the_budget(budgets):
    return _learned(budgets, gentle=False, longer=False)


@claim("RM4")
def largest_mean_error(chain):
    return _medians(chain, "mean_error").max()


@claim("RM5")
def networks_that_learned_from_smooth_features(smooth_learners):
    return smooth_learners["smooth_learners"].sum()


@claim("RM6")
def hidden_gradient_with_mean_subtraction(chain):
    return _medians(chain, "gradient")["mean subtraction"]


@claim("RM7")
def gradient_over_mean_error_with_larger_weights(way_back):
    return way_back["ratio"].median()


@claim("RM8")
def largest_spread_of_slopes(chain):
    return _medians(chain, "slope")[["initial residual", "GCNII", "jumping knowledge"]].max()


@claim("RM9")
def largest_mean_behind_a_centring_norm(centred_means):
    return centred_means["mean"].max()


@claim("RM11")
def largest_size_at_the_second_layer(profile_size):
    second = profile_size[profile_size["layer"] == 1].set_index("remedy")["median"]
    return second[["initial residual", "GCNII"]].max()


@claim("RM10")
def largest_loss_with_orthogonal_weights_on_cora(real_losses):
    return _deepest(_on(real_losses, "Cora"))["high"]["orthogonal"]


@number("remedies_depth_cora")
def depth_on_cora(real_losses):
    return _on(real_losses, "Cora")["depth"].max()


@number("remedies_depth_mines")
def depth_on_minesweeper(real_losses):
    return _on(real_losses, "minesweeper")["depth"].max()


@number("remedies_cora_forward", ".1f")
def roughness_of_the_plain_network_on_cora(real_chain):
    return _medians(_on(real_chain, "Cora"), "forward")["plain"]


@number("remedies_mines_plain", ".2f")
def loss_of_the_plain_network_on_minesweeper(real_chain):
    return _medians(_on(real_chain, "minesweeper"), "loss")["plain"]


@number("remedies_mines_best", ".2f")
def least_loss_on_minesweeper(real_chain):
    return _medians(_on(real_chain, "minesweeper"), "loss").min()
