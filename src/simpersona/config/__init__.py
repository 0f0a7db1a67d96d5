"""What can be set, with its unit and the paper's section: one frozen tree per run, from one TOML file.

A default is the value used by a plain run on a laptop; `configs/paper.toml` holds the paper's values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from simpersona.config.simulation import SimulationConfig, TasksConfig, Window
from simpersona.config.source import Positive, PositiveFloat, Section, Share, SourceConfig, known_time_zone


class VariantConfig(Section):
    """What differs from the plain store; each setting's effect on each buyer type is planted."""

    free_shipping_notice: bool = False
    hidden_search: bool = False
    one_page_checkout: bool = False
    price_factor: PositiveFloat = 1.0
    """On every price."""


class LabConfig(Section):
    """The generated world (format = "lab")."""

    shops: Positive = 12
    """81 are the paper's 39 + 42."""
    buyers: Positive = 6000
    """Over all shops."""
    products_per_shop: Positive = 60
    types: Positive = 24
    """Latent buyer types."""
    days: Positive = 120
    """The paper's four months (App. C)."""
    output: Literal["jsonl", "parquet", "both"] = "jsonl"
    """How the events are written: lines of JSON as a store logs them, parquet for large worlds, or both."""
    seed: int = 15
    variant: VariantConfig = VariantConfig()
    variants: Literal["same", "varied"] = "same"
    """"varied": the shops take turns through the plain store and the named changes (docs/lab.md) instead of `variant`."""


class EventsConfig(Section):
    """Raw logs to clean, enriched sessions (2.1, App. A)."""

    session_gap_minutes: PositiveFloat = 30
    """More than this without an event starts a new session, where the source has no ids (REFERENCE 2)."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    """For the date of an active day."""
    keep_duplicates: bool = False
    keep_ids: bool = False
    """Keep the source's ids of buyers, sessions and orders instead of keyed hashes, and the text of rejected rows."""
    max_rejected_share: Share = 0.05
    bots: Literal["keep", "drop"] = "keep"
    """Rows of buyers who open pages as no person does (the next three): kept and reported, or rejected."""
    bot_pages_per_minute: Positive = 60
    """One a second, for a whole minute."""
    bot_pages_per_hour: Positive = 600
    """One every six seconds, for a whole hour."""
    bot_hours_per_day: Positive = 20
    """Pages in more hours of one day (UTC) than a person is awake."""
    engine: Annotated[str, Field(pattern=r"^(duckdb|spark|local\[(\d+|\*)\]|[a-z]+://\S+)$")] = "duckdb"
    """What works the tables out, also those of the buyers: "duckdb", "spark" or "local[4]" (Spark on this machine),
    or the spark://host:port of a cluster. The result is the same. Any other address is given to `ibis.connect`, such as
    bigquery://PROJECT/DATASET; only DuckDB and Spark are tested."""
    memory_gb: PositiveFloat = 4
    """What DuckDB's tables may take before they spill to disk; the process takes more for what it reads and writes."""


class SplitConfig(Section):
    """Which shops train and which are held out (3.2)."""

    held_out_share: Share = 0.25
    """Share of the shops never trained on; at least one where there are two shops or more."""
    held_out: tuple[str, ...] = ()
    """Names the held-out shops instead."""


class BuyersConfig(Section):
    """Sessions to the 403-d vector (2.1.1, Table 5)."""

    embedder: Literal["minilm", "hashing", "given"] = "minilm"
    """"given": the column `embedding` of the products.parquet beside the log, as it is. "hashing" needs no model: for tests."""
    channel_dim: Positive = 128
    """Dimensions of one product channel after PCA."""
    clip: PositiveFloat = 10
    """Robust z values are clipped to ± this (REFERENCE 7)."""


