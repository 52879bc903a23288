"""Finding and ending every process of one run: worker, kernel, and what the kernel started.

A kernel leaves its parent's process group, and a killed parent loses its children, so neither tells which process
belongs to a run. Its environment does: every process inherits the variable that names the run's folder.
"""

import os

MARK = "OVERSMOOTH_BOOK_SCRATCH"


def end_processes(folder: str, spare: int | None = None) -> int:
    """Kill every process whose environment names ``folder``.

    Args:
        folder: a run's scratch folder.
        spare: a process id to leave alive.

    Returns:
        How many were killed.
    """
    import psutil

    ended = []
    for process in psutil.process_iter():
        try:
            mine = process.pid not in (spare, os.getpid()) and process.environ().get(MARK) == str(folder)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                ended.append(process)
        except (psutil.Error, OSError):
            continue
    psutil.wait_procs(ended, timeout=5)
    return len(ended)
