"""A reporter of the pipeline that says nothing."""

from __future__ import annotations

from simpersona.pipeline.run_folder import StageRecord


class Quiet:
    did_work = False

    def started(self, stage: str) -> None: ...

    def progress(self, done: int, total: int, note: str) -> None: ...

    def finished(self, record: StageRecord, skipped: bool) -> None: ...

    def close(self) -> None: ...
