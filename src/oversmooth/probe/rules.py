"""What a probe's numbers mean: one rule for each verdict, with its condition, its sentence and its advice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

HEALTHY = "healthy"
FORWARD = "forward-only oversmoothing"
BACKWARD = "backward oversmoothing"
VANISHING = "vanishing"
EXPLODING = "exploding"
SPURIOUS = "spurious stationary point"
CONSTANT = "no better than a constant"
DEAD = "dead"
NAN = "not a number"


ROUNDING = 1e-5  # a ratio below this is that of a signal without any variation


@dataclass(frozen=True)
class Thresholds:
    """Where the rules draw their lines; each is an argument of `Probe.diagnosis`.

    Attributes:
        smoothed: a signal is smoothed where its ratio is this share of that at the input (errors: at the output).
        vanished: errors vanish where their norm is this share of what it is at the last layer,
        faint: and the gradient is this share of the largest, unless the features shrink as well.
        exploded: growth of the features' norm over the first layer's, of the errors' over the last one's.
        stationary: share of the error that its mean, and of the largest possible gradient that the gradient, may have.
        flat: an output is constant where it varies less than this share of the output error.
        plateau: how much the output error may move over the passes of a plateau.
        updates: steps of the optimiser that a plateau, or a loss that did not fall, must have lasted.
        constant: how close to the best constant's a loss is no better than it;
        hardly: and after twice as many updates, hardly better.
        poor: share of the best constant's loss above which a trained model is poor: after three times as many updates
            it is hardly better either, and
        dead_units: this share of dead units of a layer is the cause.
        works: share of the best constant's loss below which a trained model works, whatever grows, fades or is smooth.
    """

    smoothed: float = 5e-2
    vanished: float = 1e-3
    faint: float = 1e-2
    exploded: float = 1e3
    stationary: float = 5e-2
    flat: float = 0.1
    plateau: float = 5e-2
    updates: int = 20
    constant: float = 5e-2
    hardly: float = 0.2
    poor: float = 0.65
    dead_units: float = 0.6
    works: float = 0.3


@dataclass
class Evidence:
    """What the rules read.

    Attributes:
        layers: pandas.DataFrame, a row for each measured layer, the median over the passes.
        backward: its rows where an error arrived.
        numbers: name -> number that rules and sentences share.
        limits: `Thresholds`.
        facts: what is no number: broken, input_broken, zero_parameters, dead_output, loss name, plateau.
    """

    layers: object
    backward: object
    numbers: dict
    limits: Thresholds
    facts: dict = field(default_factory=dict)

    def smooth_features(self):
        """The layers whose features are smoothed; zeros, and what was not measured, are not."""
        rows, reference = self.layers, self.numbers["first_ratio"]
        alive = (rows["feature_norm"] > 0) & self._tells(reference)
        return rows.loc[alive & (rows["feature_ratio"] <= self.limits.smoothed * reference), "layer"].tolist()

    def smooth_errors(self):
        """The layers whose errors are smoothed, or all but gone as smoothing left their mean only, and it is gone."""
        rows, last = self.backward, self.numbers
        alive = (rows["backward_norm"] > 0) & (not self.facts.get("no_information"))
        found = (rows["backward_ratio"] <= self.limits.smoothed * last["last_ratio"]) & self._tells(last["last_ratio"])
        if self.mean_is_gone():  # smoothing then leaves next to nothing, of which the ratio says little
            found |= rows["backward_norm"] <= self.limits.smoothed * last["last_norm"]
        return alive & found

    def _tells(self, reference):
        """Whether a signal varies where it starts, so that it can be smoothed at all."""
        return reference > ROUNDING and not self.facts.get("no_information")

    def mean_is_gone(self):
        """Whether the mean error is no larger than that of as many labels drawn by chance, and features are smooth."""
        chance = 1 / math.sqrt(max(1.0, self.numbers.get("labelled", math.inf)))
        least = max(self.limits.stationary, chance)
        return self.numbers["mean_error"] <= least and len(self.smooth_features()) > 0

    def faded_errors(self):
        """The layers whose errors are small further than smoothing takes them, which is down to the mean error."""
        rows, limits, numbers = self.backward, self.limits, self.numbers
        faded = (rows["backward_norm"] > 0) & (rows["backward_norm"] <= limits.vanished * numbers["last_norm"])
        faded &= ~self.smooth_errors() | (rows["backward_norm"] <= 0.1 * numbers["last_mean"])
        # An error may be small where the gradient is not: a layer may count more than others.
        sizes = self.layers["feature_norm"]
        if len(sizes) and sizes.iloc[-1] > limits.vanished * sizes.max():
            faded &= ~(rows["gradient"] > limits.faint * self.layers["gradient"].max())
        return faded

    def works(self):
        """Whether training got far, as the loss says, where it is known: then no layer's numbers are an illness."""
        updates, share = self.numbers.get("updates", 0), self.numbers.get("loss_share", math.nan)
        return self.numbers.get("loss_known") == 1.0 and updates >= self.limits.updates and share <= self.limits.works

    def mostly_dead(self):
        """The layers that receive dead units for the most part, where training did not get far."""
        share, updates = self.numbers.get("loss_share", 0.0), self.numbers.get("updates", 0)
        known = self.numbers.get("loss_known") == 1.0 and updates >= self.limits.updates
        if "dead_units" not in self.layers or not (known and share > self.limits.poor):
            return []
        if self.facts.get("no_information"):  # the same input at every node: a unit is dead at all of them or at none
            return []
        if self.grown() or self.faded_errors().any() or self.smooth_errors().any():
            return []  # dead units come with those, and are not the cause
        rows = self.layers[~self.layers["layer"].isin(self.facts.get("raw", ()))]
        return rows.loc[rows["dead_units"] >= self.limits.dead_units, "layer"].tolist()

    def grown(self):
        """The layers whose features, or errors, are far larger than where they start."""
        large = self.layers["feature_norm"] > self.limits.exploded * self.numbers["first_norm"]
        grown = self.backward["backward_norm"] > self.limits.exploded * self.numbers["last_norm"]
        return [*self.layers.loc[large, "layer"], *self.backward.loc[grown, "layer"]]

    def is_constant(self):
        """Whether the output varies little, and the loss, where it is known, is hardly below a constant's."""
        limits, share = self.limits, self.numbers.get("loss_share", 1.0)
        return self.numbers.get("output_deviation", 0.0) <= limits.flat and not share < 1 - limits.flat


