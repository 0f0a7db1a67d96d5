"""The training stores, the simulated stores, and the recorded sessions that visits take their goals from."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from simpersona.adapters.engines.duckdb import connect
from simpersona.contracts import MIX, SESSIONS, RecordedSession
from simpersona.files import read_json
from simpersona.personas.fitted import META
from simpersona.pipeline.stage import StageContext
from simpersona.shopper.recorded import recorded_sessions
from simpersona.visits import Goal


def simulated_shops(context: StageContext) -> list[str]:
    """The held-out stores; with a single store, that store (its figures are then in-sample)."""
    held_out = read_json(context.folder / "personas" / META)["held_out"]
    return held_out or context.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()


def training_shops(context: StageContext) -> list[str]:
    """The stores that are not held out; with a single store, that store."""
    shops = context.table("personas/mix.parquet", MIX)["shop_id"].unique().to_pylist()
    held_out = read_json(context.folder / "personas" / META)["held_out"]
    return sorted(shop for shop in shops if shop not in held_out)


def simulated_buyers(context: StageContext) -> tuple[pa.Table, list[RecordedSession]]:
    """MIX of the simulated stores, and the sessions from which visits may take their goals."""
    mix = context.table("personas/mix.parquet", MIX)
    simulated = mix.filter(pc.is_in(mix["shop_id"], pa.array(simulated_shops(context))))
    return simulated, sessions_by_code(context, held_out=True, per_cell=50)


def sessions_by_code(context: StageContext, *, held_out: bool, per_cell: int) -> list[RecordedSession]:
    """At most `per_cell` recorded sessions of each (shop, code), drawn by a hash of their keys.

    Bouncers and sessions too long for a replay are left out. Sessions of the training stores also exclude buyers of a
    held-out store.
    """
    shops = simulated_shops(context)
    engine = connect(context.folder / ".spill")
    sessions = engine.read_parquet(context.folder / "events/sessions.parquet")
    buyers = engine.read_parquet(context.folder / "buyers/buyers.parquet").select("shop_id", "buyer_id", "stratum")
    codes = engine.read_parquet(context.folder / "personas/assignments.parquet")
    joined = sessions.inner_join(buyers, ["shop_id", "buyer_id"]).inner_join(codes, ["shop_id", "buyer_id"])
    single_shop = sessions.shop_id.nunique().to_pyarrow().as_py() == 1
    wanted = _.shop_id.isin(shops) if held_out or single_shop else _.shop_id.notin(shops)
    usable = joined.filter(wanted, _.stratum != "E", _.event_count <= context.config.traces.max_actions)
    if not held_out and not single_shop:  # their data would leak into the evaluation
        usable = usable.anti_join(buyers.filter(_.shop_id.isin(shops)).select("buyer_id"), "buyer_id")
    ranked = usable.mutate(draw=(_.session_id + _.buyer_id + str(context.config.seed)).hexdigest("md5")).mutate(
        rank=ibis.row_number().over(group_by=["shop_id", "code"], order_by=["draw", "session_id"])
    )
    few = ranked.filter(_["rank"] < per_cell).order_by(["shop_id", "code", "rank"])
    table = few.select(*SESSIONS.columns, "stratum", "code").to_pyarrow()
    engine.disconnect()
    return recorded_sessions(SESSIONS.conform(table), table.select(["shop_id", "buyer_id", "stratum"]), table)


def session_key(of: RecordedSession | Goal) -> tuple[str, str, str]:
    """The key of a recorded session, or of the session that a goal was taken from."""
    return of.shop_id, of.buyer_id, of.session_id


def rows_by_episode(events: pa.Table) -> dict[str, list[dict]]:
    """A store's rows (EVENTS) by the visit that caused them."""
    rows: dict[str, list[dict]] = {}
    for row in events.to_pylist():
        rows.setdefault(row["buyer_id"], []).append(row)
    return rows
