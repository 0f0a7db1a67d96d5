"""The currencies of a log: its amounts converted into one, or those in other currencies masked."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from simpersona.contracts import CONVERTED

FACTOR = "currency_factor"
"""The column with the number that an amount of the row is multiplied by; null where the amount is masked."""

_SHOWN = 10  # currencies in a sentence
_OF_SIGN = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "ARS", "CLP", "COP", "UYU"),
    "¥": ("JPY", "CNY"),
    "￥": ("JPY", "CNY"),
    "KR": ("SEK", "NOK", "DKK", "ISK"),
}
"""The currencies that a sign may mean."""
_SETTING = (
    "source.exchange_rates = {EUR = 1.0, USD = 0.92} converts them: what one unit of each is worth in one currency."
)


class InOneCurrency(NamedTuple):
    """The rows with amounts in one currency per store, the number of rows with an amount in each currency that the
    log names, and what to say about them.
    """

    rows: ibis.Table
    counts: dict[str, int]
    warnings: tuple[str, ...]
    currency: str | None = None
    """The currency of most amounts; None where the log does not say."""
    of_store: Mapping[str, str | None] = {}
    """The currency that the amounts of each store are in, None for one that names none; empty if no store names one."""


def in_one_currency(rows: ibis.Table, rates: Mapping[str, float]) -> InOneCurrency:
    """Rows with numbers in `price`, `value` and in the `price` of their `goods`, and perhaps a `currency`.

    With `rates`, the worth of one unit of each currency, all amounts are converted and those of other currencies
    masked. Without, the amounts that are not in the most frequent currency of their store are masked. A row that names no
    currency is in the most frequent one. A sign that means several currencies is the store's currency if that is one of them, and
    the only one that the store names. Rows are multiplied only if any amount changes; they then have FACTOR.
    """
    if "currency" not in rows.columns:
        return InOneCurrency(rows, {}, ())
    has_amount = [rows[name].notnull() for name in ("price", "value") if name in rows.columns]
    if "goods" in rows.columns:
        has_amount.append(rows.goods.map(lambda good: good["price"].notnull()).anys().fill_null(False))
    found = rows.filter(ibis.or_(*has_amount)).group_by("shop_id", "currency").aggregate(rows=ibis._.count())
    lines = [line | {"written": line["currency"]} for line in found.to_pyarrow().to_pylist()]
    signs = _signs_read(lines, rates)
    counts = _counted(lines)
    main = _most_frequent(lines)
    # a row that names no currency has none in a log that never names one
    factors = {(line["shop_id"], line["written"]): _factor(line, main, rates) for line in lines}
    sentences = (*signs, *_sentences(lines, counts, main, factors, rates))
    if any(factor != 1.0 for factor in factors.values()):
        rows = _multiplied(rows, factors)
    of_store = _of_store(lines, main, rates)
    return InOneCurrency(rows, counts, sentences, _largest(lines, of_store), of_store)


def _signs_read(lines: list[dict], rates: Mapping[str, float]) -> list[str]:
    """Gives the rows with a sign the currency of their store where only that can be meant, and says so."""
    read: Counter[tuple[str, str]] = Counter()
    for sign, codes in _OF_SIGN.items():
        named: dict[str, set[str]] = {}
        for line in lines:
            if line["currency"] in codes:
                named.setdefault(line["shop_id"], set()).add(line["currency"])
        main = _most_frequent(lines)
        for line in lines:
            meant = named.get(line["shop_id"], set())
            if (
                line["written"] == sign
                and sign not in rates
                and len(meant) == 1
                and main[line["shop_id"]] in {sign, *meant}
            ):
                line["currency"] = min(meant)
                read[sign, line["currency"]] += line["rows"]
    return [
        f'{rows:,} rows have amounts with "{sign}", read as {code}: their store names no other currency with this sign.'
        for (sign, code), rows in read.items()
    ]


def _counted(lines: list[dict]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for line in lines:
        if line["currency"] is not None:
            counts[line["currency"]] += line["rows"]
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _most_frequent(lines: list[dict]) -> dict[str, str]:
    """The most frequent currency of each store that names one; of equally frequent ones the first in the alphabet."""
    main: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: (-line["rows"], line["currency"] or "")):
        if line["currency"] is not None:
            main.setdefault(line["shop_id"], line["currency"])
    return main


def _of_store(lines: list[dict], main: Mapping[str, str], rates: Mapping[str, float]) -> dict[str, str | None]:
    """The currency that the amounts of each store are in after conversion."""
    if not main:
        return {}
    target = next((name for name, rate in rates.items() if rate == 1.0), CONVERTED)
    shops = {line["shop_id"] for line in lines if line["shop_id"] is not None}
    return {shop: (target if rates else main[shop]) if shop in main else None for shop in sorted(shops)}


def _largest(lines: list[dict], of_store: Mapping[str, str | None]) -> str | None:
    """The currency with the most rows; of equally frequent ones the first in the alphabet."""
    counts: Counter[str] = Counter()
    for line in lines:
        if (currency := of_store.get(line["shop_id"])) is not None:
            counts[currency] += line["rows"]
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def _factor(line: dict, main: Mapping[str, str], rates: Mapping[str, float]) -> float | None:
    own = main.get(line["shop_id"])
    currency = line["currency"] or own
    if currency is None:
        return 1.0
    if rates:
        return rates.get(currency)
    return 1.0 if currency == own else None


def _multiplied(rows: ibis.Table, factors: Mapping[tuple[str | None, str | None], float | None]) -> ibis.Table:
    table = pa.table(
        {
            "of_shop": pa.array([shop or "" for shop, _ in factors], pa.string()),
            "of_currency": pa.array([currency or "" for _, currency in factors], pa.string()),
            FACTOR: pa.array(list(factors.values()), pa.float64()),
        }
    )
    known = ibis.memtable(table)
    joined = rows.left_join(
        known, [rows.shop_id.fill_null("") == known.of_shop, rows.currency.fill_null("") == known.of_currency]
    ).drop("of_shop", "of_currency")
    values: dict[str, ir.Value] = {
        name: joined[name] * joined[FACTOR] for name in ("price", "value") if name in joined.columns
    }
    if "goods" in joined.columns:
        names = joined.goods.type().value_type.names
        values["goods"] = joined.goods.map(
            lambda good: ibis.struct(
                {name: good[name] * joined[FACTOR] if name == "price" else good[name] for name in names}
            )
        )
    return joined.mutate(**values)


def _sentences(
    lines: list[dict],
    counts: Mapping[str, int],
    main: Mapping[str, str],
    factors: Mapping[tuple[str | None, str | None], float | None],
    rates: Mapping[str, float],
) -> list[str]:
    masked = Counter({})
    for line in lines:
        if factors[line["shop_id"], line["written"]] is None:
            masked[line["currency"] or main[line["shop_id"]]] += line["rows"]
    sentences = []
    shown = _listed(counts)
    if masked and rates:
        sentences.append(
            f"Amounts in currencies without a rate in source.exchange_rates are masked: {_listed(masked)}. The log has {shown}."
        )
    elif masked:
        sentences.append(
            f"The log has amounts in several currencies: {shown}. Those that are not in the most frequent currency of"
            f" their store are masked: {_listed(masked)}. {_SETTING}"
        )
    converted = {name: rows for name, rows in counts.items() if rates.get(name, 1.0) != 1.0}
    if converted:
        sentences.append(
            f"Amounts were converted with source.exchange_rates: {_listed(converted)}. The log has {shown}."
        )
    if not rates and len(set(main.values())) > 1:
        stores = Counter(main.values())
        of_stores = ", ".join(f"{name} in {number:,} store(s)" for name, number in stores.most_common(_SHOWN))
        sentences.append(
            f"Stores have different currencies: {of_stores}. Totals are given for each currency. The mean cart and order values of"
            f" buyers are masked in stores without the most frequent one. {_SETTING}"
        )
    unnamed = sum(line["rows"] for line in lines if line["currency"] is None and line["shop_id"] in main)
    if unnamed and len(counts) > 1:
        sentences.append(
            f"{unnamed:,} rows with an amount name no currency; they count as in the most frequent currency of their store."
        )
    return sentences


def _listed(counts: Mapping[str, int]) -> str:
    names = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ", ".join(f"{name} ({counts[name]:,} rows)" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
