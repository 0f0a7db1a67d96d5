"""Prices, order values and quantities as logs write them, read as numbers."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

Decimal = Literal["auto", ".", ","]
"""The decimal mark of amounts that are texts; "auto": what the unambiguous amounts of a column show."""

MISSING = ("", "nan", "null", "none", "n/a", "\\n", "undefined", "(not set)", "-")
"""Texts, in small letters, that stand for no amount."""

_TYPES = {"price": "float64", "value": "float64", "quantity": "int64"} | dict.fromkeys(
    ("line_total", "tax", "shipping"), "float64"
)
_HELPERS = ("line_total", "tax", "shipping")
"""Amounts that a price or an order value is made of."""
_READABLE = ("number", "whole", ".", ",")
_CLEAR = 100  # times as many amounts with one decimal mark as with the other decide the ambiguous ones

_CODES = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HRK|HUF|IDR|ILS|INR|ISK|JPY|KRW|KWD|MAD|MXN|MYR"
    "|NGN|NOK|NZD|PEN|PHP|PKR|PLN|QAR|RON|RSD|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|UYU|VND|ZAR"
)
# a word that is no currency must not pass: "P12" is a product, not 12 of something
_CURRENCY = rf"({_CODES}|[A-Z]{{0,3}}\p{{Sc}}[A-Z]{{0,3}}|euros?|kr|zł|kč|s?fr|rs|ft|lei|円|元|원|руб|грн|лв|tl)\.?"
_NAMES = {"€": "EUR", "EURO": "EUR", "EUROS": "EUR", "£": "GBP", "₹": "INR", "RS": "INR", "ZŁ": "PLN", "KČ": "CZK"} | {
    "FR": "CHF", "SFR": "CHF", "FT": "HUF", "LEI": "RON", "US$": "USD", "₽": "RUB", "₩": "KRW", "₺": "TRY",
    "円": "JPY", "元": "CNY", "원": "KRW", "РУБ": "RUB", "ГРН": "UAH", "ЛВ": "BGN", "TL": "TRY", "₫": "VND", "₴": "UAH", "₪": "ILS",
    "฿": "THB", "₦": "NGN", "R$": "BRL", "CA$": "CAD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN",
}  # fmt: skip
"""Signs that mean one currency; "$", "¥" and "kr" mean several, and stay as they are."""
_LONGEST = 5  # characters of a currency's name; a longer text may be personal
_FRAME = rf"(?i)^\(?[-−+]? ?(?:{_CURRENCY})? ?[-−+]? ?([.,]?\d(?:[\d.,'’ ]*\d)?)(?:[.,][-–—]{{0,2}})? ?(?:{_CURRENCY})? ?-?\)?$"
_NEGATIVE = r"^[^\d]*[-−]|\d ?-$|^\(.*\)$"
_PLAIN = r"^-?\d+(\.\d{1,2})?$"  # most amounts: the other patterns are not tried on them
_EXACT = r"^-?\d+(\.\d+)?[eE][-+]?\d+$"  # as programs write very small and very large numbers
_WHOLE = r"^\d+$|^\d{1,3}(?:[ ']\d{3})+$"
_EITHER = r"^[1-9]\d{0,2}[.,]\d{3}$"  # 1.299: one and a bit, or more than a thousand
_NO_CENTS = r"(?i)円|원|₩|₫|JPY|KRW|VND|CLP|ISK"
"""Currencies without cents: 1,299 of them is more than a thousand."""
_EITHER_NUMBER = r"^-?[1-9]\d{0,2}\.\d{3}$"


@dataclass(frozen=True)
class AmountSettings:
    """How a log writes amounts, and what one unit of each currency is worth in the one that all are converted into."""

    decimal: Decimal = "auto"
    exchange_rates: Mapping[str, float] = field(default_factory=dict)


def _marked(mark: str, group: str) -> str:
    """The pattern of amounts with this decimal mark, whose groups of digits may be separated by `group`."""
    whole = rf"\d*|\d{{1,3}}(?:[ ']\d{{3}})+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}"  # 1,29,900 in India
    return rf"^(?:{whole})(?:{mark}\d+)?$"


_PATTERNS = {".": _marked(r"\.", ","), ",": _marked(",", r"\.")}


def present(text: ir.StringValue) -> ir.StringValue:
    """The text of an amount, null where it stands for none."""
    return ibis.ifelse(text.strip().lower().isin(MISSING), None, text)


def is_ambiguous(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a number, as text, looks like 1.299."""
    return text.re_search(_EITHER_NUMBER)


