"""How the cost of `trace` with all layer measures, and of `fit`, grows: exponents fitted to times at doubling sizes.

An exponent e says: twice the size takes 2ᵉ times as long. Work that grows in proportion has e = 1; below 1 a part of
the time does not grow.
"""

import statistics

import numpy as np
import torch
from pairs import report, seconds

import oversmooth as osm

# the reference sizes, and the doublings of each in turn; large enough that the calls themselves cost little
BASE = {"nodes": 4000, "degree": 8, "depth": 16, "width": 32, "seeds": 1}
SIZES = {
    "nodes": (2000, 4000, 8000, 16000),
    "edges": (32, 64, 128, 256),
    "depth": (8, 16, 32, 64),
    "width": (32, 64, 128, 256),
    "seeds": (2, 4, 8, 16),
}
TARGETS = {"nodes": "≤ 1.1", "edges": "≤ 1.1", "depth": "≤ 1.1", "seeds": "≤ 1.1"}


def graph(nodes, degree):
    """(2, edges): a ring with random chords, each edge in both directions."""
    generator = torch.Generator().manual_seed(0)
    ring = torch.arange(nodes)
    chords = torch.randint(nodes, (2, nodes * (degree - 2) // 2), generator=generator)
    half = torch.cat([torch.stack([ring, ring.roll(-1)]), chords], dim=1)
    return torch.cat([half, half.flip(0)], dim=1)


def computations(nodes, degree, depth, width, seeds):
    """One pass with its measures, and two steps of training."""
    P = osm.Propagation.from_edges(graph(nodes, degree), nodes)
    X = torch.randn(nodes, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    network = osm.Network(P, [width] * depth + [1], seed=0 if seeds == 1 else list(range(seeds)))
    y = X[:, :1].sign()
    return {
        "trace": lambda: osm.layer_profile(osm.trace(network, X, lambda output: (output - y).square().mean())),
        "fit": lambda: osm.fit(network, X, y, steps=2, record_every=2),
    }


def main():
    """Report the exponents."""
    for name, sizes in SIZES.items():
        times = {}
        for size in sizes:
            key = "degree" if name == "edges" else name
            for what, run in computations(**(BASE | {key: size})).items():
                run()
                times.setdefault(what, []).append([seconds(run) for _ in range(3)])
        for what, rows in times.items():
            # one exponent for each repetition, so that the spread shows the machine's noise
            slopes = [np.polyfit(np.log(sizes), np.log(column), 1)[0] for column in zip(*rows, strict=True)]
            best = np.polyfit(np.log(sizes), np.log([min(row) for row in rows]), 1)[0]
            values = (min(slopes), statistics.median([*slopes, best]), max(slopes))
            report(
                "growth",
                f"{what}, {name} {sizes[0]} to {sizes[-1]}",
                "exponent of the time",
                values,
                TARGETS.get(name, ""),
            )


if __name__ == "__main__":
    main()
