"""The generated world: how fast it is made, who is in it, and whether its rates are those that were planted."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false, reportGeneralTypeIssues=false
# pandas' types say of most results that they may be anything.

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from benchmarks.measure import costs
from benchmarks.results import Section, Table, number
from simpersona.adapters.engine_duckdb import connect
from simpersona.adapters.events_shopify import ShopifySource
from simpersona.buyers.aggregate import aggregate
from simpersona.config import EventsConfig, LabConfig
from simpersona.contracts import STRATA
from simpersona.events.prepare import prepare
from simpersona.lab.world import generate_world

COUNTS = {
    "add to cart": ("add_to_cart_count", "add_to_cart_rate"),
    "checkout start": ("checkout_start_count", "checkout_start_rate"),
    "purchase": ("purchase_count", "purchase_rate"),
}


def section(config: LabConfig | None = None, repeats: int = 3) -> Section:
    """Speed, strata by shop and planted against measured rates of one world; the default one unless told."""
    config = config or LabConfig()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "world"
        making, _ = costs(lambda: generate_world(folder, config, lambda *_: None), repeats)
        engine = connect(Path(scratch) / "spill")
        raw = ShopifySource().read(folder / "events", engine)
        settings = EventsConfig(keep_ids=True)
        prepared = prepare(raw, settings, b"benchmark")
        buyers = aggregate(prepared.events, prepared.sessions, raw.has, settings)
        strata = buyers.select("shop_id", "stratum").to_pyarrow().to_pandas()
        sessions = prepared.sessions.drop("timeline").to_pyarrow().to_pandas()
        truth = {
            name: pq.read_table(folder / f"truth/{name}.parquet").to_pandas() for name in ("types", "rates", "sessions")
        }
        engine.disconnect()
    events = int(sessions.event_count.sum())
    lengths = sessions.event_count
    note = (
        f"{len(strata):,} buyers, {len(sessions):,} visits, {events:,} events, made in {number(making.cpu)} CPU-seconds: "
        f"{number(events / making.cpu, 2)} events per CPU-second. {lengths.mean():.1f} events per visit (median "
        f"{lengths.median():.0f}, 90 % at most {lengths.quantile(0.9):.0f})."
    )
    rates_note = "Planted / measured per visit; visits are those of the type, whatever the buyer's other type."
    tables = [(_by_shop(strata), note), (_by_type(truth, sessions), rates_note)]
    what = f"The default world (`[lab]`): {config.shops} shops, {config.buyers:,} buyers, seed {config.seed}."
    return Section("world", what, tables, ("numpy", "duckdb"))


def _by_shop(strata: pd.DataFrame) -> Table:
    counts = pd.crosstab(strata.shop_id, strata.stratum).reindex(columns=list(STRATA), fill_value=0)
    shares = counts[list("ABCD")].div(counts[list("ABCD")].sum(axis=1), axis=0).sort_values("D", ascending=False)
    rows = [
        [
            str(shop),
            f"{counts.loc[shop].sum():,}",
            f"{counts.loc[shop, 'E']:,}",
            *(f"{share:.3f}" for share in shares.loc[shop]),
        ]
        for shop in shares.index
    ]
    return Table(("shop", "buyers", "of them bouncers (E)", "A", "B", "C", "D (shares without E)"), rows)


def _by_type(truth: dict[str, pd.DataFrame], sessions: pd.DataFrame) -> Table:
    """Planted and measured rates of each type but the bouncer, by how often its buyers come."""
    visits = truth["sessions"].sort_values(["shop_id", "buyer_id", "start"])
    seen = sessions.sort_values(["shop_id", "buyer_id", "start"])
    key = ["shop_id", "buyer_id", "rank"]
    for frame in (visits, seen):
        frame["rank"] = frame.groupby(["shop_id", "buyer_id"]).cumcount()
    joined = visits.merge(seen[[*key, "event_count", *(count for count, _ in COUNTS.values())]], on=key)
    planted = truth["rates"].query("intent == 'all'").set_index("type")
    names = truth["types"].set_index("type").name
    rows = []
    for number_, own in sorted(joined.groupby("type"), key=lambda item: -len(item[1])):
        if own.event_count.max() <= 1:
            continue
        rates = [f"{planted.loc[number_, rate]:.3f} / {(own[count] > 0).mean():.3f}" for count, rate in COUNTS.values()]
        length = f"{planted.loc[number_, 'events_mean']:.2f} / {own.event_count.mean():.2f}"
        rows.append([str(names[number_]), f"{len(own):,}", *rates, length])
    return Table(("type", "visits", *COUNTS, "events"), rows)
