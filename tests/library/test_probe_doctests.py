"""The examples of the API page run, and say what they show."""

import doctest
import importlib
import inspect

import pytest

import oversmooth as osm
from oversmooth.public import PUBLIC

WITH_EXAMPLES = [name for module in ("smoothness", "probe.probe", "probe.history") for name in PUBLIC[module]]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name):
    value = getattr(osm, name)
    module = importlib.import_module(value.__module__)
    text = inspect.getdoc(value)
    test = doctest.DocTestParser().get_doctest(text, {}, name, module.__file__, None)
    assert test.examples, f"{name} has no example"
    said = []
    failed, ran = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert ran == len(test.examples) and not failed, "".join(said)
