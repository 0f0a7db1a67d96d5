import json

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from simpersona.config import PersonasConfig
from simpersona.contracts import CARDS, HEADS
from simpersona.errors import ConfigError, ContractError
from simpersona.personas.cards import persona_cards
from simpersona.personas.model import PersonaNetwork
from simpersona.personas.network import Network
from simpersona.personas.vqvae_training import train_vqvae

QUICK = PersonasConfig(codes=8, batch_size=64, epochs=3)


def silent(done, total, note):
    pass


@pytest.fixture(scope="module")
def data(make_population):
    (train, _), (validation, types) = make_population(600, 0), make_population(200, 1)
    return train, validation, types


@pytest.fixture(scope="module")
def personas(data):
    return train_vqvae(data[0], data[1], PersonasConfig(codes=8, batch_size=64, epochs=30), 0, silent)


def incoherent(labels, codes):
    """Share of buyers in codes where Low and High each hold 5 % or more."""
    mixed = [
        c for c in np.unique(codes) if min(np.mean(labels[codes == c] == 0), np.mean(labels[codes == c] == 2)) >= 0.05
    ]
    return np.isin(codes, mixed).mean()


def test_codes_respect_behaviour_better_than_k_means(data, personas):
    train, validation, types = data
    codes = personas.assign(validation.x)
    plain = KMeans(8, n_init=3, random_state=0).fit(train.x).predict(validation.x)
    labels = personas.bins.labels(validation)
    mean, plain_mean = (np.mean([incoherent(head, c) for head in labels.T]) for c in (codes, plain))
    assert mean < 0.75 * plain_mean
    assert adjusted_rand_score(types, codes) > 0.5


def test_training_that_diverges_is_the_users_error(data):
    with pytest.raises(ConfigError, match=r"validation loss is (nan|inf) after epoch 1.*personas\.learning_rate"):
        train_vqvae(data[0], data[1], QUICK.model_copy(update={"learning_rate": 1e30}), 0, silent)


def test_heads_learn_the_levels(data, personas):
    _, validation, _ = data
    predicted = personas.head_levels()[personas.assign(validation.x)]
    hits = (predicted == personas.bins.labels(validation)).mean(axis=0)
    assert dict(zip(HEADS, hits, strict=True)).keys() == set(HEADS)
    assert (hits > 0.65).all()


def test_history_tells_every_term(data, personas):
    terms = {"reconstruction", "commitment", "contrastive", *HEADS, "loss", "codes_used"}
    assert [entry["epoch"] for entry in personas.history] == list(range(1, len(personas.history) + 1))
    for entry in personas.history:
        assert set(entry["validation"]) == terms
        assert set(entry["train"]) == terms | {"dead_resets"}
    first, last = personas.history[0]["train"], personas.history[-1]["train"]
    assert last["loss"] < first["loss"]
    weights = personas.config
    assert last["loss"] == pytest.approx(
        weights.reconstruction_weight * last["reconstruction"]
        + weights.commitment_weight * last["commitment"]
        + weights.contrastive_weight * last["contrastive"]
        + weights.head_weight * sum(last[head] for head in HEADS),
        rel=1e-5,
    )


def test_same_seed_same_personas_whatever_the_threads(data):
    train, validation, _ = data
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, again, other = (train_vqvae(train, validation, QUICK, seed, silent).state() for seed in (3, 3, 4))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {name: array.tobytes() for name, array in first[0].items()} == {
        name: array.tobytes() for name, array in again[0].items()
    }
    assert first[1] == again[1]
    assert first[0]["codebook"].tobytes() != other[0]["codebook"].tobytes()


