"""From a probe's table to a verdict in words, with the numbers that support it."""

from dataclasses import dataclass, field

import torch

from oversmooth._validation import require
from oversmooth.losses import check_mask

HEALTHY = "healthy"
FORWARD = "forward-only oversmoothing"
BACKWARD = "backward oversmoothing"
VANISHING = "vanishing"
EXPLODING = "exploding"
SPURIOUS = "spurious stationary point"
VERDICTS = (EXPLODING, SPURIOUS, VANISHING, BACKWARD, FORWARD, HEALTHY)  # the first that applies is the verdict

SMOOTHED = 5e-2  # a signal is smoothed where its ratio is this share of that at the input (errors: at the output)
VANISHED = 1e-3  # errors vanish where their norm is this share of what it is at the output
FAINT = 1e-2  # and the gradient is this share of the largest, unless the features shrink as well
EXPLODED = 1e3
STATIONARY = 5e-2  # share of the error that its mean, of the largest possible gradient that the gradient may have
CONSTANT = 0.1  # an output is constant where it varies less than this share of the output error

_FEWER = "fewer layers, skip connections, or a propagation without its constant mode"
ADVICE = {
    HEALTHY: "nothing stands out.",
    FORWARD: "the deep layers' features carry little, but gradients arrive: fewer layers, or let the output read "
    "earlier layers (jumping knowledge).",
    BACKWARD: "some layers receive hardly more than the average error, and are stuck once the last layer removes it: "
    f"{_FEWER}.",
    VANISHING: "the errors shrink, smoothed or not: larger or orthogonal initial weights, an activation with slope 1, "
    "normalisation, or skip connections.",
    EXPLODING: "smaller initial weights, a mean instead of a sum over neighbours, normalisation, or a smaller step.",
    SPURIOUS: f"longer training is unlikely to help: {_FEWER}, from a fresh start.",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict and its reasons; printing it gives all of them as text.

    Attributes:
        verdict: the first that applies of exploding, spurious stationary point, vanishing, backward oversmoothing,
            forward-only oversmoothing; else healthy.
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


def diagnose(table, output=None, targets=None, mask=None, epsilon=0.0, broken=()):
    """The `Diagnosis` of a probe's table; several passes count by their median.

    Smoothed: a ratio fell below 5 % of its value at the first layer (features) or the last (errors). Exploding: the
    norm of the features, or of the errors, rose above 1000 times its value at the first, or last, layer. Vanishing: the
    norm of the errors fell below 1/1000 of its value at the last layer, further than smoothing takes it, which is down
    to the mean error; and where the features keep their size, the gradient is below 1 % of the largest. Spurious
    stationary point: the mean error is gone (5 % of the error), the features of the last layer are smoothed, every
    gradient is below 5 % of ‖X⁽ᵏ⁾‖ ‖B⁽ᴸ⁾‖, the most that (G) allows for such features and errors, the output varies
    less than a tenth of the error that is left, and the loss, where targets tell it, is no more than a tenth below a
    constant prediction's.

    Args:
        table: what `Probe.table` gave.
        output: the last `Output`, or None.
        targets: see `Probe.diagnosis`.
        mask: see `Probe.diagnosis`.
        epsilon: machine epsilon of the features.
        broken: layers where something is infinite or not a number.

    Returns:
        `Diagnosis`.

    Raises:
        ValueError: targets that do not fit the output.
    """
    if broken:
        reason = f"layers {_span(broken)}: features, errors or gradients are infinite or not a number"
        return Diagnosis(EXPLODING, {EXPLODING: sorted(broken)}, {}, (reason,), ADVICE[EXPLODING])
    layers = table.groupby("layer").median(numeric_only=True).reset_index()
    backward = layers.dropna(subset=["backward_norm"])
    numbers = _numbers(layers, backward, output)
    if targets is not None:
        require(output is not None, "targets need the model's output: call the whole model inside the block")
        numbers |= _losses(output.value, targets, mask)
    findings = _findings(layers, backward, numbers)
    verdict = next(name for name in VERDICTS if name in findings or name == HEALTHY)
    reasons = tuple(_reasons(layers, findings, numbers, epsilon))
    return Diagnosis(verdict, findings, numbers, reasons, ADVICE[verdict])


def _numbers(layers, backward, output):
    """The numbers that the rules and the sentences share."""
    last = backward.iloc[-1]
    reach = layers["feature_norm"] * last["backward_norm"]
    alignment = layers["gradient"] / reach.where(reach > 0)
    largest = layers["gradient"].max()
    numbers = {
        "feature_ratio": _share(layers["feature_ratio"].iloc[-1], layers["feature_ratio"].iloc[0]),
        "backward_ratio": _share(backward["backward_ratio"].min(), last["backward_ratio"]),
        "backward_norm": _share(backward["backward_norm"].min(), last["backward_norm"]),
        "backward_growth": _share(backward["backward_norm"].max(), last["backward_norm"]),
        "feature_growth": _share(layers["feature_norm"].max(), layers["feature_norm"].iloc[0]),
        "mean_error": _share(last["backward_mean"], last["backward_norm"]),
        "stationarity": float(alignment.max()),
        "gradient": _share(layers["gradient"].min(), largest),
    }
    if output is not None and output.error is not None:
        numbers["output_deviation"] = _share(output.deviation, output.error)
    return {name: float(value) for name, value in numbers.items()}


def _findings(layers, backward, numbers):
    """Verdict -> the layers that show it."""
    found, last = {}, backward.iloc[-1]
    smooth = _smoothed(layers)
    gone = numbers["mean_error"] <= STATIONARY and len(smooth) > 0
    smooth_error = backward["backward_ratio"] <= SMOOTHED * last["backward_ratio"]
    if gone:  # smoothing then leaves next to nothing, of which the ratio says little
        smooth_error |= backward["backward_norm"] <= SMOOTHED * last["backward_norm"]
    faded = backward["backward_norm"] <= VANISHED * last["backward_norm"]
    # Smoothing alone leaves the mean error: less than that, or a fall without smoothing, is vanishing.
    faded &= ~smooth_error | (backward["backward_norm"] <= 0.1 * last["backward_mean"])
    # An error may be small where the gradient is not: a layer may count more than others.
    if layers["feature_norm"].iloc[-1] > VANISHED * layers["feature_norm"].max():
        faded &= ~(backward["gradient"] > FAINT * layers["gradient"].max())
    large = layers["feature_norm"] > EXPLODED * layers["feature_norm"].iloc[0]
    grown = backward["backward_norm"] > EXPLODED * last["backward_norm"]
    _add(found, EXPLODING, [*layers.loc[large, "layer"], *backward.loc[grown, "layer"]])
    if gone and layers["layer"].iloc[-1] in smooth and _stuck(numbers):
        _add(found, SPURIOUS, layers["layer"])
    _add(found, VANISHING, backward.loc[faded, "layer"])
    _add(found, BACKWARD, backward.loc[smooth_error, "layer"])
    if not found:
        _add(found, FORWARD, smooth)
    return found


def _smoothed(layers):
    """The layers whose features are smoothed."""
    return layers.loc[layers["feature_ratio"] <= SMOOTHED * layers["feature_ratio"].iloc[0], "layer"].tolist()


def _stuck(numbers):
    """Whether every gradient is small, the output constant, and the loss no better than a constant's."""
    constant = numbers.get("output_deviation", 0.0) <= CONSTANT and numbers.get("loss_share", 1.0) >= 1 - CONSTANT
    return constant and numbers["stationarity"] <= STATIONARY


def _reasons(layers, findings, numbers, epsilon):
    """Sentences, the most telling first."""
    smooth = layers[layers["layer"].isin(_smoothed(layers))]
    if EXPLODING in findings:
        yield (
            f"layers {_span(findings[EXPLODING])}: the features grow {numbers['feature_growth']:.2g}-fold, the errors "
            f"{numbers['backward_growth']:.2g}-fold on their way to the input"
        )
    if len(smooth):
        least = smooth["feature_ratio"].min()
        text = f"layers {_span(smooth['layer'])}: features smoothed, deviation down to {least:.1e} of their norm"
        yield text + (" (rounding)" if least < 10 * epsilon else "")
    if BACKWARD in findings:
        text = f"layers {_span(findings[BACKWARD])}: errors smoothed, "
        if numbers["backward_ratio"] <= SMOOTHED:
            yield text + f"deviation down to {layers['backward_ratio'].min():.1e} of their norm"
        else:
            yield text + f"and with no mean error left, {numbers['backward_norm']:.1e} of the output's remains"
    if VANISHING in findings:
        yield f"layers {_span(findings[VANISHING])}: errors vanish"
    yield (
        f"error at its smallest {numbers['backward_norm']:.1e} of the output's; mean output error "
        f"{numbers['mean_error']:.1e} of it; smallest gradient {numbers['gradient']:.1e} of the largest"
    )
    if SPURIOUS in findings:
        yield f"gradients at most {numbers['stationarity']:.1e} of what such features and errors allow"
    if "loss" in numbers:
        side = "above" if numbers["loss_share"] >= 1 else "below"
        yield (
            f"loss {numbers['loss']:.4g}, {abs(numbers['loss_share'] - 1):.1%} {side} the best constant prediction's "
            f"{numbers['constant_loss']:.4g}"
        )


def _losses(value, targets, mask):
    """The loss of the output and that of the best constant prediction, in torch's means."""
    require(isinstance(targets, torch.Tensor), f"targets is a {type(targets).__name__}; a torch.Tensor is needed")
    require(
        len(targets) == len(value),
        f"targets has {len(targets)} rows, the output of the last pass {len(value)}; pass those of that batch",
    )
    mask = check_mask("mask", mask, len(value)).to(value.device)
    value, targets = value[mask].double(), targets.to(value.device)[mask]
    if targets.is_floating_point():
        targets = targets.double().reshape(len(targets), -1)
        value = value.reshape(len(value), -1)
        shapes = f"targets has shape {tuple(targets.shape)}, the output {tuple(value.shape)}"
        require(targets.shape == value.shape, shapes)
        loss, constant = (value - targets).square().mean(), targets.var(0, unbiased=False).mean()
    else:
        require(
            targets.dim() == 1 and value.dim() == 2 and int(targets.min()) >= 0 and int(targets.max()) < value.shape[1],
            f"targets must be {len(value)} class numbers from 0 to {value.shape[-1] - 1}",
        )
        loss = torch.nn.functional.cross_entropy(value, targets.long())
        constant = torch.special.entr(torch.bincount(targets.long()) / len(targets)).sum()
    numbers = {"loss": float(loss), "constant_loss": float(constant)}
    return numbers | {"loss_share": _share(*numbers.values())}


def _add(found, verdict, layers):
    layers = sorted({int(layer) for layer in layers})
    if layers:
        found[verdict] = layers


def _share(part, whole):
    return part / whole if whole else 0.0 if not part else float("inf")


def _span(layers):
    """Layers as text: 0, 3 to 14."""
    runs = []
    for layer in sorted(int(layer) for layer in layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in runs)
