"""The commands that publish a run's models: `pack` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or the config of one.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
) -> None:
    """Write a run's models as a pack, with a model card."""
    from simpersona.cli.options import reporting, settings_of
    from simpersona.pipeline.pack_export import export_pack
    from simpersona.pipeline.run import run_pipeline

    if run.is_file():
        with reporting(quiet=True, as_json=False) as reporter:
            run = run_pipeline(settings_of(run), reporter, "evaluation").path
        typer.echo(str(run / "evaluation"))
    written = export_pack(run, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    typer.echo(f"{out}: {written.about['codes']} personas, {', '.join(written.policies)}; {size / 1e6:.1f} MB")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run with a trained language model.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist.")],
    gguf: Annotated[bool, typer.Option("--gguf", help="Also write model.gguf for llama.cpp.")] = False,
) -> None:
    """Export the language model for other programs.

    transformers and vLLM load the folder as it is; llama.cpp loads model.gguf.
    """
    from simpersona.pipeline.model_export import export_model

    for line in export_model(run, out, gguf=gguf):
        typer.echo(line)