class PersonasConfig(Section):
    """The behaviour-aware VQ-VAE (2.2, App. C, D, E)."""

    codes: Positive = 32
    """K; 256 in the paper."""
    hidden: tuple[Positive, ...] = (256, 128)
    latent: Positive = 96
    dropout: Share = 0.1
    reconstruction_weight: float = 0.3
    """λ_r of Eq. 2."""
    commitment_weight: float = 0.75
    """β of Eq. 2."""
    commitment_over: Literal["mean", "sum"] = "mean"
    """How the dimensions of the latent enter the commitment: their mean, or their sum, which is that many times stronger
    and the squared norm as the paper writes it (REFERENCE 9)."""
    contrastive_weight: float = 0.15
    """λ_c of Eq. 2."""
    head_weight: float = 0.5
    """λ_a of Eq. 2."""
    decay: Share = 0.9
    """γ of Eq. 7."""
    dead_fraction: Share = 0.1
    """α of Eq. 8."""
    dead_warmup_steps: int = 100
    dead_every_steps: Positive = 50
    temperature: PositiveFloat = 0.1
    """τ of Eq. 9."""
    product_peers: Positive = 10
    """M of the product filter."""
    behaviour_peers: Positive = 3
    """F of the behavioural filter; smaller than M (App. D)."""
    purchase_weights: tuple[Positive, Positive] = (8, 3)
    """Of a session with a completed checkout and with an add-to-cart (App. E)."""
    purchase_bins: Literal["merge", "semantic"] = "merge"
    """App. E's merging, or none / cart only / any purchase (REFERENCE 11)."""
    buyers_per_shop: Positive = 1500
    buyers_per_stratum: Positive = 300
    validation_share: Share = 0.15
    min_buyers_per_code: int = Field(default=20, ge=0)
    """Training buyers that a published code has at least; a smaller one is merged into the nearest."""
    # not published (REFERENCE 14)
    batch_size: Positive = 64
    epochs: Positive = 60
    learning_rate: PositiveFloat = 1e-3
    patience: Positive = 10
    """Epochs without a better validation loss before training stops."""

    @model_validator(mode="after")
    def _peers_narrow(self) -> PersonasConfig:
        if self.behaviour_peers >= self.product_peers:
            raise ValueError("behaviour_peers (F) must be smaller than product_peers (M), or one filter does nothing")
        return self


class MannersConfig(Section):
    """Towards stores that are not the lab's."""

    robots: bool = True
    """Whether pages that the store's robots.txt forbids are left alone."""
    requests_per_minute: PositiveFloat = 30
    """Pages of one store that all visitors together ask for; a longer Crawl-delay in its robots.txt holds."""
    signature_key: Path | None = None
    """A file with an Ed25519 private key (PEM or JWK): each request for a page is signed with it (Web Bot Auth)."""
    signature_agent: Annotated[str, Field(pattern=r'^https://[^\s"]+$')] | None = None
    """The https address where the public key is published."""
    signature_headers: dict[str, str] = Field(default={})
    """Headers of a ready-made signature, instead of a key."""

    @model_validator(mode="after")
    def _one_signature(self) -> MannersConfig:
        if self.signature_key is not None and self.signature_headers:
            raise ValueError("signature_key and signature_headers are two ways to sign: set one of them")
        return self


class StoreConfig(Section):
    """The lab's storefronts, the browser, and what it shows of a storefront."""

    theme: Literal["varied", "classic", "sidebar", "boutique", "outlet"] = "varied"
    """Look of the lab's storefronts. "varied": the shops in the order of their ids take turns through all."""
    variant: VariantConfig = VariantConfig()
    """What differs from the plain store for simulated buyers; recorded sessions are replayed in the store they are from."""
    manners: MannersConfig = MannersConfig()
    window: Window = "browser"
    """What visits a store: Chromium, or plain HTTP, which is many times cheaper and enough for pages that the server makes
    and that run no script, as the lab's. Both show the same page."""
    images: bool = False
    screenshots: bool = False
    """Whether the browser keeps a small picture of every page that a visitor sees, for `simpersona replay`: about 20 kB a step."""
    browser_path: Path | None = None
    """None: a Chromium on the PATH, Playwright's own, or the distribution's."""
    visitors_per_browser: Positive = 200
    """Visitors that one Chromium serves before a fresh one takes its place."""
    action_timeout_seconds: PositiveFloat = 15
    max_page_tokens: Positive = 1200
    """About how many tokens of a page are shown at once; the rest is reached with nextChunk."""
    max_name_chars: Positive = 60
    """A longer accessible name is cut."""

    @model_validator(mode="after")
    def _browser_takes_screenshots(self) -> StoreConfig:
        if self.screenshots and self.window != "browser":
            raise ValueError('screenshots need window = "browser": without one there is nothing to be seen')
        return self


