"""What frees a model's gradient, found by trying: a few changes, each trained for a few steps from the same seed."""

from __future__ import annotations

import copy
import inspect
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth._validation import came, require
from oversmooth.probe.probe import Probe

if TYPE_CHECKING:
    import pandas as pd

AS_IT_IS, NO_GRAPH = "as it is", "no graph (P = I)"


@checked
def prescribe(
    model_factory: Callable, data: object, loss: Callable, steps: int = 50, lr: float = 0.01, seed: int = 0
) -> pd.DataFrame:
    """Try what could help a model, and tell what did: the same seed, a few steps of Adam, a row for each change.

    The twin without a graph (same weights, P = I) tells whether the graph is the cause. Of the changes the three that
    fit the verdict at the start are tried, without editing the model: orthogonal initial weights with gain √2; the
    input added to the output of every layer that keeps its width; PairNorm behind every layer but the last, or the
    mean taken off there (deflation); every other layer that keeps its width left out, though still computed.

    Args:
        model_factory: () -> a new model; random numbers come from ``seed``.
        data: a graph with x and edge_index; the model is called as model(x, edge_index), or as model(data) where it
            takes one argument.
        loss: output -> scalar, or (output, data) -> scalar.
        steps: of Adam, for each row.
        lr: its step size.
        seed: of weights and dropout, for each row.

    Returns:
        pandas.DataFrame: change; verdict (at the start) and verdict_after; smallest_gradient over the layers at the
        start; freed, how many times that of the model as it is; loss_start, loss_end; gain, by how much lower the loss
        ends than the model's as it is; cost, the time of a step over the model's as it is. The model as it is first,
        the twin next, then by loss_end.

    Raises:
        ValueError: data without x and edge_index, a factory that needs arguments or gives no model, a loss of other
            arguments, or no steps.

    Source: ours.
    """
    import pandas as pd

    made = "model_factory is a model already; a function that makes a new one at each call is needed"
    require(not isinstance(model_factory, torch.nn.Module), made)
    wanted = _required(model_factory) or []
    require(not wanted, f"model_factory needs {', '.join(wanted)}; a function without arguments is needed")
    wanted = _required(loss)
    require(wanted is None or len(wanted) in (1, 2), "loss takes other than (output) or (output, data)")
    require(steps >= 1, f"steps is {steps}; at least 1 is needed")
    require(getattr(data, "x", None) is not None and getattr(data, "edge_index", None) is not None, _NEEDS)
    with torch.random.fork_rng(devices=_devices()):
        first = _trial(AS_IT_IS, model_factory, data, loss, steps, lr, seed)
        names = [NO_GRAPH, *_fitting(first["verdict"])]
        rows = [first, *(_trial(name, model_factory, data, loss, steps, lr, seed) for name in names)]
    for row in rows:
        row["freed"] = _over(row["smallest_gradient"], first["smallest_gradient"])
        row["gain"] = first["loss_end"] - row["loss_end"]
        row["cost"] = row["seconds"] / first["seconds"]
    table = pd.DataFrame(rows)
    tried = table.iloc[2:].sort_values("loss_end", kind="stable")
    columns = ["change", "verdict", "verdict_after", "smallest_gradient", "freed", "loss_start", "loss_end"]
    return pd.concat([table.iloc[:2], tried], ignore_index=True)[[*columns, "gain", "cost"]]


_NEEDS = "data has no x or no edge_index; a torch_geometric Data with both is needed"


def _devices():
    return list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []


def _over(part, whole):
    return part / whole if whole else math.inf if part else 1.0


def _fitting(verdict):
    """The three changes that fit a verdict."""
    if verdict == "exploding":
        return ["initial scale", "PairNorm", "fewer layers"]
    if "oversmoothing" in verdict or verdict == "spurious stationary point":
        return ["residual", "deflation", "fewer layers"]
    return ["initial scale", "residual", "PairNorm"]


