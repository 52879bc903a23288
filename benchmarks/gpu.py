"""On a CUDA device: edges per second of the sparse product, its share of the bandwidth, a pass against the CPU.

The bandwidth is the device's own, measured by a copy. Without a device it says so and reports nothing.
"""

import statistics
import time

import torch
from pairs import ratio, report

import oversmooth as osm

NODES, EDGES, WIDTH, DEPTH = 200_000, 2_000_000, 64, 16


def device_seconds(function, repeats=20):
    """Seconds of one call on the device, the median of several."""
    values = []
    for _ in range(repeats + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        torch.cuda.synchronize()
        values.append(time.perf_counter() - start)
    return statistics.quantiles(values[3:], n=4)


def traffic(P, dtype):
    """Bytes that PX cannot avoid: the entries with their columns, and both signals once."""
    size = torch.finfo(dtype).bits // 8
    return P.matrix.nnz * (size + 4) + 2 * NODES * WIDTH * size


def main():
    """Report edges per second, the share of the bandwidth, and the ratio to the CPU."""
    if not torch.cuda.is_available():
        print("gpu: no CUDA device here; skipped")
        return
    half = torch.randint(NODES, (2, EDGES), generator=torch.Generator().manual_seed(0))
    P = osm.Propagation.from_edges(torch.cat([half, half.flip(0)], 1), NODES, kind="random_walk")
    for dtype in (torch.float32, torch.float64):
        X = torch.randn(NODES, WIDTH, dtype=dtype)
        on_device, network = X.cuda(), osm.Network(P, [WIDTH] * DEPTH + [1], dtype=dtype)
        case = f"{torch.cuda.get_device_name()}, {str(dtype)[6:]}"
        block = torch.empty(2**28, dtype=torch.uint8, device="cuda")
        bandwidth = 2 * block.numel() / device_seconds(block.clone)[1]
        product = device_seconds(lambda x=on_device: P @ x)
        report("GPU, PX", case, "10⁹ entries of P a second", [P.matrix.nnz / t / 1e9 for t in reversed(product)])
        share = [traffic(P, dtype) / t / bandwidth for t in reversed(product)]
        report("GPU, PX", case, "share of the memory's bandwidth", share)
        copy = osm.Network(P, [WIDTH] * DEPTH + [1], dtype=dtype).cuda()

        def passes(network, x):
            osm.layer_profile(osm.trace(network, x, lambda output: output.square().mean()))

        values = ratio(lambda n=copy, x=on_device: passes(n, x), lambda n=network, x=X: passes(n, x), pairs=3)
        report("GPU, trace", case, "times as fast as the CPU", values)


if __name__ == "__main__":
    main()
