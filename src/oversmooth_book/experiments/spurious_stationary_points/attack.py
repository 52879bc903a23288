"""What the attack varies of the chapter on stationary points, and how its tables are measured then.

Two networks of each kind, and fewer steps and depths than the chapter draws. What trains all layers takes the small
block model for the reference; ways down and plateaus take 400 nodes for 1,600. Nothing that varies the block model
changes the karate club; curvatures are of orthogonal weights, and where a plateau is left weights keep their seeds.
Not varied: the map of large weights, whose counts need many networks, and the falls back (SP33); both are claimed of
the chapter's graphs only.
"""

import functools
from dataclasses import replace

import pandas as pd

from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.settings import Setting
from oversmooth_book.experiments.smaller import few, small
from oversmooth_book.experiments.spurious_stationary_points import landscape, measure, training

SETTING = Setting()
# Targets are ±1, and the chapter trains by rules of its own.
FIXED = {"loss", "optimizer", "step_size", "steps"}
# Enough for the slope from depth 24 on, and for the perceptron's range.
DEPTHS = [4, 24, 41, 64]
# The depth that is read, and two for the slope.
KARATE_DEPTHS = [41, 128, 256]
BUDGET = 200  # of the chapter, in steps of Adam
# By then the deep GNN has settled and the shallow one learned, on graphs and weights of seeds 0 to 2.
STEPS = {40: 160, 5: 200}


def hidden_gradients(setting):
    """Gradients and losses against depth."""
    karate = measure.against_depth(_few(_karate(setting)), KARATE_DEPTHS)
    return measure.on_graphs({"CSBM": _judged(setting), "karate club": karate})


def graphs(setting):
    """The rate and the label variance."""
    return measure.graphs({"CSBM": setting, "karate club": _karate(setting)})


def last_layer(setting):
    """Gradients against depth, over the seeds."""
    return measure.summary(measure.on_graphs({"CSBM": _judged(setting)}))


def layers(setting):
    """Gradients and errors of every layer at the reference depth."""
    return measure.by_layer(_judged(setting), setting.depth)


def three_ways_loss(setting):
    """Losses with the last layer trained in three ways, at the depth that the claims read."""
    return over_seeds(_ways(setting), ["how", "depth"], "loss")


def three_ways_last_norm(setting):
    """The last layer's norms, so trained."""
    return over_seeds(_ways(setting), ["how", "depth"], "last_norm")


def random_networks(setting):
    """Networks of two depths, the chapter's two activations, two scales and three operators."""
    return measure.random_networks(_small(setting), **measure.MANY | {"depths": (17, 41)})


def figure_one_end(setting):
    """The networks of the paper's Figure 1 at the end of their training."""
    return _figure_one(setting)


def perceptrons(setting):
    """The deep perceptrons among them."""
    return _figure_one(setting).query("model == 'mlp' and depth == 40")


def first_check(setting):
    """The average error in the first steps of gradient descent, on two graphs, whose seeds the weights share."""
    one = _small(setting)
    draws = _draws(one)
    return training.first_check(training.first_steps(one, draws), training.mean_features(one, draws))


def karate_training(setting):
    """Whether the deep GNN trains on the karate club."""
    return training.trains(replace(_few(_karate(setting)), steps=BUDGET))


def plateaus(setting):
    """Steps of gradient descent until the loss falls for good, on one graph: the chapter's least and greatest depth."""
    one = _quarter(setting)
    return training.plateaus(one, _draws(one)[:1], (5, 9))


def leaving_curvature(setting):
    """The curvature where gradient descent leaves the plateau, on two graphs."""
    one = _quarter(setting)
    return training.leaving_curvature(training.fall_back(one, _draws(one))[1])


def eigenvalues(setting):
    """The Hessian's ends for graph network and perceptron."""
    return landscape.eigenvalues(setting, (17, 41))


def ways_down(setting):
    """How far the loss falls along the most downward direction, on two graphs, at half of the width."""
    one = replace(_quarter(setting), width=setting.width // 2)
    return landscape.ways_down(one, _draws(one))


@functools.lru_cache(maxsize=1)
def _judged(setting):
    return measure.against_depth(_few(setting), DEPTHS)


@functools.lru_cache(maxsize=1)
def _ways(setting):
    return measure.three_ways(_few(setting), (33,))


@functools.lru_cache(maxsize=1)
def _figure_one(setting):
    runs = [training.figure_one(replace(_small(setting), steps=n), (depth,), n) for depth, n in STEPS.items()]
    return pd.concat([training.figure_one_end(run) for run in runs], ignore_index=True)


def _few(setting):
    return few(setting, 2)


def _small(setting):
    return _few(small(setting))


def _quarter(setting):
    return replace(_small(setting), graph="CSBM 400") if setting.graph == "CSBM 1600" else _small(setting)


def _karate(setting):
    return replace(setting, graph="karate", separation=1.0, density=1.0, shares=None)


def _draws(setting):
    return [setting.graph_seed + seed for seed in setting.seeds]
