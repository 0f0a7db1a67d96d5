"""Local times that occur twice, before clocks are set back in autumn, and those that do not exist, in spring."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import ibis
import pyarrow as pa

from simpersona.adapters.sources.times import earlier_reading, is_skipped
from simpersona.events.materialize import materialize

_VISIT = timedelta(minutes=30)  # events that are this close belong together
_AROUND = timedelta(hours=6)


def with_one_hour(rows: ibis.Table, form: str, zone: str) -> tuple[ibis.Table, list[str]]:
    """The rows, where a time that occurs twice is the one that continues its buyer's visit, and a warning that counts
    them. `rows` has buyer_id, `time`, which is the later one of both, and `stamp`, the log's own value.
    """
    earlier = earlier_reading(rows.stamp, rows.time, form, zone)
    if earlier is None:
        return rows, []
    twice = rows.select("file", "row", "buyer_id", "time", earlier=earlier).filter(ibis._.earlier.notnull())
    twice = materialize(twice, "twice")
    lines = twice.order_by("buyer_id", "earlier", "file", "row").to_pyarrow().to_pylist()
    if not lines:
        return rows, []
    first = _earlier_ones(lines, _known(rows, twice, lines))
    warning = (
        f"{len(lines):,} rows have a time that occurs twice, when clocks in {zone} are set back: each is read as the one that"
        f" is closer to the buyer's other events ({len(first):,} as the first). Times with an offset or in UTC leave no doubt"
        " (source.time_zone)."
    )
    if not first:
        return rows, [warning]
    shape = pa.schema([("of_file", pa.string()), ("of_row", pa.int64())])
    named = [{"of_file": line["file"], "of_row": line["row"]} for line in first]
    table = ibis.memtable(pa.Table.from_pylist(named, shape))
    chosen = twice.join(table, [twice.file == table.of_file, twice.row == table.of_row])
    chosen = materialize(chosen.select("of_file", "of_row", "earlier"), "earlier")
    joined = rows.left_join(chosen, [rows.file == chosen.of_file, rows.row == chosen.of_row])
    return joined.mutate(time=ibis.coalesce(joined.earlier, joined.time)).select(*rows.columns), [warning]


def skipped_hours(rows: ibis.Table, form: str, zone: str) -> list[str]:
    """A warning that counts the rows whose local time does not exist. `rows` has `time` and `stamp`, the log's own value."""
    skipped = is_skipped(rows.stamp, rows.time, form, zone)
    if skipped is None:
        return []
    values = rows.select(value=rows.stamp.cast("string"), skipped=skipped).filter(ibis._.skipped)
    count = values.aggregate(rows=values.count(), value=values.value.min()).to_pyarrow().to_pylist()[0]
    if not count["rows"]:
        return []
    warning = (
        f"{count['rows']:,} rows have a time that does not exist (such as {str(count['value'])[:60]!r}), since clocks in {zone} are"
        " set forward: each is read as an hour later. Is source.time_zone the zone of these times? Times with an offset or in UTC"
        " leave no doubt."
    )
    return [warning]


def is_later(times: Sequence[datetime], known: Sequence[datetime], shift: timedelta) -> list[bool]:
    """Whether each of one buyer's times is to be read `shift` later. `times` are the earlier readings, sorted; `known` are the
    buyer's times that are certain.

    Times that are close together are read alike, and so that they are as close as possible to a certain one; else as the
    earlier ones. If the last of them are close to the first of them an hour later, the visit went on through the change.
    """
    starts = [0, *(number for number, (one, two) in enumerate(pairwise(times), 1) if two - one > _VISIT), len(times)]
    groups = [times[start:end] for start, end in pairwise(starts)]

    def distance(first: datetime, last: datetime) -> timedelta:
        return min((max(first - time, time - last, timedelta(0)) for time in known), default=timedelta.max)

    later = [distance(group[0] + shift, group[-1] + shift) < distance(group[0], group[-1]) for group in groups]
    through = groups[0][0] + shift - groups[-1][-1]
    if len(groups) > 1 and not later[-1] and through < distance(groups[0][0], groups[0][-1]) and through <= _VISIT:
        later[0] = True
    return [answer for answer, group in zip(later, groups, strict=True) for _ in group]


def _known(rows: ibis.Table, twice: ibis.Table, lines: Sequence[dict]) -> dict[str | None, list[datetime]]:
    """The certain times of the buyers in `twice` around these times."""
    days = sorted({line["earlier"].date(): line["earlier"] for line in lines}.values())
    near = ibis.or_(*[rows.time.between(day - _AROUND, day + _AROUND) for day in days])
    around = rows.filter(near).select("file", "row", "buyer_id", "time").anti_join(twice, ["file", "row"])
    around = around.semi_join(twice, "buyer_id").select("buyer_id", "time").distinct()
    known: dict[str | None, list[datetime]] = {}
    for line in around.to_pyarrow().to_pylist():
        known.setdefault(line["buyer_id"], []).append(line["time"])
    return known


def _earlier_ones(lines: Sequence[dict], known: dict[str | None, list[datetime]]) -> list[dict]:
    """The lines whose earlier time is right."""
    groups: dict[tuple[str | None, object], list[dict]] = {}
    for line in lines:
        groups.setdefault((line["buyer_id"], line["earlier"].date()), []).append(line)
    first = []
    for (buyer, _), group in groups.items():
        shift = group[0]["time"] - group[0]["earlier"]
        later = is_later([line["earlier"] for line in group], known.get(buyer, []), shift)
        first += [line for line, answer in zip(group, later, strict=True) if not answer]
    return first
