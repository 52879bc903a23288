"""Large graphs: seconds and peak memory of what one calls on 10⁴, 10⁵ and 10⁶ nodes, and on ogbn-arxiv where it is.

Random graphs of mean degree 10 and 32 features in float32, networks of depth 8 and width 32. Each call in a process of
its own; the fastest of three calls, and by how much they raised the memory that the process held before, which Linux
alone tells. PyTorch Geometric's equivalent stands beside: its cached normalisation, and its layers with hooks. The
exponent e says that ten times the nodes take 10ᵉ times as long; beyond 10⁴ nodes signals leave the caches, which costs
once.
"""

import argparse
import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from trace import Stack, measure_by_hooks

import torch
from memory import random_graph
from pairs import report, seconds
from torch_geometric.nn.conv.gcn_conv import gcn_norm

import oversmooth as osm

SIZES, WIDTH, DEPTH, DEGREE = (10_000, 100_000, 1_000_000), 32, 8, 10
LIMIT = 1.05


def problem(name):
    """Edges, number of nodes, features and a loss."""
    if name == "ogbn-arxiv":
        data = osm.load(name)
        edges, nodes = data.edge_index, data.num_nodes
    else:
        nodes = int(name)
        edges = random_graph(nodes, nodes * DEGREE // 2).long()
    X = torch.randn(nodes, WIDTH, generator=torch.Generator().manual_seed(1))
    y = torch.randint(2, (nodes,), generator=torch.Generator().manual_seed(2))
    return edges, nodes, X, lambda output: torch.nn.functional.cross_entropy(output, y)


def calls(name):
    """What is measured: name -> a function that prepares, and returns the function to time."""
    edges, nodes, X, loss = problem(name)
    widths = [WIDTH] * DEPTH + [2]

    def operator():
        return osm.Propagation.from_edges(edges, nodes, kind="random_walk")

    def network():
        return osm.Network(operator(), widths, dtype=torch.float32)

    def tracing():
        net, kept = network(), []

        def call():
            kept[:] = [osm.trace(net, X, loss, out=kept[0] if kept else None)]
            osm.layer_profile(kept[0])

        return call

    def streaming():
        net = network()
        return lambda: osm.streamed_profile(net, X, loss)

    def certifying():
        signals = osm.trace(network(), X, loss)
        return lambda: osm.certificate(signals)

    def hooks():
        model = Stack(widths, edges, torch.float32)
        return lambda: measure_by_hooks(model, X, loss)

    def rate():
        propagations = iter([operator() for _ in range(3)])
        return lambda: next(propagations).rate

    return {
        "Propagation": lambda: operator,
        "Propagation, by PyTorch Geometric's gcn_norm": lambda: lambda: gcn_norm(edges, num_nodes=nodes),
        "λ": rate,
        "trace and layer_profile": tracing,
        "trace, by GCNConv with hooks": hooks,
        "streamed_profile": streaming,
        "certificate": certifying,
        "outlook": lambda: lambda: osm.outlook(edges, nodes),
    }


def measure(name, what):
    """Print the seconds of the fastest of three calls, and the GiB that they held at most beyond what was there."""
    call = calls(name)[what]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kib("VmRSS")
    times = [seconds(call) for _ in range(3)]
    print(json.dumps([min(times), (kib("VmHWM") - before) / 2**20]))


def kib(field):
    """One of the system's numbers of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0])


def available(name):
    """Whether the graph is at hand."""
    try:
        return name != "ogbn-arxiv" or bool(osm.load(name))
    except FileNotFoundError:
        return False


def main(arguments=()):
    """Report seconds, peaks and exponents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    only = parser.parse_args(arguments).only
    if only:
        measure(*only)
        return
    for what in calls("100"):
        found = {}
        for name in filter(available, [*map(str, SIZES), "ogbn-arxiv"]):
            command = [sys.executable, __file__, "--only", name, what]
            found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            case = f"{int(name):,} nodes" if name.isdigit() else name
            report(f"large, {what}", case, "seconds on the machine below", [found[name][0]] * 3)
            report(f"large, {what}", case, "GiB at most, beyond what it was given", [found[name][1]] * 3)
        steps = [math.log(found[str(b)][0] / found[str(a)][0], b / a) for a, b in pairwise(SIZES)]
        exponent = [min(steps), sum(steps) / len(steps), max(steps)]
        own = "PyTorch" not in what and "hooks" not in what
        case = f"{SIZES[0]:,} to {SIZES[-1]:,} nodes"
        report(f"large, {what}", case, "exponent of the time", exponent, f"≤ {LIMIT}" if own else "")


if __name__ == "__main__":
    main(sys.argv[1:])
