"""Training on public splits, and which of the theorem's facts show."""

from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import label_entropy, score
from oversmooth_book.experiments.real_graphs.networks import NETWORKS

# Graph -> networks trained on it, and their depths. Only runs that another machine's rounding does not change: on Cora
# the tanh network with Glorot weights is chaotic at depth 64. Products on tolokers cost a hundred times those on Cora.
TRAINED = {
    "Cora": (("orthogonal, tanh", "Glorot, ReLU"), (2, 8, 64)),
    "tolokers": (("orthogonal, tanh", "Glorot, tanh"), (32,)),
}
EVERY = 4  # steps between two records


def training(setting, graphs):
    """Training runs: graph, network, depth, step, loss, mean_error, gradient, contrast, floor, score.

    Those of `TRAINED`, on the published split (the first of ten on tolokers), with the first seed. Loss and floor are
    shares of the entropy of the training labels; mean_error is ‖μ(B̃⁽ᴸ⁾)‖, gradient the norm of the whole, contrast the
    relative deviation of X⁽ᴸ⁾; floor and score (on the test nodes: accuracy, for two classes ROC AUC) stand in each
    run's last row only.
    """
    tables = []
    for graph in graphs:
        chosen, depths = TRAINED[graph]
        for network in chosen:
            for depth in depths:
                one = replace(setting, graph=graph, depth=depth, seeds=setting.seeds[:1], **NETWORKS[network])
                keys = {"graph": graph, "network": network, "depth": depth}
                table = _train(one)
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def split(data):
    """Training and test nodes of the first published split: two masks, (n,)."""
    masks = (data.train_mask, data.test_mask)
    return tuple(mask if mask.dim() == 1 else mask[:, 0] for mask in masks)


def _train(setting):
    data, net = setting.data(), setting.network()
    train, test = split(data)
    options = {"optimizer": setting.optimizer, "lr": setting.step_size, "steps": setting.steps, "record_every": EVERY}
    history = osm.fit(net, data.x, data.y, setting.loss, train, **options)
    entropy = label_entropy(data.y[train])
    table = history.table[["step", "loss", "mean_error", "gradient"]].copy()
    table["loss"] /= entropy
    table["contrast"] = history.table[f"relative_deviation_{setting.depth - 1}"]
    with torch.no_grad():
        (output,) = net(data.x)  # one seed
    floor = float(osm.loss_floor(net, data.x, data.y, setting.loss, train)) / entropy
    last = table["step"] == setting.steps
    return table.assign(floor=last.map({True: floor}), score=last.map({True: score(output[test], data.y[test])}))
