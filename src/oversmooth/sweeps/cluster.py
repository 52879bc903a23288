"""A sweep on an existing Dask cluster: its cells as futures, taken as they complete."""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import CancelledError

from oversmooth._validation import require
from oversmooth.sweeps import cell as work
from oversmooth.sweeps.versions import versions

PATIENCE = 10  # seconds for a scheduler to answer and for a first worker to appear


def outcomes_on_cluster(run, waiting: list, arithmetic: tuple, address: str):
    """The outcome of every waiting cell, as the cluster's workers finish them."""
    needed, packed = versions(), work.pack(run)
    with connected(address) as client:
        from distributed import as_completed

        check_workers(client, address)
        # Every cell at once: the scheduler sees all the work and gives it to workers that come later, too. The function
        # goes as bytes with each cell: one copy for all would lie on one worker, and with that worker it would be lost.
        futures = [client.submit(compute_checked, packed, *task, arithmetic, needed, pure=False) for task in waiting]
        indices = {future.key: task[0] for future, task in zip(futures, waiting, strict=True)}
        completed = as_completed(futures, loop=client.loop)
        del futures  # what has been taken is dropped, here and on the worker
        for future in completed:
            yield _outcome(future, indices[future.key])


def _outcome(future, index: int) -> work.Outcome:
    """What became of a cell. Dask gives one up when several workers died over it, most often for lack of memory."""
    if future.status == "error":
        return work.Outcome(index, error=future.exception())
    return future.result()  # raises if the scheduler went away, and with it all cells


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
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise ImportError("cluster= needs Dask: pip install 'oversmooth[cluster]'") from error
    with _quiet():
        try:
            # A client that found no address can hang the next one: it is finalised in that one's thread, for a lock.
            get_address_host_port(address)
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
    require(
        not unfit,
        f"cluster {address}: its workers have other versions than this process, and would give other numbers: "
        f"{'; '.join(unfit)}. Install the same versions there (requirements.lock) and start the workers anew",
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