def test_the_global_generator_is_left_alone(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_vqvae(*data[:2], QUICK, 0, silent)
    assert torch.equal(torch.rand(3), expected)


def test_training_stops_when_the_validation_loss_does(data):
    told = []
    # a step much too large: the loss is best at once; 600 buyers in batches of 64 are 10 steps
    settings = {"epochs": 50, "patience": 2, "learning_rate": 0.05, "dead_warmup_steps": 0, "dead_every_steps": 10}
    personas = train_vqvae(*data[:2], QUICK.model_copy(update=settings), 0, lambda *report: told.append(report))
    losses = [entry["validation"]["loss"] for entry in personas.history]
    assert len(losses) < 50
    assert int(np.argmin(losses)) == len(losses) - 1 - 2
    assert told[-1][:2] == (50, 50)
    assert "stopped" in told[-1][2]


def test_patience_starts_when_dead_codes_have_been_seen_to(data):
    settings = {"epochs": 50, "patience": 1, "learning_rate": 0.05, "dead_warmup_steps": 40, "dead_every_steps": 20}
    history = train_vqvae(*data[:2], QUICK.model_copy(update=settings), 0, silent).history
    assert len(history) >= 6  # the first check is at step 60


def test_dead_codes_are_revived_only_after_the_warm_up(data):
    config = PersonasConfig(
        codes=200, batch_size=64, epochs=4, dead_warmup_steps=20, dead_every_steps=5, dead_fraction=0.5
    )
    history = train_vqvae(*data[:2], config, 0, silent).history
    # 600 buyers in batches of 64 are 10 steps: the first check is at step 25, in epoch 3
    resets = [entry["train"]["dead_resets"] for entry in history]
    assert resets[:2] == [0, 0]
    assert resets[2] > 0


def test_state_gives_identical_codes(data, personas):
    _, validation, _ = data
    tensors, meta = personas.state()
    again = PersonaNetwork.from_state(tensors, json.loads(json.dumps(meta, allow_nan=False)))
    assert np.array_equal(again.assign(validation.x), personas.assign(validation.x))
    assert np.array_equal(again.encode(validation.x), personas.encode(validation.x))
    assert np.array_equal(again.head_levels(), personas.head_levels())
    assert np.array_equal(again.bins.labels(validation), personas.bins.labels(validation))
    assert again.history == personas.history
    assert again.config == personas.config


def test_assign_is_the_nearest_code_of_each_buyer_alone(data, personas):
    _, validation, _ = data
    codes = personas.assign(np.tile(validation.x, (7, 1)))  # more than one chunk
    distances = ((personas.encode(validation.x)[:, None] - personas.codebook[None]) ** 2).sum(axis=2)
    assert np.array_equal(codes, np.tile(distances.argmin(axis=1), 7))
    assert codes.dtype == np.int32
    assert personas.codebook.shape == (8, 96)
    assert personas.head_levels().shape == (8, 3)
    assert len(personas.assign(validation.x[:0])) == 0
    assert personas.encode(validation.x[:0]).shape == (0, 96)


def test_vectors_of_another_width_are_refused(personas):
    with pytest.raises(ContractError, match=r"\(4, 403\).*trained on 115 dimensions"):
        personas.assign(np.zeros((4, 403), np.float32))


def test_too_little_data_is_the_users_error(data):
    train, validation, _ = data
    with pytest.raises(ConfigError, match="no validation buyers"):
        train_vqvae(train, validation.take(np.arange(0)), QUICK, 0, silent)
    with pytest.raises(ConfigError, match="only 5 training buyers"):
        train_vqvae(train.take(np.arange(5)), validation, QUICK, 0, silent)


def test_the_papers_sizes():
    network = Network([403, 256, 128, 96], 0.1)
    shapes = [tuple(layer.weight.shape) for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    mirrored = [(256, 403), (128, 256), (96, 128), (128, 96), (256, 128), (403, 256)]
    assert shapes == [*mirrored, (3, 96), (3, 96), (3, 96)]


def test_cards_describe_every_code_with_buyers(data, personas):
    train = data[0]
    codes = personas.assign(train.x)
    cards = CARDS.check(persona_cards(personas, train, codes)).to_pylist()
    assert [card["code"] for card in cards] == sorted(set(codes.tolist()))
    assert sum(card["buyers"] for card in cards) == len(train)
    for card in cards:
        own = codes == card["code"]
        assert card["buyers"] == own.sum()
        assert card["duration_seconds"] == pytest.approx(train.scalar("duration_seconds")[own].mean())
        assert card["stratum_share"] == pytest.approx(np.mean(train.stratum[own] == card["stratum"]))
        assert card["summary"].endswith(".")
