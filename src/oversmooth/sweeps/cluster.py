"""A sweep on an existing Dask cluster, through joblib's Dask backend."""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import CancelledError

import joblib
from joblib._dask import DaskDistributedBackend

from oversmooth.sweeps import cell as work
from oversmooth.sweeps.versions import versions

PATIENCE = 10  # seconds for a scheduler to answer and for a first worker to appear


def outcomes(run, waiting: list, arithmetic: tuple, address: str):
    """The outcome of every waiting cell, as the cluster's workers finish them."""
    needed, packed = versions(), work.pack(run)
    with connected(address) as client:
        check_workers(client, address)
        # Every cell at once: the scheduler sees all the work and gives it to workers that come later, too.
        parallel = joblib.Parallel(
            backend=_Backend(client=client), batch_size=1, pre_dispatch="all", return_as="generator_unordered"
        )
        # The function goes as bytes with each cell, since joblib would leave a larger object on one worker,
        # and with that worker it would be lost.
        cells = (joblib.delayed(compute_checked)(packed, *task, arithmetic, needed) for task in waiting)
        for outcome in parallel(cells):
            if not isinstance(outcome, work.Outcome):  # what joblib passes on when Dask cancels a cell
                raise CancelledError("its cells were cancelled")
            yield outcome


def check(address: str) -> None:
    """Find out, before any work, whether a sweep could run there; ends as `connected` and `check_workers` do."""
    with connected(address) as client:
        check_workers(client, address)


def compute_checked(packed: bytes, index: int, cell: dict, seed: int, arithmetic: tuple, needed: dict) -> work.Outcome:
    """As `compute_packed`, if this worker has the caller's versions: workers may join after the first check."""
    differing = difference(needed, versions())
    if differing:
        return work.Outcome(index, error=ValueError(f"a worker has other versions: {differing}"))
    return work.compute_packed(packed, index, cell, seed, arithmetic)


def difference(needed: dict, found: dict) -> str:
    """Which versions differ, in words; empty if none."""
    differing = [name for name in needed if found.get(name) != needed[name]]
    return ", ".join(f"{name} {found.get(name)} instead of {needed[name]}" for name in differing)


@contextlib.contextmanager
def connected(address: str):
    """A client of the scheduler, closed at the end.

    Yields:
        The client.

    Raises:
        ConnectionError: if there is none.
        ImportError: if Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("cluster= needs Dask: pip install 'oversmooth[cluster]'") from error
    with _quiet():
        try:
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {address!r} ({error or type(error).__name__}); is it running "
                "(`dask scheduler`), is the address of the form tcp://host:port, and does no firewall stand between?"
            ) from error
        with client, _lost(address):
            yield client


@contextlib.contextmanager
def _lost(address):
    try:
        yield
    except (OSError, CancelledError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConnectionError(
            f"the connection to the Dask scheduler at {address} was lost ({reason}); "
            "with a cache, the finished cells are kept: start the scheduler and call again"
        ) from error


@contextlib.contextmanager
def _quiet():
    """Without Dask's own messages on stderr: what concerns the caller is raised, the rest repairs itself."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def check_workers(client, address: str) -> None:
    """Refuse a cluster without workers, or one whose workers would compute other numbers.

    Raises:
        ValueError: naming the workers and their versions.
    """
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise ValueError(
            f"the Dask scheduler at {address} has no workers; start some with `dask worker {address} --nthreads 1`"
        ) from None
    needed, unfit = versions(), []
    for worker, found in found_versions(client, needed).items():
        if differing := difference(needed, found):
            unfit.append(f"{worker} has {differing}")
    if unfit:
        raise ValueError(
            f"cluster {address}: its workers have other versions than this process, and would give other numbers: "
            f"{'; '.join(unfit)}. Install the same versions there (requirements.lock) and start the workers anew."
        )


def found_versions(client, needed: dict) -> dict[str, dict]:
    """The versions on each worker; a worker without this library tells those of the others."""
    names = list(needed)

    def report():
        # Nested, so that it travels by value: a worker may lack this module.
        import importlib.metadata
        import platform

        try:
            from oversmooth.sweeps.versions import versions

            return versions()
        except ImportError:
            found = {"python": ".".join(platform.python_version_tuple()[:2])}
            for name in names:
                with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                    found.setdefault(name, importlib.metadata.version(name))
            return found

    return client.run(report)


class _Backend(DaskDistributedBackend):
    """joblib's Dask backend, except where that would wait for ever: for a cell given up, and after a failure.

    Dask gives a cell up when several workers have died over it, most often for lack of memory: that is a result here.
    """

    def effective_n_jobs(self, n_jobs):
        """The cluster's threads, or 2: with 1, joblib would leave the cluster and compute in this process."""
        return max(2, super().effective_n_jobs(n_jobs))

    def abort_everything(self, ensure_ready=True):
        """Expect no more cells. What has arrived is left to the client's thread, which drops it.

        joblib empties the queue itself, while that thread takes from it: between its look and its get the last item
        may go, and it waits for the next one, with the lock that the other thread needs.
        """
        with self.waiting_futures.lock:
            self.waiting_futures.futures.clear()

    def submit(self, func, callback=None):
        future = super().submit(func, callback)
        index = func.items[0][1][1]  # the arguments of compute_checked

        def tell(done):
            if done.exception() is not None:
                callback([work.Outcome(index, error=done.exception())])

        future.add_done_callback(tell)
        return future
