"""Training of the VQ-VAE (2.2, App. C).

Adam minimises Eq. 2, moving averages update the codebook, and the validation loss stops the training early.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from simpersona.buyers.vectors import BuyerVectors
from simpersona.config import PersonasConfig
from simpersona.contracts import HEADS
from simpersona.errors import ConfigError
from simpersona.personas import losses
from simpersona.personas.bins import HeadBins
from simpersona.personas.codebook import Codebook, nearest, straight_through
from simpersona.personas.model import PersonaNetwork
from simpersona.personas.network import Dropout, Network, one_thread
from simpersona.personas.pairs import Gates, positives
from simpersona.personas.training_state import Checkpoints, TrainingState, training_identity
from simpersona.ports import Progress


def train_vqvae(
    train: BuyerVectors,
    validation: BuyerVectors,
    config: PersonasConfig,
    seed: int,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> PersonaNetwork:
    """Trains personas on `train` and returns those of the epoch with the lowest loss on `validation`.

    The same vectors, settings and seed give the same personas on the same processor and library versions. An
    interrupted training resumes from its last epoch in `checkpoints`, with the same result.

    Raises ConfigError if there are fewer training buyers than codes, no validation buyers, or the loss does not stay
    finite.
    """
    if not len(validation):
        raise ConfigError(
            "personas: no validation buyers; expected at least one for early stopping. "
            "Raise personas.validation_share or give more data."
        )
    with one_thread():
        return _learn(train, validation, config, seed, progress, checkpoints)


def _learn(
    train: BuyerVectors,
    validation: BuyerVectors,
    config: PersonasConfig,
    seed: int,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> PersonaNetwork:
    generator = torch.Generator().manual_seed(seed)
    bins = HeadBins.fit(train, config)
    network = Network([train.x.shape[1], *config.hidden, config.latent], config.dropout, generator)
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator
    train_buyers, validation_buyers = _Buyers.of(train, bins), _Buyers.of(validation, bins)
    codebook = _start(network, train_buyers.x, config, seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    weights = torch.from_numpy(bins.weights).float()
    state = TrainingState(network, codebook, optimizer, generator)
    trainer = _Trainer(config, state, weights)
    identity = training_identity(train, validation, config, seed)
    if checkpoints and (saved := checkpoints.load(identity)):
        state.restore(*saved)

    for epoch in range(state.epoch + 1, config.epochs + 1):
        if state.finished(config.patience):
            break
        trained = trainer.train_epoch(train_buyers)
        # the same order and the same positive pairs in every epoch, so that epochs can be compared
        validated = trainer.validate(validation_buyers, torch.Generator().manual_seed(seed))
        if not math.isfinite(validated["loss"]):
            raise ConfigError(
                f"personas: training diverged: the validation loss is {validated['loss']} after epoch {epoch}; expected a"
                f" finite number. Lower personas.learning_rate ({config.learning_rate}) or the weights of the loss."
            )
        state.record_epoch(trained, validated, codes_checked=trainer.dead_codes_checked)
        if checkpoints:
            checkpoints.save(identity, *state.state())
        note = f"validation loss {validated['loss']:.3f}, {trained['codes_used']} codes in use"
        progress(epoch, config.epochs, note)
        if state.finished(config.patience):
            progress(config.epochs, config.epochs, f"stopped after epoch {epoch}; the best epoch is {state.best_epoch}")
    network.load_state_dict(state.best_weights)
    return PersonaNetwork(network, state.best_entries, bins, config, state.history)


@dataclass(frozen=True)
class _Buyers:
    """The inputs of the loss for n buyers."""

    x: Tensor
    present: Tensor
    labels: Tensor
    gates: Gates

    @classmethod
    def of(cls, vectors: BuyerVectors, bins: HeadBins) -> _Buyers:
        return cls(
            torch.from_numpy(vectors.x).float(),
            losses.present_groups(vectors),
            torch.from_numpy(bins.labels(vectors)),
            Gates.of(vectors),
        )

    def batches(self, size: int, generator: torch.Generator) -> Iterator[_Buyers]:
        """Yields all buyers in random order, in batches of nearly equal size, at most `size`."""
        order = torch.randperm(len(self.x), generator=generator)
        for rows in torch.tensor_split(order, -(-len(order) // size)):
            yield _Buyers(self.x[rows], self.present[rows], self.labels[rows], self.gates.take(rows))


@dataclass
class _Trainer:
    config: PersonasConfig
    state: TrainingState
    class_weights: Tensor

    def train_epoch(self, buyers: _Buyers) -> dict[str, Any]:
        optimizer, generator = self.state.optimizer, self.state.generator
        self.state.network.train()
        tally, revived = _Tally(), 0
        for batch in buyers.batches(self.config.batch_size, generator):
            terms, z_e, codes = self.terms(batch, generator)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            revived += self.move_codebook(z_e.detach(), codes)
            tally.add(terms, codes)
        return tally.means() | {"dead_resets": revived}

    def validate(self, buyers: _Buyers, generator: torch.Generator) -> dict[str, Any]:
        self.state.network.eval()
        tally = _Tally()
        with torch.inference_mode():
            for batch in buyers.batches(self.config.batch_size, generator):
                terms, _, codes = self.terms(batch, generator)
                tally.add(terms, codes)
        return tally.means()

    def terms(self, batch: _Buyers, generator: torch.Generator) -> tuple[losses.Terms, Tensor, Tensor]:
        """The terms of Eq. 2 and their weighted sum as "loss", the encoder's outputs, and their codes."""
        config, network, entries = self.config, self.state.network, self.state.codebook.entries
        z_e = network.encoder(batch.x)
        codes = nearest(z_e.detach(), entries)
        z_q = entries[codes]
        decoder_input = straight_through(z_e, z_q)
        positive, has_peer = positives(batch.gates, config.product_peers, config.behaviour_peers, generator)
        heads = losses.head_losses(network.levels(decoder_input), batch.labels, self.class_weights)
        terms = {
            "reconstruction": losses.reconstruction(network.decoder(decoder_input), batch.x, batch.present),
            "commitment": losses.commitment(z_e, z_q, config.commitment_over),
            "contrastive": losses.info_nce(z_e, positive, has_peer, config.temperature),
            **dict(zip(HEADS, heads, strict=True)),
        }
        return terms | {"loss": losses.total(terms, config)}, z_e, codes

    @property
    def dead_codes_checked(self) -> bool:
        """True after the first check for dead codes; patience starts then.

        Before that check a small data set uses only a part of its codes.
        """
        return self.state.step >= self.config.dead_warmup_steps + self.config.dead_every_steps

    def move_codebook(self, z: Tensor, codes: Tensor) -> int:
        """Applies Eq. 7, and Eq. 8 every `dead_every_steps` steps (REFERENCE 13). Returns the number of revived codes."""
        config, codebook = self.config, self.state.codebook
        codebook.update(z, codes, config.decay)
        self.state.step += 1
        steps = self.state.step - config.dead_warmup_steps
        if steps <= 0 or steps % config.dead_every_steps:
            return 0
        return codebook.revive(z, config.dead_fraction, self.state.generator)


class _Tally:
    """Means over the buyers of an epoch."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.buyers = 0
        self.codes: set[int] = set()

    def add(self, terms: losses.Terms, codes: Tensor) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach()) * len(codes)
        self.buyers += len(codes)
        self.codes.update(codes.tolist())

    def means(self) -> dict[str, Any]:
        means = {name: value / self.buyers for name, value in self.sums.items()}
        return means | {"codes_used": len(self.codes)}


def _start(network: Network, x: Tensor, config: PersonasConfig, seed: int) -> Codebook:
    network.eval()
    with torch.no_grad():
        z = network.encoder(x)
    return Codebook.start(z, config.codes, min(config.batch_size, len(x)), seed)
