"""Chapter real_graphs, third part: training on public splits, and which of the theorem's facts show."""

import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments.real_graphs.measure import load
from oversmooth_book.experiments.real_graphs.networks import NETWORKS

# Graph -> networks trained on it, and their depths. Only runs that another machine's rounding does not change: on Cora
# the tanh network with Glorot weights is chaotic at depth 64. Products on tolokers cost a hundred times those on Cora.
TRAINED = {
    "Cora": (("orthogonal, tanh", "Glorot, ReLU"), (2, 8, 32, 64)),
    "tolokers": (("orthogonal, tanh", "Glorot, tanh"), (8, 32)),
}


def training(graphs, steps, width=16, lr=0.003, every=2):
    """Train on the published splits (the first of ten on tolokers) with Adam and masked cross-entropy.

    Args:
        graphs: names, of those in `TRAINED`.
        steps: updates, a multiple of `every`.
        width: of the hidden layers.
        lr: step size.
        every: steps between two records.

    Returns:
        A row for each graph, network, depth and recorded step: loss and floor as shares of the entropy of the training
        labels, mean_error ‖μ(B̃⁽ᴸ⁾)‖, gradient (norm of the whole), contrast (relative deviation of X⁽ᴸ⁾), and score on
        the test nodes, in the last row: accuracy, for two classes ROC AUC.
    """
    tables = []
    for graph in graphs:
        data, (chosen, depths) = load(graph), TRAINED[graph]
        for network in chosen:
            for depth in depths:
                keys = {"graph": graph, "network": network, "depth": depth}
                tables.append(_train(data, network, depth, steps, width, lr, every).assign(**keys))
    table = pandas.concat(tables, ignore_index=True)
    return table[["graph", "network", "depth", *table.columns.drop(["graph", "network", "depth"])]]


def split(data):
    """Training and test nodes of the first published split.

    Args:
        data: `Data` with masks (n,) or (n, splits).

    Returns:
        Two masks, (n,).
    """
    masks = (data.train_mask, data.test_mask)
    return tuple(mask if mask.dim() == 1 else mask[:, 0] for mask in masks)


def label_entropy(labels):
    """The entropy of the classes' frequencies: the loss of the best constant output.

    Args:
        labels: (n,) integers.

    Returns:
        A float, natural logarithm.
    """
    shares = labels.bincount() / labels.numel()
    return float(torch.special.entr(shares.double()).sum())


def score(output, labels):
    """Accuracy; for two classes the area under the ROC curve, which does not mind that one is rare.

    Args:
        output: Ŷ, (n, classes).
        labels: (n,) integers.

    Returns:
        A float.
    """
    if output.shape[1] > 2:
        return float((output.argmax(1) == labels).double().mean())
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, output[:, 1] - output[:, 0]))


def _train(data, network, depth, steps, width, lr, every):
    train, test = split(data)
    activation, init, scale = NETWORKS[network]
    widths = [data.num_features, *[width] * (depth - 1), int(data.y.max()) + 1]
    net = osm.Network(osm.Propagation.from_data(data), widths, activation, scale, seed=0, init=init)
    history = osm.fit(net, data.x, data.y, "cross_entropy", train, "adam", lr, steps, every)
    entropy = label_entropy(data.y[train])
    table = history.table[["step", "loss", "mean_error", "gradient"]].copy()
    table["loss"] /= entropy
    table["contrast"] = history.table[f"relative_deviation_{depth - 1}"]
    with torch.no_grad():
        output = net(data.x)
    floor = float(osm.loss_floor(net, data.x, data.y, kind="cross_entropy", mask=train)) / entropy
    last = table["step"] == steps
    return table.assign(floor=last.map({True: floor}), score=last.map({True: score(output[test], data.y[test])}))


def outcomes(table):
    """How each run ended: the third table of the chapter.

    Args:
        table: of `training`.

    Returns:
        Loss (share of the label entropy) and score, a row for each graph and network, a column for each depth, as text.
    """
    last = table[table["score"].notna()]
    text = last["loss"].map("{:.1f}".format) + " / " + last["score"].map("{:.2f}".format)
    shown = last.assign(text=text).pivot(index=["graph", "network"], columns="depth", values="text").fillna("")
    return shown.rename(columns="depth {}".format).rename_axis(columns=None)
