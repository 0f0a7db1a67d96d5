"""The tree of prompts that were read, against a dictionary of what each token's keys are."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from simpersona.agent.prefix_cache import PrefixCache

LAYERS = 2


def read(prompt, cache=None, known=0):
    """A cache as a model would fill it: a token's keys tell all tokens up to it, as attention makes them."""
    cache = cache if cache is not None else DynamicCache()
    told = torch.tensor([hash(tuple(prompt[: place + 1])) % 10_007 for place in range(known, len(prompt))]).float()
    for layer in range(LAYERS):
        keys = told[None, None, :, None].expand(1, 2, -1, 3) + layer
        cache.update(keys, -keys, layer)
    return cache


def keys(cache):
    return [layer.keys for layer in cache.layers]


PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


@settings(deadline=None)
@given(PROMPTS, st.integers(0, 30))
def test_what_is_taken_out_is_what_reading_would_give(prompts, room):
    kept = PrefixCache(room)
    for prompt in prompts:
        cache, known = kept.longest(prompt)
        assert known < len(prompt)
        assert cache.get_seq_length() == known
        kept.keep(prompt, read(prompt, cache, known))
        for mine, fresh in zip(keys(cache), keys(read(prompt)), strict=True):
            assert torch.equal(mine, fresh)
        assert kept.tokens <= room


def test_a_beginning_is_kept_once_and_found_by_all():
    kept = PrefixCache(100)
    for last in range(5):
        prompt = [7, 8, 9, 10, last]
        cache, known = kept.longest(prompt)
        assert known == (4 if last else 0)
        kept.keep(prompt, read(prompt, cache, known))
    assert kept.tokens == 4 + 5


def test_what_was_not_used_for_longest_goes_first():
    kept = PrefixCache(8)
    for prompt in ([1, 1, 1, 1], [2, 2, 2, 2]):
        kept.keep(prompt, read(prompt))
    assert kept.longest([1, 1, 1, 1])[1] == 3
    kept.keep([3, 3, 3, 3], read([3, 3, 3, 3]))
    assert [kept.longest([first] * 4)[1] for first in (1, 2, 3)] == [3, 0, 3]


def test_a_prompt_that_was_not_read_is_not_kept():
    kept = PrefixCache(100)
    kept.keep([1, 2, 3], DynamicCache())
    assert kept.tokens == 0
