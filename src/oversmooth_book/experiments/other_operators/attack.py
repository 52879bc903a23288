"""What the attack varies of the chapter on other operators, and how its tables are measured then: on two networks.

Cora and Adam on all layers get one. Of Cora features, widths, weights and activations vary; tokens have neither edges
nor activation, and the other variations change them as they change nodes.
"""

import functools
import math
from dataclasses import replace

import numpy as np
import pandas as pd

from oversmooth.models.operators import ATTENTION, NAMES
from oversmooth_book.experiments.other_operators import checks, measure, tables
from oversmooth_book.experiments.other_operators import tokens as stacks

SETTING = measure.REFERENCE
# Operators bring their own propagation and initial weights, the error is squared. The head is trained exactly under its
# budget, and all layers by Adam with the chapter's step.
FIXED = {"kind", "init", "loss", "optimizer", "step_size", "steps"}
# The other depths of the chapter are read of the sum only.
HEADS = [{"operator": name, "depth": 33} for name in NAMES]
HEADS += [{"operator": "sum", "depth": depth} for depth in (3, 9, 17)]
WIDE = 128
# What of a setting changes features on Cora.
OF_CORA = ("feature_scale", "feature_shift", "activation", "width", "weight_scale", "seeds")
# Adam's, as in the published run.
STEPS = 20


def slopes(setting):
    """How fast linear networks smooth, over log λ of the setting's own graph.

    At depth 33 the slowest mode of Metropolis weights, often that of few nodes, does not lead yet on every graph: they
    get the layers that leave what the chapter calls rounding.
    """
    layers = round(math.log(tables.FLOOR) / math.log(_rate(setting, "metropolis")))
    deep = replace(setting, activation="identity", depth=max(layers, setting.depth))
    slow, others = [{"operator": "metropolis"}], _linear(setting).query("operator != 'metropolis'")
    parts = [_swept(measure.profile, deep, slow), others]
    table = tables.slopes(pd.concat(parts, ignore_index=True))
    own = table["operator"].map(lambda name: _rate(setting, name))
    # The chapter's λ is that of its reference graph.
    table[tables.WAYS] = table[tables.WAYS].mul(np.log(table["rate"]) / np.log(own), axis=0)
    return table.assign(rate=own)


def last_layers(setting):
    """The last layer of linear and ReLU networks and of those with the setting's activation."""
    return tables.last_layers(_profiles(setting))


def maximum(setting):
    """The backward ratio of the maximum."""
    return tables.maximum(_profiles(setting))


def norms(setting):
    """The smallest ratios of linear networks, in both norms."""
    return tables.smallest(_linear(setting))


def profiles(setting):
    """The extra path of linear attention, layer by layer, and features on Cora."""
    one = replace(SETTING, **{name: getattr(setting, name) for name in OF_CORA} | {"seeds": setting.seeds[:1]})
    return tables.drawn(pd.concat([_profiles(setting), _on_cora(one)], ignore_index=True))


def paths(setting):
    """The backward ratio of linear attention, the whole and with attention held fixed."""
    return tables.paths(_linear(setting))


def trained(setting):
    """Gradients and losses with the head trained."""
    return tables.bands(_heads(setting), ["operator", "depth"], ["gradient", "loss"])


def places(setting):
    """Where the maximum has its largest gradient."""
    return tables.places(_heads(setting))


def training(setting):
    """Losses and gradients while Adam trains all layers of three operators."""
    one = replace(setting, seeds=setting.seeds[:1], steps=STEPS)
    runs = checks.training(one, ["random_walk", "gat", "max"])
    return tables.bands(runs, ["operator", "step"], ["loss", "gradient"])


def tokens(setting):
    """Gradients and losses of attention on tokens."""
    return stacks.read_outs(replace(setting, seeds=setting.seeds[: 1 if setting.width >= WIDE else 4]))


@functools.lru_cache(maxsize=1)
def _on_cora(setting):
    """Networks of every operator, which claims call tanh."""
    grid = [{"operator": name} for name in NAMES]
    table = _swept(measure.profile, replace(setting, graph="Cora"), grid)
    return table.assign(graph_name="Cora", activation="tanh")


@functools.lru_cache(maxsize=1)
def _profiles(setting):
    """Linear networks, ReLU ones of two operators, and those that claims call tanh: with the setting's activation."""
    parts = [("identity", "identity", NAMES), ("tanh", setting.activation, NAMES), ("relu", "relu", ("gcn", "sum"))]
    found = []
    for label, activation, names in parts:
        table = _swept(measure.profile, replace(setting, activation=activation), [{"operator": name} for name in names])
        found.append(table.assign(graph_name="csbm", activation=label))
    return pd.concat(found, ignore_index=True)


def _linear(setting):
    return _profiles(setting).query("activation == 'identity'")


@functools.lru_cache(maxsize=1)
def _heads(setting):
    return _swept(measure.trained_head, setting, HEADS)


def _swept(function, setting, grid):
    # Wide networks cost most, and differ least from each other: one does.
    return measure.swept(function, setting, grid, setting.seeds[: 1 if setting.width >= WIDE else 2], jobs=1)


def _rate(setting, operator):
    """λ of an operator on the setting's graph; for attention that of the random walk, its limit."""
    return measure.network(setting, "random_walk" if operator in ATTENTION else operator).propagation.rate