def _not_a_number(e, found):
    return sorted(e.facts.get("broken", ()))


def _dead(e, found):
    zeros = e.layers.loc[e.layers["feature_norm"] == 0, "layer"].tolist()
    silent = e.backward.loc[e.backward["backward_norm"] == 0, "layer"].tolist()
    if zeros:
        return zeros
    if e.facts.get("solved"):
        return []
    if e.facts.get("dead_output"):
        return silent or e.layers["layer"].tolist()
    if e.facts.get("zero_parameters") or e.grown():  # where features exploded, the units they killed are not the cause
        silent = []
    return silent or e.mostly_dead()


def _exploding(e, found):
    return [] if e.works() else e.grown()


def _spurious(e, found):
    smooth = e.smooth_features()
    stuck = e.is_constant() and e.numbers["stationarity"] <= e.limits.stationary
    last = e.layers["layer"].iloc[-1] if len(e.layers) else None
    if not (e.facts.get("plateau") and e.mean_is_gone() and last in smooth and stuck):
        return []
    return e.layers["layer"].tolist()


def _vanishing(e, found):
    return [] if e.works() else e.backward.loc[e.faded_errors(), "layer"].tolist()


def _backward(e, found):
    return [] if e.works() else e.backward.loc[e.smooth_errors(), "layer"].tolist()


def _forward(e, found):
    return [] if found or e.works() else e.smooth_features()


def _constant(e, found):
    share = e.numbers.get("loss_share", math.nan) if e.numbers.get("loss_known") == 1.0 else math.nan
    updates, limits = e.numbers.get("updates", 0), e.limits
    flat = share >= 1 - limits.constant and updates >= limits.updates
    hardly = share >= 1 - limits.hardly and updates >= 2 * limits.updates
    poor = share > limits.poor and updates >= 3 * limits.updates
    return e.layers["layer"].tolist() if not found and (flat or hardly or poor or e.facts.get("no_information")) else []


def _say_not_a_number(e, layers):
    names, features = e.facts.get("names", {}), e.facts.get("broken_features", ())
    if e.facts.get("input_broken"):
        where = "the input"
    elif features:
        before = [layer for layer in names if layer < min(features)]
        where = f"the output of layer {before[-1]} ({names[before[-1]]})" if before else "the first layer"
    elif e.facts.get("output_broken"):
        where = f"the output of layer {max(names)} ({names[max(names)]}), or what follows"
    else:
        where = f"the error that layer {max(layers)} ({names.get(max(layers), '')}) receives: the loss, or what follows"
    return f"first in {where}: at layers {span(layers)} features, errors or gradients are infinite or not a number"


def _say_dead(e, layers):
    zeros = e.layers.loc[e.layers["feature_norm"] == 0, "layer"].tolist()
    if zeros:
        first, names = min(zeros), e.facts["names"]
        before = [layer for layer in names if layer < first]
        source = f"all units of layer {before[-1]} ({names[before[-1]]}) are dead" if before else "the input is zero"
        return f"layers {span(zeros)} receive nothing but zeros: {source}"
    if e.facts.get("dead_output"):
        return "the error at the output is exactly 0: the loss or the decoder behind it is saturated, or counts no row"
    if not (e.backward["backward_norm"] == 0).any():
        most = e.layers.loc[e.layers["layer"].isin(layers), "dead_units"].max()
        return f"layers {span(layers)}: up to {most:.0%} of the units that come in are 0 at every node"
    return f"layers {span(layers)}: the error is exactly 0: dead or saturated units stand between them and the output"


