"""The persona codes that have examples, and why the others have none (3.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from simpersona.contracts import RecordedSession


def code_coverage(
    codes: Collection[int],
    candidates: Iterable[RecordedSession],
    drawn: Sequence[RecordedSession],
    trained_on: Collection[int],
    instructed: Collection[int],
) -> dict[str, Any]:
    """How many of `codes`, those of the training shops' buyers, have an example, and why each of the others has none.

    `candidates` are the sessions to draw from, `drawn` those replayed for training, `trained_on` the codes with an example,
    `instructed` those of them with instructions that are not too long.
    """
    seen = {session.code for session in candidates}
    replayed = {session.code for session in drawn}

    def reason(code: int) -> str:
        if code in replayed:
            return "no replay was verified"
        return (
            "no session was drawn" if code in seen else "its buyers have no session short enough, or only opened pages"
        )

    missing = {str(code): reason(code) for code in sorted(codes) if code not in trained_on}
    return {
        "of_training_shops": len(codes),
        "with_examples": len(codes) - len(missing),
        "with_instructions": len(set(codes) & set(instructed)),
        "without": missing,
    }
