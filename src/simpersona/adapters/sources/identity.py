"""Whose shop, whose buyer, which session, which order: the ids of a log as it has them, and what is no id."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import ibis
import ibis.expr.types as ir

from simpersona.adapters.sources.hosts import host_name, shop_of_hosts
from simpersona.adapters.sources.refund_rows import is_refund
from simpersona.adapters.sources.shared_ids import shared_buyers
from simpersona.adapters.sources.shopless import with_buyers_shop
from simpersona.config.source import NO_IDS
from simpersona.events.cleaning import IGNORED

NO_BUYER = IGNORED + "no buyer, the id is "
"""Prefix of the reason of a row whose buyer's id is a placeholder. The row is not malformed: its visitor is unknown."""
SHARED = NO_BUYER + "shared by too many rows"

_IDS = ("buyer_id", "session_id", "order_id", "product_id")
_ZEROS = r"^-?\d+\.0+$"
_POWER = r"^-?\d(\.\d+)?[eE]\+\d+$|^-?\d\.\d+[eE]\d+$"  # not 1e5, which may be the start of a hash
FLOAT_ID = f"{_ZEROS}|{_POWER}"
"""An id that is a whole number written as a floating-point number."""
_EXACT = 2**53  # whole numbers beyond are rounded in a float
_SHOWN = 5


@dataclass(frozen=True)
class Identity:
    """The settings of a source about ids: see `config.source`. `hosts` says whether a shop may be the host of a page."""

    shop: str | None = None
    shops: Mapping[str, str] = field(default_factory=dict)
    no_ids: Sequence[str] = NO_IDS
    shared_ids: Literal["reject", "keep"] = "reject"
    hosts: bool = True

    def placeholder(self, text: ir.StringValue) -> ir.StringValue:
        """The text in small letters if it stands for no id, else null."""
        plain = text.strip().lower()
        return ibis.ifelse(plain.isin([name.lower() for name in self.no_ids]), plain, None)

    def real(self, text: ir.StringValue) -> ir.StringValue:
        """The id; null where it is blank or stands for no id."""
        return ibis.ifelse(self.placeholder(text).notnull() | ~text.re_search(r"\S"), None, text)

    def resolve(self, rows: ibis.Table) -> tuple[ibis.Table, Mapping[str, str], tuple[str, ...]]:
        """The rows with ids that stand for somebody, the shop of each host that is not a shop of its own, and warnings.

        `rows` has `reason` (null where a row is used), shop_id, buyer_id, time, event and perhaps session_id, order_id
        and product_id; `placeholder` is what a source found in a field for the buyer's id. Ids that came as
        floating-point numbers are read as whole ones, e-mail addresses in small letters, and of a session's cookie the part that stays. A row whose buyer is
        a placeholder or a shared id gets a reason. Hosts of one shop become that shop, and a used row without a shop
        gets that of its buyer.

        Raises SourceError if it is unsure which hosts are one shop, or no used row has a shop.
        """
        rows, floats = _whole(rows)
        rows, mails = _one_spelling(rows)
        rows, placeholders = self._without_placeholders(rows)
        warnings = [*floats, *mails, *placeholders]
        if self.shared_ids == "reject":
            rows, shared = _without_shared(rows)
            warnings += shared
        of_host: Mapping[str, str] = {}
        if self.shop:
            rows = rows.mutate(shop_id=ibis.literal(self.shop))
        else:
            rows, of_host, joined = self._with_shops(rows)
            rows, shopless = with_buyers_shop(rows)
            warnings += [*joined, *shopless]
        return rows.drop(*{"placeholder"} & {*rows.columns}), of_host, tuple(warnings)

    def _without_placeholders(self, rows: ibis.Table) -> tuple[ibis.Table, list[str]]:
        buyer = self.placeholder(rows.buyer_id)
        found = {"buyer": buyer}
        if "placeholder" in rows.columns:
            found["other"] = ibis.ifelse(rows.buyer_id.notnull(), rows.placeholder, None)
            found["buyer"] = buyer = ibis.coalesce(buyer, ibis.ifelse(rows.buyer_id.isnull(), rows.placeholder, None))
        # a refund names an order, whoever sends it
        no_buyer = ibis.ifelse(is_refund(rows.event), None, NO_BUYER + buyer)
        values = {"buyer_id": self.real(rows.buyer_id), "reason": ibis.coalesce(rows.reason, no_buyer)}
        for name in ("session_id", "order_id"):
            if name in rows.columns:
                text = rows[name].cast("string").strip()
                found[name.removesuffix("_id")] = self.placeholder(text)
                values[name] = self.real(_session(text) if name == "session_id" else text)
        used = rows.filter(rows.reason.isnull())
        counts = {name: value.count() for name, value in found.items()}
        total = used.aggregate(**counts).to_pyarrow().to_pylist()[0]
        done = {
            "buyer": "they have no buyer and are set aside",
            "other": "they belong to the buyer's other id",
            "session": "they have no session id",
            "order": "they have no order id",
        }
        warnings = []
        for name, value in found.items():
            if total[name]:
                names = (
                    used.select(name=value)
                    .filter(ibis._.name.notnull())
                    .group_by("name")
                    .aggregate(rows=ibis._.count())
                )
                lines = names.order_by([ibis.desc("rows"), "name"]).limit(_SHOWN).to_pyarrow().to_pylist()
                shown = ", ".join(f"{line['name']!r} in {line['rows']:,}" for line in lines)
                what = "buyer" if name == "other" else name
                warnings.append(
                    f"{total[name]:,} rows hold a placeholder in place of the {what}'s id ({shown}): {done[name]}."
                    " source.no_ids lists the placeholders."
                )
        return rows.mutate(**values), warnings

    def _with_shops(self, rows: ibis.Table) -> tuple[ibis.Table, Mapping[str, str], list[str]]:
        if not self.hosts:
            return _renamed(rows, self.shops), self.shops, []
        given = {host_name(host): host_name(shop) if "." in shop else shop for host, shop in self.shops.items()}
        rows = rows.mutate(shop_id=_host(rows.shop_id.cast("string")))
        of_host, warnings = shop_of_hosts(rows, given)
        return _renamed(rows, of_host), of_host, warnings


