"""A real Dask scheduler and real workers on loopback, each a process of its own."""

import os
import socket
import subprocess
import sys
import time

from distributed import Client


class Cluster:
    """A scheduler; `add` starts workers, `stop` ends all of it."""

    def __init__(self, folder, **environment):
        self.folder, self.environment, self.workers = folder, environment, []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port))
        self._until(lambda client: True)

    def add(self, number=1, **environment):
        """Start workers and wait until they are there."""
        options = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0"]
        started = [self._start("worker", self.address, *options, **environment) for _ in range(number)]
        self.workers += started
        self._until(lambda client: len(client.ncores()) == sum(worker.poll() is None for worker in self.workers))
        return started

    def stop(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _start(self, *words, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--no-dashboard"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(self.folder), **self.environment, **environment},
        )

    def _until(self, ready, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                with Client(self.address, timeout=5, set_as_default=False) as client:
                    while time.monotonic() < end:
                        if ready(client):
                            return
                        time.sleep(0.1)
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the cluster was not ready after {seconds} s")
