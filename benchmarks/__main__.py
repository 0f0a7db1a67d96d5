"""`python -m benchmarks [SUBJECT ...]`: measures each subject in its own process and writes its section to RESULTS.md."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Machine
from benchmarks.results import RESULTS, write_section
from simpersona.errors import SimPersonaError

SUBJECTS = (
    "world",
    "events",
    "volume",
    "personas",
    "ablation",
    "real",
    "store",
    "windows",
    "faults",
    "other_stores",
    "traces",
    "trace_volume",
    "webshop_replays",
    "agent",
    "grounding",
    "stages",
    "policies",
    "population",
    "experiments",
    "store_experiments",
    "evaluation",
)


def main() -> int:
    """0 if every subject could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file that is written")
    given = parser.parse_args()
    if unknown := sorted(set(given.subjects) - set(SUBJECTS)):
        parser.error(f"no subject named {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    if len(given.subjects) == 1:
        return measure(given.subjects[0], given.out)
    failed = 0
    for subject in given.subjects or SUBJECTS:  # apart, so that none inherits another's memory and threads
        failed += bool(
            subprocess.run([sys.executable, "-m", "benchmarks", subject, "--out", given.out], check=False).returncode
        )
    return min(failed, 1)


def measure(subject: str, out: Path) -> int:
    """Measures one subject and writes its section."""
    started = time.perf_counter()
    print(f"{subject} …", flush=True)
    machine = Machine.now()
    try:
        section = importlib.import_module(f"benchmarks.{subject}").section()
    except SimPersonaError as error:
        print(f"{subject} cannot be measured here: {error}", file=sys.stderr)
        return 1
    write_section(out, subject, section.text(machine), SUBJECTS)
    print(f"{subject}: {time.perf_counter() - started:.0f} s, written to {out}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