def with_shops(table: ibis.Table, of_host: Mapping[str, str], key: Sequence[str], *, hosts: bool = True) -> ibis.Table:
    """A table of the catalogue with the shops of its hosts; of rows that then have the same key, one stays."""
    names = _host(table.shop_id) if hosts else table.shop_id
    renamed = _renamed(table.mutate(shop_id=names, was=table.shop_id), of_host)
    copy = ibis.row_number().over(group_by=list(key), order_by="was")
    return renamed.mutate(copy=copy).filter(ibis._.copy == 0).drop("copy", "was").order_by(*key)


def _renamed(rows: ibis.Table, of_host: Mapping[str, str]) -> ibis.Table:
    return rows.mutate(shop_id=rows.shop_id.cases(*of_host.items(), else_=rows.shop_id)) if of_host else rows


def _host(shop: ir.StringValue) -> ir.StringValue:
    """The Ibis form of `host_name`, for shops that have a dot; the name of another shop stays."""
    plain = shop.strip().lower().re_replace(r"^www\d?\.|\.?(:\d+)?$", "")
    return ibis.ifelse(shop.contains("."), plain, shop)


def _session(text: ir.StringValue) -> ir.StringValue:
    """The part of the text of a session cookie that stays the same through a session, else the text.

    Google's cookies hold the session (its start), then its number, the time of the last hit and others:
    GS2.1.s1700000000$o5$g1$t1700000100$j60, the same without GS2.1., and GS1.1.1700000000.5.1.1700000100.0.0.0.
    """
    found = text.re_extract(r"^(?:GS\d+\.\d+\.)?s(\d+)\$\w", 1).nullif("")
    found = ibis.coalesce(found, text.re_extract(r"^GS1\.\d+\.(\d+)\.\d+\.", 1).nullif(""))
    return ibis.coalesce(found, text)