def _server_without_login(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:  # a port that is no number raises ValueError itself
        raise ValueError("no address of a server; expected one such as http://127.0.0.1:8000/v1")
    if "@" in parts.netloc:
        raise ValueError("an address must hold no name and password, for a run keeps its settings: use llm.key_env")
    return url


class LlmConfig(Section):
    """A language model behind an OpenAI-compatible address; nothing is sent unless another setting says "llm"."""

    url: Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_server_without_login)] | None = None
    """What /chat/completions is added to, such as http://127.0.0.1:8000/v1 (vLLM, llama.cpp, OpenAI)."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """The name under which the server has it."""
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the server's key, never the key itself. None: the server asks for none."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Of the writer and the judge of traces; a buyer acts at simulation.temperature."""
    timeout_seconds: PositiveFloat = 60
    """The longest silence of the server."""
    retries: int = Field(default=4, ge=0)
    """Further tries of a question, after 1, 2, 4 … seconds, where the server is busy (429), broken (5xx) or silent."""
    max_reply_tokens: Positive = 1024
    price_per_million_prompt_tokens: float = Field(default=0, ge=0)
    price_per_million_reply_tokens: float = Field(default=0, ge=0)
    """In whatever currency: what the buyers' questions cost is told in it."""


class TracesConfig(Section):
    """Sessions to training examples (2.1.2, App. G)."""

    sessions: Positive = 24
    """Recorded sessions to replay, spread over the codes; about 3,600 in the paper."""
    max_actions: Positive = 22
    """Longer sessions are not drawn: a replay needs several steps per event, within the step limit."""
    concurrency: Positive = 2
    """Replays at once, and questions to a language model at once."""
    validation_share: Share = 0.1
    """Share of the training shops, rounded to whole ones, whose examples are kept apart in validation/."""
    teacher: Literal["replay", "model"] = "replay"
    """What does a session again: rules that follow its events, or the model of [llm], which is told the replay goal and the
    pages. The judge decides what is kept of either."""
    writer: Literal["rules", "llm"] = "rules"
    """What words the replay goal and the neutral goal of a session. "llm": the model of [llm] is told the session's titles,
    collections and queries."""
    judge: Literal["rules", "llm"] = "rules"
    """Whose word keeps a replay. The rules always judge; "llm": the model of [llm] is told the goal and the steps, decides,
    and is compared with the rules."""


class StageConfig(Section):
    """One of the two stages of fine-tuning (App. G)."""

    steps: Positive
    """Optimiser steps; the paper's one epoch is about 530."""
    learning_rate: PositiveFloat
    warmup_steps: int


class AgentConfig(Section):
    """Examples to a model that shops (2.3, App. F, G)."""

    policies: tuple[Literal["lm", "scorer"], ...] = ("lm", "scorer")
    """What is trained: the language model, and the scorer, a small network that scores what a page offers. The scorer is a
    surrogate that learns in seconds and acts in milliseconds."""
    model: str = "smollm2-135m"
    """"smollm2-135m" is the model that comes with the package; else a folder or a hub name."""
    prompt: Literal["short", "figure9"] = "short"
    """How a step is put to the model and answered. "figure9": the paper's, with node ids and reasoning. "short": a third of
    the tokens, the page first, answered in the words of what is done; for small models and for CPUs."""
    start_rows: Literal["random", "mean", "codebook"] = "codebook"
    """How the persona rows start; the paper's are random (REFERENCE 20)."""
    training: Literal["two_stage", "single_stage"] = "two_stage"
    """"single_stage" is stage 2 alone, from the backbone: the comparison of App. F."""
    lora_rank: int = Field(default=0, ge=0)
    """0: stage 2 trains all parameters. Else low-rank matrices of this rank beside each linear layer, and the rows."""
    batch_size: Positive = 2
    """Examples per optimiser step, of all processes together; 64 in the paper."""
    examples_at_once: int = Field(default=0, ge=0)
    """Of a step, as many are read at once by each process, the others after them; 0: all. A matter of memory alone."""
    recompute: bool = False
    """Activations are computed again on the way back instead of kept: a third more work, far less memory."""
    held_out: int = Field(default=0, ge=0)
    """Examples of a tenth of the visits, kept from training, on which the loss is told with the buyer's token, with another's
    and with none; 0: all visits train."""
    checkpoint_steps: int = Field(default=0, ge=0)
    """A killed training goes on from a checkpoint made every so many steps; 0 makes none."""
    max_tokens: Positive = 1024
    """Of one example; 16,384 in the paper. The page is cut, never the answer."""
    weight_decay: float = 0.01
    stage1: StageConfig = StageConfig(steps=10, learning_rate=1e-3, warmup_steps=2)
    stage2: StageConfig = StageConfig(steps=18, learning_rate=1e-4, warmup_steps=2)


