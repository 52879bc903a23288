"""Chapter remedies: the three graphs, who is trained and who is tested."""

from functools import cache

import torch

import oversmooth as osm


@cache
def problem(graph, seed):
    """A graph, its propagation, and who is trained and tested.

    Args:
        graph: "CSBM", a draw for each seed, half of the nodes trained; "Cora", the published split, features reduced
            to their 64 leading principal components; or "minesweeper", a published split for each seed. The largest
            component of each.
        seed: of the draw, or of the split.

    Returns:
        (data, P, training mask, test mask).
    """
    if graph == "CSBM":
        data = osm.largest_component(osm.csbm(seed=seed))
        train = torch.randperm(data.num_nodes, generator=torch.Generator().manual_seed(seed)) % 2 == 0
        return data, osm.Propagation.from_data(data), train, ~train
    data, P = _benchmark(graph)
    if data.train_mask.dim() == 1:
        return data, P, data.train_mask, data.test_mask
    return data, P, *(mask[:, seed % mask.shape[1]] for mask in (data.train_mask, data.test_mask))


@cache
def _benchmark(name):
    data = osm.largest_component(osm.load(name))
    if data.num_features > 64:
        data.x = principal(data.x, 64)
    return data, osm.Propagation.from_data(data)


def principal(features, count):
    """The leading principal components of features.

    Args:
        features: (n, d).
        count: how many, at most d.

    Returns:
        (n, count), the columns of mean 0, scaled together so that their mean square is 1.
    """
    centred = features - features.mean(0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    directions = directions[:, -count:]
    # An eigenvector's sign is the library's choice: make its largest entry positive.
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    parts = centred @ (directions * largest.sign())
    return parts / parts.square().mean().sqrt()
