"""What an editor sees, which runs no code: the stub that stands beside the lazy names."""

import sys
from pathlib import Path

import jedi
import pytest

import oversmooth as osm

sys.path.insert(0, str(Path(osm.__file__).parents[2] / "scripts"))
try:
    import stub
finally:
    sys.path.pop(0)


@pytest.fixture(scope="module", autouse=True)
def cache_of_this_process(tmp_path_factory):
    """Jedi writes its cache in place: of two processes that share it, one can read the other's half-written file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jedi.settings, "cache_directory", tmp_path_factory.mktemp("jedi"))
        yield


def test_the_stub_is_that_of_the_list():
    assert stub.text() == stub.STUB.read_text(encoding="utf-8"), "python scripts/stub.py writes it anew"
    assert stub.STUB.with_name("py.typed").is_file()


def editor(code):
    """Jedi at the end of a line below the import."""
    code = f"import oversmooth as osm\n{code}"
    last = code.splitlines()[-1]
    return jedi.Script(code), {"line": len(code.splitlines()), "column": len(last)}


@pytest.mark.parametrize("name", osm.__all__)
def test_an_editor_completes_every_name(name):
    script, place = editor(f"osm.{name[:3]}")
    assert name in {found.name for found in script.complete(**place)}


@pytest.mark.parametrize(
    ("call", "signature"),
    [
        ("osm.trace", "trace(network: Network, features: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], "),
        (
            "osm.Propagation.from_edges",
            "from_edges(edge_index: torch.Tensor | np.ndarray | Sequence, ",
        ),
        ("osm.csbm", "csbm(num_nodes: int=400, "),
        ("osm.Probe", "Probe(model: torch.nn.Module, "),
    ],
)
def test_an_editor_shows_signatures_and_what_comes_back(call, signature):
    script, place = editor(f"{call}(")
    (found,) = script.get_signatures(**place)
    assert found.to_string().startswith(signature)


def test_an_editor_knows_what_a_trace_holds():
    script, place = editor("signals = osm.trace(1, 2, 3)\nsignals.grad")
    assert [found.name for found in script.complete(**place)] == ["gradients"]
