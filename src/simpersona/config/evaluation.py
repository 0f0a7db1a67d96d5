"""Settings of the tables and figures."""

from __future__ import annotations

from simpersona.config.section import Positive, Section


class EvaluationConfig(Section):
    """Tables and figures (3.1-3.4, App. B, F, I)."""

    min_sessions: Positive = 20
    """Fewest real sessions of a pair (shop, persona token) (REFERENCE 17)."""
    min_episodes: Positive = 5
    """Fewest simulated visits of a pair."""
    bootstrap: Positive = 1000
    """Resamples of each confidence interval."""
    permutations: Positive = 10_000
    """Permutations of each permutation test."""