def unambiguous(text: ir.StringValue) -> ir.StringValue:
    """The text of what was a number in the log, so that 1.299 is not taken for 1,299."""
    return ibis.ifelse(is_ambiguous(text), text + "0", text)


def json_amount(leaf: ir.StringValue) -> ir.StringValue:
    """The text of an amount from its JSON, a number or a quoted text."""
    return ibis.ifelse(leaf.startswith('"'), leaf.replace('"', ""), unambiguous(leaf))


def currency_in(amount: ir.Value) -> ir.StringValue:
    """The currency that an amount names: a code, or its sign if the sign means several; null where it names none."""
    if not isinstance(amount, ir.StringValue):
        return ibis.null("string")

    def named(signed: ir.StringValue) -> ir.StringValue:
        return ibis.coalesce(*[signed.re_extract(_FRAME, group).nullif("") for group in (1, 3)])

    found = _with(_tidy(amount), named)
    names_none = amount.isnull() | amount.re_search(_PLAIN)
    return ibis.ifelse(names_none, None, _with(found, currency_code))


def currency_code(name: ir.StringValue) -> ir.StringValue:
    """The name of a currency in one spelling; null where it is blank or too long to be one."""

    def spelled(code: ir.StringValue) -> ir.StringValue:
        return code.cases(*_NAMES.items(), else_=ibis.ifelse(code.length() <= _LONGEST, code, None))

    # most rows have none, or its code
    is_spelled = name.isnull() | name.isin(_CODES.split("|"))
    return ibis.ifelse(is_spelled, name, _with(present(name).strip().upper(), spelled))


def amount_columns(rows: ibis.Table) -> list[str]:
    """The columns of rows that hold amounts."""
    return [name for name in _TYPES if name in rows.columns]


