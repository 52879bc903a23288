"""Full-batch training of many seeds at once, with records of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.checkpointing import checkpointed_pass
from oversmooth.losses import check_mask, make_objective
from oversmooth.moments import backward_moments, entrywise_norm, feature_moments
from oversmooth.network import Network, require_trainable, stack, unstack
from oversmooth.signals import backward_pass, forward_pass

if TYPE_CHECKING:
    import pandas as pd

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
# What is recorded of every layer: column name in `layers`, prefix in `table`.
_PER_LAYER = ("gradient", "deviation", "relative_deviation")


@dataclass(frozen=True)
class History:
    """What `fit` recorded, as tables ready for seaborn.

    Attributes:
        table: a row for each recorded step and seed. Columns: step (updates made so far: 0 is the start), seed (index
            in the batch), loss, mean_error ‖μ(B̃⁽ᴸ⁾)‖, accuracy on the training mask and test_accuracy (where they mean
            something), gradient (norm of the whole gradient, with the bias), diverged, then for each layer k
            gradient_k = ‖∂𝓛/∂W⁽ᵏ⁾‖_F, deviation_k = σ(X⁽ᵏ⁾) and relative_deviation_k. After a seed has diverged its
            numbers are NaN.
        layers: the same per-layer numbers, a row for each step, seed and layer.
        diverged: (seeds,) booleans: whose loss became non-finite.

    Source: chapter *Spurious stationary points*, whose training this is.
    """

    table: pd.DataFrame = field(repr=False)
    diverged: torch.Tensor

    @property
    def layers(self) -> pd.DataFrame:
        """A row for each step, seed and layer: gradient, deviation, relative_deviation."""
        import pandas as pd

        keys = self.table[["step", "seed"]]
        depth = sum(name.startswith("gradient_") for name in self.table.columns)
        parts = []
        for k in range(depth):
            part = self.table[[f"{name}_{k}" for name in _PER_LAYER]].set_axis(_PER_LAYER, axis=1)
            parts.append(pd.concat([keys, part], axis=1).assign(layer=k, depth=depth))
        order = ["step", "seed", "layer", "depth", *_PER_LAYER]
        return pd.concat(parts)[order].sort_values(order[:3]).reset_index(drop=True)


@checked
def fit(
    net_or_nets: Network | Sequence[Network],
    X: torch.Tensor,
    y: torch.Tensor,
    loss: str = "mse",
    mask: torch.Tensor | None = None,
    optimizer: str = "adam",
    lr: float = 0.003,
    steps: int = 1000,
    record_every: int = 1,
    test_mask: torch.Tensor | None = None,
    checkpoint: bool = False,
    clip: float | None = None,
) -> History:
    """Train a network, or a batch of seeds in one pass, by full-batch gradient descent or Adam, in place.

    W⁽ᵏ⁾ ← W⁽ᵏ⁾ − lr ∂𝓛/∂W⁽ᵏ⁾ ("sgd": plain gradient descent), or Adam with torch's other defaults. The gradients are
    those of `trace`; autograd is not used, and ``.grad`` and the random state stay as they are. Seeds do not meet: each
    is trained as it would be alone. One whose loss becomes non-finite is frozen at its last weights with a finite loss
    and reported as diverged. A progress bar shows on a terminal only.

    Args:
        net_or_nets: `Network`, single or a batch; or a list of single ones of equal shape on one `Propagation`.
        X: features, (n, d_0) or (seeds, n, d_0).
        y: targets, (n, d_{L+1}) or (n,) for "mse", classes (n,) for "cross_entropy"; the same for all seeds.
        loss: "mse" (mean over nodes of the squared row norm) or "cross_entropy".
        mask: training nodes, (n,) booleans; None means all.
        optimizer: "sgd" or "adam".
        lr: step size. The default is the book's for Adam; its gradient descent takes 0.02.
        steps: number of updates.
        record_every: record steps 0, record_every, 2 record_every, … and the last one.
        test_mask: nodes for a column test_accuracy, (n,) booleans; None means no such column.
        checkpoint: whether to keep every √depth-th layer only and make the others again in the backward pass: the same
            numbers with the memory of 2√depth layers, for the time of one more forward pass.
        clip: the largest norm of the whole gradient, each seed's by itself, that an update uses; a larger one is scaled
            down to it. Records show the gradient as it was. None: no limit.

    Returns:
        `History`.

    Raises:
        ValueError: networks, data, mask or options that do not fit.

    Source: chapter *Spurious stationary points*, whose training this is.
    """
    network = net_or_nets if isinstance(net_or_nets, Network) else stack(net_or_nets)
    require_trainable(network, X)
    require(optimizer in OPTIMIZERS, f"optimizer is {optimizer!r}; known: {', '.join(OPTIMIZERS)}")
    require(lr > 0, f"lr is {lr}; it must be positive")
    require(clip is None or clip > 0, f"clip is {clip}; a positive norm, or None for no limit, is needed")
    for name, value, least in (("steps", steps, 0), ("record_every", record_every, 1)):
        require(value >= least, f"{name} is {value}; an integer of at least {least}")
    objective = make_objective(loss, y, mask, network)
    test_mask = None if test_mask is None else check_mask("test_mask", test_mask, network.propagation.num_nodes)
    run = _Run(network, X.detach(), objective, test_mask, optimizer, lr, checkpoint, clip)
    table = run.train(steps, record_every)
    if network is not net_or_nets:
        unstack(network, net_or_nets)
    return History(table, run.diverged.reshape(-1).cpu())


class _Run:
    """One call of `fit`: the state between its steps."""

    def __init__(self, network, features, objective, test_mask, optimizer, lr, checkpoint, clip):
        self.network, self.features, self.objective, self.test_mask = network, features, objective, test_mask
        self.clip = clip
        self.checkpoint, self.memory = checkpoint, ()
        self.propagated = network.propagation @ features
        # Views of the same memory: their .grad is ours, the caller's stays untouched.
        self.parameters = [weight.detach() for weight in network.weights]
        if network.bias is not None:
            self.parameters.append(network.bias.detach())
        self.optimizer = OPTIMIZERS[optimizer](self.parameters, lr=lr, foreach=True)
        self.last_finite = [parameter.clone() for parameter in self.parameters]
        shape = () if network.num_seeds is None else (network.num_seeds,)
        self.diverged = torch.zeros(shape, dtype=torch.bool, device=features.device)

    @torch.no_grad()
    def train(self, steps, record_every):
        """All updates; the table of records."""
        from tqdm import tqdm

        records = []
        for step in tqdm(range(steps + 1), desc="training", unit="step", disable=None, leave=False):
            recorded, moments = step % record_every == 0 or step == steps, []
            visit = partial(self.measure, moments) if recorded else None
            states, output = self.forward(visit)
            value, error = self.objective(output)
            self.freeze(~torch.isfinite(value))
            gradients = [g for _, g in backward_pass(self.network, states, error, self.propagated)][::-1]
            if self.network.bias is not None:
                gradients.append(error.sum(-2, keepdim=self.network.num_seeds is not None))
            if recorded:
                records.append(self.record(step, moments, output, value, error, gradients))
            if step < steps:
                self.update(gradients if self.clip is None else self.clipped(gradients))
        return _table(records, self.network.depth)

    def forward(self, visit):
        """The states of a pass and its output; a step's features are written over those of the step before."""
        if self.checkpoint:
            return checkpointed_pass(self.network, self.features, self.propagated, visit)
        states, output = forward_pass(self.network, self.features, self.propagated, visit, out=self.memory)
        self.memory = [features for features, _ in states]
        return states, output

    def freeze(self, bad):
        """Note the seeds that diverge now, and keep the weights of the others in case they do at the next step."""
        self.diverged |= bad
        if bool(self.diverged.any()):
            for kept, parameter in zip(self.last_finite, self.parameters, strict=True):
                frozen = self.diverged.reshape(*self.diverged.shape, *[1] * (parameter.dim() - self.diverged.dim()))
                kept.copy_(torch.where(frozen, kept, parameter))
                parameter.copy_(kept)
        else:
            torch._foreach_copy_(self.last_finite, self.parameters)

    def update(self, gradients):
        """One step of the optimizer."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def clipped(self, gradients):
        """The gradients of every seed times min(1, clip / their norm)."""
        factor = (self.clip / self.norms(gradients).square().sum(0).sqrt()).clamp(max=1)
        return [g * factor.reshape(*factor.shape, *[1] * (g.dim() - factor.dim())) for g in gradients]

    def norms(self, gradients):
        """‖∂𝓛/∂W⁽ᵏ⁾‖_F, and of the bias: (layers,) or (layers, seeds)."""
        own = self.diverged.dim()
        return torch.stack([entrywise_norm(g, seeds=own) for g in gradients])

    def measure(self, moments, features):
        """Append σ(X⁽ᵏ⁾)² and ‖μ(X⁽ᵏ⁾)‖² of one layer."""
        moments.append(feature_moments(features, self.network.propagation))

    def record(self, step, moments, output, value, error, gradients):
        """The numbers of one row of `History.table`, each a scalar or (seeds,)."""
        P, network = self.network.propagation, self.network
        norms = self.norms(gradients)
        row = {"loss": value, "mean_error": backward_moments(error, P).mean_norm}
        row["accuracy"] = self.objective.accuracy(output)
        if self.test_mask is not None:
            row["test_accuracy"] = self.objective.accuracy(output, self.test_mask)
        row["gradient"] = norms.square().sum(0).sqrt()
        row |= {f"gradient_{k}": norms[k] for k in range(network.depth)}
        for name in ("deviation", "relative_deviation"):
            row |= {f"{name}_{k}": getattr(layer, name) for k, layer in enumerate(moments)}
        row = {name: number for name, number in row.items() if number is not None}
        shape = self.diverged.shape
        values = torch.stack([number.expand(shape) for number in row.values()])
        values = torch.where(self.diverged, torch.nan, values)
        return step, list(row), values.reshape(len(row), -1).cpu(), self.diverged.reshape(-1).cpu().clone()


def _table(records, depth):
    import pandas as pd

    parts = []
    for step, names, values, diverged in records:
        part = pd.DataFrame(values.T.numpy(), columns=names)
        part.insert(0, "step", step)
        part.insert(1, "seed", range(len(part)))
        part["diverged"] = diverged.numpy()
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    overall = [name for name in table.columns if not name[-1].isdigit()]
    return table[[*overall, *(name for name in table.columns if name not in overall)]]
