"""What is kept from training, and the loss with the right token, another's and none."""

import pytest
from transformers import AutoTokenizer

from simpersona.agent.answer_trainer import answer_loss, packed
from simpersona.agent.backbone import load_backbone, save_backbone
from simpersona.agent.held_out import keep_some, losses_by_token
from simpersona.agent.masks import IGNORED, encode
from simpersona.agent.tokens import add_persona_tokens, persona_ids

from .conftest import example


def test_visits_are_kept_whole():
    examples = [{**example(), "session_id": str(visit), "step": step} for visit in range(30) for step in range(4)]
    train, some = keep_some(examples, 5, 0)
    assert len(train) == 27 * 4
    assert len(some) == 5
    assert not {one["session_id"] for one in train} & {one["session_id"] for one in some}
    assert (train, some) == keep_some(examples, 5, 0)
    assert keep_some(examples, 0, 0) == (examples, [])


def test_only_the_token_differs(checkpoint, kind):
    model, tokenizer = load_backbone(str(checkpoint))
    ids = add_persona_tokens(model, tokenizer, 8, start="random", codebook=None, seed=0)
    save_backbone(model, tokenizer, checkpoint)
    losses = losses_by_token(str(checkpoint), [example(code=3)], 2048)
    wrong = encode(example(code=7), tokenizer, 2048)
    count = sum(label != IGNORED for label in wrong.labels)
    assert losses["wrong"] == pytest.approx(answer_loss(model, packed([wrong]), ids).item() / count, abs=1e-3)
    assert len(set(losses.values())) == 3
    assert persona_ids(AutoTokenizer.from_pretrained(checkpoint)) == ids
