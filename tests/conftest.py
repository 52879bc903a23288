"""Fixtures shared by the tests of the library."""

import pytest
import torch

# The helpers' own asserts show their values, as those of the tests do.
pytest.register_assert_rewrite("bounds_cases", "cases", "graph_cases", "sweep_cases")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``--dist loadgroup``, groups of `together`."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from together import Together

    return Together(config, log)


@pytest.fixture
def random_state_untouched():
    """Fail a test during which the global random state of torch moved."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state()), "the global random state of torch was moved"


@pytest.fixture
def offline(monkeypatch):
    """No network: every connection goes to a port of this machine on which nothing listens."""
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")


@pytest.fixture
def data():
    """Two communities and an isolated node, in double precision."""
    from torch_geometric.data import Data

    import oversmooth as osm

    data = osm.csbm(30, p_in=0.5, p_out=0.1, num_features=5, seed=1)
    keep = (data.edge_index != 7).all(0)
    return Data(x=data.x, y=data.y, edge_index=data.edge_index[:, keep])


@pytest.fixture
def ax():
    """Axes in the book's theme, drawn without a screen."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    import oversmooth as osm

    with matplotlib.rc_context():
        osm.set_theme()
        _, ax = osm.panels()
        yield ax
        plt.close("all")
