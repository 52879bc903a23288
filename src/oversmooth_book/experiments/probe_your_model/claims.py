"""The claims PR1 to PR12 and the numbers in the chapter's text, from its published tables."""

from oversmooth_book.values import claim, number


def _healthy(verdicts):
    return verdicts["case"].str.startswith("healthy")


def _shares(verdicts, found):
    """Of every case's models, the share that ``found`` counts."""
    totals = verdicts.assign(found=found).groupby("case")[["found", "count"]].sum()
    return totals["found"] / totals["count"]


@claim("PR1")
def smallest_share_of_an_illness_that_is_found(verdicts):
    ill = verdicts[~_healthy(verdicts)]
    return _shares(ill, ill["count"].where(ill["right"], 0)).min()


@claim("PR2")
def share_of_the_healthy_that_are_called_ill(verdicts):
    healthy = verdicts[_healthy(verdicts)]
    return healthy.loc[~healthy["right"], "count"].sum() / healthy["count"].sum()


@claim("PR3")
def smallest_share_that_is_found_without_labels(verdicts):
    return _shares(verdicts, verdicts["blind"]).min()


@claim("PR4")
def largest_difference_from_the_trace(against_the_trace):
    return against_the_trace["difference"].max()


@claim("PR5")
def what_the_probe_changes(changes):
    return changes["differing"].sum() + changes["random"].sum()


def _wrong(models, outcome, healthy):
    """Models with an outcome whose verdict is, or is not, that nothing is wrong."""
    return ((models["outcome"] == outcome) & ((models["verdict"] == "healthy") == healthy)).sum()


@claim("PR6")
def failures_that_are_called_healthy(symptoms):
    return _wrong(symptoms, "fails", True)


@claim("PR7")
def working_models_that_are_called_ill(symptoms):
    return _wrong(symptoms, "works", False)


@claim("PR9")
def failures_of_the_grid_that_are_called_healthy(grid):
    return ((grid["fails"] == 1) & (grid["ill"] == 0)).sum()


@claim("PR10")
def working_models_of_the_grid_that_are_called_ill(grid):
    return ((grid["works"] == 1) & (grid["ill"] == 1)).sum()


@claim("PR11")
def untrained_models_that_are_called_spurious(grid, zoo):
    return (grid["start"] == "spurious stationary point").sum() + (zoo["start"] == "spurious stationary point").sum()


@claim("PR12")
def kinds_of_layers_called_ill_or_that_do_not_work(zoo):
    return ((zoo["verdict"] != "healthy") | (zoo["outcome"] != "works")).groupby(zoo["layer"]).any().sum()


@number("probe_grid")
def models_of_the_grid(grid):
    return len(grid)


@number("probe_zoo")
def kinds_of_layers(zoo):
    return zoo["layer"].nunique()


@number("probe_early")
def working_models_of_the_grid_called_ill_before_training(grid):
    return ((grid["works"] == 1) & (grid["start"] != "healthy")).sum()


@number("probe_late")
def failing_models_of_the_grid_called_healthy_before_training(grid):
    return ((grid["fails"] == 1) & (grid["start"] == "healthy")).sum()


@number("probe_failures")
def models_that_fail(symptoms):
    return (symptoms["outcome"] == "fails").sum()


@number("probe_working")
def models_that_work(symptoms):
    return (symptoms["outcome"] == "works").sum()


def _spurious(profiles):
    return profiles[profiles["case"] == "spurious"]


@number("probe_depth")
def depth(profiles):
    return _spurious(profiles)["layer"].max() + 1


@number("probe_steps")
def steps_of_training(profiles):
    return _spurious(profiles)["steps"].max()


@number("probe_models")
def models(verdicts):
    return verdicts["count"].sum()


@number("probe_healthy")
def healthy_models(verdicts):
    return verdicts.loc[_healthy(verdicts), "count"].sum()


@number("probe_spread", ".1f")
def largest_over_smallest_gradient(profiles):
    gradient = _spurious(profiles)["gradient"]
    return gradient.max() / gradient.min()


@number("probe_left", ".0e")
def share_of_the_error_that_comes_back(profiles):
    norm = _spurious(profiles)["backward_norm"]
    return norm.min() / norm.max()
