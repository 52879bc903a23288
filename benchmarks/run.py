"""All benchmarks, one after the other, as one tidy table: ``data/published/benchmarks/table.csv`` with its record.

``make bench`` calls this; names of modules as arguments run only those, and print without writing.
"""

import csv
import dataclasses
import datetime
import importlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

import pairs
import torch

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "data" / "published" / "benchmarks"
MODULES = [
    "trace",
    "fit",
    "smoothness",
    "rate",
    "growth",
    "large",
    "sweeps",
    "probe",
    "gpu",
    "imports",
    "memory",
    "book",
]


def write(started):
    """The table and its record: where, when and with what it was measured."""
    from oversmooth_book.book.book import find_book
    from oversmooth_book.book.commits import code_version
    from oversmooth_book.book.machine import machine
    from oversmooth_book.book.records import versions

    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in dataclasses.fields(pairs.Row))
        for row in pairs.ROWS:
            writer.writerow(f"{v:.3g}" if isinstance(v, float) else v for v in dataclasses.astuple(row))
    commit, dirty = code_version(find_book(ROOT))
    here = machine()
    record = {
        "commit": commit,
        "dirty": dirty,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round((datetime.datetime.now(datetime.UTC) - started).total_seconds(), 1),
        "versions": versions(),
        "machine": {"cores": os.cpu_count(), "processor": here["model"], "system": here["system"]},
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    (PLACE / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    """Run what is asked for; a target that is missed is told here and in the table."""
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")  # torch's and PyG's notes on sparse tensors
    chosen, started = sys.argv[1:] or MODULES, datetime.datetime.now(datetime.UTC)
    failed = []
    for name in chosen:
        try:
            importlib.import_module(name).main()
        except Exception:  # the others took long, and are kept
            traceback.print_exc()
            failed.append(name)
    if chosen == MODULES:
        write(started)
    for row in pairs.ROWS:
        if row.met == "no":
            print(f"missed: {row.group}, {row.case}: {row.quantity} {row.median:.3g}, target {row.target}")
    if failed:
        sys.exit(f"not measured, see above: {', '.join(failed)}")


if __name__ == "__main__":
    main()
