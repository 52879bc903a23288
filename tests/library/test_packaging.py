"""What is installed, what is locked, what the wheel holds, and what an import costs."""

import ast
import importlib.metadata
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import oversmooth

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
VERSIONS = dict(line.split("==") for line in LOCK)
IMPORT_RATIO = 1.3  # import oversmooth against import torch


def lock_script():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import lock
    finally:
        sys.path.pop(0)
    return lock


def requirements(*extras):
    """Normalised names of the dependencies and of some extras, extras of the package itself followed."""
    names, todo = set(), [*PROJECT["dependencies"]]
    for extra in extras:
        todo += PROJECT["optional-dependencies"][extra]
    for text in todo:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            names |= requirements(*requirement.extras)
        names.add(canonicalize_name(requirement.name))
    return names


def run_python(code, *options):
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- one environment, written down three times


def test_lock_pins_exact_public_versions_only():
    assert sorted(VERSIONS) == list(VERSIONS) and len(VERSIONS) == len(LOCK) > 50
    for line in LOCK:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line
    assert not [name for name in VERSIONS if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert VERSIONS["torch"] == "2.13.0" and VERSIONS["jupyter-book"] == "1.0.4.post1"


def test_lock_satisfies_pyproject():
    for requirement in lock_script().declared():
        version = VERSIONS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


def test_lock_is_what_the_requirements_need_as_installed():
    assert lock_script().closure() == VERSIONS


def test_environment_yml_has_the_same_pins():
    text = (ROOT / "environment.yml").read_text()
    environment = yaml.safe_load(text)
    python, pip, packages = environment["dependencies"]
    assert python.split("=")[1] in SpecifierSet(PROJECT["requires-python"]) and pip == "pip"
    assert packages == {"pip": LOCK}
    assert text == lock_script().environment_text(VERSIONS)


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("src/oversmooth", ["plot", "log", "cluster", "proof"]), ("src/oversmooth_book", ["book"]), ("tests", ["test"]),
        ("benchmarks", ["bench"]), ("scripts", ["test", "mutants"]),
    ],
)  # fmt: skip
def test_every_import_is_declared(folder, extras):
    allowed, providers = requirements(*extras), importlib.metadata.packages_distributions()
    places = (folder, "benchmarks") if folder == "tests" else (folder,)  # tests call the benchmarks
    own = {path.stem for place in places for path in (ROOT / place).rglob("*.py")}
    own |= {"oversmooth", "oversmooth_book", "fuzz", "lock", "stub"}
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - own:
                distributions = {canonicalize_name(name) for name in providers.get(top, [])}
                assert distributions & allowed, f"{file.relative_to(ROOT)} imports {top}, not in pyproject.toml"


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_the_library_and_nothing_else(wheel):
    info = f"oversmooth-{PROJECT['version']}.dist-info"
    assert {path.name for path in wheel.iterdir()} == {"oversmooth", info}
    sources = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src/oversmooth").rglob("*") if p.is_file()}
    packed = {str(p.relative_to(wheel)) for p in (wheel / "oversmooth").rglob("*") if p.is_file()}
    assert packed == {name for name in sources if "__pycache__" not in name}
    assert not (wheel / info / "entry_points.txt").exists(), "the book's command would be broken in a wheel"
    assert (wheel / info / "licenses/LICENSE").is_file()


def test_wheel_works_outside_the_checkout(wheel):
    """Without the site module, and so without the editable install's path file."""
    code = f"""
import sys
sys.path[:0] = [{str(wheel)!r}]
sys.path.append({sysconfig.get_path("purelib")!r})
import oversmooth as osm
assert osm.__file__.startswith({str(wheel)!r})
try:
    import oversmooth_book
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("the book's machinery came along")
from oversmooth.graphs import files
assert files.data_root("x").name == "x" and files.files_of("Planetoid", "Cora"), "the recorded sums stayed behind"
data = osm.csbm(60, p_in=0.5, p_out=0.3)
net = osm.Network(osm.Propagation.from_data(data), widths=[8, 4, 1])
print(osm.trace(net, data.x, lambda output: output.square().mean()).loss.item() > 0)
"""
    assert run_python(code, "-S").strip() == "True"


