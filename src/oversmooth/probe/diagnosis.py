"""From a probe's table to a verdict in words, with the numbers that support it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, fields

from oversmooth._validation import require
from oversmooth.probe.losses import compared
from oversmooth.probe.rules import DEAD, FORWARD, ROUNDING, RULES, Evidence, Thresholds, span


@dataclass(frozen=True)
class Diagnosis:
    """A verdict and its reasons; printing it gives all of them as text, a notebook shows them as a box.

    Attributes:
        verdict: the first that applies of not a number, dead, exploding, spurious stationary point, vanishing, backward
            oversmoothing, forward-only oversmoothing, no better than a constant; else healthy.
        findings: all that apply -> the layers where it does (indices).
        numbers: name -> the number a reason cites.
        reasons: sentences.
        advice: what to try.
    """

    verdict: str
    findings: dict = field(default_factory=dict)
    numbers: dict = field(default_factory=dict)
    reasons: tuple = ()
    advice: str = ""

    def __str__(self):
        lines = [f"verdict: {self.verdict}", *(f"  {reason}" for reason in self.reasons), f"try: {self.advice}"]
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """The same as a dictionary of plain texts, numbers and lists, which json writes."""
        findings = {name: [int(layer) for layer in layers] for name, layers in self.findings.items()}
        numbers = {name: float(value) for name, value in self.numbers.items()}
        plain = {"verdict": self.verdict, "findings": findings, "numbers": numbers}
        return plain | {"reasons": list(self.reasons), "advice": self.advice}

    def _repr_html_(self):
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.reasons)
        title = f"<strong>verdict: {html.escape(self.verdict)}</strong>"
        return (
            f'<div class="oversmooth-diagnosis">{title}<ul>{reasons}</ul><p>try: {html.escape(self.advice)}</p></div>'
        )


def diagnose(table, output=None, targets=None, mask=None, facts=None, loss=None, chosen=None, thresholds=None):
    """The `Diagnosis` of a probe's table; several passes count by their median.

    The rules, each with its condition, stand in `RULES`, their limits in `Thresholds`.

    Args:
        table: what `Probe.table` gave.
        output: the last `Output`, or None.
        targets: see `Probe.diagnosis`.
        mask: see `Probe.diagnosis`.
        facts: what the probe knows beside the table: epsilon, broken, updates, zero_parameters, same_input, trail.
        loss: see `Probe.diagnosis`.
        chosen: ``output`` of `Probe.diagnosis`.
        thresholds: dictionary of `Thresholds`.

    Returns:
        `Diagnosis`.

    Raises:
        ValueError: targets that do not fit the output, or unknown thresholds.
    """
    evidence = _evidence(table, output, dict(facts or {}), _limits(thresholds or {}))
    if targets is not None:
        require(output is not None, "targets need the model's output: call the whole model inside the block")
        numbers, evidence.facts["loss_name"] = compared(output, targets, mask, loss, chosen)
        evidence.numbers |= numbers
    _add_facts(evidence, output)
    found = {}
    for rule in RULES:
        layers = sorted({int(layer) for layer in rule.condition(evidence, found)})
        if layers:
            found[rule.name] = layers
    rule = next(rule for rule in RULES if rule.name in found or rule is RULES[-1])
    advice = rule.advice(evidence) if callable(rule.advice) else rule.advice
    return Diagnosis(rule.name, found, evidence.numbers, tuple(_reasons(evidence, found, table)), advice)


def _limits(given):
    known = [each.name for each in fields(Thresholds)]
    unknown = sorted(set(given) - set(known))
    require(not unknown, f"thresholds names {unknown}; known: {', '.join(known)}")
    return Thresholds(**given)


def _evidence(table, output, facts, limits):
    """The numbers that the rules and the sentences share."""
    differentiated = table[table["pass"].isin(table.loc[table["backward_norm"].notna(), "pass"])]
    rows = differentiated if len(differentiated) else table
    layers = rows.groupby("layer").median(numeric_only=True).reset_index()
    facts["names"] = dict(zip(rows["layer"], rows["name"], strict=True)) if "name" in rows else {}
    backward = layers.dropna(subset=["backward_norm"])
    layers = layers.dropna(subset=["feature_norm"])
    first, last = _first_alive(layers, "feature"), _first_alive(backward.iloc[::-1], "backward")
    reach = layers["feature_norm"] * last["backward_norm"]
    numbers = {
        "first_ratio": first["feature_ratio"],
        "first_norm": first["feature_norm"],
        "last_ratio": last["backward_ratio"],
        "last_norm": last["backward_norm"],
        "last_mean": last["backward_mean"],
        "feature_ratio": _share(_last(layers["feature_ratio"]), first["feature_ratio"]),
        "backward_ratio": _share(backward["backward_ratio"].min(), last["backward_ratio"]),
        "backward_norm": _share(backward["backward_norm"].min(), last["backward_norm"]),
        "backward_growth": _share(backward["backward_norm"].max(), last["backward_norm"]),
        "feature_growth": _share(layers["feature_norm"].max(), first["feature_norm"]),
        "mean_error": _share(last["backward_mean"], last["backward_norm"]),
        "stationarity": (layers["gradient"] / reach.where(reach > 0)).max(),
        "gradient": _share(layers["gradient"].min(), layers["gradient"].max()),
    }
    if output is not None and output.error is not None:
        numbers["output_deviation"] = _share(output.deviation, output.error)
        numbers |= _of_labelled(numbers["mean_error"], last, output)
    if "updates" in facts:
        numbers["updates"] = facts["updates"]
    numbers = {name: float(value) for name, value in numbers.items()}
    return Evidence(layers, backward, numbers, limits, facts)


def _of_labelled(share, last, output):
    """The mean error over the m rows that the loss counts: balanced labels make it 1/√m by chance, whatever n is."""
    labelled, nodes = getattr(output, "rows", 0), last.get("nodes", math.nan)
    if not labelled or not labelled < nodes:
        return {"labelled": labelled} if labelled else {}
    return {"labelled": labelled, "mean_error": min(1.0, share * (nodes / labelled) ** 0.5)}


def _first_alive(rows, kind):
    """The first row whose norm is not zero, all NaN where there is none."""
    alive = rows[rows[f"{kind}_norm"] > 0]
    return alive.iloc[0] if len(alive) else rows.reindex([-1]).iloc[0]


def _add_facts(evidence, output):
    """What follows from the numbers and from what the probe knows beside them."""
    facts, numbers, limits = evidence.facts, evidence.numbers, evidence.limits
    share = numbers.get("loss_share", math.nan)
    facts["solved"] = numbers.get("loss_known") == 1.0 and share < 0.5
    facts["dead_output"] = output is not None and output.error == 0
    facts["plateau"] = _plateau(facts.get("trail", ()), limits)
    ratios = evidence.layers["feature_ratio"]
    blank = len(ratios) > 0 and bool((ratios <= ROUNDING).all())
    poor = numbers.get("loss_known") == 1.0 and share >= 1 - limits.constant
    facts["no_information"] = bool(facts.get("same_input")) and (poor or (blank and math.isnan(share)))


def _plateau(trail, limits):
    """Over how many updates the error at the output has not moved, or None: at least three passes, enough updates."""
    if len(trail) < 3:
        return None
    last, kept = trail[-1][0], []
    for updates, error in reversed(trail):
        kept.append(error)
        if min(kept) <= 0 or not max(kept) <= (1 + limits.plateau) * min(kept):
            return None
        if last - updates >= limits.updates and len(kept) >= 3:
            return last - updates
    return None


def _reasons(evidence, found, table):
    """Sentences, the most telling first."""
    numbers, facts = evidence.numbers, evidence.facts
    smooth = evidence.smooth_features()
    by_name = {rule.name: rule for rule in RULES}
    for name, layers in found.items():
        yield by_name[name].sentence(evidence, layers)
    if smooth and FORWARD not in found and DEAD not in found:
        yield by_name[FORWARD].sentence(evidence, smooth)
    silent = evidence.backward.loc[evidence.backward["backward_norm"] == 0, "layer"]
    if len(silent) and DEAD not in found and facts.get("zero_parameters"):
        names = ", ".join(facts["zero_parameters"][:3])
        yield f"layers {span(silent)}: the error is exactly 0 since {names} is 0, as it starts: one step changes that"
    if not math.isnan(numbers["backward_norm"]):
        yield (
            f"error at its smallest {numbers['backward_norm']:.1e} of the output's; mean output error "
            f"{numbers['mean_error']:.1e} of it; smallest gradient {numbers['gradient']:.1e} of the largest"
        )
    yield from _about_loss(evidence, found)
    if "components" in table and table["components"].max() > 1:
        yield f"measured inside each of {table['components'].max()} connected components"
    notes = table.loc[table["note"] != "", "name"].unique() if "note" in table else ()
    if len(notes):
        yield f"not measured: {', '.join(notes[:5])}{' and others' if len(notes) > 5 else ''}; the table says why"


def _about_loss(evidence, found):
    numbers, facts = evidence.numbers, evidence.facts
    if "loss" not in numbers:
        return
    text = f"loss {numbers['loss']:.4g}"
    if not math.isnan(numbers["constant_loss"]):
        side = "above" if numbers["loss_share"] >= 1 else "below"
        text += f", {abs(numbers['loss_share'] - 1):.1%} {side} the best constant prediction's "
        text += f"{numbers['constant_loss']:.4g}"
    guess = "" if numbers["loss_known"] else "; a guess: the error that arrived is not its gradient, pass loss=..."
    yield f"{text} ({facts['loss_name']}{guess})"
    untried = numbers.get("updates", math.inf) < evidence.limits.updates
    if untried and not found and numbers["loss_share"] >= 1 - evidence.limits.constant:
        yield f"the weights look untrained ({numbers['updates']:.0f} updates): the loss says nothing yet"


def _last(column):
    return column.iloc[-1] if len(column) else math.nan


def _share(part, whole):
    return part / whole if whole else 0.0 if not part else float("inf")
