"""What a reader should know of a log before believing figures made of it, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

_TOO_MANY = 0.01  # of the rows: worth a look


class Note(NamedTuple):
    """A matter, what was found, and whether it asks for a look at the source."""

    matter: str
    text: str
    doubtful: bool = False


def quality_notes(quality: Mapping[str, Any]) -> list[Note]:
    """One note per matter that quality.json tells of; an older or partial one gives fewer."""
    return [note for notes in (_period, _duplicates, _products, _amounts, _bots, _unknown) for note in notes(quality)]


def _period(quality: Mapping[str, Any]) -> Iterator[Note]:
    clock = quality.get("clock")
    if not clock:
        return
    first, last = (f"{datetime.fromisoformat(quality[name]):%Y-%m-%d}" for name in ("first_event", "last_event"))
    silent, zero = clock["days_without_events"], clock["events_in_1970"]
    text = f"{first} to {last}, {_count(clock['days'], 'day')}, " + (
        f"{silent:,} of them without an event." if silent else "none without an event."
    )
    yield Note("period", text, bool(silent))
    if zero:
        yield Note("clock", f"{_count(zero, 'event')} in 1970: times that nobody set are read as that year.", True)


def _duplicates(quality: Mapping[str, Any]) -> Iterator[Note]:
    rows, total = quality.get("rows_duplicate", 0), quality.get("rows_in", 0)
    if rows and total:
        yield Note(
            "duplicates",
            f"{_count(rows, 'row')} ({rows / total:.2%}) stood twice and counted once.",
            rows > _TOO_MANY * total,
        )


def _products(quality: Mapping[str, Any]) -> Iterator[Note]:
    if "rows_of_unknown_products" not in quality:
        return
    unknown, rows, total = quality["products_unknown"], quality["rows_of_unknown_products"], quality["event_rows"]
    if unknown:
        text = f"{_count(unknown, 'product')} not in the catalogue, in {rows / total:.2%} of the events: no text, no vector."
        yield Note("unknown products", text, rows > _TOO_MANY * total)
    else:
        yield Note(
            "unknown products", f"None: the catalogue knows every product of the log ({quality['products']:,} in it)."
        )


def _amounts(quality: Mapping[str, Any]) -> Iterator[Note]:
    found = {name: count for name, count in quality.get("impossible", {}).items() if count}
    if found:
        counts = ", ".join(f"{name} {count:,}" for name, count in found.items())
        yield Note("impossible amounts", f"Negative or no finite numbers, taken as not given: {counts}.", True)


def _bots(quality: Mapping[str, Any]) -> Iterator[Note]:
    if "bots" not in quality:
        if quality:
            yield Note("bots", "Not looked for: the source has no times.")
        return
    bots = quality["bots"]
    if not bots["buyers"]:
        yield Note("bots", "None: nobody opened pages faster or longer than a person can.")
        return
    rules = "; ".join(f"{rule}: {_count(found['buyers'], 'buyer')}" for rule, found in bots["rules"].items())
    fate = "Their rows were rejected." if bots["dropped"] else 'Kept; events.bots = "drop" rejects them.'
    yield Note("bots", f"{_count(bots['buyers'], 'buyer')} suspected ({rules}). {fate}", not bots["dropped"])


def _unknown(quality: Mapping[str, Any]) -> Iterator[Note]:
    if quality.get("unknown"):
        names = ", ".join(name.replace("_", " ") for name in quality["unknown"])
        yield Note("cannot be told", f"The source has no {names}: masked, not counted as zero.")


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
