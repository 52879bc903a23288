"""What the attack varies of the chapter of objections, and how its tables are measured then: on four networks.

What is trained takes the small block model for the reference, and half of the width, as in the chapter. Not measured
again: what has graphs of its own (corrected rounds, batch norm's modes, ranks), what costs more than all the rest (the
depths that corrected networks train to, layer norm's places trained at depth 64), and what sets its scales itself
(pitchfork, initial variances).
"""

import functools
from dataclasses import replace

from oversmooth_book.experiments.objections import jacobians, norms
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
    graph = "CSBM 100" if setting.graph == "CSBM" else setting.graph
    budget = {"depth": 24, "steps": 60, "step_size": 0.005}
    return norms.centrings_trained(replace(_few(setting), graph=graph, width=setting.width // 2, **budget))


@functools.lru_cache(maxsize=1)
def _placements(setting):
    return norms.placements(_few(setting), 128)


def _few(setting):
    return replace(setting, seeds=setting.seeds[:4])
