"""Full-text search over the catalogue in SQLite's FTS5: stemmed words, best match first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.db import connection

from simpersona.lab.storefront.shop import cached_per_shop

MAX_WORDS = 12
_CREATE = """
    CREATE VIRTUAL TABLE product_search USING fts5(
        title, kind, text, content='', tokenize='porter unicode61 remove_diacritics 2')
"""
# A match in the title weighs more than in the type, and that more than in the text; ties are in catalogue order.
_FIND = "SELECT rowid FROM product_search WHERE product_search MATCH %s ORDER BY bm25(product_search, 8, 4, 1), rowid"


def write_index(rows: Iterable[tuple[int, str, str, str]]) -> None:
    """Creates the index from (product key, title, kind, text)."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        cursor.executemany("INSERT INTO product_search(rowid, title, kind, text) VALUES (%s, %s, %s, %s)", list(rows))


@cached_per_shop(maxsize=4096)  # the catalogue never changes while it is served
def find(query: str) -> tuple[int, ...]:
    """Keys of the matching products, best match first, in a deterministic order.

    The strictest interpretation of `query` with a match counts: all words, then all words as prefixes, then any word as
    a prefix.
    """
    for expression in _expressions(query):
        with connection.cursor() as cursor:
            cursor.execute(_FIND, [expression])
            if keys := tuple(key for (key,) in cursor.fetchall()):
                return keys
    return ()


def _expressions(query: str) -> Iterator[str]:
    words = [f'"{word}"' for word in re.findall(r"\w+", query.lower())[:MAX_WORDS]]
    if words:
        yield " ".join(words)
        yield " ".join(f"{word}*" for word in words)
        yield " OR ".join(f"{word}*" for word in words)
