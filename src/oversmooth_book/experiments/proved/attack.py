"""What the attack varies of the chapter on proofs, and how its tables are measured then."""

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.common import label_variance
from oversmooth_book.experiments.proved import measure
from oversmooth_book.experiments.proved.measure import replace

SETTING = measure.REFERENCE
# Targets are ±1, last layers are trained alone, and the depths are those of the bound.
FIXED = {"loss", "optimizer", "step_size", "steps", "depth"}
# Deeper, the mean error of small λ is below what doubles can tell from zero.
DEPTHS = [41, 53, 65]


def escape(setting):
    """The bound of the time in doubles, which the proved one is within a few per cent of."""
    rows = []
    for depth in DEPTHS:
        one = replace(setting, depth=depth)
        bound = osm.escape_time(
            measure.single(one), *measure.problem(one), threshold=measure.LEFT * label_variance(one)
        )
        rows.append({"depth": depth, "time_at_least": float(bound)})
    return pd.DataFrame(rows)


def certificates(setting):
    """λ in doubles."""
    return pd.DataFrame([{"rate_at_most": setting.propagation().rate}])
