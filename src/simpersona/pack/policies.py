"""A pack's trained policies, ready to act."""

from __future__ import annotations

from collections.abc import Callable

from simpersona.agent.policies import model_policies, scorer_policies
from simpersona.config.file import load_config
from simpersona.errors import ConfigError
from simpersona.pack.folder import PackFolder
from simpersona.ports import Policy


def packed_policy(folder: PackFolder, policy: str | None, temperature: float) -> Callable[[int], Policy]:
    """What makes a visit's policy from a seed. Raises ConfigError if the pack has no such policy."""
    name = policy or folder.policies[0]
    if name not in folder.policies:
        raise ConfigError(f"{folder.path}: the pack has no policy {name!r}; it has {', '.join(folder.policies)}.")
    if name == "lm":
        return model_policies(folder / name, "short", temperature)
    return scorer_policies(folder / name, load_config(folder / "config.toml").buyers, temperature)
