"""The commands that use what a finished run has learnt: `assign`, `drift`, `coldstart`, `vectors`, `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from simpersona.config.file import with_settings
from simpersona.config.source import FORMATS
from simpersona.errors import ConfigError

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting: personas.codes=64. May be given again."),
]


def assign(
    pack: Annotated[Path, typer.Option("--pack", help="A pack, a run's folder, or its personas folder.")],
    events: Annotated[Path, typer.Option("--events", help="Raw events of the new buyers.")],
    out: Annotated[Path, typer.Option("--out", help="Codes, as .parquet or .csv; the mix goes beside it as NAME-mix.")],
    format_: Annotated[
        str, typer.Option("--format", help=f"Schema of the events: {', '.join(FORMATS[1:])}.")
    ] = "shopify",
    set_: Setting = None,
) -> None:
    """New buyers to codes and mixes, with a trained pack."""
    from simpersona.files import require_table_suffix
    from simpersona.pack.assign import assign_new_buyers
    from simpersona.pack.pack import load_pack

    require_table_suffix(out)
    base = {"source": {"format": format_, "path": str(events)}}
    facts = assign_new_buyers(load_pack(pack).personas, with_settings(base, set_, "--set"), out)
    typer.echo(facts.summary)


def drift(
    before: Annotated[Path, typer.Argument(help="A run's folder (with --split), or a file of codes.")],
    after: Annotated[
        Path | None, typer.Argument(help="A file of codes of the same pack, from a later period.", show_default=False)
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="DAY", help="First day of the later period: 2026-03-01.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Shops, as .parquet or .csv; their codes go beside it as NAME-codes.")
    ] = Path("drift.csv"),
) -> None:
    """Whether stores' mixes changed, and in which codes."""
    from simpersona.pipeline.drift import drift_lines, periods_of_files, periods_of_run, write_drift

    if (after is None) == (split is None):
        raise ConfigError("drift: give a run folder and --split DAY, or two files of codes")
    periods = periods_of_run(before, split) if split else periods_of_files(before, cast("Path", after))
    for line in (periods.words, *drift_lines(*write_drift(periods, out))):
        typer.echo(line)


def coldstart(
    run: Annotated[Path, typer.Argument(help="Folder of a run with trained personas.", metavar="RUN")],
    catalog: Annotated[Path, typer.Option("--catalog", help="products.parquet of the stores without a history.")],
    out: Annotated[Path, typer.Option("--out", help="Their mixes, as .parquet or .csv.")] = Path("coldstart.csv"),
) -> None:
    """The mix of a store without a history, from its catalogue."""
    from simpersona.pipeline.cold_start import predict_mixes

    for line in predict_mixes(run, catalog, out):
        typer.echo(line)


def vectors(
    run: Annotated[Path, typer.Argument(help="Folder of a run with trained personas.", metavar="RUN")],
    export: Annotated[Path, typer.Option("--export", help="File: .arrow (with keys) or .npy (keys beside it).")],
) -> None:
    """The dense vectors of a run's buyers, for other tools."""
    from simpersona.pipeline.dense_vectors import export_vectors

    typer.echo(export_vectors(run, export).summary)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run with a trained language model.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist.")],
    gguf: Annotated[bool, typer.Option("--gguf", help="Write model.gguf for llama.cpp as well.")] = False,
) -> None:
    """The language model for transformers, vLLM and llama.cpp."""
    from simpersona.pipeline.model_export import export_model

    for line in export_model(run, out, gguf=gguf):
        typer.echo(line)
