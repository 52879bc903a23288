"""What the chapters share besides `settings`: medians over seeds, slopes, scores, a common training."""

import math

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.settings import Setting as Setting  # four notebooks take it from here
from oversmooth_book.experiments.settings import signs, squared_error


def clear_of_rounding(errors, floor=1e-9):
    """Differences that should be 0: below ``floor`` they are rounding, other on every machine, and become 0."""
    return np.where(np.abs(errors) > floor, errors, 0.0)


def rows_with(table, **values):
    """The rows of a table that have these values, column=value."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def over_seeds(table, by, value):
    """Median and range over the seeds, for `oversmooth.drawing.theme.band`: columns ``by``, median, low, high."""
    groups = table.groupby(by, sort=False)[value]
    return groups.agg(median="median", low="min", high="max").reset_index()


def log_slope(x, y):
    """Least-squares slope of log y against x: of an exponential decay, its rate's logarithm; NaN of fewer than two."""
    if len(x) < 2:
        return math.nan
    return float(np.polyfit(np.asarray(x, float), np.log(np.asarray(y, float)), 1)[0])


def bands(table, by, names):
    """`over_seeds` of several columns, one below the other: columns ``by``, median, low, high, quantity."""
    return pd.concat([over_seeds(table, by, name).assign(quantity=name) for name in names], ignore_index=True)


def judged(network, data, certified=True):
    """`osm.layer_profile` of a batch with one output, targets ±1, and certificate, loss, floor, total, last_norm.

    total is the norm of the whole gradient, last_norm is ‖W⁽ᴸ⁾‖; the same in all rows of a seed. Where the theory
    does not reach, or with ``certified`` false, the certificate is NaN.
    """
    Y, P = signs(data.y), network.propagation
    signals = osm.trace(network, data.x, squared_error(Y))
    table = osm.layer_profile(signals)
    # The theory covers the GCN matrix in the coordinates of the random walk, for homogeneous activations only.
    covered = certified and (P.scaling is None or network.activation.homogeneous)
    # (layers, seeds) one after the other, the order of the profile
    table["certificate"] = osm.certificate(signals).gradient.mT.reshape(-1).numpy() if covered else np.nan
    per_seed = {
        "loss": signals.loss,
        "floor": osm.loss_floor(network, data.x, Y),
        "total": sum(gradient.square().sum((-2, -1)) for gradient in signals.gradients).sqrt(),
        "last_norm": torch.linalg.matrix_norm(network.weights[-1].detach()),
    }
    for name, values in per_seed.items():
        table[name] = values.numpy()[table["seed"]]
    return table


def label_variance(setting):
    """The mean squared error of the best constant prediction of labels ±1."""
    return float(signs(setting.data().y).var(correction=0))


def label_entropy(labels):
    """The entropy of the classes' frequencies, natural logarithm: the cross-entropy of the best constant output."""
    shares = labels.bincount() / labels.numel()
    return float(torch.special.entr(shares.double()).sum())


def accuracy(output, labels):
    """The share of nodes whose largest output, of (n, classes), is that of their class."""
    return float((output.argmax(1) == labels).double().mean())


def score(output, labels):
    """Accuracy of (n, classes); for two classes the area under the ROC curve, which does not mind that one is rare."""
    if output.shape[1] > 2:
        return accuracy(output, labels)
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, output[:, 1] - output[:, 0]))


def descend(parameters, objective, steps, step_size):
    """Adam with torch's other defaults on ``objective()``, in place. Ends at the least loss it met.

    A deep network's loss may leap by a hundredfold in one step and come back in the next. Where it stands when the
    budget is spent is then chance, and rounding decides; the least loss is not.
    """
    parameters = list(parameters)
    optimizer = torch.optim.Adam(parameters, lr=step_size, foreach=True)
    least, kept = float("inf"), [parameter.detach().clone() for parameter in parameters]
    for step in range(steps + 1):
        optimizer.zero_grad()
        value = objective()
        if value < least:
            least, kept = float(value.detach()), [parameter.detach().clone() for parameter in parameters]
        if step < steps:
            value.backward()
            optimizer.step()
    with torch.no_grad():
        for parameter, best in zip(parameters, kept, strict=True):
            parameter.copy_(best)


def mean_growth(setting, scales, layers=48, start=8):
    """g(s), the growth per layer of a small difference in the MLP that the mean row passes: scale, growth.

    Where all rows are nearly x, the next ones are nearly ρ(sxW), and a difference d between them becomes λ_j times
    s(dW) ⊙ ρ'(sxW) in mode j of P. So σ(X⁽ᵏ⁾) ~ (λg)ᵏ near the smoothed state, which draws features in below 1.
    The geometric mean over the layers from ``start`` on and over the seeds. Many seeds and few layers: the MLP is
    chaotic above s = 1, and after 60 layers rounding would decide.
    """
    alone = osm.Propagation.from_matrix(torch.eye(1, dtype=torch.float64))
    network = osm.Network(alone, [setting.width] * (layers + 1), setting.activation, seed=list(setting.seeds))
    rows = []
    for scale in scales:
        x, d = torch.eye(2, setting.width, dtype=torch.float64)[:, None, None]  # any two rows: their start is forgotten
        logs = []
        for weight in network.weights:
            h, d = scale * (x @ weight.detach()), scale * (d @ weight.detach())
            x, d = network.activation(h), d * network.activation.slope(h)
            size = d.norm(dim=-1, keepdim=True)
            d, logs = d / size, [*logs, size.log().mean()]
        rows.append({"scale": float(scale), "growth": float(torch.stack(logs[start:]).mean().exp())})
    return pd.DataFrame(rows)
