"""The three graphs of the chapter, who is trained and who is tested."""

import copy
from functools import cache

import torch

import oversmooth as osm
from oversmooth_book.experiments import common


def problem(setting):
    """The graph of a setting's first seed: data, P, training mask, test mask; the largest component.

    "CSBM": a draw for each seed, half of the nodes trained. "Cora": the published split, features reduced to their 64
    leading principal components. "minesweeper": a published split for each seed.
    """
    return _problem(setting.graph, setting.kind, setting.seeds[0])


@cache
def _problem(graph, kind, seed):
    if graph == "CSBM":
        data = osm.largest_component(common.graph(graph, seed))
        train = torch.randperm(data.num_nodes, generator=torch.Generator().manual_seed(seed)) % 2 == 0
        return data, osm.Propagation.from_data(data, kind), train, ~train
    data = _reduced(graph)
    masks = data.train_mask, data.test_mask
    if data.train_mask.dim() > 1:
        masks = [mask[:, seed % mask.shape[1]] for mask in masks]
    return data, common.propagation(graph, kind=kind), *masks


@cache
def _reduced(name):
    data = copy.copy(common.graph(name))  # the other chapters' graph keeps its features
    if data.num_features > 64:
        data.x = principal(data.x, 64)
    return data


def principal(features, count):
    """The leading principal components of features: (n, count), means 0, scaled together to mean square 1."""
    centred = features - features.mean(0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    directions = directions[:, -count:]
    # An eigenvector's sign is the library's choice: make its largest entry positive.
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    parts = centred @ (directions * largest.sign())
    return parts / parts.square().mean().sqrt()
