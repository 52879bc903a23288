"""The three graphs of the chapter, who is trained and who is tested."""

import copy
from dataclasses import replace
from functools import cache, lru_cache

import torch

import oversmooth as osm
from oversmooth_book.experiments import settings


@lru_cache(maxsize=16)  # asked for in every step of a training
def problem(setting):
    """The graph of a setting's first seed: data, P, training mask, test mask; the largest component.

    "CSBM": a draw for each seed, counted from the setting's, half of the nodes trained. "Cora": the published split,
    features reduced to their 64 leading principal components. "minesweeper": a published split for each seed.
    """
    graph, kind, seed = setting.graph, setting.kind, setting.seeds[0]
    if graph.split()[0] == "CSBM":
        data = osm.largest_component(replace(setting, graph_seed=setting.graph_seed + seed).data())
        train = torch.randperm(data.num_nodes, generator=torch.Generator().manual_seed(seed)) % 2 == 0
        return data, osm.Propagation.from_data(data, kind), train, ~train
    data = _reduced(graph)
    masks = data.train_mask, data.test_mask
    if data.train_mask.dim() > 1:
        masks = [mask[:, seed % mask.shape[1]] for mask in masks]
    return data, settings.propagation(graph, kind=kind), *masks


@cache
def _reduced(name):
    data = copy.copy(settings.graph(name))  # the other chapters' graph keeps its features
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
