"""Which loss the model was trained with, its value, and that of the best constant prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional as F

from oversmooth._validation import came, require
from oversmooth.losses import check_mask
from oversmooth.probe.outputs import copied, leaves

_FITS = 0.999  # cosine between a loss's gradient and the error that arrived from which that loss is taken for known


class Loss(NamedTuple):
    """A loss of torch in its mean, and the best that one prediction for all rows can do.

    Attributes:
        name: in words.
        takes: (prediction, targets) -> whether the shapes and numbers are its own.
        value: (prediction, targets) -> scalar.
        constant: targets -> scalar.
    """

    name: str
    takes: Callable
    value: Callable
    constant: Callable


def _classes(prediction, targets):
    whole = not targets.is_floating_point() and targets.dim() == 1 and prediction.dim() == 2
    return whole and prediction.shape[1] > 1 and int(targets.min()) >= 0 and int(targets.max()) < prediction.shape[1]


def _log_probabilities(prediction, targets):
    return _classes(prediction, targets) and bool((prediction.exp().sum(1) - 1).abs().max() < 1e-3)


def _alike(prediction, targets):
    return prediction.numel() == targets.numel() and len(prediction) == len(targets)


def _real(prediction, targets):
    return _alike(prediction, targets) and targets.is_floating_point()


def _shares(prediction, targets):
    return _alike(prediction, targets) and float(targets.min()) >= 0 and float(targets.max()) <= 1


def _probabilities(prediction, targets):
    return _shares(prediction, targets) and float(prediction.min()) >= 0 and float(prediction.max()) <= 1


def _entropy(targets):
    return torch.special.entr(torch.bincount(targets.long()).double() / len(targets)).sum()


def _columns(targets):
    return targets.double().reshape(len(targets), -1)


def _binary_entropy(targets):
    share = _columns(targets).mean(0)
    return (torch.special.entr(share) + torch.special.entr(1 - share)).mean()


def _like(prediction, targets):
    return targets.to(prediction.dtype).reshape(prediction.shape)


def _spread(targets):
    return _columns(targets).var(0, unbiased=False).mean()


LOSSES = (
    Loss("cross-entropy", _classes, lambda p, y: F.cross_entropy(p, y.long()), _entropy),
    Loss("negative log-likelihood", _log_probabilities, lambda p, y: F.nll_loss(p, y.long()), _entropy),
    Loss(
        "binary cross-entropy",
        _shares,
        lambda p, y: F.binary_cross_entropy_with_logits(p, _like(p, y)),
        _binary_entropy,
    ),
    Loss(
        "binary cross-entropy of probabilities",
        _probabilities,
        lambda p, y: F.binary_cross_entropy(p, _like(p, y)),
        _binary_entropy,
    ),
    Loss("squared error", _real, lambda p, y: F.mse_loss(p, _like(p, y)), _spread),
    Loss(
        "absolute error",
        _real,
        lambda p, y: F.l1_loss(p, _like(p, y)),
        lambda y: (_columns(y) - _columns(y).median(0).values).abs().mean(),
    ),
)


def compared(output, targets, mask=None, loss=None, chosen=None):
    """The loss of an output and that of the best constant prediction.

    Without ``loss`` it is the one of `LOSSES` whose gradient is the error that arrived at the output; else the first
    whose shapes fit, which is then a guess.

    Args:
        output: an `Output` with its tree.
        targets: a tensor with a row for each row of the prediction (or each that the mask counts).
        mask: rows that the loss counts, or None.
        loss: a number, a function of (prediction, targets), or None.
        chosen: key, index, attribute or function that gives the prediction from the output; None: its first tensor.

    Returns:
        Dictionary: loss, constant_loss, loss_share, and known, 1.0 where the loss is no guess; and the loss's name.

    Raises:
        ValueError: targets that do not fit the output.
    """
    require(isinstance(targets, torch.Tensor), f"targets is a {type(targets).__name__}; a torch.Tensor is needed")
    live = copied(output.tree, lambda tensor: tensor.detach().to(torch.float64).requires_grad_())
    with torch.enable_grad():
        prediction, targets, rows = _pairs(_chosen(live, chosen), targets, mask)
        counted = prediction[rows] if rows is not None else prediction
        wanted = targets[rows] if rows is not None else targets
        if callable(loss):
            value, name, known = float(loss(counted.detach(), wanted)), getattr(loss, "__name__", "loss"), True
            best = _best_constant(loss, counted.detach(), wanted)
        else:
            found, known, counted, wanted = _recognised(live, output, counted, wanted, rows is None)
            require(found is not None or loss is not None, _refusal(prediction, targets))
            name = found.name if found is not None else "loss"
            value, best = _value_and_best(found, counted, wanted, loss, known)
            known = known or loss is not None
    share = value / best if best else 0.0 if not value else float("inf")
    return {"loss": value, "constant_loss": best, "loss_share": share, "loss_known": float(known)}, name


def _value_and_best(found, prediction, targets, given, known):
    """The loss and the best constant's; a value that was given may be a sum, or of a loss that is not known."""
    if found is None:
        return float(given), float("nan")
    mean, best = float(found.value(prediction.detach(), targets)), float(found.constant(targets))
    if given is None:
        return mean, best
    scale = float(given) / mean if mean else 1.0
    return float(given), best * scale if known or abs(scale - 1) < 1e-2 else float("nan")


