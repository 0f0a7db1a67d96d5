"""The run folder: a stage is written whole or not at all, and what is up to date is known."""

import json
import os
import subprocess
import sys

import pytest

from simpersona.contracts import MIX
from simpersona.errors import ConfigError, ContractError
from simpersona.files import (
    file_identity,
    fingerprint,
    read_lines,
    read_table,
    user_key,
    write_json,
    write_lines,
    write_table,
)
from simpersona.pipeline.run_folder import RunFolder, StageRecord


def write_stage(folder: RunFolder, name: str, mark: str, text: str) -> None:
    with folder.writing(StageRecord(name, mark)) as out:
        (out / "x.txt").write_text(text, encoding="utf-8")


def test_a_finished_stage_is_known_to_the_next_process(tmp_path):
    write_stage(RunFolder(tmp_path), "events", "f1", "one")
    again = RunFolder(tmp_path)
    assert again.up_to_date("events", "f1")
    assert not again.up_to_date("events", "f2")
    assert (again / "events/x.txt").read_text(encoding="utf-8") == "one"


def test_a_failing_stage_leaves_the_earlier_result(tmp_path):
    folder = RunFolder(tmp_path)
    write_stage(folder, "events", "f1", "one")
    with pytest.raises(FileNotFoundError), folder.writing(StageRecord("events", "f2")) as out:
        (out / "never-written.txt").read_text(encoding="utf-8")
    assert RunFolder(tmp_path).up_to_date("events", "f1")
    assert (folder / "events/x.txt").read_text(encoding="utf-8") == "one"
    assert not list(tmp_path.glob(".*.partial"))


def test_a_stage_replaces_its_earlier_result_whole(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.writing(StageRecord("events", "f1")) as out:
        (out / "old.txt").touch()
    write_stage(folder, "events", "f2", "two")
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == ["x.txt"]


def test_a_stage_done_again_keeps_its_place_in_the_order(tmp_path):
    folder = RunFolder(tmp_path, ("events", "buyers", "report"))
    for stage in ("buyers", "report", "events", "buyers"):
        write_stage(folder, stage, "f", "x")
    assert list(RunFolder(tmp_path).records) == ["events", "buyers", "report"]


def test_what_a_killed_run_left_is_swept(tmp_path):
    (tmp_path / ".traces.partial").mkdir()
    folder = RunFolder(tmp_path)
    with folder.locked():
        assert not (tmp_path / ".traces.partial").exists()


def test_two_processes_cannot_write_one_run(tmp_path):
    code = (
        "import sys; from pathlib import Path; from simpersona.pipeline.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(ConfigError, match="another simpersona process"), RunFolder(tmp_path).locked():
            pass
        other.communicate()
    with RunFolder(tmp_path).locked():
        pass


def test_a_manifest_of_another_shape_means_that_every_stage_runs(tmp_path):
    (tmp_path / "manifest.json").write_text('{"stages": {"events": {"speed": 1}}, "versions": {}}', encoding="utf-8")
    assert RunFolder(tmp_path).records == {}


def test_fingerprints_tell_settings_and_files_apart(tmp_path):
    assert fingerprint(1, {"a": 1, "b": 2}) == fingerprint(1, {"b": 2, "a": 1})
    assert fingerprint(1, {"a": 1}) != fingerprint(1, {"a": 2})
    file = tmp_path / "in.csv"
    file.write_text("a", encoding="utf-8")
    before = file_identity(file)
    file.write_text("ab", encoding="utf-8")
    assert file_identity(file) != before
    assert file_identity(tmp_path) == file_identity(file)
    assert file_identity(tmp_path / "absent") == file_identity(None) == []


@pytest.mark.parametrize("log", ["log.csv", "*.csv"])
def test_a_catalogue_beside_a_log_is_told_too(tmp_path, log):
    (tmp_path / "log.csv").write_text("a")
    before = file_identity(tmp_path / log, ["products.parquet"])
    assert before == file_identity(tmp_path / log)
    (tmp_path / "products.parquet").write_text("b")
    assert len(file_identity(tmp_path / log, ["products.parquet"])) == len(before) + 1


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "m.json", {"a": None})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "m.json", {"a": float("nan")})
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == {"a": None}


def test_lines_round_trip(tmp_path):
    rows = [{"a": "ü\n"}, {"a": None}]
    write_lines(tmp_path / "l.jsonl", rows)
    assert read_lines(tmp_path / "l.jsonl") == rows


def test_tables_round_trip_and_a_missing_one_names_its_stage(tmp_path):
    path = tmp_path / "personas" / "mix.parquet"
    path.parent.mkdir()
    table = MIX.sample(3)
    write_table(path, table, MIX)
    assert read_table(path, MIX).equals(table)
    with pytest.raises(ContractError, match="Run the stage `buyers` first"):
        read_table(tmp_path / "buyers" / "buyers.parquet", MIX)


def test_the_hash_key_is_made_once_and_only_the_user_can_read_it(tmp_path, monkeypatch):
    monkeypatch.delenv("SIMPERSONA_KEY", raising=False)
    key = user_key(tmp_path / "data")
    assert len(key) == 32
    assert user_key(tmp_path / "data") == key
    assert (tmp_path / "data/hash.key").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["hash.key"]
    monkeypatch.setenv("SIMPERSONA_KEY", "given")
    assert user_key(tmp_path / "data") == b"given"
    assert os.environ["SIMPERSONA_KEY"] == "given"
