"""What the attack varies of the chapter on deflation, and how its tables are measured then, on block models.

What is trained takes two draws of the graph and depths 5 and 41; four draws, as in the chapter, where accuracies are
compared with a shallow network's. Graphs of four classes are drawn anew, and no more. Not measured again, for their
cost: depth 1,000, the other remedies, weak communities. Nor what is trained on the karate club, the digits and Cora,
and where the labels of sparse graphs stand: few of the variations change anything there.
"""

import functools

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem import measure, shallow, training
from oversmooth_book.experiments.a_remedy_from_the_theorem import spectra as modes
from oversmooth_book.experiments.settings import noisy
from oversmooth_book.experiments.smaller import few

SETTING = training.REFERENCE
# The tables name their operators and losses, and every budget is one of Adam. Wider networks cost too much.
FIXED = {"width", "kind", "loss", "optimizer", "steps"}
DRAWS, DEPTHS, UNTRAINED = 2, [5, 41], 4
COMMUNITIES = ("strong", "heterophilous")
ALL, FLAT = 10**6, 400  # modes: more than there are, and what the claims call all of the reference's


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
    """Where the labels stand in the spectrum of the block model, and of the two graphs beside which it is named."""
    blocks = modes.spectra(setting, [setting.graph], bases=("random_walk",)).assign(graph="CSBM")
    return pd.concat([blocks, _given()], ignore_index=True)


def depth_accuracy(setting):
    """Test accuracy after training, plain and deflated."""
    one = _few(setting)
    return training.depth_bands(training.depths_trained(one, DEPTHS, one.seeds, jobs=1))[0]


def conditions(setting):
    """Test accuracy with few labels, two and four classes."""
    # Graphs of four classes know no seed but the draw's.
    draws = [setting.graph_seed + seed for seed in _few(setting).seeds]
    one = measure.replace(few(setting, 1), graph_seed=0)
    return training.condition_bands(training.conditions(one, draws, jobs=1))


def baselines(setting):
    """Deep and deflated against shallow and plain, and against one mode, on two kinds of communities."""
    one, rows = _few(setting), []
    for communities in COMMUNITIES:
        for seed in setting.seeds[: 2 * DRAWS]:
            data = _blocks(one, communities, one.graph_seed + seed)
            split = training.labelled_and_test(data.y, 0.1, seed)
            found = _trained(one, data, split)
            found += [{"name": shallow.MODE, "depth": 0, "steps": 0, "accuracy": shallow.mode_accuracy(data, *split)}]
            rows += [{"communities": communities, **row} for row in found]
    return shallow.baseline_bands(pd.DataFrame(rows))


def compared_loss(setting):
    """The training loss of mean subtraction."""
    runs = training.comparison(_few(setting), [41], [setting.step_size], jobs=1, methods=["mean subtraction"])
    return training.comparison_bands(runs)[1]


def modes_kept(setting):
    """Accuracy and loss with one mode kept, and with all of them."""
    table = training.modes_bands(training.modes_kept(_few(setting), [1, ALL], setting.seeds[:1], jobs=1))
    return table.replace({"modes": {ALL: FLAT}})


@functools.cache
def _given():
    return modes.spectra(SETTING, ["karate", "digits"], bases=("random_walk",))


def _blocks(setting, communities, seed):
    """As the setting draws its graph, but for the edges' probabilities."""
    size = int(setting.graph.removeprefix("CSBM").strip() or 400)
    p_in, p_out = (400 / size * setting.density * p for p in shallow.COMMUNITIES[communities])
    drawn = {"separation": setting.separation, "seed": seed, "shares": setting.shares}
    data = osm.largest_component(osm.csbm(size, p_in=p_in, p_out=p_out, **drawn))
    data.x = setting.feature_scale * data.x + setting.feature_shift
    data.y = noisy(data.y, setting.label_noise, seed)
    return data


def _trained(setting, data, split):
    rows = []
    for name, depth in [*((training.PLAIN, depth) for depth in shallow.SHALLOW), (training.WALK, setting.depth)]:
        one, longer = measure.replace(setting, depth=depth), shallow.LONGER if depth in shallow.SHALLOW else 1
        found = training.fitted(one, training.operator(name, data), data, *split, longer)
        rows += [{"name": name, "depth": depth, **row} for row in found]
    return rows


def _few(setting):
    return few(setting, DRAWS)
