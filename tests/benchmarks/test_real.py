"""The subject on real logs, where they are not there."""

from benchmarks import real
from benchmarks.measure import Machine


def test_logs_that_are_not_there_are_skipped_and_said_so(tmp_path):
    section = real.section(tmp_path)
    assert section.tables == []
    assert "Skipped, because $SIMPERSONA_REAL_DATA names no folder that holds it: rees46, webshop." in section.text(
        Machine.now()
    )
