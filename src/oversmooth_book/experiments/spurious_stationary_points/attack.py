"""What the attack varies of the chapter on stationary points, and how its tables are measured: last layers trained."""

import functools

from oversmooth_book.experiments.common import Setting
from oversmooth_book.experiments.spurious_stationary_points import measure

SETTING = Setting()
# Targets are ±1, and only the last layer is trained, exactly under its budget.
FIXED = {"loss", "optimizer", "step_size", "steps"}
# Enough for the slope from depth 24 on, and for the perceptron's range.
DEPTHS = [4, 24, 32, 41, 64]


def hidden_gradients(setting):
    """Gradients and losses against depth."""
    return measure.on_graphs({"CSBM": _judged(setting)})


def graphs(setting):
    """The rate and the label variance."""
    return measure.graphs({"CSBM": setting})


def last_layer(setting):
    """Gradients against depth, over the seeds."""
    return measure.summary(hidden_gradients(setting))


def layers(setting):
    """Gradients and errors of every layer at the reference depth."""
    return measure.by_layer(_judged(setting), setting.depth)


@functools.lru_cache(maxsize=1)
def _judged(setting):
    return measure.against_depth(setting, DEPTHS)
