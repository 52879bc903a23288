"""What the attack varies of the chapter on real graphs, and how its tables are measured then: on one network or two.

Not measured again: how fast the graphs smooth by themselves (RG3 to RG6), which no variation of the networks changes,
and training on tolokers (RG22 to RG25), which would take as long as everything else.
"""

import functools
from dataclasses import replace

from oversmooth_book.experiments.real_graphs import errors, measure, networks, training

SETTING = measure.REFERENCE
# The graphs are what they are, each with both operators; the chapter compares activations, initial weights, scales and
# losses of its own choice, and trains by one rule.
FIXED = {"graph", "graph_seed", "density", "separation", "shares", "kind", "activation", "init", "weight_scale", "loss"}
FIXED |= {"optimizer", "step_size", "steps"}
# Tolokers, whose rows cost as much as all others, is left out; width 128 and 256 are measured on one network.
GRAPHS = ["Cora", "CiteSeer", "minesweeper"]
WIDE = 128
# As in the published run; its trained networks have half the width of the random ones.
TRAINING = {"step_size": 0.003, "steps": 48}


def summary(setting):
    """When smoothing alone leaves little: a fact about graph and features, whatever the network."""
    return _summary()


def real_norms(setting):
    """How the norm shrinks without the graph."""
    # With P = I both halves of the table are without the graph, and its products are saved.
    return networks.factor_bands(_few(replace(setting, kind="identity")), GRAPHS)[1]


def real_factors(setting):
    """How the deviation shrinks and is smoothed on Cora."""
    return networks.factor_bands(_few(setting), ["Cora"])[0]


def real_errors(setting):
    """The errors, layer by layer."""
    return _errors(setting)[0]


def error_checks(setting):
    """How far they are from their prediction."""
    return _errors(setting)[1]


def real_backward(setting):
    """The backward signal on Cora, layer by layer."""
    return networks.backward(_shallow(setting), ["Cora"])


def real_training(setting):
    """The runs on Cora."""
    one = replace(setting, width=setting.width // 2, seeds=setting.seeds[:1], **TRAINING)
    return training.training(one, ["Cora"])


@functools.cache
def _summary():
    return measure.smoothing(SETTING, GRAPHS, ("metropolis",))[1]


@functools.lru_cache(maxsize=1)
def _errors(setting):
    return errors.errors(_shallow(setting), ["CSBM", "Cora"])


def _few(setting):
    return replace(setting, seeds=setting.seeds[: 1 if setting.width >= WIDE else 2])


def _shallow(setting):
    return replace(_few(setting), depth=41)
