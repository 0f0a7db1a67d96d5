"""A pack: trained personas and the policies that act as them, ready to use. `simpersona.load_pack()` opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from simpersona.agent.policies import model_policies, scorer_policies
from simpersona.config import Config
from simpersona.config.file import load_config, parse_config
from simpersona.contracts import ASSIGNMENTS, CARDS, MIX
from simpersona.errors import ConfigError
from simpersona.files import file_identity, fingerprint, read_table
from simpersona.pack.assign import AssignSettings, assigned_buyers
from simpersona.pack.files import ABOUT, DEFAULT, POLICIES, checked_about, checksum, default_folder
from simpersona.pack.run_parts import about_personas, about_run, run_parts
from simpersona.personas.fitted import MODEL, FittedPersonas
from simpersona.personas.mix import store_mix
from simpersona.ports import Policy


def load_pack(path: str | Path | None = None) -> Pack:
    """Opens a pack: "default" (or no path) for the one that comes with the package, the folder of a pack, or the folder
    of a run with trained personas.

    Raises ConfigError for a folder that holds neither, for a pack of another format, and for a damaged one.
    """
    return Pack.at(path)


@dataclass(frozen=True, repr=False)
class Pack:
    """Trained personas and policies: assigns new buyers to codes, returns mixes and cards, and makes agents that shop.

    `path` is the folder, `about` the content of pack.json (its training and its figures), `parts` the folder of each part:
    "personas", and "scorer" and "lm" if it has them.
    """

    path: Path
    about: dict[str, Any]
    parts: Mapping[str, Path]

    @classmethod
    def at(cls, path: str | Path | None) -> Pack:
        """The pack at `path`; see `load_pack`."""
        folder = default_folder() if path is None or str(path) == DEFAULT else Path(path)
        if (folder / ABOUT).is_file():
            parts = {name: folder / name for name in ("personas", *POLICIES) if (folder / name).is_dir()}
            return cls(folder, checked_about(folder), parts)
        parts = run_parts(folder)
        is_run = (folder / "manifest.json").is_file()
        policies = tuple(name for name in POLICIES if name in parts)
        return cls(folder, about_run(folder, policies) if is_run else about_personas(parts["personas"]), parts)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of its policies: "scorer", "lm", or both."""
        return tuple(name for name in POLICIES if name in self.parts)

    @property
    def identity(self) -> str:
        """A hash of the files of the personas and the policies."""
        if (self.path / ABOUT).is_file():
            return checksum(self.path / ABOUT)
        files = [file_identity(self.parts[policy]) for policy in self.policies]
        return fingerprint(checksum(self.parts["personas"] / MODEL), files)

    @cached_property
    def config(self) -> Config:
        """The settings of the run that trained it."""
        return load_config(self.path / "config.toml")

    @cached_property
    def cards(self) -> pa.Table:
        """The persona cards (shape of CARDS): one row per code, with a summary in plain English."""
        return read_table(self.parts["personas"] / "cards.parquet", CARDS)

    @cached_property
    def personas(self) -> FittedPersonas:
        """The vector transforms and the VQ-VAE, which assign buyers to codes."""
        return FittedPersonas.load(self.parts["personas"])

    def assign(self, events: str | Path, /, format: str = "shopify", **settings: Any) -> pa.Table:  # noqa: A002 - as in --format
        """The code of each buyer (shape of ASSIGNMENTS: shop_id, buyer_id, code) of raw events.

        `events` is a file, a folder or a pattern, in one of the formats of `simpersona assign --format`. Further
        `settings` are sections of a config: `events={"keep_ids": True}` returns the source's ids of buyers instead of
        keyed hashes. Raises ConfigError for a wrong setting, SourceError for events that cannot be used.
        """
        given = self.settings(events, format)
        given |= {name: given.get(name, {}) | values for name, values in settings.items()}
        config = parse_config(given, "load_pack().assign")
        return assigned_buyers(self.personas, AssignSettings(config.source, config.events, config.buyers)).table

    def settings(self, events: str | Path, format: str) -> dict[str, Any]:  # noqa: A002 - as in --format
        """The settings with which raw events are read for these personas: the source, and the embedder of the catalogue."""
        given: dict[str, Any] = {"source": {"format": format, "path": str(events)}}
        if (self.path / "config.toml").is_file():
            given["buyers"] = {"embedder": self.config.buyers.embedder}
        return given

    def mix(self, of: str | pa.Table | None = None) -> pa.Table:
        """Each code's share of a store's buyers (Eq. 4, shape of MIX).

        `of` is a table that `assign` returned, or the name of one store that the pack was trained on; without it, the mixes
        of all these stores. Raises ConfigError for a store that the pack was not trained on.
        """
        if isinstance(of, pa.Table):
            return MIX.check(store_mix(ASSIGNMENTS.conform(of)))
        known = read_table(self.parts["personas"] / "mix.parquet", MIX)
        if of is None:
            return known
        if of not in (shops := sorted(known["shop_id"].unique().to_pylist())):
            raise ConfigError(
                f"the pack has no store {of!r}; it has {', '.join(shops)}. For another store, pass the table that `assign` "
                "returns for its events."
            )
        return known.filter(pc.equal(known["shop_id"], of))

    def agent(
        self, policy: Literal["scorer", "lm"] | None = None, *, temperature: float = 1.0
    ) -> Callable[[int], Policy]:
        """A function that makes the policy of one visit from its seed; the persona is the goal's `code`.

        "scorer" needs no language model; "lm" is the language model with the pack's persona tokens. The default is the
        pack's first policy. Raises ConfigError if the pack has no such policy.
        """
        name = policy or next(iter(self.policies), "scorer")
        if name not in self.policies:
            known = ", ".join(self.policies) or "none"
            raise ConfigError(f"{self.path}: the pack has no policy {name!r}; it has {known}.")
        if name == "lm":
            return model_policies(self.parts[name], self.config.agent.prompt, temperature)
        return scorer_policies(self.parts[name], self.config.buyers, temperature)

    def persona_vectors(self) -> Float[np.ndarray, "k latent"]:
        """The codebook: one row per code."""
        return self.personas.network.codebook

    def __repr__(self) -> str:
        parts = ", ".join(self.policies) or "no policy"
        return f"<pack {self.about['name']}: {self.about['codes']} personas; {parts}; {self.path}>"
