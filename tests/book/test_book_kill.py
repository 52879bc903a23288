"""Real kills: whatever dies, nothing good is lost, nothing is half-written, and nothing computes on for ever."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from miniature import add_chapter, call, command, processes, snapshot, wait_until, write_chapter

from oversmooth_book.book.layout import recover_folders, replace_folder
from oversmooth_book.run.processes import MARK

BUSY = "open('computing', 'w').close()\nwhile True:\n    pass"
# A child that ignores its parent's death, as a pool of workers may.
SPAWNS = "import subprocess\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)\n" + BUSY
# Computing without ever letting another thread in: the kernel cannot see for itself that its parent is gone.
HOLDS = "import ctypes\nopen('computing', 'w').close()\nctypes.PyDLL(None).sleep(600)"

started = []


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A failing test must not leave a kernel computing: once its runner is gone, everything ends by itself."""
    yield
    while started:
        runner = started.pop()
        runner.kill()
        runner.wait()


def heed_interrupts():
    """What is started in the background ignores SIGINT, as do its children: tests may, a runner at a terminal not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_busy(book, cell=BUSY):
    """Beside the good run of tiny, one that keeps its chapter busy computing; returns (runner, what was good)."""
    good = snapshot(book.build("published") / "runs")
    add_chapter(book, "busy", cell)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    runner = subprocess.Popen(command(book, "run"), preexec_fn=heed_interrupts, **pipes)
    started.append(runner)
    wait_until(lambda: list(book.build("published").glob("scratch/busy-*/computing")))
    return runner, good


def named(book, words):
    for process in processes(book):
        if any(words in part for part in process.cmdline()):
            return process
    return None


def kernel(book):
    return named(book, "ipykernel_launcher")


def mended(book):
    """True if, once the chapter stops being busy, the next run is clean and complete."""
    write_chapter(book, "busy", "1", parameters="# none", text="# Busy")
    answer = call(book, "run")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "tiny: up to date" in answer.stdout and "busy: done" in answer.stdout
    assert list(book.build("published").glob("scratch/*")) == []
    assert processes(book) == []
    return True


@pytest.mark.parametrize("cell", [BUSY, SPAWNS, HOLDS], ids=["busy", "spawns", "holds"])
def test_runner_killed(good, cell):
    runner, before = start_busy(good, cell)
    runner.kill()
    runner.wait()
    wait_until(lambda: not processes(good), 20)
    assert snapshot(good.build("published") / "runs") == before
    assert mended(good)


def test_kernel_killed(good):
    runner, before = start_busy(good)
    kernel(good).kill()
    text, _ = runner.communicate(timeout=60)
    assert runner.returncode == 1
    assert "FAILED busy: failed: DeadKernelError" in text and "--jobs 1" in text
    assert snapshot(good.build("published") / "runs") == before
    wait_until(lambda: not processes(good), 20)
    assert mended(good)


def test_worker_killed(good):
    runner, before = start_busy(good, HOLDS)
    named(good, "oversmooth_book.run.worker").kill()
    text, _ = runner.communicate(timeout=60)
    assert runner.returncode == 1 and "FAILED busy: its process was killed" in text
    assert snapshot(good.build("published") / "runs") == before
    wait_until(lambda: not processes(good), 20)
    assert mended(good)


def test_runner_and_worker_killed_together(good):
    runner, _ = start_busy(good, SPAWNS)
    worker = named(good, "oversmooth_book.run.worker")
    os.kill(worker.pid, signal.SIGKILL)
    runner.kill()
    runner.wait()
    # The kernel sees its parent go; what it started is left for the next run to end.
    wait_until(lambda: not kernel(good), 20)
    assert mended(good)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runner_interrupted(good, number):
    runner, before = start_busy(good, SPAWNS)
    runner.send_signal(number)
    text, _ = runner.communicate(timeout=120)
    assert runner.returncode == 130 and "interrupted; nothing half-done is left" in text
    assert processes(good) == []
    assert snapshot(good.build("published") / "runs") == before
    assert mended(good)


def test_time_out_ends_everything(book):
    add_chapter(book, "busy", SPAWNS)
    answer = call(book, "run", "busy", "--timeout", "6")
    assert answer.returncode == 1
    assert "FAILED busy: stopped after 6 s; give --timeout SECONDS" in answer.stdout
    assert processes(book) == []
    assert list(book.build("published").glob("scratch/*")) == []


def test_a_kernel_that_dies_before_its_first_reply_gets_one_more_chance(book, tmp_path):
    """The first kernel of the run is made to die at start-up by a sitecustomize on its path."""
    flag = tmp_path / "died"
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, pathlib, sys\nflag = pathlib.Path({str(flag)!r})\n"
        f"if '{MARK}' in os.environ and 'JPY_PARENT_PID' in os.environ and not flag.exists():\n"
        "    flag.touch()\n    os._exit(1)\n"
    )
    answer = call(book, "run", PYTHONPATH=str(tmp_path))
    assert flag.exists()
    assert answer.returncode == 0, answer.stdout
    assert "tiny: done in" in answer.stdout


def test_a_swap_never_leaves_the_disk_without_the_old_or_the_new(tmp_path, monkeypatch):
    """Killed at any of its steps, the last good content can be recovered."""
    steps = [(Path, "rename"), (shutil, "rmtree")]
    for last in range(4):
        folder = tmp_path / str(last)
        for name in ("runs/x", "new"):
            (folder / name).mkdir(parents=True)
            (folder / name / "file").write_text(name)
        done = []

        def dying(step, *arguments, done=done, last=last, **options):
            if len(done) == last:
                raise KeyboardInterrupt
            done.append(step)
            return step(*arguments, **options)

        with monkeypatch.context() as killed:
            for owner, name in steps:
                step = getattr(owner, name)
                killed.setattr(owner, name, lambda *a, step=step, **o: dying(step, *a, **o))
            with contextlib.suppress(KeyboardInterrupt):
                replace_folder(folder / "new", folder / "runs" / "x")
        recover_folders(folder / "runs")
        assert (folder / "runs" / "x" / "file").read_text() in ("runs/x", "new")


def test_a_swap_can_be_finished_from_every_moment(tmp_path):
    new, place, old = tmp_path / "new", tmp_path / "runs" / "x", tmp_path / "runs" / ".x.old"

    def fresh(folder, text):
        folder.mkdir(parents=True)
        (folder / "file").write_text(text)

    fresh(place, "before")
    fresh(new, "after")
    replace_folder(new, place)
    assert (place / "file").read_text() == "after" and not old.exists() and not new.exists()
    place.rename(old)  # killed between the two moves
    recover_folders(place.parent)
    assert (place / "file").read_text() == "after" and not old.exists()
    fresh(old, "before")  # killed before the old one was removed
    recover_folders(place.parent)
    assert (place / "file").read_text() == "after" and not old.exists()
    place.rename(old)  # killed between the two moves, and a new result comes at once
    fresh(new, "newest")
    replace_folder(new, place)
    assert (place / "file").read_text() == "newest" and not old.exists()
