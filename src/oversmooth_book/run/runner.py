"""Run chapters: decide which need it, keep a few at work, report, and leave nothing half-done."""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from oversmooth_book.book.claims import NOT_RUN, of_chapter, read_claims, read_values
from oversmooth_book.book.layout import Book, BookError, recover_folders
from oversmooth_book.book.needs import FETCH, fetch_missing, needed_graphs
from oversmooth_book.book.profiles import SECONDS, ChapterProfile, read_profiles
from oversmooth_book.book.records import (
    changes,
    code_version,
    fingerprints,
    make_record,
    outputs_differ,
    outputs_intact,
    read_record,
    versions,
)
from oversmooth_book.run.execution import CLUSTER_VARIABLE, Execution, remove_leftovers


@dataclass
class Report:
    """What became of each chapter, and the claims that were not run for want of raw files."""

    ran: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def run(
    book: Book, names=(), profile="published", jobs=None, force=False, timeout=None, say=print, cluster=None
) -> Report:
    """Run the chapters that need it.

    Args:
        book: the book.
        names: chapters to run; none means all.
        profile: quick, published or full.
        jobs: chapters at work at once, which share the cores; None means one per core, at most four.
        force: run even what is up to date.
        timeout: seconds for one chapter; None means the profile's own limit.
        say: takes one line of report at a time.
        cluster: address of a Dask scheduler whose workers compute the chapters' sweeps (`oversmooth.sweep`); default:
            $OVERSMOOTH_CLUSTER, else none.

    Returns:
        What became of each chapter.

    Raises:
        BookError: if a chapter is unknown, another run is at work, or the cluster cannot be used.
    """
    chapters = read_profiles(book.chapters / "profiles.yml")
    claims = read_claims(book.chapters / "claims.yml")
    unknown = [name for name in names if name not in chapters]
    if unknown:
        raise BookError(f"unknown chapter {', '.join(unknown)}; the book has {', '.join(chapters) or 'none'}")
    cluster = cluster or os.environ.get(CLUSTER_VARIABLE) or None
    if cluster is not None:
        check_cluster(cluster)
    report = Report()
    with locked(book, profile), ending_on_signals():
        remove_leftovers(book, profile)
        recover_folders(book.build(profile) / "runs")
        chosen = [chapters[name] for name in (names or chapters)]
        due = _due(book, chosen, profile, claims, force, report, say)
        work(book, profile, claims, due, jobs, timeout or SECONDS[profile], report, say, cluster)
    for chapter in chosen:
        for line in verdict_lines(book.run(profile, chapter.name), chapter.name, profile, claims):
            say(line)
    return report


