"""What the attack varies of the explore page's chapter, and how its table of networks is measured then."""

from oversmooth_book.experiments.explore import measure
from oversmooth_book.experiments.settings import Setting

SETTING = Setting()
# The grid has operators, activations and scales of its own; targets are ±1, and only last layers are trained, exactly.
FIXED = {"kind", "activation", "weight_scale", "loss", "optimizer", "step_size", "steps"}
# Of the grid, what the finding reads: the greatest depth, scale 1.
DEPTHS, SCALES = [25], [1.0]


def networks(setting):
    """The largest hidden gradient of every operator and activation, median over two networks."""
    return measure.networks(measure.grid(measure.replace(setting, seeds=setting.seeds[:2]), DEPTHS, SCALES))
