"""What the attack varies of the chapter on MLPs, and how its tables are measured then: last layers trained alone."""

import functools

from oversmooth_book.experiments.mlp_counterexample import measure

SETTING = measure.REFERENCE
# Networks are orthogonal here, targets are ±1, and only the last layer is trained, exactly under its budget.
FIXED = {"init", "loss", "optimizer", "step_size", "steps"}
# Enough for slopes and ranges: the chapter draws more depths than its claims read.
DEPTHS = [3, 9, 25, 33, 41, 57]


def generic_gradient(setting):
    """Gradients of MLPs and GNNs against depth, over the seeds."""
    return measure.gradient_bands(_trained(setting), first=9)


def by_seed(setting):
    """The slope of the GNN's gradient, and the MLP's over it, seed by seed."""
    return measure.by_seed(_trained(setting), first=25, depth=41)


def dial(setting):
    """The gradient's factor per layer between MLP and GNN."""
    return measure.dial_rates(measure.dial(setting, [41, 61]))


@functools.lru_cache(maxsize=1)
def _trained(setting):
    return measure.trained_last_layers(setting, DEPTHS)
