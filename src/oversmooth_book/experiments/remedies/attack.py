"""What the attack varies of the chapter on remedies, and how its tables are measured then, on the block model.

The links are measured on the book's block model of 400 nodes, with two draws of graph and weights. What trains all
layers takes the chapter's, of 100, its budget and one draw; the budgets of layer norm take eight. All at the greatest
depth alone. Not measured again: Cora, for few of the variations change anything there.
"""

import functools
import math

import pandas as pd

from oversmooth_book.experiments.remedies import measure, tables
from oversmooth_book.experiments.smaller import few, small

SETTING = measure.REFERENCE
# A remedy has weights of its own, and one budget of Adam is the same for all. Wider networks cost too much.
FIXED = {"width", "init", "weight_scale", "loss", "optimizer", "step_size", "steps"}
DRAWS = 2
STEPS, RATE = 60, 0.01  # the chapter's budget


def losses(setting):
    """The least loss of every remedy."""
    return tables.losses(_trained(setting))


def smooth_learners(setting):
    """How many networks have learned, and how many of them from smooth features."""
    return tables.smooth_learners(_trained(setting))


def budgets(setting):
    """How many networks with layer norm have learned, by budget."""
    longer = measure.replace(_small(setting), depth=12)
    return tables.learned(measure.budgets(longer, "LayerNorm", [RATE, RATE / 5], (STEPS, 2 * STEPS)))


def chain(setting):
    """The links of every remedy, output layer trained."""
    return tables.chain(_linked(setting))


def way_back(setting):
    """What of the mean error arrives as a gradient where weights are twice as large."""
    return tables.way_back(_linked(setting))


def profile_size(setting):
    """The size of the backward signal with the initial residual and in GCNII."""
    one = few(setting, DRAWS)
    return tables.profile_bands(measure.profiles(one, jobs=1, remedies=("initial residual", "GCNII")))[1]


@functools.lru_cache(maxsize=1)
def _trained(setting):
    one = _small(few(setting, 1))
    return measure.compare(one, [one.depth], [RATE], jobs=1)


@functools.lru_cache(maxsize=1)
def _linked(setting):
    rows = [
        {"remedy": remedy, "seed": seed, "loss": math.nan}  # no layer but the output is trained
        | measure.links(measure.replace(setting, seeds=(seed,)), remedy)
        for remedy in measure.ALL
        for seed in setting.seeds[:DRAWS]
    ]
    return pd.DataFrame(rows)


def _small(setting):
    return measure.replace(small(setting), steps=STEPS, step_size=RATE)
