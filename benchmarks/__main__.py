"""`python -m benchmarks [SUBJECT ...]`: measures each subject in its own process and writes its section to RESULTS.md.

`python -m benchmarks policies --set visits=240` measures one subject with other numbers; its section says so.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import subprocess
import sys
import time
from collections.abc import Mapping
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
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=NUMBER", help="for one subject, such as visits=240"
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.subjects) - set(SUBJECTS)):
        parser.error(f"no subject named {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    if len(given.subjects) == 1:
        measured = importlib.import_module(f"benchmarks.{given.subjects[0]}").section
        names = [name for name, one in inspect.signature(measured).parameters.items() if one.annotation in ("int", int)]
        numbers = dict(one.partition("=")[::2] for one in given.set)
        if wrong := [
            one for one in given.set if one.partition("=")[0] not in names or not one.partition("=")[2].isdigit()
        ]:
            parser.error(f"--set {' '.join(wrong)}: expected NAME=NUMBER, with one of {', '.join(names) or 'no names'}")
        return measure(given.subjects[0], given.out, {name: int(number) for name, number in numbers.items()})
    if given.set:
        parser.error("--set is for one subject; name it")
    failed = 0
    for subject in given.subjects or SUBJECTS:  # apart, so that none inherits another's memory and threads
        failed += bool(
            subprocess.run([sys.executable, "-m", "benchmarks", subject, "--out", given.out], check=False).returncode
        )
    return min(failed, 1)


def measure(subject: str, out: Path, numbers: Mapping[str, int]) -> int:
    """Measures one subject and writes its section. `numbers` are arguments of its `section`."""
    started = time.perf_counter()
    print(f"{subject} …", flush=True)
    machine = Machine.now()
    try:
        section = importlib.import_module(f"benchmarks.{subject}").section(**numbers)
    except SimPersonaError as error:
        print(f"{subject} cannot be measured here: {error}", file=sys.stderr)
        return 1
    write_section(out, subject, section.text(machine, numbers), SUBJECTS)
    print(f"{subject}: {time.perf_counter() - started:.0f} s, written to {out}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
