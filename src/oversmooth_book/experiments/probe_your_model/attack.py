"""What the attack varies of the chapter on the probe, and how its verdicts are counted then."""

from oversmooth_book.experiments.probe_your_model import measure

SETTING = measure.replace(measure.REFERENCE, graph="CSBM 120")
# Each planted case has layers, weights and training of its own.
FIXED = {"kind", "activation", "init", "weight_scale", "loss", "optimizer", "step_size", "steps"}


def verdicts(setting):
    """How often each case got each verdict; a graph and a model of every case for each seed."""

    def draw(seed, num_nodes):
        return measure.replace(setting, graph_seed=setting.graph_seed + seed).data()

    return measure.counts(measure.verdicts(setting, None, draw=draw))