def work(book: Book, profile: str, claims: dict, due: list, jobs, timeout: float, report: Report, say, cluster=None):
    """Run chapters, a few at once, to the end; the caller holds the lock.

    Args:
        book: the book.
        profile: quick, published or full.
        claims: all claims of the book.
        due: (chapter, record) of each run, in the order in which they begin.
        jobs: chapters at work at once, which share the cores; None means one per core, at most four.
        timeout: seconds for one run.
        report: what became of each, added to.
        say: takes one line of report at a time.
        cluster: address of a Dask scheduler for the chapters' sweeps, or None.
    """
    cores = os.cpu_count() or 1
    workers = max(1, min(jobs or min(4, cores), len(due)))
    pool = _Pool(book, profile, claims, timeout, report, say)
    pool.threads, pool.cluster = max(1, cores // workers), cluster
    pool.work(due, workers)


def _due(book, chosen, profile, claims, force, report, say) -> list[tuple[ChapterProfile, dict]]:
    code = code_version(book)
    needs = {chapter.name: needed_graphs(book, chapter.name, claims) for chapter in chosen}
    absent = fetch_missing(list(dict.fromkeys(name for names in needs.values() for name in names)), say)
    due = []
    for chapter in chosen:
        missing = [name for name in needs[chapter.name] if name in absent]
        if missing:
            _say_not_run(chapter.name, missing, claims, report, say)
        prints = fingerprints(book, chapter, profile, claims)
        reason = "asked for by --force" if force else why_due(book, chapter.name, profile, prints)
        if reason is None:
            say(f"{chapter.name}: up to date")
            report.skipped.append(chapter.name)
        else:
            say(f"{chapter.name}: runs ({reason})")
            due.append((chapter, make_record(book, chapter, profile, prints, code, missing)))
    return due


def _say_not_run(name: str, missing: list[str], claims: dict, report: Report, say) -> None:
    """Which claims of a chapter must wait for data; the others are measured all the same."""
    own = of_chapter(claims, name)
    waiting = [claim.id for claim in own if set(claim.needs) & set(missing)]
    report.not_run += waiting
    say(
        f"{name}: no raw files of {', '.join(missing)} here: {len(waiting)} of its {len(own)} claims are {NOT_RUN}; "
        f"{FETCH} downloads the files"
    )


def why_due(book: Book, name: str, profile: str, prints: dict) -> str | None:
    """Why a chapter must run again; None if its last run still stands."""
    folder = book.run(profile, name)
    try:
        record = read_record(folder)
    except BookError:
        return "its record is damaged"
    if record is None:
        return "it has not run yet"
    changed = changes(record["fingerprints"], prints)
    if record["versions"] != versions():
        changed.append("the installed versions")
    if changed:
        return f"changed: {', '.join(changed)}"
    if outputs_intact(folder, record):
        return None
    return f"its outputs were altered: {', '.join(outputs_differ(folder, record)) or f'{name}.ipynb'}"


class _Pool:
    """A bounded number of chapters at work."""

    threads, cluster = 1, None

    def __init__(self, book, profile, claims, timeout, report, say):
        self.book, self.profile, self.claims = book, profile, claims
        self.timeout, self.report, self.say = timeout, report, say

    def work(self, due: list, workers: int) -> None:
        """Run ``due`` to the end, or stop every process if interrupted."""
        waiting, active, done = list(due), [], 0
        with _progress() as bar:
            try:
                while waiting or active:
                    while waiting and len(active) < workers:
                        self._start(*waiting.pop(0), active)
                    ended = [execution for execution in active if self._ended(execution)]
                    active = [execution for execution in active if execution not in ended]
                    done += sum(execution.cells for execution in ended)
                    bar(done + sum(e.done_cells() for e in active), done + sum(e.cells for e in active), active)
                    time.sleep(0.25)
            finally:
                for execution in active:
                    execution.stop()

    def _start(self, chapter, record, active) -> None:
        try:
            execution = Execution(self.book, chapter, self.profile, record, self.threads, self.cluster)
            active.append(execution)
        except BookError as error:
            self._fail(chapter.name, error)

    def _ended(self, execution: Execution) -> bool:
        name = execution.title
        try:
            if not execution.poll(self.timeout):
                return False
            self.report.ran[name] = execution.finish(self.claims)
            self.say(f"{name}: done in {self.report.ran[name]:.0f} s")
        except BookError as error:
            self._fail(name, error)
        return True

    def _fail(self, name: str, error: BookError) -> None:
        self.report.failed[name] = str(error)
        self.say(f"FAILED {error}")


def check_cluster(address: str) -> None:
    """Find out, before any chapter starts, whether sweeps could run on a Dask cluster.

    Args:
        address: its scheduler's.

    Raises:
        BookError: if it cannot be reached, has no workers, or workers with other versions.
    """
    from oversmooth.sweeps.cluster import check

    try:
        check(address)
    except (ConnectionError, ValueError, ImportError) as error:
        raise BookError(f"--cluster {address}: {error}") from error


@contextlib.contextmanager
def _progress():
    """A bar over cells on a terminal, nothing elsewhere (the lines of ``say`` tell enough)."""
    if not sys.stderr.isatty():
        yield lambda done, total, active: None
        return
    from tqdm import tqdm

    with tqdm(unit="cell", leave=False) as bar:

        def show(done, total, active):
            bar.n, bar.total = done, total
            bar.set_description(", ".join(execution.title for execution in active))
            bar.refresh()

        yield show


@contextlib.contextmanager
def locked(book: Book, profile: str):
    """Hold the profile's folder; the lock goes with the process, even a killed one.

    Raises:
        BookError: if another process holds it.
    """
    from filelock import FileLock, Timeout

    book.build(profile).mkdir(parents=True, exist_ok=True)
    lock = FileLock(book.build(profile) / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BookError(f"another run or build of the {profile} profile is at work here: wait for it to end") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def ending_on_signals():
    """Turn SIGTERM into an exception, so that kernels are ended on the way out."""

    def leave(number, frame):
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, leave)
    except ValueError:
        # Not the main thread (a test, a notebook): signals belong to whoever runs us.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def verdict_lines(folder: Path, name: str, profile: str, claims: dict) -> list[str]:
    """One line per claim of a chapter, from its last run: verdict, value, threshold, and what a claim not run needs."""
    values, missing = read_values(folder / "claims.json"), (read_record(folder) or {}).get("missing", [])
    lines = []
    for claim in of_chapter(claims, name):
        value = values.get(claim.id)
        verdict, reason = claim.verdict(value, profile), claim.undecided(profile, missing)
        note = f", {reason}" if verdict == NOT_RUN and reason else ""
        lines.append(f"  {verdict:7} {claim.id}: {claim.measured(value)}{note}")
    return lines
