"""Settings of the stage that cleans the raw log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from simpersona.config.section import NO_RESULT, Positive, PositiveFloat, ReadBy, Section, Share, known_time_zone


class EventsConfig(Section):
    """Raw logs to clean, enriched sessions (2.1, App. A)."""

    session_gap_minutes: PositiveFloat = 30
    """A longer gap without an event starts a new session, if the source has no session ids (REFERENCE 2)."""
    max_session_hours: PositiveFloat = 12
    """A session id of the source that lives longer is split at gaps of more than `session_gap_minutes`."""
    trust_session_ids: bool = False
    """Keep the source's session ids as they are, also if they live for days or change with every event."""
    time_zone: Annotated[str, AfterValidator(known_time_zone), ReadBy("buyers", beside=("events",))] = "UTC"
    """Time zone of the days that are counted as active days."""
    keep_duplicates: bool = False
    """Whether exact duplicates of a row are kept."""
    keep_ids: bool = False
    """Keep the source's ids of buyers, sessions and orders instead of keyed hashes, and the text of rejected rows."""
    max_rejected_share: Share = 0.05
    """If more of the rows are rejected, the stage stops."""
    bots: Literal["keep", "drop"] = "keep"
    """Rows of buyers who open pages faster than a person can (the next three settings): kept and reported, or rejected."""
    bot_pages_per_minute: Positive = 60
    """The default is one page a second for a whole minute."""
    bot_pages_per_hour: Positive = 600
    """The default is one page every six seconds for a whole hour."""
    bot_hours_per_day: Positive = 20
    """Hours of one day (UTC) in which the buyer opens pages."""
    engine: Annotated[
        str,
        Field(pattern=r"^(duckdb|spark|local\[(\d+|\*)\]|[a-z]+://\S+|[A-Za-z_][\w.]*:[A-Za-z_][\w.]*)$"),
        NO_RESULT,
    ] = "duckdb"
    """The engine of all tables, also those of the buyers: "duckdb", "spark" or "local[4]" (Spark on this machine), or the
    spark://host:port of a cluster. The result is the same. Any other address is given to `ibis.connect`, such as
    bigquery://PROJECT/DATASET; only DuckDB and Spark are tested. The import path of a function of yours, such as
    "my_shop.parts:connect", is called with a folder for temporary files and returns an Ibis connection."""
    memory_gb: Annotated[PositiveFloat, NO_RESULT] = 4
    """Memory of DuckDB's tables before they spill to disk; the process needs more to read and write files."""