# ---- imports


USED = "from oversmooth import Network, Propagation, deviation, energy, forward_bound, trace"


@pytest.mark.parametrize("statement", ["import oversmooth", USED])
def test_import_leaves_heavy_packages_alone(statement):
    heavy = ["torch_geometric", "seaborn", "pandas", "matplotlib", "sklearn", "networkx", "oversmooth_book"]
    heavy += ["scipy"] if statement == "import oversmooth" else []
    code = "import torch, sys; before = set(sys.modules)\n{}\nprint(sorted(set({}) & (set(sys.modules) - before)))"
    assert run_python(code.format(statement, heavy)).strip() == "[]"


def test_import_costs_at_most_a_third_more_than_torch():
    """In processor time, which other work on the machine does not stretch."""
    code = "import time; start = time.process_time()\nimport {}\nprint(time.process_time() - start)"
    run_python(code.format("torch"))  # warm the file cache
    ratios = []
    for _ in range(5):
        torch_seconds = float(run_python(code.format("torch")))
        ratios.append(float(run_python(code.format("oversmooth, torch"))) / torch_seconds)
    assert statistics.median(ratios) <= IMPORT_RATIO, ratios


# ---- what the documents promise


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert oversmooth.__version__ == PROJECT["version"] == citation["version"]
    assert citation["cff-version"] == "1.2.0" and citation["references"][0]["volume"] == 306


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "data/README.md", "LICENSE-TEXT.md"])
def test_links_and_commands_exist(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    commands = set(re.findall(r"(?:`|^)make ([a-z]+)", text, flags=re.MULTILINE))
    assert commands <= targets
    assert document != "README.md" or {"book", "test"} <= commands


def test_readme_example_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks and all(len(code.strip().splitlines()) <= 13 for code in blocks)
    printed = run_python("".join(blocks))
    assert 0 < float(printed.split()[0]) < 1
    assert "verdict: " in printed


# ---- set-up


def test_a_folder_in_which_nothing_can_be_installed_is_refused(tmp_path):
    odd = tmp_path / "with {x}"
    (odd / "scripts").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "scripts/oversmooth-book"):
        shutil.copy(ROOT / name, odd / name)
    answer = subprocess.run(["make", "setup"], cwd=odd, capture_output=True, text=True, check=False)
    assert answer.returncode != 0 and "braces" in answer.stderr and "rename" in answer.stderr
    assert not (odd / ".venv").exists()


@pytest.mark.parametrize(("locale", "seen"), [("C", "C.UTF-8"), ("POSIX", "C.UTF-8"), ("de_DE.UTF-8", "de_DE.UTF-8")])
def test_folders_with_other_letters_in_the_c_locale(locale, seen):
    command = ["make", "--no-print-directory", "--eval", "locale:; @echo $$LC_ALL", "locale"]
    environment = {**os.environ, "LC_ALL": locale}
    assert subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip() == seen


def test_a_set_up_that_broke_off_is_done_again(tmp_path):
    """A real Makefile and a real environment; only the lock and the package are small."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    package = '[project]\nname = "tiny"\nversion = "1"\n[tool.setuptools]\npackages = []\n'
    (tmp_path / "pyproject.toml").write_text(package)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").write_text("home = broken off before the first program\n")
    ready = tmp_path / ".venv/.set-up"
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}  # setuptools, without a network

    def set_up(lock=None):
        if lock is not None:
            (tmp_path / "requirements.lock").write_text(lock)
        command = ["make", "setup"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    for _ in range(2):
        assert set_up("./no-such-file.whl\n").returncode != 0 and not ready.exists()
    done = set_up("# nothing\n")
    assert done.returncode == 0 and ready.exists(), done.stderr
    assert os.access(tmp_path / ".venv/bin/oversmooth-book", os.X_OK)
    assert "pip" not in set_up().stdout, "up to date, and yet installed again"
    assert "pip" in set_up("# changed\n").stdout
