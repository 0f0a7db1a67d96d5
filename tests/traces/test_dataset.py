"""The examples as a data set: its card, what `datasets` reads of it, and which codes it speaks of."""

import json
import os

import pytest

from simpersona.config import TracesConfig
from simpersona.contracts import Moment, RecordedSession
from simpersona.files import write_lines, write_text
from simpersona.traces.coverage import code_coverage
from simpersona.traces.dataset_card import DATASETS, SPLIT_FOLDERS, Made, counted, dataset_card

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")


def example(shop, session, step, kind, code=3):
    answer = json.dumps({"shouldEnd": False, "action": None, "reasoning": f"Größe {step}"}, ensure_ascii=False)
    messages = [{"role": role, "content": f"{role} {step}"} for role in ("system", "user")]
    return {
        "messages": [*messages, {"role": "assistant", "content": answer}],
        "loss_spans": [{"message": 2, "start": 0, "end": len(answer)}],
        "code": code,
        "shop_id": shop,
        "session_id": session,
        "step": step,
        "kind": kind,
        "goes_back": step > 0,
        "episode_id": f"trace-{shop}-{session}",
    }


def written(folder, source, splits, too_long=()):
    """A data set of these splits, each a list of (shop, session, steps); the instructions of sessions `too_long` are left out."""
    counts = {}
    for split, visits in splits.items():
        (folder / SPLIT_FOLDERS[split]).mkdir(parents=True, exist_ok=True)
        for kind, file in DATASETS.items():
            rows = [
                example(shop, name, step, kind)
                for shop, name, steps in visits
                if kind != "instructions" or name not in too_long
                for step in range(steps)
            ]
            write_lines(folder / SPLIT_FOLDERS[split] / f"{file}.jsonl", rows)
            counts.setdefault(split, {})[kind] = counted(rows)
    write_lines(folder / "episodes.jsonl", [{"not": "an example"}])
    made = Made("0.1.0", "demo", source, 7, TracesConfig(), 9, 4)
    card = dataset_card(made, counts)
    write_text(folder / "README.md", card)
    return card


def test_datasets_reads_the_folder_as_it_is(tmp_path):
    splits = {"train": [("a", "s1", 3), ("b", "s2", 2)], "validation": [("c", "s3", 4)]}
    written(tmp_path / "made", "lab", splits)
    for name, kind in (("stage1", "neutral"), ("stage2", "intent"), ("instructions", "instructions")):
        found = datasets.load_dataset(str(tmp_path / "made"), name, cache_dir=str(tmp_path / "cache"))
        assert {split: rows.num_rows for split, rows in found.items()} == {"train": 5, "validation": 4}
        row = found["validation"][3]
        assert (row["shop_id"], row["step"], row["kind"], row["goes_back"], row["code"]) == ("c", 3, kind, True, 3)
        (span,) = row["loss_spans"]
        learned = row["messages"][span["message"]]["content"][span["start"] : span["end"]]
        assert json.loads(learned)["reasoning"] == "Größe 3"


def test_without_validation_shops_there_is_one_split(tmp_path):
    written(tmp_path / "made", "lab", {"train": [("a", "s1", 3)]})
    found = datasets.load_dataset(str(tmp_path / "made"), cache_dir=str(tmp_path / "cache"))  # stage1 is the default
    assert list(found) == ["train"]
    assert set(found["train"]["kind"]) == {"neutral"}


def test_a_file_without_examples_is_not_offered(tmp_path):
    splits = {"train": [("a", "s1", 3), ("b", "s2", 2)], "validation": [("c", "s3", 4)]}
    card = written(tmp_path / "made", "lab", splits, too_long={"s2", "s3"})
    found = datasets.load_dataset(str(tmp_path / "made"), "instructions", cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in found.items()} == {"train": 3}
    assert "2 visit(s) are not\n  in `instructions`" in card
    assert "| instructions | validation | 0 | 0 | 0 | 0 |" in card
    none = written(tmp_path / "none", "lab", {"train": [("a", "s1", 3)]}, too_long={"s1"})
    assert datasets.get_dataset_config_names(str(tmp_path / "none")) == ["stage1", "stage2"]
    assert "| instructions | train | 0 | 0 | 0 | 0 |" in none


def test_the_card_counts_and_labels(tmp_path):
    splits = {"train": [("a", "s1", 3), ("b", "s2", 2)], "validation": [("c", "s3", 4)]}
    card = written(tmp_path, "lab", splits)
    assert "| stage1 | train | 5 | 2 | 2 | 1 |" in card
    assert "| stage2 | validation | 4 | 1 | 1 | 1 |" in card
    assert "| instructions | train | 5 | 2 | 2 | 1 |" in card
    assert "0 visit(s) are not\n  in `instructions`" in card
    assert "9 recorded sessions were drawn" in card
    assert "3 replays were verified" in card
    assert "4 further shop(s)" in card
    assert "**Lab data**" in card
    assert "license: apache-2.0" in card
    real = written(tmp_path, "rees46", splits)
    assert "**Real data**: the sessions are those of a log of the format `rees46`" in real
    assert "license: other" in real
    assert "Apache" not in real
    assert "ask its owner" in real


def test_every_code_without_an_example_has_its_reason():
    def of(code):
        return RecordedSession("s", f"b{code}", f"v{code}", "D", code, (Moment("product_viewed", title="A"),))

    coverage = code_coverage({1, 2, 3, 4}, [of(1), of(2), of(3)], [of(1), of(2)], {1}, set())
    assert coverage == {
        "of_training_shops": 4,
        "with_examples": 1,
        "with_instructions": 0,
        "without": {
            "2": "no replay was verified",
            "3": "no session was drawn",
            "4": "its buyers have no session short enough, or only opened pages",
        },
    }
