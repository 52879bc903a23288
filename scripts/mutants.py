"""Change the mathematics by one operator at a time, and ask which change no test sees: `python scripts/mutants.py`.

cosmic-ray makes the changes. Of each room of the library a sample is drawn, the same for the same seed; annotations and
messages are left alone, for no number depends on them. Each mutant lies in a copy of the repository and is tested in a
process of its own, forked from one that has imported torch and pytest already: by the quickest tests of its room, and,
if it survives them, by the others. One that does not end is ended with all that it started. Survivors are printed with
their place and their change. What no input can tell from the code stands in `EQUIVALENT` with the reason.
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from queue import Queue

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parents[1]
# Module -> the tests that should see a fault in it, the quick ones first.
ROOMS = {
    "propagation/kinds.py": ["test_stationary_distribution", "test_propagation"],
    "propagation/matrix.py": ["test_stationary_distribution", "test_survivors", "test_propagation", "test_deflation"],
    "propagation/spectrum.py": ["test_stationary_distribution", "test_survivors", "test_rate"],
    "propagation/eigenmodes.py": ["test_modes", "test_deflation"],
    "propagation/modes.py": ["test_modes"],
    "propagation/perron.py": ["test_operator_networks"],
    "signals.py": ["test_signals", "test_network", "test_checkpointing"],
    "bounds.py": ["test_bounds_errors", "test_survivors", "test_loss_floor", "test_bounds_twins", "test_forward_bound",
                  "test_backward_step", "test_certificate"],
    "smoothness.py": ["test_extremes", "test_survivors", "test_smoothness"],
    "moments.py": ["test_extremes", "test_survivors", "test_signals", "test_smoothness"],
    "losses.py": ["test_loss_floor", "test_training", "test_stationary"],
    "proof/balls.py": ["test_proof"],
    "proof/certify.py": ["test_proof"],
    "proof/entries.py": ["test_proof"],
    "proof/activations.py": ["test_proof"],
    "proof/escape.py": ["test_escape"],
    "proof/exact.py": ["test_proof_exact"],
}  # fmt: skip
# (module, line as it stands in the file, stripped) -> why no test can see a change of it that leaves the code running.
SPEED, ROADS = "speed only: the sum is the same in other blocks", "either road gives the same number, one sooner"
SQUARE, SCALE = "the matrix is square", "a factor that is divided out"
EQUIVALENT: dict[tuple[str, str], str] = {
    ("moments.py", "_BLOCK = 2**18  # entries of a block of rows: what a cache holds"): SPEED,
    ("moments.py", "size = max(1, _BLOCK * x.shape[-2] // max(1, x.numel()))"): SPEED,
    (
        "moments.py",
        "if not values.numel() or squares_fit(found.square()):",
    ): "a power of two is an exact unit",
    ("moments.py", "found = Moments(*(_stacked(values, gradient[0]) for values in zip(*layers, strict=True)))"): (
        "of the gradient only the shape is read, one for all layers"
    ),
    ("smoothness.py", "size = max(1, _BLOCK // max(1, x.shape[1]))"): SPEED,
    ("smoothness.py", "gram = double.mT @ double if x.shape[-1] <= x.shape[-2] else double @ double.mT"): ROADS,
    ("signals.py", "if seeds * weight.shape[-1] < features.numel() // nodes:"): ROADS,
    (
        "signals.py",
        "nodes, seeds = features.shape[-2], max(len(t) if t.dim() == 3 else 1 for t in (features, weight))",
    ): ROADS,
    ("propagation/matrix.py", "self.num_nodes = matrix.shape[0]"): SQUARE,
    ("proof/exact.py", "gradients.insert(0, _dot(propagated[k], error))"): "all of them are 0, in any order",
    ("propagation/matrix.py", "return int(connected_components(self.matrix, directed=False, return_labels=False))"): (
        "components of a directed graph are weak ones unless told otherwise"
    ),
    ("propagation/spectrum.py", "check += max(4, check // 16)"): "how often Lanczos looks; each look decides alike",
    ("propagation/spectrum.py", "right[0] = 1.0"): SCALE,
    ("propagation/eigenmodes.py", "rate < 1,"): "a rate is at most 1",
    ("propagation/eigenmodes.py", "if size <= DENSE_NODES or count > size // 4:"): ROADS,
    ("propagation/perron.py", "if looped.shape[0] <= 512:"): ROADS,
}
# Changes of what Python does, not of the mathematics; and bits of a float, a TypeError that every test sees.
LEFT_ALONE = re.compile(r"core/(RemoveDecorator|ExceptionReplacer|ReplaceBinaryOperator_(?!Bit).*_(Bit|.Shift))")
# What tests import, but for the library itself.
IMPORTED = ["__main__", "torch", "torch_geometric.nn", "scipy.sparse.linalg", "networkx", "pandas"]
FORKS = multiprocessing.get_context("forkserver")
SURVIVED, CAUGHT, ENDLESS = "SURVIVED", "caught", "caught, by not ending"
# Which tests: all, of the sound code; of a mutant first the quickest, as many as take so many seconds, then the others.
ALL, QUICK, SLOW = "all", "quick", "slow"
BUDGET = 15.0
SLOWER = 3  # a mutant whose tests take so many times their processor time never ends
WAIT = 3600.0  # seconds for one that sleeps


def main() -> None:
    """Draw the sample, test it, print what survived and its share."""
    options = arguments()
    os.environ |= {"OMP_NUM_THREADS": "1"}
    FORKS.set_forkserver_preload(IMPORTED)
    chosen = [(room, spec) for room in options.rooms or ROOMS for spec in sample(room, options.sample, options.seed)]
    survived = 0
    for room, spec, outcome in tested(chosen, options.jobs):
        equivalent = EQUIVALENT.get((room, line_of(room, spec)))
        survived += outcome == SURVIVED and equivalent is None
        if outcome == SURVIVED or options.verbose:
            print(f"{outcome}{' (equivalent)' * bool(equivalent)} {in_words(room, spec)}", flush=True)
    print(f"{survived} of {len(chosen)} mutants survived ({survived / len(chosen):.1%})")
    sys.exit(survived > 0.03 * len(chosen))


def arguments() -> argparse.Namespace:
    """What the caller asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", help=f"default: all of {', '.join(ROOMS)}")
    parser.add_argument("--sample", type=int, default=9, help="mutants of each room (default: 9)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="copies at work at once")
    parser.add_argument("--verbose", action="store_true", help="print what was caught, too")
    options = parser.parse_args()
    unknown = set(options.rooms) - set(ROOMS)
    if unknown:
        parser.error(f"no rooms: {', '.join(sorted(unknown))}; known: {', '.join(ROOMS)}")
    return options


def sample(room: str, size: int, seed: int) -> list[MutationSpec]:
    """So many mutations of a module, drawn at random from all that touch its statements."""
    path = ROOT / "src" / "oversmooth" / room
    with tempfile.TemporaryDirectory() as folder, use_db(str(Path(folder) / "all.sqlite"), WorkDB.Mode.create) as db:
        init([path.relative_to(ROOT)], db, {})
        specs = [item.mutations[0] for item in db.work_items]
    ignored = ignored_lines(ast.parse(source(room)))
    specs = [s for s in specs if s.start_pos[0] not in ignored and not LEFT_ALONE.match(s.operator_name)]
    specs.sort(key=lambda s: (s.start_pos, s.operator_name, s.occurrence))
    return random.Random(f"{room} {seed}").sample(specs, min(size, len(specs)))


def ignored_lines(tree: ast.AST) -> set[int]:
    """Lines of annotations, texts, imports and `require`: their words are tested by words."""
    lines = set()
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.FunctionDef):
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            parts = [arg.annotation for arg in every if arg.annotation] + ([node.returns] if node.returns else [])
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            parts = [node] if isinstance(node, ast.JoinedStr) or isinstance(node.value, str) else []
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parts = [node]
        for part in parts:
            lines |= set(range(part.lineno, part.end_lineno + 1))
    return lines


