"""Run chapters: decide which need it, keep a few at work, report, and leave nothing half-done."""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import NOT_RUN, read_values
from oversmooth_book.book.commits import code_version
from oversmooth_book.book.errors import BookError, told
from oversmooth_book.book.fingerprints import changes, fingerprints
from oversmooth_book.book.graphs import FETCH, fetch_missing
from oversmooth_book.book.layout import recover_folders
from oversmooth_book.book.needs import needed_graphs
from oversmooth_book.book.profiles import SECONDS, ChapterProfile
from oversmooth_book.book.records import make_record, outputs_differ, outputs_intact, read_record, versions
from oversmooth_book.run.clock import Clock, seconds_before
from oversmooth_book.run.execution import CLUSTER_VARIABLE, Execution, remove_leftovers, run_title


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
        jobs: chapters at work at once, with one thread each; None means one per core, at most four.
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
    chosen = book.chosen(names)
    cluster = cluster or os.environ.get(CLUSTER_VARIABLE) or None
    if cluster is not None:
        check_cluster(cluster)
    report = Report()
    with locked(book, profile), ending_on_signals():
        remove_leftovers(book, profile)
        recover_folders(book.build(profile) / "runs")
        due = _due(book, chosen, profile, force, report, say)
        work(book, profile, due, jobs, timeout or SECONDS[profile], report, say, cluster)
    for chapter in chosen:
        for line in verdict_lines(book, chapter, profile):
            say(line)
    return report


def work(book: Book, profile: str, due: list, jobs, timeout: float, report: Report, say, cluster=None):
    """Run chapters, a few at once, to the end; the caller holds the lock.

    Args:
        book: the book.
        profile: quick, published or full.
        due: (chapter, record) of each run, in the order in which they begin.
        jobs: chapters at work at once, with one thread each; None means one per core, at most four.
        timeout: seconds for one run.
        report: what became of each, added to.
        say: takes one line of report at a time.
        cluster: address of a Dask scheduler for the chapters' sweeps, or None.
    """
    workers = max(1, min(jobs or min(4, os.cpu_count() or 1), len(due)))
    before = seconds_before(book, profile, {chapter.name for chapter, _ in due})
    # A replica takes another time than the run whose twin it is: only how many are left is said.
    clock = Clock({run_title(c, r): None if r.get("replica") else before[c.name] for c, r in due}, workers)
    if due:
        say(clock.before())
    _Pool(book, profile, timeout, report, say, cluster, clock).work(due, workers)


def _due(book, chosen, profile, force, report, say) -> list[tuple[ChapterProfile, dict]]:
    code = code_version(book)
    needs = {chapter.name: needed_graphs(book, chapter) for chapter in chosen}
    absent = fetch_missing(list(dict.fromkeys(name for names in needs.values() for name in names)), say)
    due = []
    for chapter in chosen:
        missing = [name for name in needs[chapter.name] if name in absent]
        if missing:
            _say_not_run(book, chapter, missing, report, say)
        prints = fingerprints(book, chapter, profile)
        reason = "asked for by --force" if force else why_due(book, chapter, profile, prints)
        if reason is None:
            say(f"{chapter.name}: up to date")
            report.skipped.append(chapter.name)
        else:
            say(f"{chapter.name}: runs ({reason})")
            due.append((chapter, make_record(chapter, profile, prints, code, missing)))
    return due


def _say_not_run(book: Book, chapter: ChapterProfile, missing: list[str], report: Report, say) -> None:
    """Which claims of a chapter must wait for data; the others are measured all the same."""
    own = book.claims_of(chapter)
    waiting = [claim.id for claim in own if set(claim.needs) & set(missing)]
    report.not_run += waiting
    say(
        f"{chapter.name}: no raw files of {', '.join(missing)} here: "
        f"{len(waiting)} of its {len(own)} claims are {NOT_RUN}; {FETCH} downloads the files"
    )


def why_due(book: Book, chapter: ChapterProfile, profile: str, prints: dict) -> str | None:
    """Why a chapter must run again; None if its last run still stands."""
    folder = book.run(profile, chapter.name)
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
    return f"its outputs were altered: {', '.join(outputs_differ(folder, record)) or f'{chapter.name}.ipynb'}"


class _Pool:
    """A bounded number of chapters at work."""

    def __init__(self, book, profile, timeout, report, say, cluster, clock):
        self.book, self.profile, self.cluster = book, profile, cluster
        self.timeout, self.report, self.say, self.clock = timeout, report, say, clock

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
            execution = Execution(self.book, chapter, self.profile, record, self.cluster)
            active.append(execution)
            self.clock.begin(execution.title)
        except (BookError, OSError) as error:
            self._fail(chapter.name, error)

    def _ended(self, execution: Execution) -> bool:
        name = execution.title
        try:
            if not execution.poll(self.timeout):
                return False
            self.report.ran[name] = execution.finish()
            self.say(f"{name}: done in {self.report.ran[name]:.0f} s{self.clock.end(name)}")
        except (BookError, OSError) as error:
            self._fail(name, error)
        return True

    def _fail(self, name: str, error: BookError | OSError) -> None:
        words = told(error) if isinstance(error, BookError) else f"{name}: {told(error)}"
        self.report.failed[name] = words
        self.clock.drop(name)
        self.say(f"FAILED {words}")


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


def verdict_lines(book: Book, chapter: ChapterProfile, profile: str) -> list[str]:
    """One line per claim of a chapter, from its last run: verdict, value, threshold, and what a claim not run needs."""
    folder = book.run(profile, chapter.name)
    values, missing = read_values(folder / "claims.json"), (read_record(folder) or {}).get("missing", [])
    lines = []
    for claim in book.claims_of(chapter):
        value = values.get(claim.id)
        verdict, reason = claim.verdict(value, profile), claim.undecided(profile, missing)
        note = f", {reason}" if verdict == NOT_RUN and reason else ""
        lines.append(f"  {verdict:7} {claim.id}: {claim.measured(value)}{note}")
    return lines
