"""The commands that use trained personas: `assign`, `drift`, `coldstart`, `vectors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from simpersona.cli.options import FORMATS, PackArgument, Setting
from simpersona.errors import ConfigError

Trained = Annotated[Path, typer.Argument(help="Folder of a run with trained personas.", metavar="RUN")]


def assign(
    pack: PackArgument,
    events: Annotated[Path, typer.Option("--events", help="Raw events of the new buyers.")],
    out: Annotated[
        Path, typer.Option("--out", help="Codes, as .parquet or .csv; the mix is written beside it as NAME-mix.")
    ],
    format_: Annotated[str, typer.Option("--format", help=f"Schema of the events: {FORMATS}.")] = "shopify",
    keep_ids: Annotated[
        bool,
        typer.Option("--keep-ids", help="Write the source's ids of buyers instead of keyed hashes (events.keep_ids)."),
    ] = False,
    set_: Setting = None,
) -> None:
    """Assign new buyers to personas, and stores to mixes."""
    from simpersona.config.file import with_settings
    from simpersona.files import require_table_suffix
    from simpersona.pack.assign import AssignSettings, assign_new_buyers
    from simpersona.pack.pack import load_pack

    require_table_suffix(out)
    trained = load_pack(pack)
    changes = [*(set_ or []), *(["events.keep_ids=true"] if keep_ids else [])]
    config = with_settings(trained.settings(events, format_), changes, "--set")
    settings = AssignSettings(config.source, config.events, config.buyers)
    written = assign_new_buyers(trained.personas, settings, out)
    typer.echo(written.summary)
    for warning in written.warnings:
        typer.echo(f"warning: {warning}", err=True)


def drift(
    before: Annotated[Path, typer.Argument(help="A run's folder (with --split), or a file of codes.")],
    after: Annotated[
        Path | None,
        typer.Argument(help="A file of codes by the same personas, from a later period.", show_default=False),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="DAY", help="First day of the later period: 2026-03-01.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", help="Stores, as .parquet or .csv; their codes are written beside it as NAME-codes."),
    ] = Path("drift.csv"),
) -> None:
    """Test whether stores' mixes changed, and in which codes."""
    from simpersona.evaluation.drift import drift_lines
    from simpersona.pipeline.drift import periods_of_files, periods_of_run, write_drift

    if (after is None) == (split is None):
        raise ConfigError("drift: give a run folder and --split DAY, or two files of codes")
    periods = periods_of_run(before, split) if split else periods_of_files(before, cast("Path", after))
    for line in (periods.label, *drift_lines(*write_drift(periods, out))):
        typer.echo(line)


def coldstart(
    run: Trained,
    catalog: Annotated[Path, typer.Option("--catalog", help="products.parquet of the stores without a history.")],
    out: Annotated[Path, typer.Option("--out", help="Their mixes, as .parquet or .csv.")] = Path("coldstart.csv"),
) -> None:
    """Predict a new store's mix from its catalogue."""
    from simpersona.pipeline.cold_start import predict_mixes

    for line in predict_mixes(run, catalog, out):
        typer.echo(line)


def vectors(
    run: Trained,
    export: Annotated[Path, typer.Option("--export", help="File: .arrow (with keys) or .npy (keys beside it).")],
) -> None:
    """Export the dense vectors of a run's buyers, for other tools."""
    from simpersona.pipeline.dense_vectors import export_vectors

    typer.echo(export_vectors(run, export).summary)
