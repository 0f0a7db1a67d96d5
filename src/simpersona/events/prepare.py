"""Raw logs to clean, enriched sessions (2.1, App. A): validate, hash, sessionize, enrich, report."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from simpersona.config import EventsConfig
from simpersona.contracts import EVENTS, REJECTED, SESSIONS, RawLog
from simpersona.errors import SourceError
from simpersona.events.bots import detect_bots, mark_bots, summarize_bots
from simpersona.events.cleaning import PERSONAL, clear_impossible_amounts, hashed, validate_rows
from simpersona.events.happened import what_happened
from simpersona.events.materialize import in_parts, materialize
from simpersona.events.quality import REASONS_SHOWN, count_rows, describe, in_another_currency, is_malformed
from simpersona.events.refunds import about_refunds, set_refunds_aside, without_refunded
from simpersona.events.session_ids import checked_session_ids
from simpersona.events.sessionize import build_sessions, with_sessions

_SHOWN = 1000  # characters of a rejected row that are stored


@dataclass(frozen=True)
class Prepared:
    """Clean events, sessions and rejected rows as Ibis tables in a fixed order, and the quality report.

    The tables follow the contracts EVENTS, SESSIONS and REJECTED. `quality` holds plain values. `parts(rows)`
    yields the sessions in parts: each part has whole buyers with about `rows` events, in the order of `sessions`.
    """

    events: ibis.Table
    sessions: ibis.Table
    rejected: ibis.Table
    quality: dict[str, Any]
    parts: Callable[[int], Iterator[ibis.Table]]


def prepare(raw: RawLog, config: EventsConfig, key: bytes) -> Prepared:
    """Cleans the log, hashes the ids of buyers, sessions and orders with `key`, sessionizes and enriches.

    With `keep_ids` the ids stay and the text of rejected rows is stored; otherwise only their file and row number
    are. Every event gets a session id, also where the source has none. Impossible prices, order values and
    quantities become null and are counted. Rows stay in the engine; each intermediate table is materialised once.

    Raises SourceError if the share of malformed rows is above `max_rejected_share`, or no row is left.
    """
    # without times a page that is opened again looks like a duplicate
    validated = validate_rows(raw.events, keep_duplicates=config.keep_duplicates or not raw.has.has_time)
    bots = None
    if config.bots == "drop" and raw.has.has_time:
        bots = materialize(detect_bots(validated.filter(validated.reason.isnull()), config), "bots")
        validated = mark_bots(validated, bots)
    validated, refunds = set_refunds_aside(validated, raw.events)
    # the text of a row is long: only that of rejected rows is stored
    text = ibis.ifelse(validated.reason.isnull(), None, _shown(validated.raw, config))
    validated = materialize(validated.mutate(raw=text), "validated")
    rejected = materialize(_rejected(raw, validated, config), "rejected")
    clean = validated.filter(validated.reason.isnull()).drop("reason", "raw", "file", "row")
    if not config.keep_ids:
        clean = clean.mutate(**{name: hashed(clean[name], key) for name in PERSONAL})
    clean = materialize(clear_impossible_amounts(clean), "clean")

    rows_kept = int((clean.part == 0).sum().fill_null(0).to_pyarrow().as_py())
    quality = count_rows(raw.rows_in, rows_kept, rejected)
    _stop_if_unusable(quality, rejected, config.max_rejected_share)

    checked, session_warnings = checked_session_ids(clean, config) if raw.has.has_time else (clean, [])
    events = materialize(with_sessions(checked, config.session_gap_minutes), "events")
    refunded = {}
    if refunds:
        named = refunds if config.keep_ids else refunds.with_hashed_ids(key)
        events, in_full = without_refunded(events, named)
        events = materialize(events, "refunded_events")
        refunded = refunds.counts | {"orders_in_full": in_full}

    def sessions(part: ibis.Table) -> ibis.Table:
        built = build_sessions(part, raw.products, raw.collections, raw.has)
        return built.order_by("shop_id", "buyer_id", "start", "session_id").select(SESSIONS.columns)

    quality |= describe(clean, events, raw.products, raw.has, raw.store_currencies)
    quality["time_zone"] = config.time_zone
    quality["currencies"] = dict(raw.currencies)
    quality["stores_in_another_currency"] = in_another_currency(raw.currency, raw.store_currencies)
    quality["refunds"] = refunded
    quality["warnings"] = [
        *raw.warnings,
        *session_warnings,
        *about_refunds(quality["refunds"]),
        *what_happened(quality, rejected, clean),
    ]
    if raw.has.has_time:
        bots = materialize(detect_bots(clean, config), "bots") if bots is None else bots
        quality["bots"] = summarize_bots(bots, dropped=config.bots == "drop")
    return Prepared(
        events=events.order_by("shop_id", "buyer_id", "time", "seq", "session_id", *EVENTS.columns[4:], "part").select(
            EVENTS.columns
        ),
        sessions=sessions(events),
        rejected=rejected.order_by("file", "row").select(REJECTED.columns),
        quality=quality,
        parts=lambda rows: (sessions(part) for part in in_parts(events, rows)),
    )


def _rejected(raw: RawLog, validated: ibis.Table, config: EventsConfig) -> ibis.Table:
    # one input row is one rejected row, whatever the number of its parts
    faulty = validated.filter(validated.reason.notnull() & (validated.part == 0))
    unread = raw.rejected.mutate(raw=_shown(raw.rejected.raw, config))
    if "event" not in unread.columns:
        unread = unread.mutate(event=ibis.null("string"))
    shape = {"file": "string", "row": "int64", "reason": "string", "raw": "string", "event": "string"}  # may be null
    return ibis.union(unread.select(*shape).cast(shape), faulty.select(*shape).cast(shape))


def _shown(text: ir.StringValue, config: EventsConfig) -> ir.StringValue:
    # a row contains ids and possibly other personal data
    return text.left(_SHOWN) if config.keep_ids else ibis.null("string")


def _examples(rejected: ibis.Table) -> list[dict[str, Any]]:
    """Three rejected rows at most, of different reasons if there are several."""
    place = ibis.row_number().over(group_by=rejected.reason, order_by=[rejected.file, rejected.row])
    first = rejected.mutate(place=place).order_by("place", "file", "row").limit(3).drop("place")
    return sorted(first.to_pyarrow().to_pylist(), key=lambda line: (line["file"], line["row"]))


def _stop_if_unusable(quality: dict[str, Any], rejected: ibis.Table, limit: float) -> None:
    share, malformed = quality["rejected_share"], quality["rows_malformed"]
    if not quality["rows_in"]:
        raise SourceError("no input rows can be used: the log has none, at most a header. Correct source.path.")
    if share <= limit and quality["rows_kept"]:
        return
    # rows that were set aside by design explain nothing, unless there are no others
    spoken_of = rejected.filter(is_malformed(rejected.reason)) if malformed else rejected
    examples = _examples(spoken_of)
    shown = "\n".join(
        f"  {line['file']} row {line['row']}: {line['reason']}" + (f": {line['raw'][:160]}" if line["raw"] else "")
        for line in examples
    )
    counts = spoken_of.group_by("reason").aggregate(rows=spoken_of.count())
    counts = counts.order_by(ibis.desc("rows"), "reason").limit(REASONS_SHOWN).to_pyarrow().to_pylist()
    reasons = ", ".join(f"{line['rows']} × {line['reason']}" for line in counts)
    if share > limit:
        problem = (
            f"{malformed} of {quality['rows_in']} input rows are malformed ({share:.1%}; at most {limit:.1%} may be)"
        )
    else:
        problem = f"none of {quality['rows_in']} input rows can be used"
    raise SourceError(
        f"{problem}. Reasons: {reasons or 'the log is empty'}. First examples:\n{shown}\n"
        "Correct the log or source.format. events.max_rejected_share sets the tolerated share of malformed rows; with"
        " events.keep_ids the text of rejected rows is shown."
    )
