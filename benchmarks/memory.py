"""The peak memory of a pass and of training on a large graph: 10⁶ nodes, 5·10⁶ edges, depth 32, width 32.

`streamed_profile` and `fit(checkpoint=True)`, float64, each in a process of its own, whose peak resident memory
the system reports. The graph is random; its edges stand in both directions, as everywhere. Takes some minutes, so
``make bench`` leaves it out: run it by hand. Other sizes: ``--nodes``, ``--edges``, ``--depth``, ``--width``.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

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
    """Run one of the two, print what it took as JSON."""
    P = osm.Propagation.from_edges(random_graph(nodes, edges), nodes, kind="random_walk")
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(nodes, width, generator=generator, dtype=torch.float64)
    y = torch.randint(2, (nodes,), generator=generator)
    network = osm.Network(P, [width] * depth + [2])
    built, start = peak(), time.perf_counter()
    if what == "streamed_profile":
        table = osm.streamed_profile(network, X, lambda output: torch.nn.functional.cross_entropy(output, y))
        checked = float(table["gradient"].min())
    else:
        history = osm.fit(network, X, y, loss="cross_entropy", steps=1, checkpoint=True)
        checked = float(history.table["loss"].iloc[-1])
    seconds = time.perf_counter() - start
    print(json.dumps({"peak": peak(), "graph": built, "seconds": seconds, "value": checked}))


def peak():
    """Peak resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main():
    """Print the peaks; fail above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("nodes", 1_000_000), ("edges", 5_000_000), ("depth", 32), ("width", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=["streamed_profile", "fit"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [options.nodes, options.edges, options.depth, options.width]
    if options.only:
        measure(options.only, *sizes)
        return
    failed = False
    for what in ("streamed_profile", "fit"):
        names = ("nodes", "edges", "depth", "width")
        flags = [f"--{name}={size}" for name, size in zip(names, sizes, strict=True)]
        command = [sys.executable, __file__, f"--only={what}", *flags]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        plain = 2 * sizes[0] * sizes[2] * sizes[3] * 8 / 2**30
        print(
            f"{what}: peak {found['peak']:.2f} GiB (limit {LIMIT}; the graph {found['graph']:.2f}; all signals at once "
            f" would be {plain:.1f} more), {found['seconds']:.0f} s, value {found['value']:.3g}",
            flush=True,
        )
        failed |= found["peak"] > LIMIT
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
