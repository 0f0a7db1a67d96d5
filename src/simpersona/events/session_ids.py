"""The session ids of a source, trusted within bounds."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from simpersona.config import EventsConfig
from simpersona.events.materialize import materialize

_BUYER = ("shop_id", "buyer_id")
_NEVER = ibis.timestamp("9999-01-01 00:00:00+00:00")
_FEW = 10  # events: too few to see that each has an id of its own
_EACH = 0.9  # ids per event, above which an id names an event and no session
_HALF = 0.5  # of the ids: sessions by gaps, above which most visits have one event anyhow


def checked_session_ids(events: ibis.Table, config: EventsConfig) -> tuple[ibis.Table, list[str]]:
    """The events with session ids that name one session each, and warnings.

    - If nearly every event has an id of its own, though the events of a buyer are close together, the ids are dropped.
    - An id that lives longer than `max_session_hours` is split at gaps of more than `session_gap_minutes`: "s", "s (2)", …
    - An event without an id, such as an order that a server sends, gets the id of its buyer's session that is open: that of
      the event before, else of the one after, with no gap of more than `session_gap_minutes` between them.
    """
    count = events.aggregate(rows=events.count(), named=events.session_id.count()).to_pyarrow().to_pylist()[0]
    if not count["named"]:
        return events, []
    gap, warnings = round(config.session_gap_minutes * 60_000_000), []
    limit = f"more than {config.session_gap_minutes:g} minutes"
    if not config.trust_session_ids:
        named = events.filter(events.session_id.notnull())
        spans = named.group_by(*_BUYER, "session_id").aggregate(
            events=(named.part == 0).sum(), first=named.time.min(), last=named.time.max()
        )
        hours = spans["last"].delta(spans["first"], unit="microsecond") > round(
            config.max_session_hours * 3_600_000_000
        )
        spans = materialize(spans.mutate(long=hours.fill_null(False)), "session_ids")
        total = spans.aggregate(ids=spans.count(), events=spans.events.sum(), long=spans.long.sum())
        line = total.to_pyarrow().to_pylist()[0]
        if (
            line["events"] >= _FEW
            and line["ids"] >= _EACH * line["events"]
            and _close(named, gap) <= _HALF * line["ids"]
        ):
            warnings.append(
                f"{line['ids']:,} session ids stand in {line['events']:,} events: they change with the event and name no"
                f" session. Sessions are divided at gaps of {limit} instead. events.trust_session_ids keeps such ids."
            )
            return events.mutate(session_id=ibis.null("string")), warnings
        if line["long"]:
            events, parts = _split(events, spans.filter(spans.long), gap)
            warnings.append(
                f"{line['long']:,} session ids of the source live longer than {config.max_session_hours:g} hours; they are"
                f" split at gaps of {limit} into {parts:,} sessions. events.max_session_hours sets the limit, and"
                " events.trust_session_ids keeps such ids as they are."
            )
    if count["named"] < count["rows"]:
        events, joined = _join_open(events, gap)
        if joined:
            warnings.append(
                f"{joined:,} events without a session id joined the session of their buyer that was open then, with gaps of"
                f" at most {config.session_gap_minutes:g} minutes (events.session_gap_minutes)."
            )
    return events, warnings


def _close(events: ibis.Table, gap: int) -> int:
    """The number of sessions by gaps alone."""
    times = events.select(*_BUYER, "time").distinct()
    return int(_starts(times, _BUYER, gap).count().to_pyarrow().as_py())


def _starts(events: ibis.Table, keys: tuple[str, ...], gap: int) -> ibis.Table:
    """The first event behind each gap of more than `gap` microseconds, by `keys`."""
    in_order = ibis.window(group_by=keys, order_by="time")
    times = events.select(*keys, "time", before=events.time.lag().over(in_order))
    return times.filter(_is_gap(times, gap))


def _is_gap(times: ibis.Table, gap: int) -> ir.BooleanValue:
    return (times.time.delta(times.before, unit="microsecond") > gap).fill_null(True)


def _split(events: ibis.Table, long: ibis.Table, gap: int) -> tuple[ibis.Table, int]:
    """The events with the ids `long` split at gaps, and the number of sessions that these ids become."""
    keys = (*_BUYER, "session_id")
    starts = _starts(events.semi_join(long, keys), keys, gap)
    in_order = ibis.window(group_by=keys, order_by="time")
    starts = starts.select(
        **{f"of_{name}": name for name in keys},
        start=starts.time,
        number=ibis.row_number().over(in_order) + 1,
        until=ibis.coalesce(starts.time.lead().over(in_order), _NEVER),
    )
    starts = materialize(starts, "split")
    same = [events[name] == starts[f"of_{name}"] for name in keys]
    joined = events.left_join(starts, [*same, events.time >= starts.start, events.time < starts.until])
    later = joined.session_id + " (" + joined.number.cast("string") + ")"
    joined = joined.mutate(session_id=ibis.ifelse(joined.number > 1, later, joined.session_id))
    parts = int(starts.count().to_pyarrow().as_py())
    return joined.select(*events.columns), parts


def _join_open(events: ibis.Table, gap: int) -> tuple[ibis.Table, int]:
    """The events, where those without a session id have that of the open session, and their number."""
    unnamed = events.filter(events.session_id.isnull()).select(*_BUYER).distinct()
    # distinct: of two equal rows, each of the windows below might take another one first
    times = events.semi_join(unnamed, _BUYER).select(*_BUYER, "time", "session_id").distinct()
    order = ["time", times.session_id.isnull(), "session_id"]  # at one time, an event with an id comes first
    in_order = ibis.window(group_by=_BUYER, order_by=order)
    so_far = ibis.cumulative_window(group_by=_BUYER, order_by=order)
    times = times.mutate(before=times.time.lag().over(in_order))
    times = times.mutate(starts=_is_gap(times, gap).cast("int64"))
    times = times.mutate(run=times.starts.sum().over(so_far), named=times.session_id.count().over(so_far))
    # rows with the same number of named ones so far follow the same named one
    last = times.session_id.max().over(ibis.window(group_by=[*_BUYER, "run", "named"]))
    known = times.filter(times.session_id.notnull())
    first_named = known.group_by(of_shop="shop_id", of_buyer="buyer_id", of_run="run").aggregate(
        of_named=known.named.min()
    )
    first = known.select(in_shop="shop_id", in_buyer="buyer_id", in_run="run", in_named="named", first="session_id")
    first = first_named.join(
        first,
        [
            first_named.of_shop == first.in_shop,
            first_named.of_buyer == first.in_buyer,
            first_named.of_run == first.in_run,
            first_named.of_named == first.in_named,
        ],
    ).select("of_shop", "of_buyer", "of_run", "first")
    times = times.mutate(last=last).filter(times.session_id.isnull())
    times = times.left_join(
        first, [times.shop_id == first.of_shop, times.buyer_id == first.of_buyer, times.run == first.of_run]
    )
    joins = times.select(
        at_shop="shop_id", at_buyer="buyer_id", at="time", open_id=ibis.coalesce(times["last"], times["first"])
    )
    joins = materialize(joins.filter(joins.open_id.notnull()).distinct(), "open_sessions")
    joined = events.left_join(
        joins,
        [
            events.shop_id == joins.at_shop,
            events.buyer_id == joins.at_buyer,
            events.time == joins.at,
            events.session_id.isnull(),
        ],
    )
    found = (joined.session_id.isnull() & joined.open_id.notnull() & (joined.part == 0)).sum().fill_null(0)
    number = int(found.to_pyarrow().as_py())
    session = ibis.coalesce(joined.session_id, joined.open_id)
    return joined.mutate(session_id=session).select(*events.columns), number
