"""What the attack varies of the chapter on forward oversmoothing, and how its tables are measured then."""

import functools

from oversmooth_book.experiments.common import Setting
from oversmooth_book.experiments.forward_oversmoothing import measure

SETTING = Setting(depth=31)
# The chapter compares activations and scales of its own choice, in untrained networks; labels play no part.
FIXED = {"activation", "weight_scale", "init", "optimizer", "step_size", "steps", "loss", "label_noise"}
LAYERS_OF_A_SLOPE = 150


def slopes(setting):
    """How fast linear networks smooth."""
    return measure.fitted_slopes(measure.replace(setting, depth=LAYERS_OF_A_SLOPE + 1), [setting.graph_seed])


def collapse(setting):
    """Linear and tanh networks whose weights compensate for the smoothing, λs = 1.25, over the seeds."""
    return measure.collapse_bands(_layers(setting))


def saturated(setting):
    """The rates of the tanh networks among them."""
    return measure.decay_rates(_layers(setting).query("activation == 'tanh'"))


@functools.lru_cache(maxsize=1)
def _layers(setting):
    return measure.collapse(setting, ("identity", "tanh"), (1.25,))