def _chosen(tree, chosen):
    """The prediction in an output's tree."""
    if callable(chosen):
        found = chosen(tree)
    elif chosen is None:
        found = next(tensor for _, tensor in leaves(tree))
    else:
        try:
            found = getattr(tree, chosen) if isinstance(chosen, str) and hasattr(tree, chosen) else tree[chosen]
        except (KeyError, IndexError, TypeError) as error:
            known = list(tree) if isinstance(tree, dict) else f"a {type(tree).__name__}"
            raise ValueError(f"output={chosen!r} is not in the model's output, which has {known}") from error
    require(isinstance(found, torch.Tensor), f"output={chosen!r} gives {came(found)}; a torch.Tensor is needed")
    return found


def _pairs(prediction, targets, mask):
    """Prediction, targets and the rows that count (None: all), on one device."""
    targets = targets.detach().to(prediction.device)
    if mask is None:
        require(
            len(targets) == len(prediction),
            f"targets has {len(targets)} rows, the output of the last pass {len(prediction)}; pass those of that "
            "batch, or say with output=... which part of the output they belong to",
        )
        return prediction, targets, None
    rows = check_mask("mask", mask, len(prediction)).to(prediction.device)
    if len(targets) == int(rows.sum()) and len(targets) != len(prediction):
        return prediction[rows], targets, None
    require(
        len(targets) == len(prediction),
        f"targets has {len(targets)} rows, the output of the last pass {len(prediction)}; pass those of that batch",
    )
    return prediction, targets, rows


def _recognised(live, output, prediction, targets, may_mask):
    """(loss, known, prediction, targets): the one whose gradient the error is, over all rows or those with an error."""
    fitting = [loss for loss in LOSSES if _takes(loss, prediction, targets)]
    fitting.sort(key=lambda loss: loss.name.startswith("binary") and not _is_binary(targets))
    here = [(path, leaf) for path, leaf in leaves(live) if path in output.gradients]
    arrived = [output.gradients[path].double() for path, _ in here]
    touched = _touched(prediction, [leaf for _, leaf in here], arrived) if may_mask else None
    choices = [(prediction, targets)] + ([(prediction[touched], targets[touched])] if touched is not None else [])
    for counted, wanted in choices if here else []:
        for loss in fitting:
            value, parts = loss.value(counted, wanted), [t for _, t in here]
            grads = torch.autograd.grad(value, parts, retain_graph=True, allow_unused=True)
            grads = [torch.zeros_like(t) if g is None else g for g, (_, t) in zip(grads, here, strict=True)]
            if _cosine(grads, arrived) > _FITS:
                return loss, True, counted, wanted
    return (fitting[0] if fitting else None), False, prediction, targets


def _takes(loss, prediction, targets):
    return targets.numel() > 0 and loss.takes(prediction.detach(), targets)


def _is_binary(targets):
    return bool(((targets == 0) | (targets == 1)).all())


def _touched(prediction, parts, arrived):
    """The rows at which an error arrived, where the prediction is the output itself and they are not all."""
    index = next((i for i, part in enumerate(parts) if part is prediction), None)
    if index is None:
        return None
    rows = arrived[index].reshape(len(prediction), -1).ne(0).any(1)
    return rows if bool(rows.any()) and not bool(rows.all()) else None


def _cosine(ours, theirs):
    ours, theirs = (torch.cat([part.reshape(-1) for part in parts]) for parts in (ours, theirs))
    size = ours.norm() * theirs.norm()
    return float(ours @ theirs / size) if size > 0 else 0.0


def _best_constant(loss, prediction, targets):
    """The least loss of one row for all, by L-BFGS from the mean prediction: exact where the loss is convex."""
    row = prediction.mean(0, keepdim=True).clone().requires_grad_()
    optimizer = torch.optim.LBFGS([row], max_iter=100, line_search_fn="strong_wolfe")

    def step():
        optimizer.zero_grad()
        value = loss(row.expand_as(prediction), targets)
        value.backward()
        return value

    try:
        optimizer.step(step)
        return float(loss(row.detach().expand_as(prediction), targets))
    except RuntimeError:  # a loss that reads more than the prediction
        return float("nan")


def _refusal(prediction, targets):
    kind = "floats" if targets.is_floating_point() else "integers"
    many = prediction.dim() == 2 and prediction.shape[1] > 1
    classes = f"class numbers from 0 to {prediction.shape[1] - 1} or " if many else ""
    return (
        f"targets has shape {tuple(targets.shape)} ({kind}), the output {tuple(prediction.shape)}: {classes}numbers of "
        "the output's shape are needed; or pass loss=, the function of (output, targets) or its value, or output=, the "
        "part of the output that they belong to"
    )