def _say_exploding(e, layers):
    return (
        f"layers {span(layers)}: the features grow {e.numbers['feature_growth']:.2g}-fold, the errors "
        f"{e.numbers['backward_growth']:.2g}-fold on their way to the input"
    )


def _say_spurious(e, layers):
    passes = e.facts["plateau"]
    return (
        f"the output error has not moved over {passes} updates, and gradients are at most "
        f"{e.numbers['stationarity']:.1e} of what such features and errors allow"
    )


def _say_backward(e, layers):
    text = f"layers {span(layers)}: errors smoothed, "
    if e.numbers["backward_ratio"] <= e.limits.smoothed:
        return text + f"deviation down to {e.backward['backward_ratio'].min():.1e} of their norm"
    return text + f"and with no mean error left, {e.numbers['backward_norm']:.1e} of the output's remains"


def _say_forward(e, layers):
    smooth = e.layers[e.layers["layer"].isin(layers)]
    least = smooth["feature_ratio"].min()
    text = f"layers {span(layers)}: features smoothed, deviation down to {least:.1e} of their norm"
    return text + (" (rounding)" if least < 10 * e.facts.get("epsilon", 0.0) else "")


def _say_constant(e, layers):
    if e.facts.get("no_information"):
        return "x is the same at every node, and every layer passes on as much: there is no information in it"
    share, updates = e.numbers["loss_share"], e.numbers.get("updates", 0)
    words = {1 - e.limits.constant: "no", 1 - e.limits.hardly: "hardly"}
    little = next((word for least, word in words.items() if share >= least), "little")
    return f"after {updates:.0f} updates the output is worth {little} more than one constant prediction"


_FEWER = "fewer layers, skip connections, or a propagation without its constant mode"


def _advise_dead(e):
    if (e.layers["feature_norm"] == 0).any() or e.mostly_dead():
        return (
            "a smaller step or an initial bias of 0, a leaky activation (LeakyReLU, ELU), and a look at the scale "
            "of x; dead ReLUs do not come back."
        )
    if e.facts.get("dead_output"):
        return (
            "smaller outputs: scale x down or normalise it, a smaller initial scale, a loss on logits "
            "(with_logits, log_softmax) in place of one on probabilities, and a mask that counts some row."
        )
    return "an activation that is not flat there, smaller weights or inputs, and a look for a detach()."


def _advise_constant(e):
    if e.facts.get("no_information"):
        return "node features: degrees, positional encodings or random ones, or sums (GIN), which see the structure."
    return (
        "another step size (ten times smaller and larger), less weight decay and dropout, normalised x, and a check "
        "that targets, mask and rows belong together; then fewer layers or skip connections."
    )


class Rule(NamedTuple):
    """One verdict.

    Attributes:
        name: the verdict.
        condition: (evidence, what was found before) -> the layers that show it, empty where it does not hold.
        sentence: (evidence, layers) -> why, with numbers.
        advice: what to try: text, or evidence -> text.
    """

    name: str
    condition: Callable
    sentence: Callable
    advice: str | Callable


# The first that applies is the verdict; all that apply are findings.
RULES = (
    Rule(
        NAN,
        _not_a_number,
        _say_not_a_number,
        "look at that layer's input, then a smaller step, clipped gradients, x without NaN, and no log or division "
        "of 0.",
    ),
    Rule(DEAD, _dead, _say_dead, _advise_dead),
    Rule(
        EXPLODING,
        _exploding,
        _say_exploding,
        "smaller initial weights, a mean instead of a sum over neighbours, normalisation, or a smaller step.",
    ),
    Rule(
        SPURIOUS,
        _spurious,
        _say_spurious,
        f"longer training is unlikely to help: {_FEWER}, from a fresh start.",
    ),
    Rule(
        VANISHING,
        _vanishing,
        lambda e, layers: f"layers {span(layers)}: errors vanish",
        "the errors shrink, smoothed or not: larger or orthogonal initial weights, an activation with slope 1, "
        "normalisation, less weight decay, or skip connections.",
    ),
    Rule(
        BACKWARD,
        _backward,
        _say_backward,
        "some layers receive hardly more than the average error, and are stuck once the last layer removes it: "
        f"{_FEWER}.",
    ),
    Rule(
        FORWARD,
        _forward,
        _say_forward,
        "the deep layers' features carry little, but gradients arrive: fewer layers, or let the output read "
        "earlier layers (jumping knowledge).",
    ),
    Rule(CONSTANT, _constant, _say_constant, _advise_constant),
    Rule(HEALTHY, lambda e, found: [], lambda e, layers: "", "nothing stands out."),
)
VERDICTS = tuple(rule.name for rule in RULES)


def span(layers):
    """Layers as text: 0, 3 to 14."""
    runs = []
    for layer in sorted(int(layer) for layer in layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in runs)