@dataclass(frozen=True)
class AmountReader:
    """How the amounts of a log are read: `decimal` for all its columns, or the mark of each column's ambiguous amounts
    (`marks`), and how many amounts of each column are readable.
    """

    decimal: Decimal = "auto"
    marks: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    """By column, the number of amounts of each kind: "number", "whole", ".", ",", "either", "unreadable"."""
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By column, what unreadable amounts look like: each digit as 9, each letter as a."""

    @classmethod
    def of(cls, rows: ibis.Table, decimal: Decimal = "auto") -> AmountReader:
        """The reader for rows with amounts in the columns price, value, quantity or line_total, also of their `goods`.
        Each distinct text is looked at once.
        """
        counts: dict[str, Counter[str]] = {}
        texts = []
        for name, column in _columns(rows):
            if isinstance(column.amount, ir.StringValue):
                texts.append(column.select(column=ibis.literal(name), text=present(column.amount)))
            else:
                filled = column.aggregate(rows=column.amount.count()).to_pyarrow().to_pylist()[0]["rows"]
                counts.setdefault(name, Counter())["number"] += filled
        if not texts:
            return cls(decimal, counts=counts)
        each = (
            ibis.union(*texts).filter(ibis._.text.notnull()).group_by("column", "text").aggregate(rows=ibis._.count())
        )
        each = each.mutate(kind=_kind(each.column, each.text, decimal))
        kinds = each.group_by("column", "kind").aggregate(rows=each.rows.sum())
        for line in kinds.to_pyarrow().to_pylist():
            counts.setdefault(line["column"], Counter())[line["kind"]] += line["rows"]
        marks = {name: mark for name, kinds in counts.items() if (mark := _mark(kinds))}
        open_kinds = [
            (name, kind)
            for name, kinds in counts.items()
            for kind in ("either", "unreadable")
            if kinds[kind] and not (kind == "either" and name in marks)
        ]
        return cls(decimal, marks, counts, dict(_examples(each, open_kinds)))

    def read(self, rows: ibis.Table) -> ibis.Table:
        """The rows with their amounts as numbers, null where they cannot be read. Where a line has a total, its price
        is the total of one unit; an order value is what is left without tax and shipping.
        """
        values = _composed({name: self.number(name, rows[name]) for name in amount_columns(rows)})
        if "goods" in rows.columns:
            values["goods"] = rows.goods.map(self._good)
        return rows.mutate(**values).drop(*[name for name in _HELPERS if name in rows.columns])

    def number(self, name: str, amount: ir.Value) -> ir.NumericValue:
        """The amount of the column `name` as a number, null where it cannot be read."""
        kind = _TYPES[name]
        if not isinstance(amount, ir.StringValue):
            value = amount.try_cast("float64")
        else:
            value = _read(amount, self.decimal, self.marks.get(name))
        return _whole_or_null(value) if kind == "int64" else value

    @property
    def reads_texts(self) -> bool:
        """Whether any amount is a text."""
        return any(kinds.total() > kinds["number"] for kinds in self.counts.values())

    def is_readable(self, *names: str) -> bool:
        """Whether any amount of the columns can be read."""
        return any(self._readable(name) for name in names)

    def nothing_readable(self) -> list[str]:
        """The columns that hold amounts of which none can be read."""
        return [name for name, kinds in self.counts.items() if kinds.total() and not self._readable(name)]

    def problem(self, name: str) -> str:
        """The amounts of a column that cannot be read, as a phrase with examples."""
        kinds = self.counts[name]
        masked = kinds["unreadable"] + (0 if name in self.marks else kinds["either"])
        shown = " and ".join(f'"{example}"' for example in self.examples.get(name, ()))
        label = name.replace("_", " ")
        return f"{masked:,} of {kinds.total():,} amounts of the column {label} cannot be read, such as {shown} (9 stands for a digit)"

    def warnings(self) -> tuple[str, ...]:
        """What was read by a guess and what could not be read, one sentence for each column."""
        sentences = []
        for name, kinds in self.counts.items():
            setting = 'source.decimal = "." or "," names the decimal mark.'
            if kinds["either"] and name in self.marks and self.decimal == "auto":
                kept = f'"{self.marks[name]}"'
                sentences.append(
                    f"{kinds['either']:,} amounts of the column {name.replace('_', ' ')} look like 1.299 or 1,299, which may be"
                    f" more than a thousand; the other amounts have the decimal mark {kept}, so it was used. {setting}"
                )
            elif kinds[","] and self.decimal == "auto":
                sentences.append(
                    f"{kinds[',']:,} of {kinds.total():,} amounts of the column {name.replace('_', ' ')} were read with a"
                    f" decimal comma. {setting}"
                )
            if name in self.examples:
                sentences.append(f"{self.problem(name)}; they count as missing. {setting}")
        return tuple(sentences)

    def _readable(self, name: str) -> int:
        kinds = self.counts.get(name, Counter())
        return sum(kinds[kind] for kind in _READABLE) + (kinds["either"] if name in self.marks else 0)

    def _good(self, good: ir.StructValue) -> ir.StructValue:
        amounts = {name: self.number(name, good[name]) for name in _TYPES if name in good.names}
        return ibis.struct({name: good[name] for name in good.names if name not in _HELPERS} | _composed(amounts))


def _columns(rows: ibis.Table) -> Iterator[tuple[str, ibis.Table]]:
    """Each column of amounts with its name, as tables of one column `amount`."""
    for name in amount_columns(rows):
        yield name, rows.select(amount=rows[name])
    if "goods" in rows.columns:
        kind = rows.goods.type()
        names = [name for name in _TYPES if isinstance(kind, dt.Array) and name in kind.value_type.names]
        if names:
            goods = rows.filter(rows.goods.length() > 0).select(good="goods").unnest("good")
            for name in names:
                yield name, goods.select(amount=goods.good[name])


def _mark(kinds: Counter[str]) -> str | None:
    """The decimal mark that the unambiguous amounts of a column show, if they agree."""
    dots, commas = kinds["."], kinds[","]
    if dots > _CLEAR * commas:
        return "."
    return "," if commas > _CLEAR * dots else None


def _examples(each: ibis.Table, kinds: list[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the amounts of a kind look like, the two most frequent shapes of each column."""
    by_column: dict[str, list[str]] = {}
    for name, kind in kinds:
        of_kind = each.filter((each.column == name) & (each.kind == kind))
        # letters may be of anything, also of a person's name
        looks = _tidy(of_kind.text).left(20).re_replace(r"\d", "9").re_replace(r"\p{L}", "a")
        of_kind = of_kind.mutate(looks=looks).group_by("looks").aggregate(rows=ibis._.rows.sum())
        shown = of_kind.order_by(ibis.desc("rows"), "looks").limit(2).to_pyarrow()["looks"].to_pylist()
        by_column.setdefault(name, []).extend(shown)
    for name, shown in by_column.items():
        yield name, tuple(shown[:2])


