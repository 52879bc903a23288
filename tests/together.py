"""Which tests run in one process when several share the work: those that share what is expensive to make.

pytest-xdist has marks for it (`xdist_group`), which do nothing under pytest 9.2 (pytest-xdist, issue 1386). The process
that hands out the tests knows only their names, so their files are read.
"""

import ast
import functools
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"site", "visit"}  # fixtures of the session: the real book, built (two minutes), and its pages in a browser


class Together(LoadScopeScheduling):
    """Test by test, but groups as a whole, the largest first."""

    def _split_scope(self, nodeid):
        return group(nodeid)


def group(nodeid: str) -> str:
    """The name of a test's group: "pages", the file whose fixture it shares, or its own where it is alone."""
    file, _, name = nodeid.partition("::")
    return groups(file).get(name.split("[")[0], nodeid)


@functools.cache
def groups(file: str) -> dict[str, str]:
    """Functions of a file that need a shared fixture, themselves or through another one: name to group."""
    found = [node for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body if hasattr(node, "args")]
    asked = {node.name: {argument.arg for argument in node.args.args} for node in found}
    own = {node.name for node in found if any("scope='module'" in ast.unparse(one) for one in node.decorator_list)}
    return dict.fromkeys(_reached(own, asked), file) | dict.fromkeys(_reached(PAGES, asked), "pages")


def _reached(fixtures, asked):
    while more := {name for name, names in asked.items() if names & fixtures} - fixtures:
        fixtures = fixtures | more
    return fixtures
