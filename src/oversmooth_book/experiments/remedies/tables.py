"""Chapter remedies: from one row a network to the tables that are drawn."""

import pandas
from scipy import stats

from oversmooth_book.experiments.remedies.measure import FAMILIES

# Links of the chain: the column that measures each, and the level below which the link holds. Features are smooth where
# they differ by less than a tenth of their size, slopes likewise; gradients of networks that train are above 0.1.
LINKS = {"forward": 0.1, "slope": 0.1, "mean_error": 0.05, "gradient": 0.05}


def best_rate(table):
    """For every network the run, among its step sizes, that ended with the least training loss.

    Args:
        table: of `remedies.compare`.

    Returns:
        Its rows, one for each graph, remedy, depth and seed.
    """
    keys = ["graph", "remedy", "depth", "seed"]
    table = table.reset_index(drop=True)  # joined tables may number their rows twice
    return table.loc[table.groupby(keys, sort=False)["loss"].idxmin()].reset_index(drop=True)


def by_family(table):
    """A table with each family of remedies in turn, the plain network in all of them.

    Args:
        table: with a column remedy.

    Returns:
        pandas.DataFrame with a column family; the plain network first, then in the order of `FAMILIES`.
    """
    parts = []
    for family, members in FAMILIES.items():
        parts += [table[table["remedy"] == remedy].assign(family=family) for remedy in ("plain", *members)]
    return pandas.concat(parts, ignore_index=True)


def chain(table, by=()):
    """What each remedy does to each link of the chain, and to the loss: medians over the seeds.

    Args:
        table: of `best_rate`, for one depth.
        by: further columns that tell networks apart, such as "graph".

    Returns:
        pandas.DataFrame: columns ``by``, remedy, link, value, level, holds (value below level); the loss as a last
        link, with level 1 (the best constant output): it "holds" where no more than a hundredth of it was learned.
    """
    keys, levels = [*by, "remedy"], LINKS | {"loss": 1.0}
    medians = table.groupby(keys, sort=False)[list(levels)].median()
    long = medians.rename_axis(columns="link").stack().rename("value").reset_index()
    level = long["link"].map(levels)
    holds = (long["value"] < level).where(long["link"] != "loss", long["value"] > 0.99)
    return long.assign(level=level, holds=holds)


def intervals(table, value="score", by=("graph", "remedy", "depth"), confidence=0.95):
    """The mean over the seeds and its t-interval.

    Args:
        table: a row for each seed and each combination of ``by``; at least two seeds.
        value: the column to summarise.
        by: columns that tell the combinations apart.
        confidence: probability with which such an interval covers the mean, if seeds are normally distributed.

    Returns:
        pandas.DataFrame: columns ``by``, mean, low, high, seeds.
    """
    groups = table.groupby(list(by), sort=False)[value]
    found = groups.agg(mean="mean", spread="std", seeds="count").reset_index()
    half = stats.t.ppf((1 + confidence) / 2, found["seeds"] - 1) * found["spread"] / found["seeds"] ** 0.5
    found["low"], found["high"] = found["mean"] - half, found["mean"] + half
    return found[[*by, "mean", "low", "high", "seeds"]]
