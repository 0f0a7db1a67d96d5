"""Settings of the storefronts and of what visits them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from simpersona.config.access import AccessConfig, HeaderName
from simpersona.config.adapter_name import adapter_name
from simpersona.config.address import EnvironmentName, address_without_secrets
from simpersona.config.guard import GuardConfig
from simpersona.config.lab import VariantConfig
from simpersona.config.section import NO_RESULT, Positive, PositiveFloat, ReadBy, Section, known_time_zone

Driver = Annotated[str, adapter_name("browser", "http")]
"""What visits a store for one visitor: Chromium, plain HTTP, or the class that an import path names
(adapters.storefronts.open.Visitors)."""
_VISITS = ReadBy("simulation", "experiment")


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
    signature_headers_env: dict[HeaderName, EnvironmentName] = Field(default={})
    """Headers of a ready-made signature, instead of a key: by the header's name, the environment variable that holds it."""
    user_agent_suffix: Annotated[str, Field(pattern=r"^[ -~]*$")] = "simpersona"
    """Text at the end of each visitor's user agent, by which the store can tell these visits from others and leave them out of
    its analytics. "" adds none."""
    max_wait_seconds: Annotated[float, Field(ge=0)] = 60
    """Longest time that one page is waited for when the store answers 429, or 503 with Retry-After, in the lab's stores too;
    a visit that would have to wait longer ends."""

    @model_validator(mode="before")
    @classmethod
    def _no_header_values(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "signature_headers" not in data:
            return data
        data = dict(data)
        if data.pop("signature_headers"):  # the empty one stands in configs that earlier versions wrote
            raise ValueError(
                "signature_headers held secrets in the settings, which a run stores. Put each header's value into an "
                'environment variable and name it: signature_headers_env = {Signature = "SHOP_SIGNATURE"}'
            )
        return data

    @model_validator(mode="after")
    def _one_signature(self) -> PolitenessConfig:
        if self.signature_key is not None and self.signature_headers_env:
            raise ValueError("signature_key and signature_headers_env are two ways to sign: set one of them")
        return self


class StoreConfig(Section):
    """The lab's storefronts, the browser, and the part of a page that a visitor sees."""

    theme: Literal["varied", "classic", "sidebar", "boutique", "outlet"] = "varied"
    """Look of the lab's storefronts. "varied": the shops, sorted by id, take the themes in turn."""
    variant: Annotated[VariantConfig, ReadBy("simulation", "experiment")] = VariantConfig()
    """Differences from the plain store for simulated buyers. Recorded sessions are replayed in the store they come from."""
    politeness: Annotated[PolitenessConfig, NO_RESULT] = PolitenessConfig()
    access: Annotated[AccessConfig, NO_RESULT] = AccessConfig()
    guard: Annotated[GuardConfig, ReadBy("simulation", "experiment")] = GuardConfig()
    driver: Annotated[Driver, ReadBy("traces", "simulation", "experiment")] = "browser"
    """What visits a store: Chromium, or plain HTTP. HTTP is many times cheaper and is enough for pages that the server
    renders and that run no script, such as the lab's. Both show the same page."""
    device: Annotated[Literal["desktop", "phone", "tablet"], _VISITS] = "desktop"
    """The device of the visitors of a store that is not the lab's: its user agent, and in Chromium its screen and touch. Many
    stores show other pages to a phone. The lab's pages are the same on all devices."""
    user_agent: Annotated[Annotated[str, Field(pattern=r"^[ -~]+$")] | None, _VISITS] = None
    """User agent in a store that is not the lab's, instead of the device's; politeness.user_agent_suffix is added."""
    locale: Annotated[Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")], _VISITS] = "en-US"
    """Language and region of the visitors of a store that is not the lab's, such as de-DE: the header Accept-Language, and in
    Chromium what scripts see."""
    time_zone: Annotated[Annotated[str, AfterValidator(known_time_zone)] | None, _VISITS] = None
    """Time zone that Chromium shows to a store that is not the lab's, such as Europe/Berlin. Not set: this machine's."""
    images: Annotated[bool, ReadBy("simulation", "experiment", beside=("traces",))] = False
    """Whether the browser loads images."""
    screenshots: Annotated[bool, ReadBy("simulation", beside=("traces",))] = False
    """Whether the browser stores a small picture of every page that a visitor sees, for `simpersona replay`: about 20 kB a
    step. Turning it on plays the visits again, but does not train again."""
    browser_path: Annotated[Path | None, NO_RESULT] = None
    """Not set: a Chromium on the PATH, Playwright's own, or the distribution's."""
    cdp_url: Annotated[
        Annotated[
            str,
            Field(pattern=r"^(https?|wss?)://"),
            address_without_secrets(login="store.cdp_query_env", query="store.cdp_query_env"),
        ]
        | None,
        NO_RESULT,
    ] = None
    """Address of a running Chromium or of a grid of browsers (Chrome DevTools Protocol), which is used instead of starting one,
    such as http://127.0.0.1:9222 or wss://grid.example. `images` has no effect there."""
    cdp_query_env: Annotated[dict[str, EnvironmentName], NO_RESULT] = Field(default={})
    """Secret parameters of `cdp_url`, such as a grid's token: by the parameter's name, the environment variable that holds its
    value."""
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
