"""Several texts in one pass against each by itself."""

from itertools import chain

import torch
from transformers import DynamicCache

from simpersona.agent.joint_pass import joint_logits

from .conftest import make_model


def test_together_as_one_by_one(kind, tokenizer):
    model = make_model(kind, tokenizer).eval()
    texts = [list(range(5, 5 + length)) for length in (3, 17, 9)]
    following = [[40], [50, 51, 52], [60, 61]]
    later = [[7, 8], [9], [10, 11, 12, 13]]
    with torch.inference_mode():
        caches = [DynamicCache() for _ in texts]
        for text, cache in zip(texts, caches, strict=True):
            joint_logits(model, [text], [cache])
        first, second = (joint_logits(model, new, caches) for new in (following, later))
        for row, parts in enumerate(zip(texts, following, later, strict=True)):
            for logits, read in ((first, parts[:2]), (second, parts)):
                whole = torch.tensor([[*chain(*read)]])
                assert torch.allclose(logits[row], model(whole).logits[0, -1], atol=1e-5)
            assert caches[row].get_seq_length() == sum(map(len, parts))
