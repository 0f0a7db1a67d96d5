"""Raw logs to clean, enriched sessions (2.1, App. A): judge, hash, sessionize, enrich, report."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from simpersona.config import EventsConfig
from simpersona.contracts import EVENTS, REJECTED, SESSIONS, RawLog
from simpersona.errors import SourceError
from simpersona.events.bots import account, suspects, without
from simpersona.events.cleaning import PERSONAL, hashed, judge, without_impossible
from simpersona.events.kept import in_parts, keep
from simpersona.events.quality import count_rows, describe
from simpersona.events.sessionize import sessions_of, with_sessions

_SHOWN = 1000  # characters of a rejected row


@dataclass(frozen=True)
class Prepared:
    """Clean events and sessions in the shape of EVENTS and SESSIONS, the rows set aside in the shape of
    REJECTED, each an Ibis table in a fixed order; and the quality report as plain values. `parts` gives the
    sessions bit by bit: those of whole buyers with about so many events each, in the same order.
    """

    events: ibis.Table
    sessions: ibis.Table
    rejected: ibis.Table
    quality: dict[str, Any]
    parts: Callable[[int], Iterator[ibis.Table]]


def prepare(raw: RawLog, config: EventsConfig, key: bytes) -> Prepared:
    """The log cleaned, the ids of buyers, sessions and orders hashed with `key`, sessionized and enriched.

    With `keep_ids` the ids stay, and rejected rows are shown as they stood; without, only their file and
    row number tell which they are. Events get the id of their session, also where the source has none.
    Prices, order values and quantities that cannot be are taken as not given, and counted. No row leaves
    the engine, which keeps each intermediate table once.

    Raises SourceError if the malformed rows' share is above `max_rejected_share`, or no row is left.
    """
    # without times a page opened again looks like a duplicate
    judged = judge(raw.events, keep_duplicates=config.keep_duplicates or not raw.has.has_time)
    bots = None
    if config.bots == "drop" and raw.has.has_time:
        bots = keep(suspects(judged.filter(judged.reason.isnull()), config), "bots")
        judged = without(judged, bots)
    # the text of a row is long, and only a rejected one is shown
    judged = keep(judged.mutate(raw=ibis.ifelse(judged.reason.isnull(), None, _shown(judged.raw, config))), "judged")
    rejected = keep(_rejected(raw, judged, config), "rejected")
    clean = judged.filter(judged.reason.isnull()).drop("reason", "raw", "file", "row")
    if not config.keep_ids:
        clean = clean.mutate(**{name: hashed(clean[name], key) for name in PERSONAL})
    clean = keep(without_impossible(clean), "clean")

    kept = int((clean.part == 0).sum().fill_null(0).to_pyarrow().as_py())
    quality = count_rows(raw.rows_in, kept, rejected)
    _stop_if_unusable(quality, rejected, config.max_rejected_share)

    events = keep(with_sessions(clean, config.session_gap_minutes), "events")

    def sessions(of: ibis.Table) -> ibis.Table:
        found = sessions_of(of, raw.products, raw.collections, raw.has)
        return found.order_by("shop_id", "buyer_id", "start", "session_id").select(SESSIONS.columns)

    quality |= describe(clean, events, raw.products, raw.has)
    if raw.has.has_time:
        bots = keep(suspects(clean, config), "bots") if bots is None else bots
        quality["bots"] = account(bots, dropped=config.bots == "drop")
    return Prepared(
        events=events.order_by("shop_id", "buyer_id", "time", "seq", "session_id", *EVENTS.columns[4:], "part").select(
            EVENTS.columns
        ),
        sessions=sessions(events),
        rejected=rejected.order_by("file", "row").select(REJECTED.columns),
        quality=quality,
        parts=lambda rows: (sessions(part) for part in in_parts(events, rows)),
    )


def _rejected(raw: RawLog, judged: ibis.Table, config: EventsConfig) -> ibis.Table:
    # one input row is one reject, whatever the number of its parts
    faulty = judged.filter(judged.reason.notnull() & (judged.part == 0))
    unread = raw.rejected.mutate(raw=_shown(raw.rejected.raw, config))
    shape = {"file": "string", "row": "int64", "reason": "string", "raw": "string"}  # without "not null"
    return ibis.union(unread.select(*shape).cast(shape), faulty.select(*shape).cast(shape))


def _shown(text: ir.StringValue, config: EventsConfig) -> ir.StringValue:
    # a row holds ids and whatever else its source logs of a person
    return text.left(_SHOWN) if config.keep_ids else ibis.null("string")


def _stop_if_unusable(quality: dict[str, Any], rejected: ibis.Table, limit: float) -> None:
    share, malformed = quality["rejected_share"], quality["rows_malformed"]
    if share <= limit and quality["rows_kept"]:
        return
    examples = rejected.order_by("file", "row").limit(3).to_pyarrow().to_pylist()
    shown = "\n".join(
        f"  {line['file']} row {line['row']}: {line['reason']}" + (f": {line['raw'][:160]}" if line["raw"] else "")
        for line in examples
    )
    reasons = ", ".join(f"{rows} × {reason}" for reason, rows in quality["reasons"].items())
    what = (
        f"{malformed} of {quality['rows_in']} input rows are malformed ({share:.1%}; at most {limit:.1%} may be)"
        if share > limit
        else f"none of {quality['rows_in']} input rows can be used"
    )
    raise SourceError(
        f"{what}. Reasons: {reasons or 'the log is empty'}. First examples:\n{shown}\n"
        "Correct the log or source.format; events.max_rejected_share sets how many malformed rows are borne, and with"
        " events.keep_ids rejected rows are shown as they stand."
    )
