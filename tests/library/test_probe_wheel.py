"""The built wheel in an empty environment that holds its declared dependencies and nothing else."""

import importlib.metadata
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_packaging import PROJECT, lock_script, wheel  # noqa: F401

CODE = """
import importlib.util
import torch, torch_geometric
import oversmooth as osm

for absent in ("matplotlib", "seaborn", "sklearn", "papermill", "jupyter_book", "oversmooth_book"):
    assert importlib.util.find_spec(absent) is None, absent
data = osm.csbm(60, p_in=0.5, p_out=0.3)
torch.manual_seed(0)
model = torch_geometric.nn.GCN(8, 4, 3, out_channels=2).double()
with osm.Probe(model) as probe:
    torch.nn.functional.cross_entropy(model(data.x, data.edge_index), data.y).backward()
assert len(probe.table()) == 3 and probe.diagnosis(data.y).verdict == "healthy", probe.diagnosis(data.y)
P = osm.Propagation.from_data(data, kind="gcn")
assert 0 < float(osm.relative_deviation(data.x, P)) < 1
assert float(osm.dirichlet_energy(data.x, data.edge_index)) > float(osm.energy(data.x))
assert 0 < float(osm.mean_average_distance(data.x, data.edge_index)) and float(osm.effective_rank(data.x)) > 1
loss = lambda output: output.square().mean()
assert len(osm.layer_profile(osm.trace(osm.Network(P, [8, 4, 1]), data.x, loss))) == 2
try:
    probe.plot()
except ModuleNotFoundError as error:
    print(error)
"""


def declared_closure():
    """Installed distributions that the library's own dependencies need, directly or not; of its extras, none."""
    return lock_script().reached([Requirement(text) for text in PROJECT["dependencies"]])


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A new environment with links to the files of those distributions; pip then checks what the wheel declares."""
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    source = Path(sysconfig.get_path("purelib"))
    for name in declared_closure():
        tops = {file.parts[0] for file in importlib.metadata.files(name)} - {"..", "__pycache__"}
        for top in tops:
            if not (packages / top).exists():
                (packages / top).symlink_to(source / top)
    return folder, python


@pytest.fixture(scope="module")
def installed(empty, wheel):  # noqa: F811
    """The environment's Python, with the wheel put there by pip, which finds every dependency or fails."""
    _, python = empty
    (file,) = (wheel.parent / "dist").glob("*.whl")
    options = ["--disable-pip-version-check", "install", "--no-index", "--no-compile", "-q"]
    command = [sys.executable, "-m", "pip", "--python", python, *options, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python


def test_probe_and_measures_need_only_what_the_wheel_declares(installed):
    done = subprocess.run([installed, "-I", "-c", CODE], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "probe.plot() needs matplotlib: pip install 'oversmooth[plot]'"


def test_nothing_undeclared_is_there(empty):
    _, python = empty
    code = "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    found = {canonicalize_name(name) for name in done.stdout.split()} - {"oversmooth"}
    assert found == declared_closure()
