"""What is kept of visits: through kills, and by several processes."""

import json
import os

import pytest

from simpersona.errors import ConfigError, StorefrontError
from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.goals import goal_for
from simpersona.simulation.journal import FinishedVisit, Shard, StoreLog, VisitJournal
from simpersona.visits import Episode, Step

GOAL = goal_for("skirts", "buy", shop_id="shop", buyer_id="buyer", session_id="session", code=3)
PAGE = Page(
    "http://shop/", "Shop", (Node("0-1", "link", "Röcke\u2028& mehr", options=("a", "b")),), troubles=("dialog",)
)


def played(number, recorded=("{}",)):
    step = Step(0, PAGE, Decision(Action("0-1", "click", "clicking", ("x",)), "Why not", 5, 2), "Done", 0.5)
    return FinishedVisit(
        Episode(f"lm-shop-{number:05d}", GOAL, "lm", 7, "other", (step,), 1.5, "ModelError", "no"), recorded
    )


def add(folder, *numbers, shard=None, identity="id"):
    with VisitJournal(folder, identity, shard) as journal:
        for number in numbers:
            journal.add(played(number))
        return dict(journal.finished)


def test_what_is_kept_comes_back_as_it_was(tmp_path):
    kept = add(tmp_path, 0, 1)
    assert add(tmp_path) == kept
    assert list(kept.values()) == [played(0), played(1)]


def test_a_line_that_a_kill_left_half_written_is_dropped_and_the_next_is_not_spoilt(tmp_path):
    add(tmp_path, 0, 1)
    file = tmp_path / "episodes.jsonl"
    os.truncate(file, file.stat().st_size - 20)
    assert [*add(tmp_path, 2)] == ["lm-shop-00000", "lm-shop-00002"]
    assert [*add(tmp_path)] == ["lm-shop-00000", "lm-shop-00002"]


def test_visits_of_other_settings_are_thrown_away(tmp_path):
    add(tmp_path, 0)
    assert add(tmp_path, identity="other") == {}
    assert add(tmp_path) == {}


def test_whoever_comes_last_finds_the_visits_of_all_parts(tmp_path):
    add(tmp_path, 0, shard=Shard(1, 2))
    add(tmp_path, 1, shard=Shard(2, 2))
    assert [*add(tmp_path, 2)] == ["lm-shop-00000", "lm-shop-00001", "lm-shop-00002"]


def test_parts_are_written_at_once_but_not_joined_meanwhile_nor_written_twice(tmp_path):
    with VisitJournal(tmp_path, "id", Shard(1, 2)) as one, VisitJournal(tmp_path, "id", Shard(2, 2)) as two:
        one.add(played(0))
        two.add(played(1))
        for shard in (None, Shard(1, 2)):
            with (
                pytest.raises(ConfigError, match="another process is running these visits"),
                VisitJournal(tmp_path, "id", shard),
            ):
                pass
    assert len(add(tmp_path)) == 2


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2", ""])
def test_a_shard_that_is_none(text):
    with pytest.raises(ConfigError, match="expected I/N"):
        Shard.parse(text)


def test_a_shard():
    assert Shard.parse("2/4") == Shard(2, 4)


ODD = "Wide\u2028Skirt"  # an end of line to some, and part of a title


def line(visitor, title="Skirt"):
    return json.dumps({"clientId": visitor, "title": title}, ensure_ascii=False)


def test_a_store_s_log_gives_each_line_once_and_waits_for_its_end(tmp_path):
    file = tmp_path / "events.jsonl"
    log = StoreLog(file)
    assert log.take("a") == ()
    file.write_text(f"{line('a')}\n{line('b', ODD)}\n{line('a')[:9]}", encoding="utf-8")
    assert log.take("a") == (line("a"),)
    with file.open("a") as more:
        more.write(line("a")[9:] + "\n")
    assert log.take("b") == (line("b", ODD),)
    assert log.take("a") == (line("a"),)
    assert log.take("a") == log.take("nobody") == ()


def test_a_line_that_cannot_be_read_is_not_passed_over(tmp_path):
    (tmp_path / "events.jsonl").write_text('{"name": "page_viewed"}\n')
    with pytest.raises(StorefrontError, match="cannot be read"):
        StoreLog(tmp_path / "events.jsonl").take("a")
