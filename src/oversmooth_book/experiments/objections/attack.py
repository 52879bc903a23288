"""What the attack varies of the chapter of objections, and how its tables are measured then: on four networks.

What is trained takes the small block model for the reference, and half of the width, as in the chapter; batch norm's
modes take a quarter of it. The linear rounds take the large block model, with classes 0.3 times as far apart. Digits
and Cora are what they are: there features, widths and weights vary.
"""

import functools
from dataclasses import replace

import pandas as pd

from oversmooth_book.experiments.objections import corrected, jacobians, norms, pitchfork, starts
from oversmooth_book.experiments.objections import ranks as collapse
from oversmooth_book.experiments.settings import Setting
from oversmooth_book.experiments.smaller import few, small

SETTING = Setting()
# The layers are tanh's, targets and budgets the chapter's own.
FIXED = {"activation", "kind", "loss", "optimizer", "step_size", "steps"}
SHARES = (0.3, 0.7)  # the classes' where errors are to have a mean
SCALES = {"CSBM": (1, 1.25, 1.5, 2, 3, 4, 6), "Cora": (1, 1.25, 1.5, 2, 3)}  # of initial weights, as in the chapter
LAYERS = 256  # until batch norm has settled
# What a graph that is no block model has not.
REFERENCE = {name: getattr(SETTING, name) for name in ("graph_seed", "separation", "density", "shares", "label_noise")}


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


def round_errors(setting):
    """The linear classifier's error, round by round."""
    return _rounds(setting)[0]


def round_ratios(setting):
    """The relative deviation of what it reads."""
    return _rounds(setting)[2]


def mode_shares(setting):
    """Behind batch norm, the share of the variance in the leading modes."""
    return _modes(setting)[0]


def mode_ranks(setting):
    """The effective rank there."""
    return _modes(setting)[1]


def ranks(setting):
    """Effective ranks of untrained networks."""
    return collapse.ranks(_few(setting), (setting.graph,)).assign(graph="CSBM")


def start_metrics(setting):
    """Sizes and variation at the start, on the block model and on Cora, by the initial scale."""
    cora = replace(_public(setting, "Cora"), seeds=setting.seeds[:2])
    return pd.concat([_metrics(_few(setting), "CSBM"), _metrics(cora, "Cora")])


def start_losses(setting):
    """Losses after training, from the variances that keep the size of features."""
    return starts.trained(_small(setting, depth=41, steps=150), (1.25, 1.5, 2))


@functools.lru_cache(maxsize=1)
def _rounds(setting):
    graph = corrected.CLOSE.graph if setting.graph == "CSBM" else setting.graph
    closer = corrected.CLOSE.separation * setting.separation
    # Draws of their own for each seed of the graph.
    draws = [100 * setting.graph_seed + seed for seed in _few(setting).seeds]
    return corrected.round_bands(corrected.rounds(draws, replace(setting, graph=graph, separation=closer)))


@functools.lru_cache(maxsize=1)
def _modes(setting):
    here = _few(setting)
    both = zip(_settled(here, "CSBM"), _settled(_public(here, "digits"), "digits"), strict=True)
    return [pd.concat(pair) for pair in both]


@functools.lru_cache(maxsize=2)
def _settled(setting, name):
    tables = norms.eigenspaces(setting, (setting.graph,), (LAYERS,), setting.width // 4)
    return [table.assign(graph=name) for table in tables]


@functools.lru_cache(maxsize=2)
def _metrics(setting, name):
    scales = [setting.weight_scale * scale for scale in SCALES[name]]
    return starts.metrics(setting, [setting.graph], {setting.graph: scales}).assign(graph=name)


def _public(setting, name):
    return replace(setting, graph=name, **REFERENCE)


@functools.lru_cache(maxsize=1)
def _corrected(setting):
    # Its operators are dense: on many nodes one network is all that can be afforded.
    count = 1 if setting.graph == "CSBM 1600" else 3
    walk = _small(setting, kind="random_walk", steps=80, seeds=setting.seeds[:count])
    return corrected.depth_bands(corrected.depths_trained(walk, (9, 25, 49), (setting.graph_seed,)))


@functools.lru_cache(maxsize=1)
def _placements(setting):
    return norms.placements(_few(setting), 128)


def _small(setting, **changes):
    return replace(_few(small(setting)), **{"width": setting.width // 2, **changes})


def _few(setting):
    return few(setting, 4)
