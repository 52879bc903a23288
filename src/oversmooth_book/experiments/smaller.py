"""What recipes of the attack make smaller, so that a variation can be measured again in seconds."""

from dataclasses import replace


def small(setting):
    """The block model of 100 nodes in place of the reference one; a variation's own graph stays."""
    return replace(setting, graph="CSBM 100") if setting.graph == "CSBM" else setting


def few(setting, count):
    """So many networks at most."""
    return replace(setting, seeds=setting.seeds[:count])