def _trial(name, factory, data, loss, steps, lr, seed):
    """One row: the change made, the model measured, trained, and measured again."""
    torch.manual_seed(seed)
    model = factory()
    require(isinstance(model, torch.nn.Module), f"model_factory gave a {type(model).__name__}; a model is needed")
    if name == NO_GRAPH:
        data = _without_graph(data)
    call, probe = _caller(model, data), Probe(model)
    if name in _CHANGES:
        _CHANGES[name](probe.layers)
    objective = _objective(loss, data)
    torch.manual_seed(seed + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    start = _measured(probe, call, objective)
    begun = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        objective(call()).backward()
        optimizer.step()
    seconds = (time.perf_counter() - begun) / steps
    end = _measured(probe, call, objective)
    optimizer.zero_grad()
    return {
        "change": name,
        "verdict": start["verdict"],
        "verdict_after": end["verdict"],
        "smallest_gradient": start["gradient"],
        "loss_start": start["loss"],
        "loss_end": end["loss"],
        "seconds": seconds,
    }


def _measured(probe, call, objective):
    """Loss, verdict and the smallest gradient of a layer, of one pass without a step."""
    with probe:
        value = objective(call())
        fits = (
            isinstance(value, torch.Tensor) and value.dim() == 0 and value.requires_grad and value.is_floating_point()
        )
        require(fits, f"loss gives {came(value)}; a scalar tensor that depends on the model is needed")
        value.backward()
    gradients = probe.table()["gradient"].dropna()
    smallest = float(gradients.min()) if len(gradients) else math.nan
    return {"loss": float(value.detach()), "verdict": probe.diagnosis().verdict, "gradient": smallest}


def _without_graph(data):
    """The same data with a loop at every node and no other edge: P = I."""
    twin, nodes = copy.copy(data), torch.arange(len(data.x), device=data.x.device)
    twin.edge_index = torch.stack([nodes, nodes])
    return twin


def _caller(model, data):
    """() -> output."""
    alone = len(_required(model.forward) or ()) == 1
    return (lambda: model(data)) if alone else (lambda: model(data.x, data.edge_index))


def _required(function):
    """Names of the arguments that a function cannot do without; None where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not positional and any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    return [p.name for p in positional if p.default is p.empty]


def _objective(loss, data):
    """Output -> scalar."""
    return (lambda output: loss(output, data)) if len(_required(loss) or ()) > 1 else loss


def _scaled(layers):
    """Orthogonal weights with gain √2, which keep the size of a signal through a ReLU."""
    for _, module in layers:
        for parameter in module.parameters():
            if parameter.dim() == 2 and min(parameter.shape) > 1:
                torch.nn.init.orthogonal_(parameter, gain=2**0.5)


def _changed(layers, change):
    """Replace what each layer returns by change(input, output), where both are tensors of the same nodes."""

    def hook(module, args, kwargs, output):
        x = next((v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor) and v.is_floating_point()), None)
        fits = isinstance(output, torch.Tensor) and x is not None and x.shape[:-1] == output.shape[:-1]
        return change(x, output) if fits else None

    for _, module in layers:
        module.register_forward_hook(hook, with_kwargs=True)


def _residual(layers):
    _changed(layers, lambda x, output: x + output if x.shape == output.shape else output)


def _fewer(layers):
    """Every other layer hands on what it gets, where the width is the same; it is still computed."""
    _changed(layers[1::2], lambda x, output: x if x.shape == output.shape else output)


def _deflated(layers):
    _changed(layers[:-1], lambda x, output: output - output.mean(-2, keepdim=True))


def _pair_norm(layers):
    """PairNorm of Zhao and Akoglu (2020): centred, and of mean square 1 a node."""

    def normed(x, output):
        output = output - output.mean(-2, keepdim=True)
        return output / (1e-6 + output.square().sum(-1).mean(-1)[..., None, None]).sqrt()

    _changed(layers[:-1], normed)


_CHANGES = {
    "initial scale": _scaled,
    "residual": _residual,
    "PairNorm": _pair_norm,
    "deflation": _deflated,
    "fewer layers": _fewer,
}
