"""A language model behind an OpenAI-compatible address (vLLM, llama.cpp's server, OpenAI), asked over HTTP.

The server makes the answer follow the JSON schema (`response_format`). A busy, broken or silent server is asked again.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from simpersona.config import LlmConfig
from simpersona.errors import ConfigError, ModelError, ReplyError
from simpersona.pages import Message, Reply

FIRST_PAUSE_SECONDS = 1.0
"""Before the second try; doubled before each further one."""
MAX_PAUSE_SECONDS = 120.0
"""The longest pause. If a server asks for a longer one, the question fails."""
_QUOTED_CHARS = 200


class OpenAiModel:
    """The model `config.model` at `config.url`, sampled at `config.temperature`, or at `temperature` where it is given.

    Any number of questions may be asked at once. `pause` waits between tries. The key is read from the environment here;
    it is never logged and never part of an error. Raises ConfigError if the address, the model's name or the key is missing.
    """

    def __init__(
        self,
        config: LlmConfig,
        temperature: float | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if config.url is None or config.model is None:
            raise ConfigError("llm.url and llm.model name the server and its model; one of them is not set")
        self.name = config.model
        self._address = config.url.rstrip("/") + "/chat/completions"
        self._config, self._pause = config, pause
        self._temperature = config.temperature if temperature is None else temperature
        self._key = "" if config.key_env is None else _key(config.key_env)

    async def reply(self, messages: list[Message], schema: dict[str, Any], seed: int) -> Reply:
        """An answer that follows `schema`, sampled with `seed`; `seconds` counts all tries.

        Raises ModelError if the server cannot be reached, refuses, or stays busy, broken or silent after all tries;
        ReplyError if the answer is empty, cut off or not JSON.
        """
        started = time.perf_counter()
        response = await self._answered(self._question(messages, schema, seed))
        if response.status_code != httpx2.codes.OK:
            raise ModelError(f"{self._label()} {self._refusal(response)}")
        try:
            body = response.json()
            choice, usage = body["choices"][0], body.get("usage") or {}
            text, end = choice["message"].get("content"), choice.get("finish_reason")
            tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self._label()} answered with something else than a chat completion: {self._quoted(response.text)}"
            ) from error
        try:
            return Reply(self._json(text, end), *tokens, seconds=time.perf_counter() - started)
        except ReplyError as error:
            error.prompt_tokens, error.reply_tokens = tokens
            raise

    def _question(self, messages: list[Message], schema: dict[str, Any], seed: int) -> dict[str, Any]:
        return {
            "model": self.name,
            "messages": messages,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            },
            "seed": seed,
            "temperature": self._temperature,
            "max_tokens": self._config.max_reply_tokens,
        }

    async def _answered(self, question: dict[str, Any]) -> httpx2.Response:
        """The first response that is not worth another try. Raises ModelError when there is none."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        trouble = ""
        for further in range(self._config.retries, -1, -1):
            wanted = 0.0
            try:
                # a new client: questions come from several event loops, and no client is left open
                async with httpx2.AsyncClient(timeout=self._config.timeout_seconds, headers=headers) as client:
                    response = await client.post(self._address, json=question)
            except httpx2.TimeoutException:
                trouble = f"gave no answer for {self._config.timeout_seconds:g} s (llm.timeout_seconds)."
            except httpx2.HTTPError as error:
                trouble = f"does not answer ({type(error).__name__}: {error}). Is it running there?"
            else:
                if response.status_code != httpx2.codes.TOO_MANY_REQUESTS and response.status_code < 500:
                    return response
                trouble, wanted = self._refusal(response), _wanted_pause(response)
            if not further:
                break
            if wanted > MAX_PAUSE_SECONDS:
                raise ModelError(f"{self._label()} {trouble} It asks for a pause of {wanted:.0f} s, which is too long")
            backoff = FIRST_PAUSE_SECONDS * 2 ** (self._config.retries - further)
            await self._pause(max(wanted, min(backoff, MAX_PAUSE_SECONDS)))
        raise ModelError(f"{self._label()} {trouble} Tried {self._config.retries + 1} time(s)")

    def _json(self, text: Any, end: Any) -> str:
        if end == "length":
            raise ReplyError(
                f"{self.name}: the answer was cut off after {self._config.max_reply_tokens} tokens (llm.max_reply_tokens)"
            )
        if not isinstance(text, str) or not text.strip():
            raise ReplyError(f"{self.name}: the answer is empty (finish_reason {end!r})")
        try:
            json.loads(text)
        except ValueError as error:
            raise ReplyError(
                f"{self.name}: the answer is not JSON: {self._quoted(text)}. Does the server support a JSON schema "
                "(response_format)?"
            ) from error
        return text

    def _label(self) -> str:
        return f"the language model {self.name} at {self._address}"

    def _refusal(self, response: httpx2.Response) -> str:
        status = response.status_code
        if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            source = f"the key in {self._config.key_env}" if self._key else "a question without a key (see llm.key_env)"
            return f"refused {source} ({status})."
        return f"answered with an error ({status}): {self._quoted(response.text)}."

    def _quoted(self, text: str) -> str:
        line = " ".join(text.split())
        if self._key:
            line = line.replace(self._key, "***")
        return repr(line[:_QUOTED_CHARS])


def _key(variable: str) -> str:
    """The key in an environment variable. Raises ConfigError, without the key, if it is missing or cannot be a key."""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"llm.key_env = {variable}: no such environment variable, or it is empty. Set it to the key")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"llm.key_env = {variable}: its value holds characters that no key has")
    return key


def _wanted_pause(response: httpx2.Response) -> float:
    """Seconds that the server asks to wait (Retry-After, in seconds or as a date); 0 if it does not."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
