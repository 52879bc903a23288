"""One chapter's run in a scratch folder: start it, watch it, and take its results only if all is well."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from oversmooth_book.book.book import ROOT_VARIABLE, Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.layout import home_folder, replace_folder, with_home
from oversmooth_book.book.notebooks import clean, code_cells, faults, read_notebook, with_parameters, write_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import ROUNDING_VARIABLE, finish_record
from oversmooth_book.book.vectors import FOLDER as FIGURES
from oversmooth_book.book.vectors import name_vectors
from oversmooth_book.chapter import OUTPUT_VARIABLE, PROFILE_VARIABLE
from oversmooth_book.run.processes import MARK, end_processes
from oversmooth_book.run.worker import DIED_AT_START

CLUSTER_VARIABLE = "OVERSMOOTH_CLUSTER"  # read by oversmooth.sweep, which is too heavy to import here


def run_title(chapter: ChapterProfile, record: dict) -> str:
    """The chapter's name, and which replica it is."""
    return f"{chapter.name}, replica {record['replica']}" if record.get("replica") else chapter.name


class Execution:
    """A chapter being run; ``poll`` until it is done, then ``finish``."""

    def __init__(self, book: Book, chapter: ChapterProfile, profile: str, record: dict, cluster=None):
        """Write the notebook with its parameters into a fresh scratch folder and start the worker."""
        self.book, self.chapter, self.profile, self.record = book, chapter, profile, record
        self.replica = record.get("replica")
        self.cluster, self.retried = cluster, False
        self.started = time.monotonic()
        self._start()

    def _start(self) -> None:
        name = self.chapter.name
        parent = scratch_folder(self.book, "replicas" if self.replica else self.profile)
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        self.results = self.folder / name
        source = read_notebook(self.book.notebook(name))
        filled = with_parameters(source, self.chapter.parameters(self.profile), f"{name}.ipynb")
        write_notebook(filled, self.folder / "input.ipynb")
        self.cells = len(code_cells(filled))
        job = {"input": "input.ipynb", "output": "output.ipynb", "folder": str(self.folder), "runner": os.getpid()}
        (self.folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with (self.folder / "log.txt").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "oversmooth_book.run.worker", str(self.folder / "job.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
                cwd=self.folder,
            )

    def _environment(self) -> dict[str, str]:
        # A plotting backend chosen outside would leave the notebook without figures.
        inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        # The chapter's sweeps find the cluster here; an address that was not checked must not reach them.
        inherited.pop(CLUSTER_VARIABLE, None)
        if self.cluster is not None:
            inherited[CLUSTER_VARIABLE] = self.cluster
        if self.replica:
            inherited[ROUNDING_VARIABLE] = self.replica
        return {
            **inherited,
            ROOT_VARIABLE: str(self.book.root),
            OUTPUT_VARIABLE: str(self.folder),
            PROFILE_VARIABLE: self.profile,
            MARK: str(self.folder),
            # Matrices here are too small for a second thread; one adds in the same order with any number of cores.
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            # The reader's own IPython start-up files and kernels must not change a number.
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTER_PATH": os.path.join(sys.prefix, "share", "jupyter"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            **with_home(self.book.root),
        }

    @property
    def title(self) -> str:
        """What reports call it."""
        return run_title(self.chapter, self.record)

    def done_cells(self) -> int:
        """How many code cells have run so far."""
        try:
            cells = json.loads((self.folder / "output.ipynb").read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError):
            return 0
        return sum(
            cell["metadata"].get("papermill", {}).get("status") == "completed"
            for cell in cells
            if cell["cell_type"] == "code"
        )

    def poll(self, timeout: float) -> bool:
        """Whether the worker has ended; a kernel that died before its first reply gets one second chance.

        Args:
            timeout: seconds the chapter may take.

        Returns:
            True once ``finish`` can be called.

        Raises:
            BookError: if the chapter took longer than ``timeout`` seconds; its processes are ended.
        """
        status = self.process.poll()
        if status is None:
            if time.monotonic() - self.started > timeout:
                self.stop()
                raise BookError(
                    f"{self.chapter.name}: stopped after {timeout:g} s; give --timeout SECONDS if it needs longer"
                )
            return False
        if status == DIED_AT_START and not self.retried:
            self.stop()
            self.retried = True
            self._start()
            return False
        return True

    def stop(self) -> None:
        """End every process of this run and remove its scratch folder."""
        end_processes(str(self.folder))
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> float:
        """Check, clean and move the results into place; the scratch folder goes, whatever happens.

        Returns:
            The run's duration in seconds.

        Raises:
            BookError: naming the chapter, the cell and the remedy.
        """
        seconds = time.monotonic() - self.started
        try:
            self._raise_failure()
            self._take_notebook()
            finished = finish_record(self.record, self.results, seconds)
            (self.results / "record.json").write_text(json.dumps(finished, indent=1) + "\n", encoding="utf-8")
            replace_folder(self.results, self._place())
        finally:
            self.stop()
        return seconds

    def _place(self) -> Path:
        """Where the results go."""
        if self.replica:
            return self.book.replicas / self.chapter.name / self.replica
        return self.book.run(self.profile, self.chapter.name)

    def _take_notebook(self) -> None:
        name = self.chapter.name
        notebook = clean(read_notebook(self.folder / "output.ipynb"))
        wrong = faults(notebook, machine_paths=filter(None, (self.book.root, self.folder, home_folder())))
        if not (self.results / "tables").is_dir():
            wrong.append(f"never calls oversmooth_book.start('{name}')")
        measured = read_values(self.results / "claims.json")
        # A claim whose raw files are not here is NOT RUN: nothing else may be left out.
        due, missing = self.book.claims_of(self.chapter), set(self.record["missing"])
        unmeasured = [claim.id for claim in due if claim.id not in measured and not missing & set(claim.needs)]
        if unmeasured:
            wrong.append(f"never calls oversmooth_book.claim for {', '.join(unmeasured)}, which claims.yml expects")
        if wrong:
            raise BookError(f"{name}: ran, but cannot be used: " + "; ".join(wrong) + self._keep())
        write_notebook(notebook, self.results / f"{name}.ipynb")
        name_vectors(self.results / FIGURES, notebook)

    def _raise_failure(self) -> None:
        if self.process.returncode == 0:
            return
        name, path = self.chapter.name, self.folder / "failure.json"
        if not path.is_file():
            raise BookError(
                f"{name}: its process was killed (status {self.process.returncode}), often for lack of "
                f"memory: try --jobs 1{self._keep()}"
            )
        try:
            failure = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # the disk was full when it was written
            failure = {"cell": None, "error": "its process could not say why: see that there is room on the disk"}
        where = "" if failure["cell"] is None else f" in {self._cell_name(failure['cell'])}"
        remedy = "; often memory: try --jobs 1" if "DeadKernel" in failure["error"] else ""
        raise BookError(f"{name}: failed{where}: {failure['error']}{remedy}{self._keep()}")

    def _cell_name(self, index: int) -> str:
        cells = read_notebook(self.folder / "input.ipynb").cells
        code = sum(cell.cell_type == "code" for cell in cells[: index + 1])
        first = next(iter(cells[index].source.strip().splitlines()), "") if index < len(cells) else ""
        return f"code cell {code} ({first!r})"

    def _keep(self) -> str:
        """Leave the failed notebook where an author can open it, and say where."""
        kept = self.book.build(self.profile) / "failed" / f"{self.chapter.name}.ipynb"
        kept.parent.mkdir(parents=True, exist_ok=True)
        for name in ("output.ipynb", "input.ipynb"):
            if (self.folder / name).is_file():
                shutil.copy(self.folder / name, kept)
                return f" (see {os.path.relpath(kept, self.book.root)})"
        return ""


def scratch_folder(book: Book, profile: str) -> Path:
    """Where runs work before they succeed."""
    return book.build(profile) / "scratch"


def remove_leftovers(book: Book, profile: str) -> None:
    """End and remove whatever a killed runner left; the caller holds the profile's lock, so nothing here is alive."""
    parent = scratch_folder(book, profile)
    for folder in parent.glob("*"):
        end_processes(str(folder))
        shutil.rmtree(folder, ignore_errors=True)
