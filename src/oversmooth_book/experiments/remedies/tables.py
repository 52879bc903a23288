"""From one row a network to the tables that are drawn and judged."""

import pandas as pd

from oversmooth_book.experiments.common import clear_of_rounding, over_seeds
from oversmooth_book.experiments.remedies.measure import FAMILIES

# Links of the chain: the column that measures each, and the level below which the link holds. Features are smooth where
# they differ by less than a tenth of their size, slopes likewise; gradients of networks that train are above 0.1.
LINKS = {"forward": 0.1, "slope": 0.1, "mean_error": 0.05, "gradient": 0.05}
LEARNED = 0.5  # a network has learned if its loss is below this share of the label entropy
CENTRED = ("BatchNorm", "PairNorm", "mean subtraction")  # norms that subtract the mean over the nodes


def best_rate(*runs):
    """Of every network in `measure.compare` the run, among its step sizes, with the least training loss."""
    keys, table = ["graph", "remedy", "depth", "seed"], pd.concat(runs, ignore_index=True)
    return table.loc[table.groupby(keys, sort=False)["loss"].idxmin()].reset_index(drop=True)


def deepest(runs):
    """The rows of every graph's greatest depth."""
    return runs[runs["depth"] == runs.groupby("graph")["depth"].transform("max")]


def by_family(table):
    """A table with each family of remedies in turn, the plain network first in each: a column family."""
    parts = []
    for family, members in FAMILIES.items():
        parts += [table[table["remedy"] == remedy].assign(family=family) for remedy in ("plain", *members)]
    return pd.concat(parts, ignore_index=True)


def losses(runs):
    """The least loss on the way over the seeds, by family: remedy, depth, median, low, high, family."""
    return by_family(over_seeds(runs, ["remedy", "depth"], "loss"))


def chain(runs, by=()):
    """What each remedy does to each link of the chain: ``by``, remedy, link, value, level.

    Medians over the seeds; ``runs`` are of one depth for each of ``by``. A link holds below its level. The loss is a
    last link: it "holds" above its level, where no more than a hundredth of the best constant's was learned. Which of
    the two is not saved: a value beside its level may be on the other side on another machine.
    """
    keys, levels = [*by, "remedy"], LINKS | {"loss": 0.99}
    medians = runs.groupby(keys, sort=False)[list(levels)].median()
    long = medians.rename_axis(columns="link").stack().rename("value").reset_index()
    return long.assign(level=long["link"].map(levels))


def smooth_learners(runs):
    """How many networks have learned, and how many although their last features are smooth.

    remedy, networks, learned, smooth_learners.
    """
    learned = runs["loss"] < LEARNED
    smooth = learned & (runs["forward"] < LINKS["forward"])
    groups = runs.assign(learned=learned.astype(int), smooth=smooth.astype(int)).groupby("remedy", sort=False)
    columns = {"networks": ("seed", "count"), "learned": ("learned", "sum"), "smooth_learners": ("smooth", "sum")}
    return groups.agg(**columns).reset_index()


def way_back(runs, remedy="large weights"):
    """What of the mean error arrives as a gradient: seed, ratio (largest hidden gradient over the mean error)."""
    rows = runs[runs["remedy"] == remedy]
    return pd.DataFrame({"seed": rows["seed"], "ratio": rows["gradient"] / rows["mean_error"]}).reset_index(drop=True)


def profile_bands(profiles):
    """Two tables of `measure.profiles` by family, remedy, layer, median, low, high, family.

    The ratio with a random output layer, which says whether errors are smoothed; the size with a trained one, which
    says whether anything arrives.
    """
    states = {"ratio": "random", "size": "trained"}
    rows = {value: profiles[profiles["output_layer"] == state] for value, state in states.items()}
    return [by_family(over_seeds(rows[value], ["remedy", "layer"], value)) for value in states]


def centred_means(profiles):
    """The mean's largest share of a hidden backward signal, output layer random: remedy (of `CENTRED`), mean.

    0 where it is rounding.
    """
    hidden = profiles[(profiles["output_layer"] == "random") & (profiles["layer"] < profiles["layer"].max())]
    means = hidden[hidden["remedy"].isin(CENTRED)].groupby("remedy", sort=False)["mean"].max()
    return pd.DataFrame({"mean": clear_of_rounding(means)}, index=means.index).reset_index()


def ranges(runs, value="score", by=("graph", "remedy", "depth")):
    """One quantity over the seeds: ``by``, median, low, high, seeds (how many)."""
    by = list(by)
    counts = runs.groupby(by, sort=False)[value].count().to_numpy()
    return over_seeds(runs, by, value).assign(seeds=counts)


def learned(budgets):
    """How many networks of `measure.budgets` have learned: depth, lr, steps, networks, learned."""
    counted = budgets.assign(learned=(budgets["loss"] < LEARNED).astype(int))
    groups = counted.groupby(["depth", "lr", "steps"], sort=False)["learned"]
    return groups.agg(networks="count", learned="sum").reset_index()
