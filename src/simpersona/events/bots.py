"""Bot detection: finds buyers who open pages faster, longer or more steadily than a person can."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis defines the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from typing import Any

import ibis

from simpersona.config import EventsConfig

BOT = "bot: "
"""Prefix of the reject reason of rows that are dropped because their buyer is a bot; such rows are not malformed."""

_BUYER = ("shop_id", "buyer_id")
_PAGES = ("page_viewed", "search_submitted", "collection_viewed", "product_viewed", "cart_viewed")


def detect_bots(events: ibis.Table, config: EventsConfig) -> ibis.Table:
    """One row per buyer and shop that breaks a bot rule.

    `rule` is the first rule that the buyer breaks; `pages` is the number of pages on the buyer's busiest day. The
    rules: more than `bot_pages_per_minute` pages in a clock minute, more than `bot_pages_per_hour` in a clock
    hour, pages in more than `bot_hours_per_day` hours of one day (UTC).
    """
    pages = events.filter(events.event.isin(_PAGES) & (events.part == 0))
    pages = pages.select(*_BUYER, "time", day=pages.time.truncate("D"))
    # a day with at most this many pages cannot break a rule, and most days have fewer: filter them out first
    limit = min(config.bot_pages_per_minute, config.bot_pages_per_hour, config.bot_hours_per_day)
    busy_days = pages.group_by(*_BUYER, "day").having(pages.count() > limit).aggregate()
    pages = pages.semi_join(busy_days, [*_BUYER, "day"])
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


def mark_bots(validated: ibis.Table, bots: ibis.Table) -> ibis.Table:
    """Sets the reject reason of the rows of `bots` to BOT and the rule, unless a row already has a reason."""
    rules = bots.select(of_shop="shop_id", of_buyer="buyer_id", rule="rule")
    joined = validated.left_join(rules, [validated.shop_id == rules.of_shop, validated.buyer_id == rules.of_buyer])
    reason = ibis.coalesce(joined.reason, ibis.literal(BOT) + joined.rule)
    return joined.mutate(reason=reason).drop("of_shop", "of_buyer", "rule")


def summarize_bots(bots: ibis.Table, *, dropped: bool) -> dict[str, Any]:
    """The number of bots and of their pages on their busiest days, per rule and in all.

    `dropped` reports whether the rows of the bots were dropped.
    """
    by_rule = bots.group_by("rule").aggregate(buyers=bots.count(), pages=bots.pages.sum()).order_by("rule")
    rules = {
        line["rule"]: {"buyers": line["buyers"], "pages": line["pages"]} for line in by_rule.to_pyarrow().to_pylist()
    }
    return {"dropped": dropped, "buyers": sum(rule["buyers"] for rule in rules.values()), "rules": rules}