def _tidy(text: ir.StringValue) -> ir.StringValue:
    """The text with one plain space where it has several, or a narrow or fixed one."""
    return text.re_replace("[\\s\u00a0\u2009\u202f]+", " ").strip()


def _core(text: ir.StringValue, decimal: Decimal) -> ir.StringValue:
    """The digits of an amount with their separators; null where the text is no amount. The separators of thousands are left out
    where the currency has no cents, unless a decimal mark is given.
    """
    digits = _tidy(text).re_extract(_FRAME, 2).replace("’", "'").nullif("")
    if decimal != "auto":
        return digits
    whole = ibis.ifelse(text.re_search(_NO_CENTS), digits, None)
    return _with(
        ibis.struct({"digits": digits, "whole": whole}),
        lambda core: ibis.ifelse(
            core["whole"].re_search(_EITHER), core["whole"].re_replace("[.,]", ""), core["digits"]
        ),
    )


def _kind(column: ir.StringValue, text: ir.StringValue, decimal: Decimal) -> ir.StringValue:
    """The kind of an amount, one of those in `AmountReader.counts`."""

    def shape(core: ir.StringValue) -> ir.StringValue:
        if decimal == "auto":
            return ibis.cases(
                (core.re_search(_WHOLE), "whole"),
                (core.re_search(_EITHER), "either"),
                (core.re_search(_PATTERNS["."]), "."),
                (core.re_search(_PATTERNS[","]), ","),
                else_="unreadable",
            )
        fits = core.re_search(_PATTERNS[decimal]) | core.re_search(_WHOLE)
        return ibis.ifelse(fits.fill_null(False), decimal, "unreadable")

    number = _read(text, decimal, None)
    is_part = (column == "quantity") & _with(number, lambda amount: amount % 1 != 0)
    return ibis.cases(
        (is_part.fill_null(False), "unreadable"),
        (text.re_search(_EXACT), "number" if decimal == "auto" else decimal),
        else_=_with(_core(text, decimal), shape),
    )


def _read(text: ir.StringValue, decimal: Decimal, mark: str | None) -> ir.FloatingValue:
    """The text as a number. `mark` is the decimal mark of ambiguous amounts; without it they are null."""

    def size(core: ir.StringValue) -> ir.FloatingValue:
        as_mark = {
            ".": core.re_replace("[,' ]", "").try_cast("float64"),
            ",": core.re_replace("[.' ]", "").replace(",", ".").try_cast("float64"),
        }
        if decimal == "auto":
            return ibis.cases(
                (core.re_search(_EITHER), as_mark[mark] if mark else ibis.null("float64")),
                (core.re_search(_WHOLE) | core.re_search(_PATTERNS["."]), as_mark["."]),
                (core.re_search(_PATTERNS[","]), as_mark[","]),
                else_=ibis.null("float64"),
            )
        fits = core.re_search(_PATTERNS[decimal]) | core.re_search(_WHOLE)
        return ibis.ifelse(fits, as_mark[decimal], ibis.null("float64"))

    sign = ibis.ifelse(_tidy(text).re_search(_NEGATIVE), -1.0, 1.0)
    return ibis.cases(
        (text.isnull(), ibis.null("float64")),  # as most are: the patterns are not tried on them
        (text.re_search(_PLAIN if decimal != "," else r"^-?\d+$"), text.try_cast("float64")),
        (text.re_search(_EXACT), text.try_cast("float64")),
        else_=sign * _with(_core(text, decimal), size),
    )


def _with(value: ir.Value, expression: Callable[[Any], ir.Value]) -> ir.Value:
    """An expression of a value, in which the value, itself a long expression, is written and computed once."""
    return ibis.array([value]).map(expression)[0]


def _whole_or_null(number: ir.FloatingValue) -> ir.IntegerValue:
    return _with(number, lambda amount: ibis.ifelse(amount % 1 == 0, amount, None).try_cast("int64"))


def _composed(values: Mapping[str, ir.Value]) -> dict[str, ir.Value]:
    """The values without those that a price or an order value is made of."""
    composed = {name: value for name, value in values.items() if name not in _HELPERS}
    if "line_total" in values:
        composed["price"] = ibis.coalesce(values["line_total"] / values["quantity"].nullif(0), values["price"])
    for name in {"tax", "shipping"} & values.keys():
        composed["value"] -= values[name].fill_null(0.0)
    return composed