def tested(chosen, jobs: int) -> Iterator[tuple[str, MutationSpec, str]]:
    """Test mutants in copies of the repository, several at a time: room, mutation, outcome."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free = Queue()
        for number in range(jobs):
            free.put(copy(Path(folder) / str(number)))
        for room in {tuple(ROOMS[room]): room for room, _ in chosen}.values():
            require_sound(free, room)

        def outcome(room, spec):
            quickly = run_tests(free, room, QUICK, mutant(room, spec))
            if quickly != SURVIVED or (room, line_of(room, spec)) in EQUIVALENT:
                return quickly
            return run_tests(free, room, SLOW, mutant(room, spec))

        with ThreadPoolExecutor(jobs) as pool:
            outcomes = [pool.submit(outcome, *one) for one in chosen]
            for (room, spec), found in zip(chosen, outcomes, strict=True):
                yield room, spec, found.result()


def require_sound(free: Queue, room: str) -> None:
    """Time a room's tests on the code as it is. If they fail there, they would catch every mutant: stop."""
    if run_tests(free, room, ALL) != SURVIVED:
        raise SystemExit(f"the tests fail without any change: {' '.join(ROOMS[room])}")


def run_tests(free: Queue, room: str, part: str, code: str | None = None) -> str:
    """What the tests say of a room whose code is this; None: as it is. The copy is whole again afterwards."""
    place = free.get()
    path = Path("src", "oversmooth", room)
    if code is not None:
        (place / path).write_text(code, encoding="utf-8")
    process = FORKS.Process(target=pytest_in, args=(place, ROOMS[room], part))
    try:
        process.start()
        process.join(WAIT)
        if process.exitcode in (0, 5):  # 5: there is no such test
            return SURVIVED
        return CAUGHT if process.exitcode and process.exitcode > 0 else ENDLESS
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started ends with it
        process.join()
        shutil.copy2(ROOT / path, place / path)
        free.put(place)


