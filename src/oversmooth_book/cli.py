"""The command line: run, fetch, build, compare, recheck, check, attack, replicas, publish, release."""

import argparse
import math
import os
import sys

from oversmooth_book.book.book import find_book
from oversmooth_book.book.errors import BookError, told
from oversmooth_book.book.profiles import PROFILES
from oversmooth_book.check.spread import ENOUGH


def main(arguments=None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 only if all went well.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (BookError, OSError) as error:
        print(f"oversmooth-book: {told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("oversmooth-book: interrupted; nothing half-done is left", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="oversmooth-book", description="Run, check, build and publish the book.")
    parser.add_argument("--root", help="the book's folder (default: around the working folder)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the chapters whose inputs changed")
    run.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    _add_profile(run)
    run.add_argument("--jobs", type=_count, help="chapters at work at once (default: one per core, at most four)")
    run.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, tcp://host:port, whose workers compute the chapters' sweeps",
    )
    run.add_argument("--force", action="store_true", help="run even what is up to date")
    run.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="for one chapter")
    run.set_defaults(command=_run)

    fetch = commands.add_parser("fetch", help="download the public graphs, and check those that are here")
    fetch.add_argument("graphs", nargs="*", metavar="GRAPH", help="default: all that the chapters need")
    fetch.set_defaults(command=_fetch)

    build = commands.add_parser("build", help="make the HTML book from the last run")
    _add_profile(build)
    build.add_argument("--committed", action="store_true", help="from the committed outputs, running nothing")
    build.set_defaults(command=_build)

    compare = commands.add_parser("compare", help="your published-profile run against the published one")
    compare.set_defaults(command=_compare)
    recheck = commands.add_parser("recheck", help="all claims and numbers again, from the published tables alone")
    recheck.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    recheck.set_defaults(command=_recheck)
    check = commands.add_parser("check", help="claims.yml, profiles.yml and the committed notebooks")
    check.set_defaults(command=_check)
    attack = commands.add_parser("attack", help="the findings again, under every variation of variations.yml")
    attack.add_argument("claims", nargs="*", metavar="CLAIM", help="findings (default: all that can be attacked)")
    _add_profile(attack)
    attack.add_argument("--jobs", type=_count, help="processes (default: one per core)")
    attack.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler whose workers measure instead")
    attack.set_defaults(command=_attack)
    replicas = commands.add_parser("replicas", help="maintainers: the published run under other roundings")
    replicas.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all")
    replicas.add_argument("--count", type=_count, default=ENOUGH, help=f"replicas of each chapter (default: {ENOUGH})")
    replicas.add_argument("--check", action="store_true", help="and replica 0, which tests the spread of the others")
    replicas.add_argument("--jobs", type=_count, help="runs at once (default: one per core, at most four)")
    replicas.set_defaults(command=_replicas)
    publish = commands.add_parser("publish", help="maintainers: put a run's outputs where they are committed")
    publish.add_argument("chapters", nargs="*", metavar="CHAPTER", help="default: all (full profile: all that ran)")
    publish.add_argument("--profile", choices=("published", "full"), default="published")
    publish.add_argument("--provisional", action="store_true", help="with fewer replicas than tolerances need")
    publish.set_defaults(command=_publish)
    release = commands.add_parser("release", help="maintainers: the committed book as an archive with checksums")
    release.set_defaults(command=_release)
    return parser


def _add_profile(parser) -> None:
    parser.add_argument("--profile", choices=PROFILES, default="published")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"needs at least 1, got {number}")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"needs a number of seconds above 0, got {text}")
    return number


def _say(line: str) -> None:
    """One line at once, above the progress bar where there is one."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        tqdm.write(line)
    else:
        print(line, flush=True)


def _run(options) -> int:
    from oversmooth_book.book.graphs import FETCH
    from oversmooth_book.run.runner import run

    book = find_book(options.root)
    report = run(
        book,
        options.chapters,
        options.profile,
        jobs=options.jobs,
        force=options.force,
        timeout=options.timeout,
        say=_say,
        cluster=options.cluster,
    )
    waiting = f"; {len(report.not_run)} claims wait for data: {FETCH}" if report.not_run else ""
    print(f"{len(report.ran)} run, {len(report.skipped)} up to date, {len(report.failed)} failed{waiting}")
    return 1 if report.failed else 0


def _fetch(options) -> int:
    from oversmooth.graphs.files import data_root
    from oversmooth_book.run.fetch import book_graphs, fetch

    graphs = options.graphs or book_graphs(find_book(options.root))
    failed = fetch(graphs, say=_say)
    print(f"{len(set(graphs)) - len(failed)} here, {len(failed)} missing, in {data_root()}")
    return 1 if failed else 0


def _build(options) -> int:
    from oversmooth_book.show.builder import build

    book = find_book(options.root)
    failed = build(book, options.profile, options.committed)
    for line in failed:
        print(f"FAIL {line}", file=sys.stderr)
    page = book.build(options.profile) / "html" / "index.html"
    print(f"Open {os.path.relpath(page)}")
    return 1 if failed else 0


def _compare(options) -> int:
    from oversmooth_book.check.compare import compare, lines
    from oversmooth_book.check.report import write_report

    book = find_book(options.root)
    comparisons, agree = compare(book)
    place = book.build("published") / "compare.html"
    write_report(book, comparisons, place)
    print("\n".join([*lines(book, comparisons), f"Open {os.path.relpath(place)}"]))
    return 0 if agree else 1


def _check(options) -> int:
    from oversmooth_book.check.checker import check

    problems = check(find_book(options.root))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems" if problems else "all in order")
    return 1 if problems else 0


def _recheck(options) -> int:
    from oversmooth_book.check.recheck import recheck

    wrong = recheck(find_book(options.root), options.chapters, say=_say)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(wrong)} wrong" if wrong else "the published tables give every claim and every number")
    return 1 if wrong else 0


def _attack(options) -> int:
    from oversmooth_book.attack.attacker import attack

    book = find_book(options.root)
    weak = attack(book, options.claims, options.profile, options.jobs or -1, options.cluster, say=_say)
    for line in weak:
        print(line)
    return 1 if weak else 0


def _replicas(options) -> int:
    from oversmooth_book.publish.replicas import make_replicas

    book = find_book(options.root)
    report = make_replicas(book, options.chapters, options.count, options.jobs, say=_say, check=options.check)
    print(f"{len(report.ran)} replicas made, {len(report.failed)} failed")
    return 1 if report.failed else 0


def _publish(options) -> int:
    from oversmooth_book.publish.publisher import publish

    for line in publish(find_book(options.root), options.chapters, options.profile, options.provisional):
        print(line)
    return 0


def _release(options) -> int:
    from oversmooth_book.publish.release import release

    for path in release(find_book(options.root)):
        print(os.path.relpath(path))
    return 0
