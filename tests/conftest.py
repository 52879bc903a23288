"""Fixtures shared by the tests of the library."""

import pytest
import torch

# The helpers' own asserts show their values, as those of the tests do.
pytest.register_assert_rewrite("cases")


@pytest.fixture
def random_state_untouched():
    """Fail a test during which the global random state of torch moved."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state()), "the global random state of torch was moved"


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