def pytest_in(place: Path, names: list[str], part: str) -> None:
    """In the process of one mutant: run tests in a copy, without a word; the exit status is pytest's."""
    os.setsid()
    os.chdir(place)
    sys.path.insert(0, str(place / "src"))
    # Two mutants of one second and one size would share their bytecode.
    sys.dont_write_bytecode = part != ALL
    os.environ |= {"PYTHONPATH": sys.path[0]} | ({"PYTHONDONTWRITEBYTECODE": "1"} if part != ALL else {})
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    files = [f"tests/library/{name}.py" for name in names]
    plugin = Chosen(part, place.parent / "seconds.json")
    sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files], [plugin]))


class Chosen:
    """A plugin of pytest: notes the processor seconds of every test on the sound code; chooses tests of a mutant."""

    def __init__(self, part: str, notes: Path):
        self.part, self.notes = part, notes
        self.seconds = json.loads(notes.read_text()) if notes.exists() else {}

    def pytest_collection_modifyitems(self, items):
        """The quick ones fit into the budget together; a mutant has little more time than the code as it is."""
        if self.part == ALL:
            return
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))
        times = [self.seconds.get(item.nodeid, 0.0) for item in items]
        quick = sum(total <= BUDGET for total in accumulate(times))
        items[:], times = (items[:quick], times[:quick]) if self.part == QUICK else (items[quick:], times[quick:])
        limit = int(processor_seconds() + 20 + SLOWER * sum(times))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Set up, call, tear down."""
        before = processor_seconds()
        found = yield
        self.seconds[item.nodeid] = processor_seconds() - before
        return found

    def pytest_sessionfinish(self):
        """Keep the notes."""
        if self.part == ALL:
            self.notes.write_text(json.dumps(self.seconds))


def processor_seconds() -> float:
    """Of this process and of those that it has started."""
    return sum(os.times()[:4])


def copy(place: Path) -> Path:
    """What the library's tests need, in a folder of their own."""
    for part in ("src", "tests", "benchmarks"):
        shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, place / name)
    return place


def mutant(room: str, spec: MutationSpec) -> str:
    """A room's code with one change."""
    operator = get_operator(spec.operator_name)(**dict(spec.operator_args))
    return mutate_code(source(room), operator, spec.occurrence)


def in_words(room: str, spec: MutationSpec) -> str:
    """Where a change is, and the line before and after it."""
    line = spec.start_pos[0]
    changed = mutant(room, spec).splitlines()[line - 1].strip()
    return f"{room}:{line} {spec.operator_name.removeprefix('core/')}: {line_of(room, spec)}  =>  {changed}"


def line_of(room: str, spec: MutationSpec) -> str:
    """The line that a mutation changes, stripped."""
    return source(room).splitlines()[spec.start_pos[0] - 1].strip()


def source(room: str) -> str:
    """A room's code as it is."""
    return (ROOT / "src" / "oversmooth" / room).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
