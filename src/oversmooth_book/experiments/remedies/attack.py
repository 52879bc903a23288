"""What the attack varies of the chapter on remedies, and how its tables are measured then, on the block model.

The book's block model of 400 nodes, a hundred steps, and two draws of graph and weights, at the greatest depth alone.
All layers are trained in plain networks only: a minute for each draw and variation it would be, for all the remedies.
"""

import functools
import math

import pandas as pd

from oversmooth_book.experiments.remedies import measure, tables

SETTING = measure.REFERENCE
# A remedy has weights of its own, and one budget of Adam is the same for all. Wider networks cost too much.
FIXED = {"width", "init", "weight_scale", "loss", "optimizer", "step_size", "steps"}
DRAWS = 2


def losses(setting):
    """The least loss of plain networks."""
    one = measure.replace(setting, seeds=setting.seeds[:DRAWS])
    return tables.losses(measure.compare(one, [setting.depth], [setting.step_size], ["plain"], jobs=1))


def chain(setting):
    """The links of every remedy, output layer trained."""
    return tables.chain(_linked(setting))


def way_back(setting):
    """What of the mean error arrives as a gradient where weights are twice as large."""
    return tables.way_back(_linked(setting))


def profile_size(setting):
    """The size of the backward signal with the initial residual and in GCNII."""
    one = measure.replace(setting, seeds=setting.seeds[:DRAWS])
    return tables.profile_bands(measure.profiles(one, jobs=1, remedies=("initial residual", "GCNII")))[1]


@functools.lru_cache(maxsize=1)
def _linked(setting):
    rows = [
        {"remedy": remedy, "seed": seed, "loss": math.nan}  # no layer but the output is trained
        | measure.links(measure.replace(setting, seeds=(seed,)), remedy)
        for remedy in measure.ALL
        for seed in setting.seeds[:DRAWS]
    ]
    return pd.DataFrame(rows)
