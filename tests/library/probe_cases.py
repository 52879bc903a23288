"""What the tests of the probe share: the table of one pass, and its numbers."""

import torch

import oversmooth as osm

MEASURES = ["feature_deviation", "feature_norm", "feature_ratio", "backward_deviation", "backward_norm"]
MEASURES += ["backward_ratio", "backward_mean", "gradient"]


def square(output):
    return (output - 0.3).square().mean() + output.sum(0).sin().sum() / len(output)


def run(model, *inputs, **options):
    with osm.Probe(model, **options) as probe:
        square(model(*inputs)).backward()
    return probe.table()


def numbers(table):
    return torch.tensor(table[MEASURES].to_numpy(dtype=float))
