"""Typed logs with ids that the general path replaces or sets aside: the compiled path leaves them to it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from simpersona.adapters.sources.identity import FLOAT_ID
from simpersona.adapters.sources.shared_ids import OTHERS, SHARE, VISITS
from simpersona.config.source import NO_IDS
from simpersona.errors import GeneralPathError

_HOUR = 3_600_000_000  # microseconds
_YEAR_1970 = int(np.datetime64("1971-01-01", "us").astype(np.int64))


def refuse_unclear_ids(names: Mapping[str, pa.Array]) -> None:
    """Raises GeneralPathError if the distinct texts of a column contain a placeholder of a buyer or order, spaces
    around an id, or a floating-point number. A text is refused more often than the general path replaces it, and never less often.
    """
    none = pa.array([name.lower() for name in NO_IDS])
    for column, texts in names.items():
        if column != "product_id" and pc.any(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), none)).as_py():
            raise GeneralPathError(f"{column} holds placeholders")
        plain = pc.utf8_trim_whitespace(texts)
        if column != "product_id" and pc.any(pc.not_equal(texts, plain)).as_py():
            raise GeneralPathError(f"{column} holds spaces around ids")
        mails = texts.filter(pc.fill_null(pc.match_substring(texts, "@"), False)) if column == "buyer_id" else texts[:0]
        if pc.any(pc.not_equal(mails, pc.utf8_lower(mails))).as_py():
            raise GeneralPathError("buyer_id holds e-mail addresses in several spellings")
        if pc.any(pc.match_substring_regex(texts, FLOAT_ID)).as_py():
            raise GeneralPathError(f"{column} holds floating-point numbers")


def refuse_unclear_rows(buyer: Int[np.ndarray, " n"], time: Int[np.ndarray, " n"]) -> None:
    """Raises GeneralPathError if one buyer may be many (see `shared_ids`), or times lie in 1970.

    `buyer` counts from 0 and is -1 where a row has none; `time` is in microseconds.
    """
    if len(time) and (time[time >= 0] < _YEAR_1970).any():
        raise GeneralPathError("some times lie in 1970")
    rows = np.bincount(buyer[buyer >= 0])
    if len(rows) <= OTHERS:
        return
    for number in np.flatnonzero((rows > SHARE * rows.sum()) & (rows >= VISITS)):
        if len(np.unique(time[buyer == number] // _HOUR)) >= VISITS:
            raise GeneralPathError("one buyer_id has very many of the rows")
