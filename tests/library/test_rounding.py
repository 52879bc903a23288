"""Rounding replicas: another machine is a function, moves last bits and orders of sums, and nothing that is exact."""

import ast
import math
import os
import subprocess
import sys
import threading

import nbformat
import numpy as np
import pytest
import scipy.sparse
import torch
from nbclient import NotebookClient
from numpy.linalg import svd  # by name, and before any replica
from scipy.sparse.linalg import LinearOperator, eigsh, splu
from sweep_cases import rounded_otherwise, same

import oversmooth as osm
from oversmooth._rounding import setting as _rounding

DOUBLE = torch.float64


def in_a_new_process(code, replica="", check=True):
    environment = {**os.environ, "OVERSMOOTH_ROUNDING": replica}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=600)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stderr


def as_replica(compute, replica=1, units=1.0):
    with _rounding.rounded((replica, units)):
        return compute()


RUN = """
import torch, oversmooth as osm
torch.set_num_threads(1)
def run(scale, seed):
    data = osm.karate()
    P = osm.Propagation.from_data(data)
    net = osm.Network(P, [data.num_features, 6, 6, 1], "tanh", scale, seed=seed)
    s = osm.trace(net, data.x, lambda output: (output - 1).square().mean((-1, -2)))
    found = {"loss": s.loss.item(), "gradient": s.gradients[0].norm().item(), "rate": P.rate}
    return {name: value.hex() for name, value in found.items()}
print(run(2.0, 1))
for jobs in JOBS: print(osm.sweep(run, {"scale": [1.0, 2.0]}, [0, 1], jobs=jobs).to_csv())
"""


def test_a_replica_is_a_machine():
    one, again, two, plain, unmoved = (
        in_a_new_process(RUN.replace("JOBS", "[1]"), replica) for replica in ("1", "1:1", "2", "", "3:0")
    )
    assert one == again and len({one, two, plain}) == 3
    assert unmoved == plain  # all of the machinery, and no bit changes
    here, *rows = one.splitlines()
    assert len(rows) == 6 and all(value in one.split("2.0,1,")[1] for value in ast.literal_eval(here).values())
    assert in_a_new_process(RUN.replace("JOBS", "[2]"), "1") == one


