"""Log a probe during training with Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.probe.probe import Probe
from oversmooth.propagation.averaging import Weighting

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@checked
def lightning_callback(
    every: int = 50,
    select: str | Sequence[str] | type | tuple[type, ...] | Callable | None = None,
    norm: str | Weighting | dict[str, str | Weighting] = "auto",
) -> Callback:
    """A Lightning callback that measures the module every few steps and logs the numbers.

    The numbers of `Probe.scalars` go to every logger of the trainer; the verdict of the last measured step is the
    callback's ``diagnosis``, its table the callback's ``table``.

    Args:
        every: steps between two measurements; 50, as Lightning logs.
        select: for `Probe`.
        norm: for `Probe`.

    Returns:
        A ``lightning.pytorch.Callback``, for ``Trainer(callbacks=[...])``.

    Raises:
        ValueError: every is less than 1.
        ModuleNotFoundError: lightning is not installed; the extra ``oversmooth[log]`` brings it.
    """
    require(every >= 1, f"every is {every}; at least 1 is needed")
    from lightning.pytorch import Callback

    class ProbeCallback(Callback):
        probe = table = diagnosis = None

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step % every == 0 and self.probe is None:
                self.probe = Probe(pl_module, select=select, norm=norm).__enter__()

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if self.probe is None:
                return
            probe = self._stop()
            self.table, self.diagnosis = probe.table(), probe.diagnosis()
            for logger in trainer.loggers:
                logger.log_metrics(probe.scalars(), step=trainer.global_step)

        def on_exception(self, trainer, pl_module, exception):
            self._stop()

        def _stop(self):
            probe, self.probe = self.probe, None
            if probe is not None:
                probe.__exit__(None, None, None)
            return probe

    return ProbeCallback()
