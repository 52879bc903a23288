"""The public face: every promised name exists, loads late and is documented."""

import importlib
import inspect
import subprocess
import sys

import pytest

import oversmooth as osm
from oversmooth.public import MODULE_OF, PUBLIC

PROMISED = {
    "Activation", "ACTIVATIONS", "Network", "Propagation", "Signals", "backward_deviation", "csbm", "deviation",
    "dirichlet_energy", "effective_rank", "energy", "forward_bound", "layer_profile", "load", "mean",
    "mean_average_distance", "relative_deviation", "trace",
}  # fmt: skip


@pytest.mark.parametrize("name", osm.__all__)
def test_every_public_name_exists_where_it_is_said_to_be(name):
    module = importlib.import_module(f"oversmooth.{MODULE_OF[name]}")
    assert getattr(osm, name) is getattr(module, name)
    assert name in dir(osm)


def test_promised_names_are_public():
    assert set(osm.__all__) >= PROMISED
    assert len(osm.__all__) == len(set(osm.__all__)) == sum(len(names) for names in PUBLIC.values()) <= 70


@pytest.mark.parametrize("name", osm.__all__)
def test_functions_and_classes_are_documented(name):
    value = getattr(osm, name)
    if not callable(value):
        return
    text = inspect.getdoc(value)
    assert text and text.split("\n")[0].endswith(".")
    if inspect.isfunction(value):
        names = inspect.signature(value).parameters
        missing = [argument for argument in names if f"{argument}:" not in text]
        assert not missing or "\n" not in text, f"{name} does not describe {missing}"


def test_unknown_names_lead_to_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'smooth'; dir\(oversmooth\) lists") as caught:
        osm.smooth  # noqa: B018
    assert len(str(caught.value)) < 100 and (caught.value.name, caught.value.obj) == ("smooth", osm)
    with pytest.raises(ImportError):
        from oversmooth import smooth  # noqa: F401
    done = subprocess.run(
        [sys.executable, "-c", "import oversmooth as osm\nosm.tracee"], capture_output=True, text=True
    )
    assert "Did you mean: 'trace'?" in done.stderr


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    assert osm.__version__ == version("oversmooth")
