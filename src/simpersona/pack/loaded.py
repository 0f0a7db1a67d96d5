"""A pack in a program of your own: `simpersona.load_pack()`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from simpersona.config.file import parse_config
from simpersona.contracts import ASSIGNMENTS, CARDS, MIX
from simpersona.errors import ConfigError
from simpersona.files import read_table
from simpersona.pack.assign import assigned_buyers
from simpersona.pack.folder import PackFolder
from simpersona.pack.policies import packed_policy
from simpersona.personas.fitted import FittedPersonas
from simpersona.personas.mix import store_mix
from simpersona.ports import Policy


def load_pack(path: str | Path | None = None) -> LoadedPack:
    """The pack in a folder; without one (or for "default"), the pack that comes with the package.

    Raises ConfigError, in words, for a folder without a pack, of another version, or damaged.
    """
    return LoadedPack(PackFolder.at(path))


class LoadedPack:
    """Trained personas and policies: new buyers to codes, shops to mixes, codes to cards, and an agent that shops."""

    def __init__(self, folder: PackFolder) -> None:
        self.folder = folder

    @property
    def about(self) -> dict[str, Any]:
        """What it was trained on and what it reaches, as pack.json has it."""
        return self.folder.about

    @cached_property
    def cards(self) -> pa.Table:
        """The persona cards (shape of CARDS): one row per code, with a summary in plain words."""
        return read_table(self.folder / "personas/cards.parquet", CARDS)

    @cached_property
    def personas(self) -> FittedPersonas:
        """What turns buyers into codes."""
        return FittedPersonas.load(self.folder.path)

    def assign(self, events: str | Path, /, format: str = "shopify", **settings: Any) -> pa.Table:  # noqa: A002 - as in --format
        """The code of each buyer (shape of ASSIGNMENTS) of raw events: a file, a folder or a pattern, in one of the formats that
        `simpersona assign --format` knows. Further `settings` are sections of a config: `events={"bots": "drop"}`.

        Raises ConfigError for wrong settings, SourceError for unusable events.
        """
        given = {**settings, "source": {"format": format, "path": str(events), **settings.get("source", {})}}
        return assigned_buyers(self.personas, parse_config(given, "load_pack().assign")).table

    def mix(self, of: str | pa.Table | None = None) -> pa.Table:
        """Each code's share of a shop's buyers (Eq. 4, shape of MIX): of the shops in a table that `assign` gave, of one shop that
        the pack was trained on, or, without an argument, of all of these.

        Raises ConfigError for a shop that the pack does not know.
        """
        if isinstance(of, pa.Table):
            return MIX.check(store_mix(ASSIGNMENTS.conform(of)))
        known = read_table(self.folder / "personas/mix.parquet", MIX)
        if of is None:
            return known
        if of not in (shops := sorted(known["shop_id"].unique().to_pylist())):
            raise ConfigError(
                f"the pack knows no shop {of!r}; it knows {', '.join(shops)}. For another shop, give what `assign` gives for its events."
            )
        return known.filter(pc.equal(known["shop_id"], of))

    def agent(
        self, policy: Literal["scorer", "lm"] | None = None, *, temperature: float = 1.0
    ) -> Callable[[int], Policy]:
        """What makes the policy of one visit from a seed: `act(observation)`, the persona being `observation.goal.code`.

        "scorer" needs no language model, "lm" is the language model with the pack's persona tokens; without a name the pack's first
        policy. Raises ConfigError if the pack has no such policy.
        """
        return packed_policy(self.folder, policy, temperature)

    def persona_vectors(self) -> Float[np.ndarray, "k latent"]:
        """The codebook."""
        return self.personas.personas.codebook

    def __repr__(self) -> str:
        parts = ", ".join(self.folder.policies)
        return f"<pack {self.about['name']}: {self.about['codes']} personas; {parts}; {self.folder.path}>"
