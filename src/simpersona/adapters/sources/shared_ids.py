"""Ids of buyers that nearly everybody shares, such as the one user of all guests."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import ibis

SHARE = 0.2
"""More than this share of its shop's rows must have the id."""
VISITS = 30
"""At least as many visits, or devices, must have the id."""
TIMES = 10
"""The id has at least as many times the visits of any other buyer."""
OTHERS = 20
"""With fewer other buyers in the shop there is nothing to compare with."""


def shared_buyers(rows: ibis.Table) -> dict[str, int]:
    """The ids that are shared, and the number of their rows.

    A heavy buyer may have a large share of the rows, but has hardly more than ten times the visits of everybody else.
    A visit is a session id of the source, else an hour with a row.
    """
    sizes = rows.group_by("shop_id", "buyer_id").aggregate(rows=ibis._.count())
    total = ibis.window(group_by="shop_id")
    sizes = sizes.mutate(all_rows=sizes.rows.sum().over(total), buyers=sizes.rows.count().over(total))
    large = sizes.filter((sizes.rows > SHARE * sizes.all_rows) & (sizes.buyers > OTHERS) & (sizes.rows >= VISITS))
    suspects = large.select("shop_id", "buyer_id", "rows").to_pyarrow().to_pylist()
    if not suspects:
        return {}
    shops = sorted({line["shop_id"] for line in suspects if line["shop_id"] is not None})
    hour = rows.time.truncate("h").cast("string")
    visit = ibis.coalesce(rows.session_id, hour) if "session_id" in rows.columns else hour
    visits = rows.filter(rows.shop_id.isin(shops)).select("shop_id", "buyer_id", visit=visit).distinct()
    counts = visits.group_by("shop_id", "buyer_id").aggregate(visits=ibis._.count())
    ids = [line["buyer_id"] for line in suspects]
    others = counts.filter(~counts.buyer_id.isin(ids)).group_by("shop_id").aggregate(most=ibis._.visits.max())
    most = {line["shop_id"]: line["most"] for line in others.to_pyarrow().to_pylist()}
    own = counts.filter(counts.buyer_id.isin(ids)).to_pyarrow().to_pylist()
    own = {(line["shop_id"], line["buyer_id"]): line["visits"] for line in own}
    found: dict[str, int] = {}
    for line in suspects:
        count = own.get((line["shop_id"], line["buyer_id"]), 0)
        if count >= max(VISITS, TIMES * most.get(line["shop_id"], 1)):
            found[line["buyer_id"]] = found.get(line["buyer_id"], 0) + line["rows"]
    return found


def shared_users(links: ibis.Table) -> list[str]:
    """The users of pairs (`user`, `device`) whose devices are far too many for one person: at least VISITS, and
    TIMES those of the next user.
    """
    devices = links.distinct().group_by("user").aggregate(devices=ibis._.count())
    top = devices.order_by([ibis.desc("devices"), "user"]).limit(20).to_pyarrow().to_pylist()
    for number, line in enumerate(top):
        following = top[number + 1]["devices"] if number + 1 < len(top) else 1
        if line["devices"] >= max(VISITS, TIMES * following):
            return [user["user"] for user in top[: number + 1]]
    return []
