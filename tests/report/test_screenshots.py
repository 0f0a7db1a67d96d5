"""Pictures of visits on disk, and pages without them in everything else."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import ValidationError

from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.config import StoreConfig
from simpersona.pages import Action
from simpersona.shopper.screenshots import PicturedWindow, episode_pictures, keep_pictures

HOME = replace(scripted_page("http://s/", "[0-1] RootWebArea: Home\n[0-2] link: Next"), screenshot=b"home")
NEXT = replace(scripted_page("http://s/next", "[0-1] RootWebArea: Next\n[0-2] link: Next"), screenshot=b"next")


def store():
    return ScriptedStore({"home": HOME, "next": NEXT}, {("home", "0-2"): "next"})


async def two_pages(window):
    pages = [await window.open(), await window.act(Action("0-2", "click", ""))]
    await window.close()
    return pages


def pictures(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_pictures_are_written_by_step_and_pages_go_on_without_them(tmp_path):
    folder = episode_pictures(tmp_path, "sim-shop/1-00003")
    pages = asyncio.run(two_pages(PicturedWindow(store(), folder)))
    assert pictures(folder) == {"000.jpg": b"home", "001.jpg": b"next"}
    assert folder.parent == tmp_path / "screenshots"  # an id with a slash is one folder
    assert [page.screenshot for page in pages] == [None, None]
    assert pages[0] == HOME  # a picture makes no other page


def test_a_visit_made_again_leaves_no_picture_of_the_one_cut_off(tmp_path):
    (tmp_path / "007.jpg").write_bytes(b"old")
    asyncio.run(two_pages(PicturedWindow(store(), tmp_path)))
    assert set(pictures(tmp_path)) == {"000.jpg", "001.jpg"}


def test_pictures_move_from_the_work_to_the_results(tmp_path):
    folder = episode_pictures(tmp_path / "work/sim", "sim-a-00000")
    asyncio.run(two_pages(PicturedWindow(store(), folder)))
    (tmp_path / "out").mkdir()
    keep_pictures(tmp_path / "work", tmp_path / "out")
    assert set(pictures(episode_pictures(tmp_path / "out", "sim-a-00000"))) == {"000.jpg", "001.jpg"}


def test_a_picture_is_not_printed():
    assert "screenshot" not in repr(HOME)


def test_without_a_browser_there_is_nothing_to_picture():
    with pytest.raises(ValidationError, match='screenshots need driver = "browser"'):
        StoreConfig(driver="http", screenshots=True)
