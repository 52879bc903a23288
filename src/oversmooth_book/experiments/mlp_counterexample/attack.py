"""What the attack varies of the chapter on MLPs, and how its tables are measured then.

Training all layers is dear: two networks, the small block model for the reference, 40 steps (at scale 1 the MLP learns
in 20), and of the dial its ends and t = 0.2, the last that M11 claims.
"""

import functools
from dataclasses import replace

import pandas as pd

from oversmooth_book.experiments.mlp_counterexample import measure, training
from oversmooth_book.experiments.smaller import few, small

SETTING = measure.REFERENCE
# Networks are orthogonal here, targets are ±1, and the chapter trains by rules of its own. The dial predicts its rates
# from the eigenvalues of a symmetric P.
FIXED = {"init", "loss", "optimizer", "step_size", "steps", "kind"}
# Enough for slopes and ranges: the chapter draws more depths than its claims read.
DEPTHS = [3, 25, 41, 57]
STEPS = 40


def generic_gradient(setting):
    """Gradients of MLPs and GNNs against depth, over the seeds."""
    return measure.gradient_bands(_trained(setting), first=9)


def by_seed(setting):
    """The slope of the GNN's gradient, and the MLP's over it, seed by seed."""
    return measure.by_seed(_trained(setting), first=25, depth=41)


def flat_perceptrons(setting):
    """MLPs with activations of the chapter's choice."""
    return measure.flat_perceptrons(setting)


def dial(setting):
    """The gradient's factor per layer between MLP and GNN, two networks: every row is a dense matrix."""
    return measure.dial_rates(measure.dial(_few(setting), [41, 61]))


def training_loss(setting):
    """Losses of MLPs and GNNs, all layers trained."""
    return training.training_bands(_curves(setting))


def dial_losses(setting):
    """The losses of the dial; its ends under Adam are networks of `training_loss`."""
    ends = _curves(setting).query("optimizer == 'Adam' and depth == 41 and step == @STEPS")
    middle = training.dial_training(_small(setting), dial=(0.2,))
    table = pd.concat([ends.assign(t=ends["network"].map({"mlp": 0.0, "gnn": 1.0})), middle], ignore_index=True)
    return measure.dial_losses(table, table)


@functools.lru_cache(maxsize=1)
def _trained(setting):
    return measure.trained_last_layers(setting, DEPTHS)


@functools.lru_cache(maxsize=1)
def _curves(setting):
    return training.training_curves(_small(setting))


def _few(setting):
    return few(setting, 2)


def _small(setting):
    return replace(_few(small(setting)), depth=41, steps=STEPS)
