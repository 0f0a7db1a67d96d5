"""Settings of the storefronts and of what visits them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simpersona.config.adapter_name import adapter_name
from simpersona.config.guard import GuardConfig
from simpersona.config.lab import VariantConfig
from simpersona.config.section import NO_RESULT, Positive, PositiveFloat, ReadBy, Section

Driver = Annotated[str, adapter_name("browser", "http")]
"""What visits a store for one visitor: Chromium, plain HTTP, or the class that an import path names
(adapters.storefronts.open.Visitors)."""


class PolitenessConfig(Section):
    """Rules towards stores that are not the lab's."""

    robots: Annotated[bool, ReadBy("simulation", "experiment")] = True
    """Whether visitors leave out the pages that the store's robots.txt forbids."""
    requests_per_minute: PositiveFloat = 30
    """Pages of one store that all visitors together request; a longer Crawl-delay in its robots.txt takes precedence."""
    signature_key: Path | None = None
    """File with an Ed25519 private key (PEM or JWK): each request for a page is signed with it (Web Bot Auth)."""
    signature_agent: Annotated[str, Field(pattern=r'^https://[^\s"]+$')] | None = None
    """The https address that publishes the public key."""
    signature_headers: dict[str, str] = Field(default={})
    """Headers of a ready-made signature, instead of a key."""

    @model_validator(mode="after")
    def _one_signature(self) -> PolitenessConfig:
        if self.signature_key is not None and self.signature_headers:
            raise ValueError("signature_key and signature_headers are two ways to sign: set one of them")
        return self


class StoreConfig(Section):
    """The lab's storefronts, the browser, and the part of a page that a visitor sees."""

    theme: Literal["varied", "classic", "sidebar", "boutique", "outlet"] = "varied"
    """Look of the lab's storefronts. "varied": the shops, sorted by id, take the themes in turn."""
    variant: Annotated[VariantConfig, ReadBy("simulation", "experiment")] = VariantConfig()
    """Differences from the plain store for simulated buyers. Recorded sessions are replayed in the store they come from."""
    politeness: Annotated[PolitenessConfig, NO_RESULT] = PolitenessConfig()
    guard: Annotated[GuardConfig, ReadBy("simulation", "experiment")] = GuardConfig()
    driver: Annotated[Driver, ReadBy("traces", "simulation", "experiment")] = "browser"
    """What visits a store: Chromium, or plain HTTP. HTTP is many times cheaper and is enough for pages that the server
    renders and that run no script, such as the lab's. Both show the same page."""
    images: Annotated[bool, ReadBy("simulation", "experiment", beside=("traces",))] = False
    """Whether the browser loads images."""
    screenshots: Annotated[bool, ReadBy("simulation", beside=("traces",))] = False
    """Whether the browser stores a small picture of every page that a visitor sees, for `simpersona replay`: about 20 kB a
    step. Turning it on plays the visits again, but does not train again."""
    browser_path: Annotated[Path | None, NO_RESULT] = None
    """Not set: a Chromium on the PATH, Playwright's own, or the distribution's."""
    visitors_per_browser: Annotated[Positive, NO_RESULT] = 200
    """Visitors of one Chromium before it is replaced by a new one."""
    action_timeout_seconds: PositiveFloat = 15
    """If a page does not load in this time, the action fails."""
    max_page_tokens: Positive = 1200
    """About how many tokens of a page are shown at once; nextChunk shows the next part."""
    max_name_chars: Positive = 60
    """A longer accessible name is cut."""

    @model_validator(mode="after")
    def _browser_takes_screenshots(self) -> StoreConfig:
        if self.screenshots and self.driver != "browser":
            raise ValueError('screenshots need driver = "browser": plain HTTP has no picture of a page')
        return self
