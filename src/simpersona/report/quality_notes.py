"""Properties of a log that matter to a reader of its figures, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from simpersona.report.formatting import counted

_TOO_MANY = 0.01  # of the rows: worth a check


class Note(NamedTuple):
    """A subject, the result, and whether the source should be checked."""

    subject: str
    text: str
    doubtful: bool = False


def quality_notes(quality: Mapping[str, Any]) -> list[Note]:
    """One note per subject of quality.json; an older or partial file gives fewer."""
    subjects = (_period, _duplicates, _products, _amounts, _bots, _unknown, _warnings)
    return [note for notes in subjects for note in notes(quality)]


def _warnings(quality: Mapping[str, Any]) -> Iterator[Note]:
    """What the stage `events` warned of: what was masked, guessed, subtracted or left out."""
    for sentence in quality.get("warnings", ()):
        yield Note("as it was read", sentence, True)


def _period(quality: Mapping[str, Any]) -> Iterator[Note]:
    clock = quality.get("clock")
    if not clock:
        return
    first, last = (f"{datetime.fromisoformat(quality[name]):%Y-%m-%d}" for name in ("first_event", "last_event"))
    silent, zero = clock["days_without_events"], clock["events_in_1970"]
    text = f"{first} to {last}, {counted(clock['days'], 'day')}, " + (
        f"{silent:,} of them without an event." if silent else "none without an event."
    )
    yield Note("period", text, bool(silent))
    if zero:
        yield Note("clock", f"{counted(zero, 'event')} in 1970: an unset time is read as that year.", True)


def _duplicates(quality: Mapping[str, Any]) -> Iterator[Note]:
    rows, total = quality.get("rows_duplicate", 0), quality.get("rows_in", 0)
    if rows and total:
        yield Note(
            "duplicates",
            f"{counted(rows, 'row')} ({rows / total:.2%}) occur twice and count once.",
            rows > _TOO_MANY * total,
        )


def _products(quality: Mapping[str, Any]) -> Iterator[Note]:
    if "rows_of_unknown_products" not in quality:
        return
    unknown, rows, total = quality["products_unknown"], quality["rows_of_unknown_products"], quality["event_rows"]
    if unknown:
        text = f"{counted(unknown, 'product')} not in the catalogue, in {rows / total:.2%} of the events: no text, no vector."
        yield Note("unknown products", text, rows > _TOO_MANY * total)
    else:
        yield Note(
            "unknown products", f"None: the catalogue has every product of the log ({quality['products']:,} in it)."
        )


def _amounts(quality: Mapping[str, Any]) -> Iterator[Note]:
    impossible = {name: count for name, count in quality.get("impossible", {}).items() if count}
    if impossible:
        counts = ", ".join(f"{name} {count:,}" for name, count in impossible.items())
        yield Note("impossible amounts", f"Negative or not finite, treated as missing: {counts}.", True)


def _bots(quality: Mapping[str, Any]) -> Iterator[Note]:
    if "bots" not in quality:
        if quality:
            yield Note("bots", "Not checked: the source has no times.")
        return
    bots = quality["bots"]
    if not bots["buyers"]:
        yield Note("bots", "None: no visitor opened pages faster or longer than a person can.")
        return
    rules = "; ".join(f"{rule}: {counted(result['buyers'], 'buyer')}" for rule, result in bots["rules"].items())
    action = "Their rows were rejected." if bots["dropped"] else 'Kept; events.bots = "drop" rejects them.'
    yield Note("bots", f"{counted(bots['buyers'], 'buyer')} suspected ({rules}). {action}", not bots["dropped"])


def _unknown(quality: Mapping[str, Any]) -> Iterator[Note]:
    if quality.get("unknown"):
        names = ", ".join(name.replace("_", " ") for name in quality["unknown"])
        yield Note("not in the source", f"The source has no {names}: masked, not counted as zero.")
