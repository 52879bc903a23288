"""Initial variances: can one control the size of features, the size of errors and the features' variation at once?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import label_entropy, over_seeds
from oversmooth_book.experiments.objections.measure import least_losses
from oversmooth_book.experiments.remedies.graphs import principal
from oversmooth_book.experiments.settings import squared_error

FACTOR, ROUGH = 10.0, 0.1  # sizes may change by so much over all layers; features are rough above this
METRICS = ("forward", "backward", "variation")


def metrics(setting, graphs, scales):
    """Untrained tanh networks, Glorot weights times a scale: graph, scale, forward, backward, variation, controlled.

    ``scales``: those of each graph, by its name.

    forward: ‖X⁽ᴸ⁾‖/‖X⁽¹⁾‖; backward: ‖∂𝓛/∂W⁽¹⁾‖/‖∂𝓛/∂W⁽ᴸ⁻¹⁾‖; variation: the relative deviation of X⁽ᴸ⁾; medians
    over the seeds. controlled: 1 if both sizes are within `FACTOR` and the features are rough.
    """
    rows = []
    for name in graphs:
        one = replace(setting, graph=name, init="glorot")
        data, P = one.data(), one.propagation()
        X = principal(data.x, 64) if data.num_features > 64 else data.x
        for scale in scales[name]:
            widths = [X.shape[1], *[one.width] * (one.depth - 1), 1]
            nets = osm.Network(P, widths, "tanh", scale, seed=list(one.seeds), init="glorot")
            found = [float(np.median(value.numpy())) for value in _metrics(nets, X)]
            rows.append({"graph": name, "scale": scale, **dict(zip(METRICS, found, strict=True))})
    table = pd.DataFrame(rows)
    sizes = (np.log10(table[["forward", "backward"]]).abs() <= np.log10(FACTOR)).all(axis=1)
    return table.assign(controlled=(sizes & (table["variation"] >= ROUGH)).astype(int))


def _metrics(nets, X):
    target = torch.ones(len(X), 1, dtype=torch.float64)
    target[::2] = -1.0  # any error will do; half of the nodes each
    signals = osm.trace(nets, X, squared_error(target))
    size = [torch.linalg.matrix_norm(signals.features[k]) for k in (-1, 1)]
    slope = [torch.linalg.matrix_norm(signals.gradients[k]) for k in (1, -2)]
    return size[0] / size[1], slope[0] / slope[1], osm.relative_deviation(signals.features[-1], nets.propagation)


def trained(setting, scales):
    """The same start on the block model, Adam: scale, median, low, high of the least loss (share of the entropy)."""
    one = replace(setting, init="glorot", seeds=setting.seeds * len(scales), loss="cross_entropy")
    nets, data = one.network(), one.data()
    factor = torch.tensor(scales, dtype=torch.float64).repeat_interleave(len(setting.seeds))[:, None, None]
    with torch.no_grad():
        for weight in nets.weights:
            weight.mul_(factor)
    objective = one.objective()
    least = least_losses(nets.parameters(), lambda: objective(nets(data.x)), one.steps, one.step_size)
    least = least.numpy() / label_entropy(data.y)
    keys = {"scale": np.repeat(np.asarray(scales, float), len(setting.seeds)), "seed": setting.seeds * len(scales)}
    return over_seeds(pd.DataFrame(keys | {"loss": least}), ["scale"], "loss")
