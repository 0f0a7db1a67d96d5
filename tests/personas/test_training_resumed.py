import numpy as np
import pytest

from simpersona.config import PersonasConfig
from simpersona.personas.training import CheckpointFile
from simpersona.personas.vqvae_training import train_vqvae

# few steps an epoch, so that dead codes are first looked for while it is cut off, and dropout draws
SETTINGS = PersonasConfig(
    codes=8, batch_size=64, epochs=5, dropout=0.1, dead_warmup_steps=10, dead_every_steps=7, patience=50
)


@pytest.fixture(scope="module")
def data(make_population):
    return make_population(500, 0)[0], make_population(150, 1)[0]


def trained(data, checkpoints=None, cut_at=None, settings=SETTINGS, seed=0):
    """The personas, and the epochs that were trained for them."""
    epochs = []

    def progress(done, total, note):
        epochs.append(done)
        if done == cut_at:
            raise KeyboardInterrupt

    return train_vqvae(*data, settings, seed, progress, checkpoints), epochs


def same(one, other):
    (tensors, meta), (others, other_meta) = one.state(), other.state()
    return meta == other_meta and all(np.array_equal(tensors[name], others[name]) for name in tensors | others)


@pytest.mark.parametrize("cut_at", [1, 3, 5])
def test_cut_off_after_any_epoch_it_goes_on_to_the_same_personas(data, tmp_path, cut_at):
    whole, _ = trained(data)
    kept = CheckpointFile(tmp_path / "training")
    with pytest.raises(KeyboardInterrupt):
        trained(data, kept, cut_at)
    resumed, epochs = trained(data, kept)
    assert epochs == list(range(cut_at + 1, 6))
    assert same(resumed, whole)


def test_one_that_stopped_early_is_not_trained_further(data, tmp_path):
    settings = SETTINGS.model_copy(update={"learning_rate": 0.5, "patience": 1, "epochs": 30})
    kept = CheckpointFile(tmp_path / "training")
    whole, _ = trained(data, kept, settings=settings)
    assert len(whole.history) < 30
    again, none = trained(data, kept, settings=settings)
    assert none == []
    assert same(again, whole)


def test_another_training_does_not_go_on_from_it(data, tmp_path):
    kept = CheckpointFile(tmp_path / "training")
    with pytest.raises(KeyboardInterrupt):
        trained(data, kept, 3)
    others = {
        "seed": {"seed": 1},
        "settings": {"settings": SETTINGS.model_copy(update={"dropout": 0.2})},
        "buyers": {"data": (data[0].take(np.arange(499)), data[1])},
    }
    for what, other in others.items():
        arguments = {"data": data, "checkpoints": CheckpointFile(tmp_path / what)} | other
        (tmp_path / what).write_bytes((tmp_path / "training").read_bytes())
        assert trained(**arguments)[1][0] == 1, what


def test_a_damaged_checkpoint_is_as_none(data, tmp_path):
    whole = tmp_path / "training"
    with pytest.raises(KeyboardInterrupt):
        trained(data, CheckpointFile(whole), 3)
    damaged = tmp_path / "damaged"
    for content in (whole.read_bytes()[:-100], b"", b"{}"):
        damaged.write_bytes(content)
        assert trained(data, CheckpointFile(damaged))[1][0] == 1
