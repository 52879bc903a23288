"""What the attack varies of the chapter on deflation, and how its tables are measured then, on the block model.

What is trained takes two draws of the graph, with two networks each, and depths 5 and 41. Not measured again, for their
cost: four classes, the other remedies, the flat spectrum, and the shallow networks on three block models.
"""

from oversmooth_book.experiments.a_remedy_from_the_theorem import measure, training
from oversmooth_book.experiments.a_remedy_from_the_theorem import spectra as modes

SETTING = training.REFERENCE
# The tables name their operators and losses, and every budget is one of Adam. Wider networks cost too much.
FIXED = {"width", "kind", "loss", "optimizer", "steps"}
DRAWS, DEPTHS, UNTRAINED = 2, [5, 41], 4


def amplitude_walk(setting):
    """The second mode in untrained networks, random walk."""
    return _amplitudes(setting, "random_walk")


def amplitude_metropolis(setting):
    """The same with Metropolis weights."""
    return _amplitudes(setting, "metropolis")


def _amplitudes(setting, kind):
    one = measure.replace(setting, kind=kind, depth=measure.REFERENCE.depth, seeds=setting.seeds[:UNTRAINED])
    table = measure.amplitudes(one)
    # A mode lost to rounding counts as not quite lost, so that there is a row for it.
    table["amplitude"] = table["amplitude"].clip(lower=1.01 * measure.ROUNDING)
    return measure.amplitude_bands(table)


def trap_gradient(setting):
    """The gradient in the moved trap against depth."""
    walk = measure.replace(setting, kind="random_walk", seeds=setting.seeds[:UNTRAINED])
    return measure.trap_bands(measure.moved_trap(walk, [21, 41, 61, 81]))[1]


def spectra(setting):
    """Where the labels stand in the spectrum of the block model."""
    return modes.spectra(setting, [setting.graph], bases=("random_walk",)).assign(graph="CSBM")


def depth_accuracy(setting):
    """Test accuracy after training, plain and deflated."""
    one = _few(setting)
    return training.depth_bands(training.depths_trained(one, DEPTHS, one.seeds, jobs=1))[0]


def compared_loss(setting):
    """The training loss of mean subtraction."""
    runs = training.comparison(_few(setting), [41], [setting.step_size], jobs=1, methods=["mean subtraction"])
    return training.comparison_bands(runs)[1]


def _few(setting):
    return measure.replace(setting, seeds=setting.seeds[:DRAWS])
