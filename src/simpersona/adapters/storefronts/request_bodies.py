"""What the body of a request says: the names and values that it sends, and the GraphQL operations in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

_MUTATION = re.compile(r"\bmutation\b[^{]*\{(.*)", re.DOTALL)
_READS = re.compile(r"\s*(#[^\n]*\n\s*)*(query\b|\{|fragment\b)")
_WRITES = re.compile(r"\b(mutation|subscription)\b")
_ROOT_FIELD = re.compile(r"(?:[A-Za-z_]\w*\s*:\s*)?([A-Za-z_]\w*)")


def values(body: bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """Names and values in the body of a request: of a form, of JSON at any depth, or the text as a whole."""
    if content_type.startswith("multipart/"):
        whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        for part in whole.get_payload() if whole.is_multipart() else ():
            name = part.get_param("name", "", "content-disposition") if not isinstance(part, str) else ""
            yield str(name), str(part.get_payload() if not isinstance(part, str) else part)
        return
    text = body.decode("utf-8", "replace")
    try:
        read = json.loads(text)
    except ValueError:
        yield from parse_qsl(text, keep_blank_values=True) or [("", text)]
        return
    yield from _leaves(read, "")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (
                str(key),
                ""
                if not isinstance(inner, str) and not inner
                else "…"
                if isinstance(inner, dict | list)
                else str(inner),
            )
            if isinstance(inner, dict | list):
                yield from _leaves(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, "" if value is None else str(value)


def _graphql(body: bytes) -> list[str]:
    """The texts of the GraphQL operations in a body."""
    try:
        read = json.loads(body)
    except ValueError:
        return []
    requests = read if isinstance(read, list) else [read]
    return [str(one["query"]) for one in requests if isinstance(one, dict) and isinstance(one.get("query"), str)]


def mutations(body: bytes) -> Iterator[str]:
    """The names of the mutations that a GraphQL body asks for."""
    for text in _graphql(body):
        found = _MUTATION.search(text)
        if found:
            yield from _root_fields(found[1])


def _root_fields(inside: str) -> Iterator[str]:
    """The names of the fields at the first level of a selection, which begins after its brace."""
    depth, level = 0, []
    for letter in inside:
        depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(letter, 0)
        if depth < 0:
            break
        level.append(letter if depth == 0 and letter not in "{}()" else " " if depth == 0 else "")
    yield from _ROOT_FIELD.findall("".join(level))


def is_query(body: bytes) -> bool:
    """Whether a body only asks GraphQL for data."""
    texts = _graphql(body)
    return bool(texts) and all(_READS.match(text) and not _WRITES.search(text) for text in texts)
