"""Optional columns of a probe's table: local smoothness, sizes of weights and of their updates."""

import math

import torch

from oversmooth.probe.calls import endpoints

OF_FEATURES = ("dirichlet", "mad")
OF_PARAMETERS = ("weight_norm", "update_ratio")
COLUMNS = OF_FEATURES + OF_PARAMETERS


def of_features(columns, x, found, module):
    """The columns that features and graph give.

    dirichlet: Σ_edges ‖X_i − X_j‖² / Σ_edges (‖X_i‖² + ‖X_j‖²), 0 where neighbours are equal and about 1 where they are
    as different as any; mad: the mean of 1 − cos(X_i, X_j) over edges.

    Args:
        columns: which.
        x: (n, d) or (…, n, d).
        found: the `Inputs` of the call.
        module: the layer.

    Returns:
        Dictionary name -> float.
    """
    wanted = [name for name in OF_FEATURES if name in columns]
    if not wanted or not x.numel():
        return {}
    x = x.flatten(0, -3)[0] if x.dim() > 2 else x
    numbers = {}
    if found.edges is not None and not isinstance(found.edges, dict) and not found.bipartite:
        source, target, _ = endpoints(found.edges, None, getattr(module, "flow", "source_to_target"))
        numbers = local(x, source, target)
    return {name: numbers[name] for name in wanted if name in numbers}


def local(x, source, target):
    """The dirichlet and mad of `of_features`, over the edges that are no loops."""
    keep = source != target
    source, target = source[keep], target[keep]
    if not len(source):
        return {"dirichlet": math.nan, "mad": math.nan}
    x = x.double() / (x.double().abs().amax().clamp(min=1e-300))
    square = x.square().sum(1)
    inner = (x[source] * x[target]).sum(1)
    both = square[source] + square[target]
    different = (x[source] - x[target]).square().sum(1)
    total = float(both.sum())
    sizes = (square[source] * square[target]).sqrt()
    distance = torch.where(sizes > 0, 1 - inner / sizes.clamp(min=1e-300), (both > 0).double())
    return {"dirichlet": float(different.sum()) / total if total else 0.0, "mad": float(distance.mean())}


def of_parameters(columns, module, kept, name):
    """The columns that the parameters give.

    weight_norm: over all parameters of the layer; update_ratio: ‖change since the pass before‖ / ‖parameters‖, NaN in
    the first pass.

    Args:
        columns: which.
        module: the layer.
        kept: name of a layer -> its parameters at the pass before; changed here.
        name: of the layer.

    Returns:
        Dictionary name -> float.
    """
    if not any(column in columns for column in OF_PARAMETERS):
        return {}
    with torch.no_grad():
        now = [p.detach().reshape(-1).double() for p in module.parameters() if not is_lazy(p)]
        now = torch.cat(now) if now else torch.zeros(0, dtype=torch.float64)
        norm, before = float(now.norm()), kept.get(name)
        numbers = {"weight_norm": norm, "update_ratio": math.nan}
        if "update_ratio" in columns:
            if before is not None and len(before) == len(now) and norm:
                numbers["update_ratio"] = float((now - before).norm()) / norm
            kept[name] = now.clone()
    return {column: numbers[column] for column in OF_PARAMETERS if column in columns}


def is_lazy(parameter):
    """Whether a parameter has no shape yet."""
    return isinstance(parameter, torch.nn.parameter.UninitializedParameter)
