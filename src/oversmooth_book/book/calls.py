"""What a cell calls, read off its code: nothing is run."""

import ast


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """The calls of ``name(...)`` and ``anything.name(...)``."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if name in (getattr(call.func, "attr", None), getattr(call.func, "id", None))]


def texts(tree: ast.AST) -> list[str]:
    """Every literal text."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def named_claims(tree: ast.AST) -> list[str]:
    """The claims that a cell measures; where the id is no literal, as in a loop, every text of the cell may be one."""
    ids = [call.args[0] for call in calls(tree, "claim") if call.args]
    ids += [argument for call in calls(tree, "verify") for argument in call.args]
    literal = all(isinstance(one, ast.Constant) for one in ids)
    return [name for one in ids for name in texts(one)] if literal else texts(tree)
