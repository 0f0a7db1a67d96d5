"""`python -m benchmarks.accelerator prepare | train | collect`: training by decisions on a machine with one accelerator.

That machine has the working tree, torch, transformers and little else, and at most 64 MiB travel to it at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simpersona.errors import SimPersonaError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if all went well, 2 if the input is wrong."""
    given = _parser().parse_args(arguments)
    try:
        given.call(given)
    except SimPersonaError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    prepare = commands.add_parser("prepare", help="write what training needs, in parts that can travel")
    prepare.add_argument("run", type=Path, help="folder of a run with traces and a trained scorer")
    prepare.add_argument("folder", type=Path, help="where the parts and carry.txt are written")
    prepare.add_argument("--scorer", type=Path, help="folder of the trained scorer; default: that of the run")
    prepare.add_argument("--model", help="the base model instead of the run's agent.model")
    prepare.add_argument("--start", type=Path, help="an adapter from which phase 2 goes on; phase 1 is left out")
    prepare.add_argument("--travel", type=int, default=64, metavar="MIB", help="what travels at once, with the tree")
    prepare.add_argument("--installed", type=Path, help="what the machine has: NAME or NAME==VERSION, one a line")
    prepare.add_argument("--python", default="3.12", help="the machine's version of Python")
    prepare.add_argument("--no-wheels", action="store_true", help="the machine has all packages")
    prepare.set_defaults(call=_prepare)
    train = commands.add_parser("train", help="train both phases until the clock says stop")
    train.add_argument("folder", type=Path, help="the folder of the parts, or their unpacked content")
    train.add_argument("out", type=Path, help="where the result is written; a killed training goes on from it")
    train.add_argument("--minutes", type=float, default=9, help="the time of the whole command")
    train.add_argument("--all-parameters", action="store_true", help="instead of low-rank matrices")
    train.add_argument("--rank", type=int, default=16, help="of the low-rank matrices")
    train.add_argument("--batch", type=int, default=32, help="situations in a step")
    train.add_argument("--at-once", type=int, default=16, help="situations that are read at once on an accelerator")
    train.add_argument("--learning-rate", type=float, help="of phase 2")
    train.add_argument("--tiny", action="store_true", help="two steps of each phase, for a test")
    train.set_defaults(call=_train)
    collect = commands.add_parser("collect", help="put the result into a run or a pack")
    collect.add_argument("files", type=Path, help="the folder of the fetched files")
    collect.add_argument("target", type=Path, help="the folder of a run or a pack")
    collect.add_argument("--config", type=Path, help="of a run: the settings with which it goes on")
    collect.set_defaults(call=_collect)
    return parser


def _prepare(given: argparse.Namespace) -> None:
    from benchmarks.accelerator.preparing import prepare, source_of  # noqa: PLC0415 - heavy
    from benchmarks.accelerator.wheels import USUAL  # noqa: PLC0415 - heavy

    installed = given.installed.read_text(encoding="utf-8").split() if given.installed else USUAL
    source = source_of(given.run, given.scorer, given.model, given.start)
    python = None if given.no_wheels else given.python
    print(prepare(source, given.folder, given.travel * 2**20, installed, python), end="")


def _train(given: argparse.Namespace) -> None:
    from benchmarks.accelerator.training import Wanted, train  # noqa: PLC0415 - heavy

    wanted = Wanted(
        given.minutes, given.all_parameters, given.tiny, given.rank, given.batch, given.at_once, given.learning_rate
    )
    train(given.folder, given.out, wanted)


def _collect(given: argparse.Namespace) -> None:
    from benchmarks.accelerator.placing import collect  # noqa: PLC0415 - heavy

    print(f"the language model is in {collect(given.files, given.target, given.config)}")


if __name__ == "__main__":
    sys.exit(main())
