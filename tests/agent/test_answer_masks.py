"""The loss lies on the assistant's turn, token by token, and an answer is never cut."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.agent.masks import IGNORED, encode, prompt_ids
from simpersona.errors import ConfigError

from .conftest import ANSWER, example, make_tokenizer, prompt

TOKENIZER = make_tokenizer()
TOKENIZER.add_tokens([f"<|persona_{code}|>" for code in range(8)], special_tokens=True)


def test_every_label_is_the_token_of_the_answer_and_nothing_else():
    encoded = encode(example(), TOKENIZER, 2048)
    labelled = [(token, label) for token, label in zip(encoded.input_ids, encoded.labels, strict=True)]
    first = next(place for place, (_, label) in enumerate(labelled) if label != IGNORED)
    assert all(label == IGNORED for _, label in labelled[:first])
    assert all(label == token for token, label in labelled[first:])
    assert TOKENIZER.decode(encoded.input_ids[first:]) == ANSWER + "<|im_end|>"
    assert TOKENIZER.decode(encoded.input_ids[:first]).endswith("<|im_start|>assistant\n")


def test_the_ids_are_those_of_the_rendered_chat():
    chat = TOKENIZER.apply_chat_template(example()["messages"], tokenize=False)
    encoded = encode(example(), TOKENIZER, 2048)
    assert TOKENIZER.decode(encoded.input_ids) + "\n" == chat


def test_the_persona_is_one_token():
    ids = prompt_ids(prompt(code=5), TOKENIZER)
    persona = TOKENIZER.convert_tokens_to_ids("<|persona_5|>")
    assert ids.count(persona) == 1
    before, after = ids[: ids.index(persona)], ids[ids.index(persona) + 1 :]
    assert TOKENIZER.decode(before).endswith("<BuyerProfile>\n")
    assert TOKENIZER.decode(after).startswith("\n</BuyerProfile>")


@settings(max_examples=25, deadline=None)
@given(lines=st.integers(1, 40), room=st.integers(0, 400), answered=st.integers(0, 39))
def test_a_long_page_is_cut_from_its_end_and_the_answer_never(lines, room, answered):
    answer = json.dumps({"shouldEnd": False, "action": {"nodeSelector": f"0-{answered}"}, "reasoning": "so"})
    whole = encode(example(lines=lines, answer=answer), TOKENIZER, 100_000)
    shortest = encode(example(lines=1, answer=answer), TOKENIZER, 100_000)
    limit = len(shortest.input_ids) + 20 + room  # room for the answered line too
    encoded = encode(example(lines=lines, answer=answer), TOKENIZER, limit)
    assert len(encoded.input_ids) <= limit
    assert [label for label in encoded.labels if label != IGNORED] == [
        label for label in whole.labels if label != IGNORED
    ]
    text = TOKENIZER.decode(encoded.input_ids)
    page = text[text.index("<accessibility_tree>\n") : text.index("\n</accessibility_tree>")].split("\n")[1:]
    kept = [line for line in page if line]
    everything = [f"[0-{number}] link: Skirt {number}" for number in range(lines)]
    rest = [line for line in kept if not line.startswith(f"[0-{answered}]")]
    assert rest == [line for line in everything if line in rest]  # in order
    assert set(rest) | {f"[0-{answered}] link: Skirt {answered}"} >= set(everything[: len(rest)])  # from the top
    if answered < lines:
        assert f"[0-{answered}] link: Skirt {answered}" in kept
    if len(whole.input_ids) <= limit:
        assert kept == everything


def test_too_long_without_its_page_says_what_would_do():
    with pytest.raises(ConfigError, match=r"agent.max_tokens = 40: step 1 of session 'visit-1'"):
        encode(example(), TOKENIZER, 40)


def test_a_template_that_changes_what_was_asked_is_refused():
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ConfigError, match="chat template"):
        encode(example(), tokenizer, 2048)
