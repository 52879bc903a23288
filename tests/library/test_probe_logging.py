"""Logging with the real TensorBoard and the real Lightning."""

import pytest
import torch
import torch_geometric.nn as gnn

import oversmooth as osm
from oversmooth_book.experiments.probe_your_model import measure as planted

tensorboard = pytest.importorskip("tensorboard")


@pytest.fixture(scope="module")
def data():
    return planted.graph(0, 60)


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_tensorboard_reads_what_was_written(tmp_path, data):
    from torch.utils.tensorboard import SummaryWriter

    model = gnn.GCN(8, 4, 2, out_channels=2).double()
    writer, tables = SummaryWriter(tmp_path), []
    for step in (10, 20):
        with osm.Probe(model) as probe:
            planted.loss(model, data).backward()
        probe.write(writer, step)
        tables.append(probe.table())
        model.convs[0].lin.weight.data *= 2
    writer.close()
    events = read(tmp_path)
    assert len(events.Tags()["scalars"]) == 10
    for layer, name in enumerate(("convs.0", "convs.1")):
        for measure in ("feature_ratio", "feature_norm", "backward_ratio", "backward_norm", "gradient"):
            written = events.Scalars(f"probe/{measure}/{layer:03d}_{name}")
            assert [event.step for event in written] == [10, 20]
            expected = [table[measure][layer] for table in tables]
            assert [event.value for event in written] == pytest.approx(expected, rel=1e-6)
    (text,) = {event.tensor_proto.string_val[0] for event in events.Tensors("probe/diagnosis/text_summary")[-1:]}
    assert text.decode().startswith("verdict: ")


@pytest.fixture
def module(data):
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.fail_at, self.gradients = gnn.GCN(8, 4, 2, out_channels=2).double(), None, []

        def training_step(self, batch, batch_idx):
            if batch_idx == self.fail_at:
                raise RuntimeError("planted")
            return planted.loss(self.model, batch)

        def on_after_backward(self):
            self.gradients.append(self.model.convs[1].lin.weight.grad.norm().item())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def train_dataloader(self):
            return torch.utils.data.DataLoader([data] * 6, batch_size=None)

    return Module()


def trainer(tmp_path, callback):
    import lightning.pytorch as lightning
    from lightning.pytorch.loggers import TensorBoardLogger

    return lightning.Trainer(
        max_epochs=1, logger=TensorBoardLogger(tmp_path), callbacks=[callback], accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_lightning_logs_every_few_steps(tmp_path, module):
    callback = osm.lightning_callback(every=2, select="model.convs.*")
    torch.manual_seed(0)
    trainer(tmp_path, callback).fit(module)
    (folder,) = (tmp_path / "lightning_logs").iterdir()
    written = read(folder).Scalars("probe/gradient/001_model.convs.1")
    assert len(written) == 3
    assert written[-1].value == pytest.approx(callback.table["gradient"][1], rel=1e-6)
    assert written[-1].value >= module.gradients[4] * (1 - 1e-6)  # the bias counts too
    assert callback.diagnosis.verdict == "healthy"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


@pytest.mark.filterwarnings("ignore")
def test_lightning_failures_leave_no_hook(tmp_path, module):
    module.fail_at = 2
    with pytest.raises(RuntimeError, match="planted"):
        trainer(tmp_path, osm.lightning_callback(every=1)).fit(module)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_every_must_be_positive():
    with pytest.raises(ValueError, match="every is 0; at least 1"):
        osm.lightning_callback(every=0)
