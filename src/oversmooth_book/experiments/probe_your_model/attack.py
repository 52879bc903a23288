"""What the attack varies of the chapter on the probe, and how its verdicts are counted then.

Not measured again: verdicts on trained models beside their loss, and on one untrained pass (PR6 to PR11). The probe's
rules read that loss with the limits by which the chapter calls a model working or failing, and ask a spurious point for
several passes, so no variation changes these.
"""

from oversmooth_book.experiments.probe_your_model import grid, measure

SETTING = measure.replace(measure.REFERENCE, graph="CSBM 120")
# Each planted case has layers, weights and training of its own, and so has the zoo, with a width of its own.
FIXED = {"kind", "activation", "init", "weight_scale", "loss", "optimizer", "step_size", "steps"}


def verdicts(setting):
    """How often each case got each verdict; a graph and a model of every case for each seed."""

    def draw(seed, num_nodes):
        return measure.replace(setting, graph_seed=setting.graph_seed + seed).data()

    return measure.counts(measure.verdicts(setting, None, draw=draw))


def zoo(setting):
    """What became of two layers of every kind, and their verdicts, from one seed."""
    return grid.zoo(setting.data(), setting.seeds[:1])
