"""Pictures of the pages that visitors saw, written as the visits go on: FOLDER/EPISODE/STEP.jpg."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from simpersona.pages import Action, Page
from simpersona.ports import Storefront

SCREENSHOTS = "screenshots"
"""The name of their folder in a stage's folder."""


class PicturedWindow:
    """A session whose pictures go to disk and not on with the page (Storefront)."""

    def __init__(self, window: Storefront, folder: Path) -> None:
        self._window, self._folder = window, folder
        self._seen = 0

    async def open(self) -> Page:
        """Opens the session, and deletes the pictures of an earlier visit that was interrupted."""
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._kept(await self._window.open())

    async def act(self, action: Action) -> Page:
        """Performs the action in the session."""
        return self._kept(await self._window.act(action))

    async def close(self) -> None:
        """Ends the session."""
        await self._window.close()

    def _kept(self, page: Page) -> Page:
        """The page of step `_seen` without its picture."""
        step, self._seen = self._seen, self._seen + 1
        if page.screenshot is None:
            return page
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{step:03d}.jpg").write_bytes(page.screenshot)
        return replace(page, screenshot=None)


def episode_pictures(stage: Path, episode_id: str) -> Path:
    """The folder of one episode's pictures in a stage's folder."""
    return stage / SCREENSHOTS / quote(episode_id, safe="")


def pictures_of(stage: Path, episode_id: str) -> dict[int, bytes]:
    """The pictures of one episode by step; empty if none were taken."""
    return {int(file.stem): file.read_bytes() for file in sorted(episode_pictures(stage, episode_id).glob("*.jpg"))}


def keep_pictures(work: Path, out: Path) -> None:
    """Moves all pictures from a stage's work folder to its results."""
    for folder in sorted(work.glob(f"**/{SCREENSHOTS}/*")):
        (out / SCREENSHOTS).mkdir(exist_ok=True)
        shutil.move(folder, out / SCREENSHOTS / folder.name)
