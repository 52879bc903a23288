"""Training MLPs and GNNs side by side; part of the experiments of `mlp_counterexample`.

Step sizes are those at which the runs repeat on other machines: with larger ones the training of a deep MLP is chaotic,
and rounding decides the digits of the loss.
"""

from dataclasses import replace

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.mlp_counterexample.measure import mixture, network, pair, with_distance
from oversmooth_book.experiments.settings import signs

WIDTH = 16  # smaller than elsewhere in the chapter: training costs a thousand passes
DEPTHS = (5, 41)
SCALES = (0.5, 0.7, 1.0, 1.5, 3.0)
RULES = {"gradient descent": {"optimizer": "sgd", "step_size": 0.02}, "Adam": {"optimizer": "adam", "step_size": 0.001}}
DIAL = (0.0, 0.05, 0.2, 0.5, 0.7, 0.85, 1.0)


def training_curves(setting):
    """MLPs and GNNs of both depths, at the setting's scale: step, seed, loss, network, depth, scale, optimizer."""
    tables = []
    for name in pair(setting):
        for depth in DEPTHS:
            one = replace(setting, depth=depth)
            tables += [_side(name, one, rule, max(1, setting.steps // 40)) for rule in RULES]
    return pd.concat(tables, ignore_index=True)


def training_bands(curves):
    """`training_curves` over the seeds: optimizer, network, depth, step, median, low, high, distance (from 1)."""
    return with_distance(over_seeds(curves, ["optimizer", "network", "depth", "step"], "loss"))


def outcomes(setting, curves):
    """Who has learned after half of the steps, at every scale: network, depth, scale, optimizer, learned.

    ``curves``, from `training_curves`, are the row of scale 1, and say which recorded step is the middle one. At the
    largest scale there are at least eight seeds, because they disagree there.
    """
    recorded = sorted(set(curves["step"]))
    half, tables = replace(setting, steps=int(recorded[len(recorded) // 2])), [curves]
    several = replace(half, seeds=tuple(range(half.seeds[0], half.seeds[0] + max(8, len(half.seeds)))))
    for name in pair(setting):
        for depth in DEPTHS:
            for scale in SCALES:
                one = replace(half if scale < max(SCALES) else several, depth=depth, weight_scale=scale)
                tables += [_side(name, one, rule, half.steps) for rule in RULES if scale != setting.weight_scale]
    return who_learned(pd.concat(tables, ignore_index=True), half.steps)


def who_learned(curves, step):
    """How many seeds have halved the label variance: network, depth, scale, optimizer, learned.

    In words, "most" is three quarters or more, "few" a quarter or less, and "some" lies between: at a large scale
    training is chaotic, and rounding decides which network learns.
    """
    last = curves[curves["step"] == step]
    learned = last.assign(learned=last["loss"] < 0.5).groupby(["network", "depth", "scale", "optimizer"])["learned"]
    words = learned.mean().map(lambda share: "most" if share >= 0.75 else "some" if share > 0.25 else "few")
    return words.reset_index()


def dial_training(setting, dial=DIAL):
    """The loss after training all layers with P_t = (1−t) I + t P under Adam: t, seed, loss."""
    one = replace(setting, **RULES["Adam"])
    table = pd.concat([_train(one, mixture(one, t), one.steps).assign(t=t) for t in dial], ignore_index=True)
    return table.loc[table["step"] == one.steps, ["t", "seed", "loss"]].reset_index(drop=True)


def _side(name, setting, rule, record_every):
    """One of the `pair`, with a rule of `RULES`."""
    one = replace(pair(setting)[name], **RULES[rule])
    key = {"network": name, "depth": one.depth, "scale": one.weight_scale, "optimizer": rule}
    return _train(one, one.propagation(), record_every).assign(**key)


def _train(setting, P, record_every):
    data = setting.data()
    rule = {"optimizer": setting.optimizer, "lr": setting.step_size, "steps": setting.steps}
    history = osm.fit(network(setting, P), data.x, signs(data.y), **rule, record_every=record_every)
    return history.table[["step", "seed", "loss"]]
