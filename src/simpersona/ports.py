"""Every exchangeable part, one protocol each. Parts are passed as arguments; nothing is registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from simpersona.contracts import RawLog
from simpersona.pages import Action, Decision, Message, Page, Reply
from simpersona.visits import Observation

Progress = Callable[[int, int, str], None]
"""Is called with (done, total, note) as long work goes on: a progress bar on a terminal, or nothing."""


class EventSource(Protocol):
    """Reads one published schema of raw logs."""

    def read(self, path: Path, engine: Any) -> RawLog:
        """The log at `path` (a file or a folder) as Ibis tables on `engine`, an Ibis connection.

        Raises DuckDBOnlyError where another engine cannot read the format, such as text: DuckDB then reads it and hands
        over the rows. Raises SourceError if there is nothing to read or a needed column is missing.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """Names model and version; saved with what was trained on its vectors."""
        ...

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        """One float32 vector per text. The same text always gives the same vector."""
        ...


class LanguageModel(Protocol):
    """Answers chat messages."""

    @property
    def name(self) -> str: ...

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """An answer that is valid JSON under `schema`, sampled with `seed`.

        Raises ModelError if the model cannot be asked or gives no answer, ReplyError if what it answers is not JSON.
        """
        ...


class Policy(Protocol):
    """Decides what a shopper does next."""

    @property
    def name(self) -> str:
        """The policy's label in figures: "lm", "replay", "scripted" …"""
        ...

    async def act(self, observation: Observation) -> Decision:
        """The next action on the observed page, or the end of the visit. The persona is `observation.goal.code`.

        Raises ModelError or ReplyError.
        """
        ...


class Storefront(Protocol):
    """One visitor's session in one store.

    In a store without an event log a page may carry evidence of what happened (`Page.effects`, `Page.content`); without it,
    events are inferred from addresses and the names of controls alone, and more of them are unknown.
    """

    async def open(self) -> Page:
        """The store's first page. Raises StorefrontError if the store does not answer."""
        ...

    async def act(self, action: Action) -> Page:
        """The page after the action; its `failure` says why the action could not be performed, if so.

        Raises StorefrontError when the session itself is lost.
        """
        ...

    async def close(self) -> None:
        """Ends the visit; may be called twice."""
        ...
