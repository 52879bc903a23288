"""What the attack varies of the chapter of objections, and how its tables are measured then: on four networks.

What is trained takes the small block model for the reference, and half of the width, as in the chapter. Not measured
again: what has graphs of its own (corrected rounds, batch norm's modes, ranks, sizes at the start).
"""

import functools
from dataclasses import replace

from oversmooth_book.experiments.objections import corrected, jacobians, norms, pitchfork, starts
from oversmooth_book.experiments.settings import Setting

SETTING = Setting()
# The layers are tanh's, targets and budgets the chapter's own.
FIXED = {"activation", "kind", "loss", "optimizer", "step_size", "steps"}
SHARES = (0.3, 0.7)  # the classes' where errors are to have a mean


def arriving(setting):
    """What of the error arrives at each layer, before and after the last layer is trained."""
    one = _few(replace(setting, depth=33, shares=setting.shares or SHARES))
    return jacobians.errors(one)[1]


def place_ratios(setting):
    """The last features' relative deviation, for each place of layer norm."""
    return _placements(setting)[0]


def place_changes(setting):
    """How much each layer changes."""
    return _placements(setting)[1]


def centrings(setting):
    """Losses after training, for each way to centre."""
    return norms.centrings_trained(_small(setting, depth=24, steps=60, step_size=0.005))


def place_losses(setting):
    """Losses after training, for each place of layer norm."""
    return norms.placements_trained(_small(setting, depth=64, steps=60, step_size=0.005))


def depth_losses(setting):
    """Losses after training, for each operator without the dominant mode, and with it."""
    return _corrected(setting)[0]


def depth_gradients(setting):
    """Their gradients before it."""
    return _corrected(setting)[1]


def amplitudes(setting):
    """The second mode's amplitude on the deflated operator, above s = 1."""
    walk = replace(_few(setting), kind="random_walk")
    return pitchfork.amplitude_bands(pitchfork.amplitudes(walk, (0.01, 0.02, 0.04)))


def plain_states(setting):
    """Features on the plain operator, tanh and sine."""
    return pitchfork.plain_states(replace(_few(setting), depth=64), (3,))


def start_losses(setting):
    """Losses after training, from the variances that keep the size of features."""
    return starts.trained(_small(setting, depth=41, steps=150), (1.25, 1.5, 2))


@functools.lru_cache(maxsize=1)
def _corrected(setting):
    walk = _small(setting, kind="random_walk", steps=80, seeds=setting.seeds[:3])
    return corrected.depth_bands(corrected.depths_trained(walk, (9, 25, 49), (setting.graph_seed,)))


@functools.lru_cache(maxsize=1)
def _placements(setting):
    return norms.placements(_few(setting), 128)


def _small(setting, **changes):
    graph = "CSBM 100" if setting.graph == "CSBM" else setting.graph
    return replace(_few(setting), **{"graph": graph, "width": setting.width // 2, **changes})


def _few(setting):
    return replace(setting, seeds=setting.seeds[:4])
