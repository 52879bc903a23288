"""One chapter in a process of its own: papermill, and a watch that ends everything if the runner is gone."""

import json
import os
import sys
import threading
import time
from pathlib import Path

from oversmooth_book.run.processes import end_processes

DIED_AT_START = 3


def main(job_file: str) -> int:
    """Execute the notebook that a job file names; on failure write ``failure.json`` beside it.

    Args:
        job_file: JSON with folder (the working folder), input and output in it, and runner (its process id).

    Returns:
        0, 1 if the chapter failed, or DIED_AT_START if its kernel never came up (worth one retry).
    """
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    threading.Thread(target=_watch, args=(job["runner"], job["folder"]), daemon=True).start()
    try:
        _execute(job)
        return 0
    except Exception as error:
        failure = _describe(error)
        Path(job["folder"], "failure.json").write_text(json.dumps(failure), encoding="utf-8")
        return DIED_AT_START if failure["died_at_start"] else 1


def _watch(runner: int, folder: str) -> None:
    """End this run's kernel and this process once the runner is no longer our parent (even by SIGKILL)."""
    while os.getppid() == runner:
        time.sleep(0.5)
    end_processes(folder, spare=os.getpid())
    os._exit(1)


def _execute(job: dict) -> None:
    import papermill

    # Relative paths, for papermill takes braces in a path for parameters; this process works in the job's folder.
    papermill.execute_notebook(
        job["input"], job["output"], cwd=".", kernel_name="python3", progress_bar=False, start_timeout=120
    )


def _describe(error: Exception) -> dict:
    """What a reader is told: the cell, the error, and whether the kernel never came up."""
    from papermill.exceptions import PapermillExecutionError

    text = str(error)
    if isinstance(error, PapermillExecutionError):
        return {"cell": error.cell_index, "error": f"{error.ename}: {error.evalue}", "died_at_start": False}
    starting = "before replying" in text or "Kernel didn't respond" in text
    message = f"{type(error).__name__}: {text}".strip(": ")
    return {"cell": None, "error": message, "died_at_start": starting}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
