"""What the attack varies of the chapter on forward oversmoothing, and how its tables are measured then."""

import functools
import math

from oversmooth_book.experiments.forward_oversmoothing import measure
from oversmooth_book.experiments.forward_oversmoothing import phase as diagram
from oversmooth_book.experiments.settings import Setting

SETTING = Setting(depth=31)
# The chapter compares activations and scales of its own choice, in untrained networks; labels play no part.
FIXED = {"activation", "weight_scale", "init", "optimizer", "step_size", "steps", "loss", "label_noise"}
# Slopes are fitted over the layers that leave this share of the deviation, on the reference graph the chapter's 150.
# Deeper, what rounding makes of the mean would be a part of it.
LEFT = 1e-23
RINGS = {"CSBM 100": 30, "CSBM 1600": 120}  # nodes of the rings in place of 60
POINTS = 4  # on each axis of the phase diagram, the chapter's 12


def slopes(setting):
    """How fast linear networks smooth."""
    layers = round(math.log(LEFT) / math.log(setting.propagation().rate))
    return measure.fitted_slopes(measure.replace(setting, depth=layers + 1), [setting.graph_seed])


def collapse(setting):
    """Linear and tanh networks whose weights compensate for the smoothing, λs = 1.25, over the seeds."""
    return measure.collapse_bands(_layers(setting))


def saturated(setting):
    """The rates of the tanh networks among them."""
    return measure.decay_rates(_layers(setting).query("activation == 'tanh'"))


def phase(setting):
    """The phase diagram on rings, coarser: their sizes and their features vary with the block model's."""
    return diagram.phase(
        measure.replace(setting, depth=41, seeds=setting.seeds[:5]), POINTS, RINGS.get(setting.graph, 60)
    )


@functools.lru_cache(maxsize=1)
def _layers(setting):
    return measure.collapse(setting, ("identity", "tanh"), (1.25,))