def test_nothing_is_loaded_and_no_mode_entered_unless_asked():
    code = "import sys, oversmooth; print([name for name in sys.modules if '_rounding' in name or name == 'torch'])"
    assert in_a_new_process(code) == "[]\n"
    code = """
import sys, oversmooth as osm
osm.sweep(lambda x, seed: {"v": x / 3}, {"x": [1]}, [0])
from torch.utils import _python_dispatch as modes
print([name for name in sys.modules if "_rounding_" in name], modes._get_current_dispatch_mode_stack())
"""
    assert in_a_new_process(code) == "[] []\n"


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "1:", "1:nan", "1:inf", "1:-1", "1:order", ":1", "1:1:1", "¹", " "])
def test_a_setting_that_is_none_says_what_is_needed(text, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", text)
    with pytest.raises(ValueError, match=r"^OVERSMOOTH_ROUNDING is '.*the number of a replica is needed"):
        _rounding.setting()
    if text == "x":
        last = in_a_new_process("import oversmooth", text, check=False).splitlines()[-1]
        assert last.startswith("ValueError: OVERSMOOTH_ROUNDING is 'x'; the number of a replica is needed, 0, 1, 2")


@pytest.mark.parametrize(("text", "found"), [("", None), ("0", (0, 1.0)), ("12:0.5", (12, 0.5)), ("3:0", (3, 0.0))])
def test_a_setting_is_a_replica_and_units(text, found, monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", text)
    assert _rounding.setting() == found


def test_what_is_exact_on_every_machine_stays():
    x, weights = torch.linspace(0.1, 2.9, 5000, dtype=DOUBLE), torch.tensor([3.0, 5.0, 8.0], dtype=DOUBLE)
    zeros = torch.zeros(5000, dtype=torch.int64)

    def compute():
        copies = x.clone(), x.flip(0), x[zeros + 7], torch.cat([x, x]), x.float(), x.clamp(0.2, 1.0), x.relu(), -x
        chosen = x.sort().values, x.amax(), x.scatter_reduce(0, zeros, x, "amax"), torch.linalg.vector_norm(x, math.inf)
        placed = (
            torch.zeros(9, dtype=DOUBLE).index_put((zeros[:1],), x[:1]),
            torch.where(x > 1, x, 0.3),
            x[None].clone().t_(),
        )
        whole = weights.sum(), weights @ weights, weights.mean() * 3, (x > x.median()).double().mean(), weights.prod()
        return *copies, *chosen, *placed, *whole, x[:1].sum(), x[:1] / x[:1].mean()  # a sum of one number

    for moved, plain in zip(as_replica(compute), compute(), strict=True):
        assert torch.equal(moved, plain)


def test_a_gradient_still_finds_the_entry_that_was_chosen():
    def compute():
        x = torch.linspace(0.1, 3.1, 50, dtype=DOUBLE).requires_grad_()
        (torch.linalg.vector_norm(x / 3, math.inf) + (x / 3).amax() + (x / 7).max()).backward()
        return x.grad

    for replica in range(6):
        gradient = as_replica(compute, replica)
        assert torch.allclose(gradient, compute(), rtol=1e-14, atol=0) and gradient.count_nonzero() == 1


def test_draws_stay_but_for_the_last_bits_of_those_that_are_scaled():
    def compute():
        g = torch.Generator().manual_seed(0)
        even = torch.rand(99, generator=g), torch.randperm(9, generator=g), torch.bernoulli(torch.rand(99), generator=g)
        uniform = torch.empty(999, dtype=DOUBLE).uniform_(generator=g), torch.empty(9).uniform_(0, 1, generator=g)
        moving = torch.empty(999, dtype=DOUBLE).uniform_(-0.1, 0.1, generator=g), torch.empty(999).uniform_(0, 0.3)
        return *even, *uniform, *moving, torch.randn(999, generator=g, dtype=DOUBLE)

    torch.manual_seed(0)
    moved = as_replica(compute)
    torch.manual_seed(0)
    plain = compute()
    assert all(map(torch.equal, moved[:5], plain[:5]))
    for draw, plain_draw in zip(moved[5:], plain[5:], strict=True):
        assert not torch.equal(draw, plain_draw)
        assert torch.allclose(draw, plain_draw, rtol=2 * torch.finfo(draw.dtype).eps, atol=0)


@pytest.mark.parametrize(("dtype", "unit"), [(torch.float64, 2.0**-52), (torch.float32, 2.0**-23)])
def test_inexact_results_move_by_units_in_the_last_place(dtype, unit):
    x = torch.linspace(0.1, 3, 40000, dtype=dtype)
    for units in (1, 50):
        change = (as_replica(lambda: torch.tanh(x), units=units).double() / torch.tanh(x).double() - 1).abs() / unit
        assert 0.5 * units < change.max() <= units + 1 and (change > 0).double().mean() > 0.4
    first, second = (as_replica(lambda: torch.tanh(x), replica) for replica in (1, 2))
    assert (first != second).double().mean() > 0.4


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient * ctx.saved_tensors[0] ** 2


def gradient_of(function, x):
    leaf = x.clone().requires_grad_()
    function(leaf).square().sum().backward()
    return leaf.grad


def ways():
    g = torch.Generator().manual_seed(0)
    x, w = torch.rand(50, 8, generator=g, dtype=DOUBLE), torch.rand(8, 8, generator=g, dtype=DOUBLE)
    P, index = osm.Propagation.from_data(osm.karate()), torch.arange(50) // 7
    z = torch.rand(3, 34, 2, generator=g, dtype=DOUBLE)
    empty = torch.empty(50, 8, dtype=DOUBLE)

    def part():
        whole = x.clone()
        whole[:, 1::2].mul_(1.1)
        return whole

    return {
        "new": lambda: x.exp(),
        "in place": lambda: x.clone().mul_(1.1),
        "part of a tensor": part,
        "out": lambda: torch.mm(x, w, out=empty.clone()),
        "transposed": lambda: torch.mm(x, w, out=torch.empty(8, 50, dtype=DOUBLE).T),
        "permuted": lambda: z.transpose(0, 1).exp(),
        "foreach": lambda: torch._foreach_mul([x, w], 1.1)[0],
        "foreach in place": lambda: [a := x.clone(), torch._foreach_mul_([a], 1.1)][0],
        "sparse": lambda: P @ z,
        "gradient of sparse": lambda: gradient_of(P.__matmul__, z),
        "gradient of own function": lambda: gradient_of(Cube.apply, x),
        "index_add": lambda: torch.zeros(8, 8, dtype=DOUBLE).index_add(0, index, x),
        "gradient of an index": lambda: gradient_of(lambda a: a[index], x),
        "mean": lambda: x.mean(0),
        "deviation": lambda: x.std(1),
        "linear algebra": lambda: torch.linalg.qr(x).R,
        "single precision": lambda: x.float() @ w.float(),
    }


@pytest.mark.parametrize("way", ways())
def test_every_way_of_writing_a_result_is_reached(way):
    compute = ways()[way]
    plain, moved, again, unmoved = compute(), as_replica(compute), as_replica(compute), as_replica(compute, units=0.0)
    assert torch.equal(moved, again)  # a machine is a function
    assert not torch.equal(moved, plain) and torch.equal(plain, unmoved)
    eps = 2.0**-52 if plain.dtype is DOUBLE else 2.0**-23
    assert (moved - plain).abs().max() < 40 * eps * plain.abs().max()


def alternating():
    """Terms ±1/200 in order of their sign: one by one, partial sums reach 1 and leave 1e-16 of it in 3e-9."""
    halves = torch.cat([torch.full((200,), -1 / 200, dtype=DOUBLE), torch.full((200,), 1 / 200, dtype=DOUBLE)])
    return halves + 1e-11 * torch.linspace(0.3, 1.1, 400, dtype=DOUBLE)


def in_inference_mode(x):
    with torch.inference_mode():
        return x @ torch.ones(400, 1, dtype=DOUBLE)


@pytest.mark.parametrize(
    "add",
    [
        in_inference_mode,
        lambda x: torch.ones(1, 400, dtype=DOUBLE) @ x[:, None],
        lambda x: torch.ones(400, dtype=DOUBLE) @ x,
        lambda x: torch.zeros(1, dtype=DOUBLE).addmv(x[None], torch.ones(400, dtype=DOUBLE)),
        lambda x: torch.bmm(x[None, None], torch.ones(1, 400, 1, dtype=DOUBLE)),
        lambda x: x.sum(),
        lambda x: x.reshape(20, 20).mean(dim=(0, 1)),
        lambda x: torch.zeros(2, dtype=DOUBLE).index_add(0, torch.zeros(400, dtype=torch.int64), x)[:1],
        lambda x: torch.zeros(2, 1, dtype=DOUBLE).scatter_add(0, torch.zeros(400, 1, dtype=torch.int64), x[:, None])[
            :1
        ],
    ],
)
def test_a_replica_adds_in_an_order_of_its_own(add):
    x = alternating()
    found = [float(as_replica(lambda: add(x), replica)) for replica in range(4)]
    true = math.fsum(x.tolist()) / (400 if float(add(x)) < 1e-10 else 1)
    assert len(set(found)) > 1 and max(abs(value / true - 1) for value in found) < 1e-6
    assert max(found) / min(found) - 1 > 1e-10  # by far more than the last bits of the result


def matrix(size=40):
    return np.random.default_rng(0).standard_normal((size, size))


def symmetric(size=40):
    return matrix(size) + matrix(size).T


START = np.random.default_rng(1).standard_normal(40)
NUMPY = {
    "svd by name": lambda: svd(matrix(), compute_uv=False),
    "norm": lambda: np.linalg.norm(matrix(), 2),
    "eigh": lambda: np.linalg.eigh(symmetric()).eigenvalues,
    "eigvalsh": lambda: np.linalg.eigvalsh(symmetric()),
    "solve": lambda: np.linalg.solve(matrix(), START),
    "polyfit": lambda: np.polyfit(np.arange(40), START, 1),
    "splu by name": lambda: splu(scipy.sparse.csc_array(matrix())).solve(START),
    "eigsh by name": lambda: eigsh(scipy.sparse.csr_array(symmetric()), k=2, v0=START, return_eigenvectors=False),
    "eigsh of an operator": lambda: eigsh(LinearOperator((40, 40), symmetric().__matmul__, dtype=float), k=2, v0=START)[
        0
    ],
    "rate": lambda: osm.Propagation.from_data(osm.karate()).rate,
    "rate of a larger graph": lambda: osm.Propagation.from_data(osm.csbm(num_nodes=600, seed=1)).rate,
}


@pytest.mark.parametrize("name", NUMPY)
def test_linear_algebra_under_numpy_and_scipy_moves(name):
    plain, one, *others = NUMPY[name](), *(as_replica(NUMPY[name], replica) for replica in range(6))
    assert np.array_equal(one, as_replica(NUMPY[name], 0))
    assert np.array_equal(plain, as_replica(NUMPY[name], units=0.0)) and np.array_equal(plain, NUMPY[name]())
    assert len({np.asarray(value).tobytes() for value in (plain, one, *others)}) > 2
    assert np.allclose(one, plain, rtol=1e-10, atol=1e-13)


def test_linear_algebra_keeps_its_arguments_and_whole_numbers():
    whole, kept = np.diag([2.0, 3.0, 7.0]), symmetric()
    assert as_replica(lambda: np.linalg.eigvalsh(whole)).tolist() == [2, 3, 7]
    as_replica(lambda: np.linalg.eigh(kept))
    assert np.array_equal(kept, symmetric())


def test_what_cancels_in_a_matrix_is_seen():
    """Small singular values are known to 1e-16 of the largest: a result that moves by its own last bit misses it."""
    thin = torch.from_numpy(matrix()[:, :2]) @ torch.tensor([[1.0, 1.0], [1.0, 1.0 + 1e-7]], dtype=DOUBLE)
    for compute in (lambda: torch.linalg.svdvals(thin)[1], lambda: svd(thin.numpy(), compute_uv=False)[1]):
        found = [float(as_replica(compute, replica)) for replica in range(3)]
        assert 1e-12 < max(found) / min(found) - 1 < 1e-6


def test_replicas_are_nested_by_thread_and_survive_an_error():
    x = torch.linspace(0.1, 3, 100, dtype=DOUBLE)
    plain, one, two = x.exp(), as_replica(x.exp), as_replica(x.exp, 2)
    with _rounding.rounded((1, 1.0)):
        with pytest.raises(RuntimeError):
            x @ x[:3]
        assert torch.equal(x.exp(), one)
        assert torch.equal(as_replica(x.exp, 2), two)
        with _rounding.rounded(None):
            assert torch.equal(x.exp(), plain) and torch.equal(as_replica(x.exp), one)
        found = []
        thread = threading.Thread(target=lambda: found.extend([x.exp(), as_replica(x.exp)]))
        thread.start()
        thread.join()
        assert torch.equal(found[0], plain) and torch.equal(found[1], one)
        assert torch.equal(x.exp(), one)
    assert torch.equal(x.exp(), plain)


def test_all_cells_of_a_notebook_are_a_replica(monkeypatch):
    monkeypatch.setenv("OVERSMOOTH_ROUNDING", "1")
    x = "torch.linspace(0.1, 3, 100, dtype=torch.float64)"
    sources = ["import oversmooth, torch", f"{x} @ torch.ones(3)", "1 / 0", f"print({x}.exp().sum().item().hex())"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, allow_errors=True, kernel_name="python3", timeout=120).execute()
    exponentials = torch.linspace(0.1, 3, 100, dtype=DOUBLE)
    assert notebook.cells[-1].outputs[0].text.strip() == as_replica(lambda: exponentials.exp().sum()).item().hex()
    assert [cell.outputs[0].output_type for cell in notebook.cells[1:3]] == ["error", "error"]


def test_a_cache_keeps_machines_apart(tmp_path, monkeypatch):
    def swept(replica, **options):
        monkeypatch.setenv("OVERSMOOTH_ROUNDING", replica)
        return osm.sweep(rounded_otherwise, {"scale": [2.0]}, [0], **options)

    tables = {}
    for number, replica in enumerate(["", "1", "2", "1:4"], start=1):
        tables[replica] = swept(replica, cache=tmp_path)
        assert len(list(tmp_path.iterdir())) == number
        assert same(tables[replica], swept(replica)) and same(tables[replica], swept(replica, jobs=2))
    assert len({table.to_json(double_precision=15) for table in tables.values()}) == len(tables)
    assert same(swept("1:1.0", cache=tmp_path), tables["1"]) and len(list(tmp_path.iterdir())) == 4
