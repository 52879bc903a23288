"""The peak memory of a pass and of training on a large graph: 10⁶ nodes, 5·10⁶ edges, depth 32, width 32.

`streamed_profile` and `fit(checkpoint=True)`, float64, each in a process of its own, whose peak resident memory
the system reports. The graph is random; its edges stand in both directions, as everywhere. Run by hand it takes other
sizes: ``--nodes``, ``--edges``, ``--depth``, ``--width``.
"""

import argparse
import resource
import subprocess
import sys

import torch
from pairs import report

import oversmooth as osm

LIMIT = 12  # GiB


def random_graph(nodes, edges, seed=0):
    """(2, 2·edges) integers: a ring, so that the graph is connected, and random pairs."""
    generator = torch.Generator().manual_seed(seed)
    ring = torch.arange(nodes, dtype=torch.int32)
    pairs = torch.randint(nodes, (2, edges - nodes), generator=generator, dtype=torch.int32)
    half = torch.cat([torch.stack([ring, ring.roll(-1)]), pairs], dim=1)
    return torch.cat([half, half.flip(0)], dim=1)


def measure(what, nodes, edges, depth, width):
    """Run one of the two and print the peak resident memory of this process, in GiB."""
    P = osm.Propagation.from_edges(random_graph(nodes, edges), nodes, kind="random_walk")
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(nodes, width, generator=generator, dtype=torch.float64)
    y = torch.randint(2, (nodes,), generator=generator)
    network = osm.Network(P, [width] * depth + [2])
    if what == "streamed_profile":
        osm.streamed_profile(network, X, lambda output: torch.nn.functional.cross_entropy(output, y))
    else:
        osm.fit(network, X, y, loss="cross_entropy", steps=1, checkpoint=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main(arguments=()):
    """Report the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("nodes", 1_000_000), ("edges", 5_000_000), ("depth", 32), ("width", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=["streamed_profile", "fit"], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sizes = [options.nodes, options.edges, options.depth, options.width]
    if options.only:
        measure(options.only, *sizes)
        return
    for what in ("streamed_profile", "fit"):
        names = ("nodes", "edges", "depth", "width")
        flags = [f"--{name}={size}" for name, size in zip(names, sizes, strict=True)]
        command = [sys.executable, __file__, f"--only={what}", *flags]
        found = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        case = f"{sizes[0]:,} nodes, {sizes[1]:,} edges, depth {sizes[2]}, width {sizes[3]}, float64"
        report(what, case, "peak memory in GiB", [found] * 3, f"≤ {LIMIT}")


if __name__ == "__main__":
    main(sys.argv[1:])
