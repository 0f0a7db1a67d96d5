"""Goals worded by a language model, here a scripted one: what it is told, and what of its words is taken."""

import asyncio
import json

import pytest

from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.contracts import Moment
from simpersona.errors import ModelError, ReplyError
from simpersona.traces.llm_writer import fault, write_goals, writer_messages

from .conftest import BAG, SKIRT

REPLAY = "Look through Skirts, open the Pleated Skirt, put it in your cart, check the cart and complete the order."
NEUTRAL = "You would like to see skirts."


def said(replay=REPLAY, neutral=NEUTRAL):
    return json.dumps({"replay": replay, "neutral": neutral})


def written(model, session):
    return asyncio.run(write_goals(model, session, seed=1))


def test_the_model_is_told_what_happens_in_plain_words_and_not_to_whom(purchase):
    system, user = writer_messages(purchase)
    assert system["role"] == "system"
    assert user["content"].splitlines() == [
        "The visitor",
        '1. looked at the collection "Skirts"',
        '2. looked at the product "Pleated Skirt" (Skirts)',
        '3. added the product "Pleated Skirt" (Skirts) to the cart',
        "4. looked at the cart",
        "5. went to the checkout",
        "6. placed the order",
    ]


def test_no_id_persona_or_stratum_is_sent(session):
    skirt = {**SKIRT, "product_id": "gid-771"}
    telling = session(
        Moment("search_submitted", query="red skirt"),
        Moment("collection_viewed", collection_id="gid-772", collection="Skirts"),
        Moment("product_viewed", **skirt),
        stratum="B",
        code=4711,
        session_id="gid-773",
    )
    (_, user) = writer_messages(telling)
    assert user["content"].splitlines()[1] == '1. searched for "red skirt"'
    assert not any(word in user["content"] for word in ("gid-", "4711", "buyer", "persona", "stratum", " B "))


def test_the_model_s_words_become_the_goals(purchase):
    model = ScriptedModel([said(REPLAY.replace(", ", ",\n"))])
    goals = written(model, purchase)
    assert (goals.replay.text, goals.neutral.text) == (REPLAY, NEUTRAL)
    assert (goals.by_rules, goals.wrong) == (False, ())
    assert (goals.replay.session_id, goals.replay.code, goals.replay.intent) == ("session", 3, None)
    assert goals.prompt_tokens > goals.reply_tokens > 0


def test_what_is_wrong_is_told_and_asked_for_once_more(purchase):
    model = ScriptedModel([said(replay="Buy a skirt from Skirts."), said()])
    goals = written(model, purchase)
    assert goals.replay.text == REPLAY
    assert goals.wrong == ("replay does not name 'Pleated Skirt' word for word",)
    first, second = model.asked
    assert second[:2] == first == writer_messages(purchase)
    assert second[2] == {"role": "assistant", "content": said(replay="Buy a skirt from Skirts.")}
    assert "does not name 'Pleated Skirt'" in second[3]["content"]


def test_after_two_wrong_answers_the_rules_word_the_goals(purchase):
    goals = written(ScriptedModel([said(neutral="You want to buy skirts."), '{"replay": 1}', said()]), purchase)
    assert goals.by_rules
    assert goals.neutral.text == "You are interested in skirts."
    assert goals.replay.text == (
        "Look at the Skirts collection, view Pleated Skirt, add it to the cart, look at the cart, go to checkout and "
        "place the order."
    )
    assert [fault.partition(":")[0] for fault in goals.wrong] == ["neutral says 'buy'", "replay"]


def test_an_answer_that_is_not_json_is_wrong_too(purchase):
    def broken(messages, schema, seed):
        if seed == 1:
            raise ReplyError("cut off")
        return said()

    goals = written(ScriptedModel(broken), purchase)
    assert (goals.by_rules, goals.wrong) == (False, ("cut off",))


def test_a_model_that_cannot_be_asked_is_not_made_up_for(purchase):
    with pytest.raises(ModelError):
        written(ScriptedModel([]), purchase)


@pytest.mark.parametrize(
    ("replay", "neutral", "words"),
    [
        (REPLAY, NEUTRAL, None),
        (REPLAY.upper(), NEUTRAL, None),
        ("", NEUTRAL, "replay is empty"),
        (REPLAY + "!" * 2000, NEUTRAL, "more than 2000"),
        (REPLAY.replace("Skirts", "the list"), NEUTRAL, "'Skirts'"),
        (REPLAY + " You are <|persona_3|>.", NEUTRAL, "'<|'"),
        (REPLAY, "Someone of stratum A likes skirts.", "'stratum'"),
        (REPLAY, "You placed an order for skirts.", "'order'"),
        (REPLAY, "You look for skirts to add to your cart.", "'add'"),
        (REPLAY, "You are here to browse skirts.", "'browse'"),
        (REPLAY, "You are interested in the Pleated Skirt.", "names the product"),
    ],
)
def test_faults(purchase, replay, neutral, words):
    found = fault(replay, neutral, purchase)
    assert found is None if words is None else words in (found or "")


def test_the_shop_s_own_words_are_no_leak(session):
    carts = {"product_id": "p", "title": "Oak Bar Cart", "product_type": "Bar Carts"}
    visit = session(Moment("search_submitted", query="order book"), Moment("product_viewed", **carts))
    replay = "Search for order book, then open the Oak Bar Cart."
    assert fault(replay, "You are interested in bar carts and an order book.", visit) is None
    assert "'orders'" in (fault(replay, "You are interested in bar carts and orders.", visit) or "")


def test_a_purchase_that_was_none_is_refused(session):
    visit = session(Moment("product_viewed", **BAG), Moment("product_added_to_cart", **BAG))
    assert "'buy'" in (fault("Open Mini Bag and buy it.", "You like bags.", visit) or "")
    assert fault("Open Mini Bag and put it in the cart.", "You like bags.", visit) is None
