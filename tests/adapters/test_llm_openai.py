"""The model behind an OpenAI-compatible address, against a small server on this machine."""

import asyncio
import json
import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from simpersona.adapters.models.openai import OpenAiModel
from simpersona.config import LlmConfig
from simpersona.errors import ConfigError, ModelError, ReplyError

MESSAGES = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Is it blue? Größe 38"}]
SCHEMA = {"type": "object", "properties": {"blue": {"type": "boolean"}}, "required": ["blue"]}
KEY = "sk-very-secret-0815"


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def make(chat_server, pauses):
    async def pause(seconds):
        pauses.append(seconds)

    def model(temperature=None, **settings):
        settings = {"url": chat_server.url, "model": "small-1", "retries": 3} | settings
        return OpenAiModel(LlmConfig(**settings), temperature, pause=pause)

    return model


def ask(model, seed=7):
    return asyncio.run(model.reply(MESSAGES, SCHEMA, seed))


def spoken(content, end="stop"):
    return 200, json.dumps({"choices": [{"message": {"content": content}, "finish_reason": end}]})


def test_a_question_is_sent_as_the_interface_wants_it(chat_server, make):
    chat_server.answers = ['{"blue": true}']
    reply = ask(make(temperature=0.5, max_reply_tokens=64))
    assert (reply.text, reply.prompt_tokens, reply.reply_tokens) == ('{"blue": true}', 21, 4)
    assert reply.seconds > 0
    ((path, headers, question),) = chat_server.asked
    assert path == "/v1/chat/completions"
    assert "authorization" not in {name.lower() for name in headers}
    assert question == {
        "model": "small-1",
        "messages": MESSAGES,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
        "seed": 7,
        "temperature": 0.5,
        "max_tokens": 64,
    }


def test_the_key_comes_from_the_environment(chat_server, make, monkeypatch):
    monkeypatch.setenv("SHOP_LLM_KEY", f"{KEY}\n")
    chat_server.answers = ["{}"]
    ask(make(key_env="SHOP_LLM_KEY", url=chat_server.url + "/"))
    ((path, headers, question),) = chat_server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(question)


@pytest.mark.parametrize(
    ("value", "words"), [(None, "no such environment variable"), (" ", "empty"), ("a\nb", "no key")]
)
def test_a_missing_or_impossible_key_is_told_by_its_variable(make, monkeypatch, value, words):
    monkeypatch.delenv("SHOP_LLM_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SHOP_LLM_KEY", value)
    with pytest.raises(ConfigError, match=rf"SHOP_LLM_KEY.*{words}"):
        make(key_env="SHOP_LLM_KEY")


def test_a_model_that_is_not_named_cannot_be_asked():
    with pytest.raises(ConfigError, match=r"llm\.url and llm\.model"):
        OpenAiModel(LlmConfig(model="small-1"))


def test_a_broken_or_busy_server_is_asked_again_after_longer_and_longer_pauses(chat_server, make, pauses):
    chat_server.answers = [(500, "oops"), (429, "slowly"), (503, "loading"), "[1]"]
    assert ask(make()).text == "[1]"
    assert pauses == [1, 2, 4]
    assert len(chat_server.asked) == 4


def test_the_pause_a_server_asks_for_is_kept(chat_server, make, pauses):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    chat_server.answers = [
        (429, "", {"Retry-After": "17"}),
        (503, "", {"Retry-After": soon}),
        (503, "", {"Retry-After": "x"}),
        "1",
    ]
    assert ask(make()).text == "1"
    assert pauses[0] == 17
    assert 20 < pauses[1] <= 30
    assert pauses[2] == 4


def test_a_pause_that_is_too_long_is_not_waited_for(chat_server, make, pauses):
    chat_server.answers = [(429, "out of quota", {"Retry-After": "3600"})]
    with pytest.raises(ModelError, match=r"429.*out of quota.*3600 s"):
        ask(make())
    assert pauses == []


def test_tries_come_to_an_end(chat_server, make, pauses):
    chat_server.answers = [(502, "bad gateway")]
    with pytest.raises(ModelError, match=r"small-1 at http.*502.*bad gateway.*Tried 2 time"):
        ask(make(retries=1))
    assert pauses == [1]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_told(chat_server, make, monkeypatch, caplog, status):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SHOP_LLM_KEY", KEY)
    chat_server.answers = [(status, f"Incorrect API key provided: {KEY}")]
    model = make(key_env="SHOP_LLM_KEY")
    with pytest.raises(ModelError, match=rf"refused the key in SHOP_LLM_KEY \({status}\)") as caught:
        ask(model)
    assert KEY not in f"{caught.value!r} {caplog.text} {model!r}"
    assert len(chat_server.asked) == 1


def test_a_key_in_another_error_is_blotted_out(chat_server, make, monkeypatch):
    monkeypatch.setenv("SHOP_LLM_KEY", KEY)
    chat_server.answers = [(400, f"no quota for {KEY}: schema too deep")]
    with pytest.raises(ModelError, match=r"400.*no quota for \*\*\*: schema too deep"):
        ask(make(key_env="SHOP_LLM_KEY"))


def test_a_server_that_wants_a_key_says_so(chat_server, make):
    chat_server.answers = [(401, "")]
    with pytest.raises(ModelError, match=r"without a key \(see llm\.key_env\)"):
        ask(make())


def test_a_redirect_is_not_followed(chat_server, make):
    chat_server.answers = [(307, "", {"Location": "http://elsewhere.example/"})]
    with pytest.raises(ModelError, match="307"):
        ask(make())


@pytest.mark.parametrize("body", ["<html>", "[]", '{"choices": []}', '{"choices": [{"message": null}]}'])
def test_what_is_no_chat_completion_is_a_model_error(chat_server, make, body):
    chat_server.answers = [(200, body)]
    with pytest.raises(ModelError, match="something else than a chat completion"):
        ask(make())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (spoken("Sure! It is blue."), "not JSON: 'Sure! It is blue.'.*response_format"),
        (spoken('{"blue": tr', "length"), r"cut off after 1024 tokens \(llm.max_reply_tokens\)"),
        (spoken(None, "content_filter"), "empty.*content_filter"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_reply_error(chat_server, make, answer, words):
    chat_server.answers = [answer]
    with pytest.raises(ReplyError, match=words):
        ask(make())


def test_tokens_that_are_not_told_are_none(chat_server, make):
    chat_server.answers = [spoken("{}")]
    reply = ask(make())
    assert (reply.prompt_tokens, reply.reply_tokens) == (0, 0)


def test_a_silent_server_is_given_up(chat_server, make, pauses):
    def slowly(question):
        time.sleep(0.6)
        return "{}"

    chat_server.answers = [slowly]
    with pytest.raises(ModelError, match=r"no answer for 0\.1 s \(llm\.timeout_seconds\).*Tried 2"):
        ask(make(timeout_seconds=0.1, retries=1))
    assert pauses == [1]


def test_an_address_where_nothing_listens_is_named(make):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match=rf"127\.0\.0\.1:{port}/v1.*Is it running there"):
        ask(make(url=f"http://127.0.0.1:{port}/v1", retries=0))


def test_questions_at_once_are_asked_at_once(chat_server, make):
    chat_server.answers = [lambda question: json.dumps(question["seed"])]
    model = make()

    async def together():
        return [reply.text for reply in await asyncio.gather(*(model.reply(MESSAGES, SCHEMA, n) for n in range(5)))]

    assert asyncio.run(together()) == ["0", "1", "2", "3", "4"]