class EvaluationConfig(Section):
    """Tables and figures (3.1-3.4, App. B, F, I)."""

    min_sessions: Positive = 20
    """Real sessions that a (shop, token) pair needs (REFERENCE 17)."""
    min_episodes: Positive = 5
    bootstrap: Positive = 1000
    permutations: Positive = 10_000


class Config(Section):
    """Everything that a run is asked to do."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "demo"
    folder: Path = Path("runs")
    """Runs are written to folder/name."""
    seed: int = 0
    pack: Annotated[str, Field(min_length=1)] | None = None
    """A trained pack whose personas and policies are used instead of training them: a folder, or "default" for the one that
    comes with the package."""
    source: SourceConfig = SourceConfig()
    lab: LabConfig = LabConfig()
    events: EventsConfig = EventsConfig()
    split: SplitConfig = SplitConfig()
    buyers: BuyersConfig = BuyersConfig()
    personas: PersonasConfig = PersonasConfig()
    store: StoreConfig = StoreConfig()
    traces: TracesConfig = TracesConfig()
    llm: LlmConfig = LlmConfig()
    agent: AgentConfig = AgentConfig()
    simulation: SimulationConfig = SimulationConfig()
    tasks: TasksConfig = TasksConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _acting_policy_is_trained(self) -> Config:
        if self.simulation.policy not in self.agent.policies and not self.asks_llm("simulation"):
            raise ValueError(
                f"simulation.policy = {self.simulation.policy!r} is none of agent.policies {list(self.agent.policies)}: add it there"
            )
        return self

    @model_validator(mode="after")
    def _policies_of_tasks_are_trained(self) -> Config:
        known = {*self.agent.policies, "replay", "llm", *(["lm"] if self.asks_llm("simulation") else [])}
        if self.tasks.count and (missing := sorted({*self.tasks.policies} - known)):
            raise ValueError(f"tasks.policies: {missing} are none of agent.policies {list(self.agent.policies)}")
        return self

    @model_validator(mode="after")
    def _reasons_can_be_given(self) -> Config:
        if self.simulation.reasoning and self.agent.prompt == "short":
            raise ValueError(
                'simulation.reasoning = true needs agent.prompt = "figure9": the short answer has no reasoning'
            )
        return self

    @model_validator(mode="after")
    def _pictures_are_kept_here(self) -> Config:
        if self.store.screenshots and self.simulation.engine != "asyncio":
            raise ValueError('store.screenshots needs simulation.engine = "asyncio": pictures stay on the machine')
        return self

    @model_validator(mode="after")
    def _asked_model_is_named(self) -> Config:
        asking = [named for stage in ("traces", "simulation", "tasks") for named in self._asking(stage)]
        missing = [f"llm.{name}" for name in ("url", "model") if getattr(self.llm, name) is None]
        if asking and missing:
            raise ValueError(f"{', '.join(asking)} needs {' and '.join(missing)}: name the server and its model")
        if "model" in self.asks_llm("simulation") and self.simulation.policy != "lm":
            raise ValueError(
                'simulation.model = "llm" needs simulation.policy = "lm": the scorer asks no language model'
            )
        return self

    @property
    def acting(self) -> tuple[Literal["lm", "scorer"], ...]:
        """The policies of the simulated buyers, the headline's first."""
        policy, scorer = self.simulation.policy, self.simulation.scorer
        beside = policy == "lm" and "scorer" in self.agent.policies and scorer.episodes > 0
        return (policy, "scorer") if beside else (policy,)

    def asks_llm(self, stage: str) -> list[str]:
        """The settings of the section `stage` that name the model of [llm]; empty where nothing is asked of it."""
        return list(self._asking_settings(stage))

    def _asking(self, stage: str) -> list[str]:
        return [f'{stage}.{name} = "{value}"' for name, value in self._asking_settings(stage).items()]

    def _asking_settings(self, stage: str) -> dict[str, str]:
        if stage == "tasks" and not self.tasks.count:
            return {}
        names = {
            "traces": {"teacher": "model", "writer": "llm", "judge": "llm"},
            "simulation": {"model": "llm"},
            "tasks": {"policies": "llm", "judge": "llm"},
        }.get(stage, {})
        said = {name: getattr(getattr(self, stage), name) for name in names}
        return {
            n: value
            for n, value in names.items()
            if said[n] == value or (isinstance(said[n], tuple) and value in said[n])
        }

    @property
    def run_folder(self) -> Path:
        """Where this run is written."""
        return self.folder / self.name
