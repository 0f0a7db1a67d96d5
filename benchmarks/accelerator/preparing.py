"""Takes from a run what training needs, and says how it travels."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.accelerator.parts import MIB, write_parts
from benchmarks.accelerator.prepared import Source, write_prepared
from benchmarks.accelerator.training import CARRIED
from benchmarks.accelerator.wheels import USUAL, download, missing_wheels
from simpersona.adapters.embedders.open import open_embedder
from simpersona.agent.scorer import META
from simpersona.config.file import load_config
from simpersona.errors import ConfigError
from simpersona.personas.fitted import FittedPersonas
from simpersona.pipeline.agent import training_funnel
from simpersona.pipeline.run import STAGE_NAMES
from simpersona.pipeline.run_folder import RunFolder
from simpersona.pipeline.stage import StageContext

SLACK = MIB
"""What else travels with the files, such as their names."""
LEAST = 2**16
"""The least bytes of a part that make sense."""
SCRIPT = """
mkdir -p /tmp/carried
cat {folder}/{name}.tar.*of* | tar x -C /tmp/carried
"""
INSTALL = """python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target /tmp/site /tmp/carried/wheels/*.whl
"""
TRAIN = """PYTHONPATH=/tmp/site:src:. python3 -m benchmarks.accelerator train /tmp/carried OUT --minutes 9
"""


def source_of(run: Path, scorer: Path | None = None, model: str | None = None, start: Path | None = None) -> Source:
    """What a run gives to learn from. Raises ConfigError if it has no traces or no scorer."""
    settings = load_config(run / "config.toml")
    folder = RunFolder(run, STAGE_NAMES)
    for stage in ("personas", "traces"):
        if stage not in folder.records:
            raise ConfigError(f"{run}: the stage `{stage}` has not finished. Run `simpersona traces` first.")
    if settings.agent.prompt != "short":
        raise ConfigError(
            f'{run}: its agent.prompt is "{settings.agent.prompt}"; training by decisions takes "short". Set it in a new run.'
        )
    scorer = scorer or run / "agent/scorer"
    if not (scorer / META).is_file():
        raise ConfigError(
            f"{scorer}: no trained scorer here ({META} is missing). Run `simpersona agent` with agent.policies = "
            '["scorer"] first, or give --scorer.'
        )
    codebook = FittedPersonas.load(run / "personas").network.codebook
    funnel = training_funnel(StageContext(settings, folder, lambda *_: None, "agent"), len(codebook))
    agent = settings.agent.model_copy(update={"model": model} if model else {})
    embedder = open_embedder(settings.buyers.embedder)
    return Source(run / "traces", codebook, funnel, scorer, embedder, agent, settings.seed, start)


def prepare(
    source: Source, folder: Path, travel: int, installed: Sequence[str] = USUAL, python: str | None = "3.12"
) -> str:
    """Writes the parts and carry.txt to `folder`, and returns the latter's text.

    `travel` are the bytes that travel at once, with the working tree. `python` is the version of Python for which wheels are
    downloaded, of what is not `installed`; None: none.
    """
    room = travel - tree_size() - SLACK
    if room < LEAST:
        raise ConfigError(
            f"--travel {travel / MIB:.0f}: found {tree_size() / MIB:.1f} MiB in the working tree, so {room / MIB:.1f} MiB "
            "are left for a part. Give more, or ignore large files in git."
        )
    with TemporaryDirectory() as temporary:
        carried = Path(temporary)
        write_prepared(source, carried)
        if python is not None:
            download(missing_wheels(installed), carried / "wheels", python)
        parts = write_parts(carried, CARRIED, folder, room)
    text = _carry_text(folder, parts, wheels=python is not None)
    (folder / "carry.txt").write_text(text, encoding="utf-8")
    return text


def tree_size() -> int:
    """The bytes of the working tree that travel with every call: tracked files, and others that git does not ignore.

    Raises ConfigError outside of a git checkout.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    root = Path(__file__).parents[2]
    try:
        names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"{root}: git cannot list the working tree that travels ({error}). Use a checkout."
        ) from error
    return sum((root / name).stat().st_size for name in names if name and (root / name).is_file())


def _carry_text(folder: Path, parts: Sequence[Path], *, wheels: bool) -> str:
    sizes = [f"call {number}: {part} ({part.stat().st_size / MIB:.1f} MiB)" for number, part in enumerate(parts, 1)]
    script = SCRIPT.format(folder=folder, name=CARRIED) + (INSTALL if wheels else "") + TRAIN
    lines = [
        "Each call brings the working tree and this file; the files of earlier calls must still be there:",
        *sizes,
        "In the last call, in the root of the working tree, with OUT a folder whose files can be fetched:",
        script.strip(),
        "Fetch the files of OUT, and here: python -m benchmarks.accelerator collect FILES RUN",
    ]
    return "\n".join(lines) + "\n"
