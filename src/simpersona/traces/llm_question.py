"""A question to a language model whose answer is checked; after an answer that cannot be used it is asked once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from simpersona.errors import ReplyError
from simpersona.pages import Message
from simpersona.ports import LanguageModel

TRIES = 2


class Form(BaseModel):
    """What an answer holds; its fields, all required, make the JSON schema."""

    model_config = ConfigDict(extra="forbid", strict=True)


F = TypeVar("F", bound=Form)


@dataclass(frozen=True)
class Asked(Generic[F]):
    """The answer, None if no attempt gave one that can be used; the fault of each such attempt; and the cost."""

    answer: F | None
    wrong: tuple[str, ...]
    prompt_tokens: int
    reply_tokens: int


async def ask(
    model: LanguageModel, messages: list[Message], form: type[F], seed: int, fault: Callable[[F], str | None]
) -> Asked[F]:
    """The model's answer in the shape of `form`, in which `fault` finds nothing wrong (None).

    After a wrong answer the model gets the fault and is asked again, with another seed. Raises ModelError.
    """
    wrong: list[str] = []
    asked, prompt_tokens, reply_tokens = list(messages), 0, 0
    for attempt in range(TRIES):
        try:
            reply = await model.reply(asked, _schema(form), seed + attempt)
        except ReplyError as error:
            wrong.append(str(error))
            continue
        prompt_tokens += reply.prompt_tokens
        reply_tokens += reply.reply_tokens
        try:
            answer = form.model_validate_json(reply.text)
        except ValidationError as error:
            problem = error.errors()[0]
            problem_text = f"{'.'.join(map(str, problem['loc'])) or 'the answer'}: {problem['msg']}"
        else:
            problem_text = fault(answer)
            if problem_text is None:
                return Asked(answer, tuple(wrong), prompt_tokens, reply_tokens)
        wrong.append(problem_text)
        asked = [
            *messages,
            {"role": "assistant", "content": reply.text},
            {"role": "user", "content": f"That cannot be used: {problem_text}. Answer again."},
        ]
    return Asked(None, tuple(wrong), prompt_tokens, reply_tokens)


def _schema(form: type[Form]) -> dict[str, Any]:
    """Plain enough for every server: no titles, no limits."""
    whole = form.model_json_schema()
    properties = {name: {"type": part["type"]} for name, part in whole["properties"].items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
