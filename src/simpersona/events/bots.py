"""Buyers who are no people: programs that open pages faster, longer or more steadily than anybody can."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from typing import Any

import ibis

from simpersona.config import EventsConfig

BOT = "bot: "
"""How the reason of a row starts that was dropped for its buyer's sake: no fault of the row."""

_BUYER = ("shop_id", "buyer_id")
_PAGES = ("page_viewed", "search_submitted", "collection_viewed", "product_viewed", "cart_viewed")


def suspects(events: ibis.Table, config: EventsConfig) -> ibis.Table:
    """One row per buyer and shop that opened pages as no person does: `rule`, the first that holds, and `pages`,
    the number of pages on the fullest day.

    Rules: more than `bot_pages_per_minute` within a minute of the clock, more than `bot_pages_per_hour` within an
    hour, pages in more than `bot_hours_per_day` hours of one day (UTC).
    """
    pages = events.filter(events.event.isin(_PAGES) & (events.part == 0))
    pages = pages.select(*_BUYER, "time", day=pages.time.truncate("D"))
    # no day with fewer pages than this can break a rule, and most have fewer
    least = min(config.bot_pages_per_minute, config.bot_pages_per_hour, config.bot_hours_per_day)
    full = pages.group_by(*_BUYER, "day").having(pages.count() > least).aggregate()
    pages = pages.semi_join(full, [*_BUYER, "day"])
    minutes = pages.group_by(*_BUYER, "day", minute=pages.time.truncate("m")).aggregate(pages=pages.count())
    hours = minutes.group_by(*_BUYER, "day", hour=minutes.minute.truncate("h")).aggregate(
        pages=minutes.pages.sum(), in_minute=minutes.pages.max()
    )
    days = hours.group_by(*_BUYER, "day").aggregate(
        pages=hours.pages.sum(), in_minute=hours.in_minute.max(), in_hour=hours.pages.max(), hours=hours.count()
    )
    buyers = days.group_by(*_BUYER).aggregate(
        pages=days.pages.max(), in_minute=days.in_minute.max(), in_hour=days.in_hour.max(), hours=days.hours.max()
    )
    rule = ibis.cases(
        (buyers.in_minute > config.bot_pages_per_minute, f"more than {config.bot_pages_per_minute} pages in a minute"),
        (buyers.in_hour > config.bot_pages_per_hour, f"more than {config.bot_pages_per_hour} pages in an hour"),
        (buyers.hours > config.bot_hours_per_day, f"pages in more than {config.bot_hours_per_day} hours of a day"),
        else_=ibis.null("string"),
    )
    return buyers.select(*_BUYER, "pages", rule=rule).filter(ibis._.rule.notnull())


def without(judged: ibis.Table, found: ibis.Table) -> ibis.Table:
    """The judged events, where the rows of the buyers `found` have BOT and the rule as their reason, unless they have one."""
    rules = found.select(of_shop="shop_id", of_buyer="buyer_id", rule="rule")
    joined = judged.left_join(rules, [judged.shop_id == rules.of_shop, judged.buyer_id == rules.of_buyer])
    reason = ibis.coalesce(joined.reason, ibis.literal(BOT) + joined.rule)
    return joined.mutate(reason=reason).drop("of_shop", "of_buyer", "rule")


def account(found: ibis.Table, *, dropped: bool) -> dict[str, Any]:
    """Per rule how many buyers there are and how many pages they opened on their fullest days, and whether their rows were dropped."""
    by_rule = found.group_by("rule").aggregate(buyers=found.count(), pages=found.pages.sum()).order_by("rule")
    rules = {
        line["rule"]: {"buyers": line["buyers"], "pages": line["pages"]} for line in by_rule.to_pyarrow().to_pylist()
    }
    return {"dropped": dropped, "buyers": sum(rule["buyers"] for rule in rules.values()), "rules": rules}