def _whole(rows: ibis.Table) -> tuple[ibis.Table, list[str]]:
    """The rows with whole numbers in place of ids such as 1234567.0 or 1.23e+17, column by column.

    A column with a text such as "2.5" or "GA1.2" is left alone: there the dot belongs to the ids.
    """
    names = [name for name in _IDS if name in rows.columns and rows[name].type().is_string()]
    used = rows.filter(rows.reason.isnull())
    hints = {name: (used[name].endswith(".0") | used[name].re_search(_POWER)).sum() for name in names}
    hinted = used.aggregate(**hints).to_pyarrow().to_pylist()[0] if names else {}
    names = [name for name in names if hinted[name]]
    if not names:
        return rows, []
    counts = {}
    for name in names:
        text, is_float = used[name], _is_float(used[name])
        counts[f"floats_{name}"] = is_float.sum()
        counts[f"others_{name}"] = (text.contains(".") & ~is_float).sum()
        is_large = ibis.ifelse(is_float, text, None).try_cast("float64").abs() > _EXACT
        counts[f"large_{name}"] = (is_large | text.re_search(_POWER)).sum()
    count = used.aggregate(**counts).to_pyarrow().to_pylist()[0]
    warnings, values = [], {}
    for name in names:
        floats, others, large = (count[f"{kind}_{name}"] or 0 for kind in ("floats", "others", "large"))
        if not floats or others:
            continue
        values[name] = _as_whole(rows[name])
        warnings.append(
            f"{name} holds floating-point numbers in {floats:,} rows (such as 1234567.0), which are read as whole numbers."
            + (
                f" In {large:,} of them the number is above 2^53 or has an exponent, as spreadsheets show long numbers: it may have been"
                " rounded, so that different ids became one. Export this column as text."
                if large
                else ""
            )
        )
    return rows.mutate(**values) if values else rows, warnings


def _one_spelling(rows: ibis.Table) -> tuple[ibis.Table, list[str]]:
    """The rows with ids of buyers without spaces around them, and e-mail addresses as such ids in small letters: people write
    their address in several ways.
    """
    text = rows.buyer_id.cast("string")
    plain = ibis.ifelse(text.contains("@"), text.strip().lower(), text.strip())
    differs = (rows.reason.isnull() & (plain != text)).fill_null(False)
    count = rows.filter(differs).count().to_pyarrow().as_py()
    if not count:
        return rows, []
    warning = (
        f"{count:,} rows have an e-mail address with capital letters, or an id with spaces around it, as their buyer's id. Addresses are"
        " read in small letters, and ids without the spaces."
    )
    return rows.mutate(buyer_id=plain), [warning]


def _is_float(text: ir.StringValue) -> ir.BooleanValue:
    return text.re_search(FLOAT_ID).fill_null(False)


def _as_whole(text: ir.StringValue) -> ir.StringValue:
    power = ibis.ifelse(text.re_search(_POWER), text, None).try_cast("float64").try_cast("int64").cast("string")
    return ibis.coalesce(power, ibis.ifelse(text.re_search(_ZEROS), text.re_replace(r"\.0+$", ""), text))


def _without_shared(rows: ibis.Table) -> tuple[ibis.Table, list[str]]:
    found = shared_buyers(rows.filter(rows.reason.isnull() & rows.buyer_id.notnull()))
    if not found:
        return rows, []
    is_shared = rows.buyer_id.isin(list(found)).fill_null(False) & ~is_refund(rows.event)
    shown = ", ".join(f"{shown_id(name)} in {count:,}" for name, count in found.items())
    warning = (
        f"A buyer's id stands in far too many rows to be of one buyer ({shown} rows); these rows are set aside."
        ' source.no_ids names such ids, and source.shared_ids = "keep" reads them as one buyer.'
    )
    reason = ibis.coalesce(rows.reason, ibis.ifelse(is_shared, SHARED, None))
    return rows.mutate(reason=reason), [warning]


def shown_id(name: str) -> str:
    """An id as a warning may show it."""
    return "an e-mail address" if "@" in name else repr(name[:40])
