"""Every metric of metrics.json, declared once. Report, console, model card and documentation read it from here.

The paper's figures are of 42 stores that its models did not see, 8.37 M buyers, K = 256 codes and a 14 B language model: the same
quantities as here, on other data and another scale. A p value that the paper prints as "< 0.0001" stands as 1e-4.
"""

from __future__ import annotations

from dataclasses import replace

from simpersona.contracts import HEADS, LEVELS, SCALARS, STRATA
from simpersona.evaluation.metric import Block, Dimension, Direction, Entry, Paper, adjusted_of, interval_of
from simpersona.visits import ENDINGS

FUNNEL = STRATA[:4]
"""The strata that visits are simulated for: all but bouncers."""
STRATUM_NAMES = dict(
    zip(STRATA, ("purchasers", "checkout abandoners", "cart builders", "window shoppers", "bouncers"), strict=True)
)
_STRATA = {stratum: f"{stratum} {STRATUM_NAMES[stratum]}" for stratum in FUNNEL}
METHOD = Dimension("METHOD", {"vqvae": "VQ-VAE", "kmeans": "k-means"})
ROW = Dimension("ROW", _STRATA | {"stratified": "mean of the four strata", "represented": "mean of strata with pairs"})
"""The rows of Table 2: the strata, the mean of the four, and the mean of those that have pairs."""
DEPTH_ROW = Dimension("ROW", _STRATA | {"all": "all strata"})
OUTCOME = Dimension(
    "OUTCOME", {"atc": "add-to-cart alignment", "purchase": "purchase alignment", "ara": "alignment (ARA)"}
)
SIDE = Dimension("SIDE", {"real": "real sessions", "agent": "simulated visits"})
RATE = Dimension("RATE", {"add_to_cart": "add to cart", "checkout": "start a checkout", "purchase": "place an order"})
HEAD = Dimension("HEAD", {head: head for head in HEADS})
SCALAR = Dimension("SCALAR", {scalar: scalar.replace("_", " ") for scalar in SCALARS})
LEVEL = Dimension("LEVEL", {level: f"{level} purchase level" for level in LEVELS})
TRAINING = Dimension("TRAINING", {"two_stage": "two-stage training", "single_stage": "single-stage training"})
TOKEN = Dimension("TOKEN", {"with_token": "with persona token", "no_token": "without persona token"})
POLICY = Dimension(
    "POLICY",
    {
        "lm": "language model",
        "scorer": "scorer",
        "llm": "served language model",
        "replay": "replay (knows the session)",
    },
)
"""What makes visits. `replay` only does tasks."""


# --- personas -----------------------------------------------------------------------------------------------------
def _table1(vqvae: float, kmeans: float) -> Paper:
    return Paper("Table 1", {"vqvae": vqvae, "kmeans": kmeans})


_INCOHERENT = {"engagement": (0.005, 0.667), "exploration": (0.0, 0.046), "purchase": (0.0, 0.054)}
LABELS = Block((), (Entry("source", "source of the data", "text"), Entry("policy", "policy of the run", "text")))
CLUSTERS = Block(
    ("clusters", METHOD),
    (
        Entry("stratum_purity", "stratum purity", "share", "higher", _table1(0.845, 0.789)),
        Entry("stratum_purity_weighted", "stratum purity, weighted by buyers", "share", "higher"),
        Entry("incompatible_codes", "personas that mix buyers and non-buyers", "count", "lower", _table1(0, 6)),
        *(
            Entry(f"incoherent_{head}", f"buyers in personas incoherent in {head}", "share", "lower", _table1(*paper))
            for head, paper in _INCOHERENT.items()
        ),
        *(
            Entry(
                f"incoherent_{head}_at_{share}pct", f"incoherent in {head}, threshold {share} %", "share", "lower"
            )
            for head in HEADS
            for share in (1, 10)
        ),
        Entry(
            "pairwise_cosine", "pairwise cosine", better="higher", paper=_table1(0.774, 0.722), missing="no persona has two buyers"
        ),
        Entry("calinski_harabasz", "Calinski-Harabasz index", better="higher", paper=_table1(206.5, 173.8)),
        Entry("codes_used", "personas in use", "count"),
    ),
    missing="there are no validation buyers of strata A to D",
)  # fmt: skip


_JS_MEAN = Entry(
    "js_mean",
    "divergence of strata (JS), mean over held-out stores",
    better="lower",
    paper=Paper("App. B", {"": 0.054}),
)
_RECOVERY = (
    Entry("js_median", "divergence of strata (JS), median", better="lower", paper=Paper("App. B", {"": 0.045})),
    Entry("shops", "held-out stores", "count", paper=Paper("App. B", {"": 42})),
    Entry("shops_js_below_010", "stores with a divergence below 0.10", "count", "higher", Paper("App. B", {"": 36})),
)
_R2_PAPER = {"intent_strength": 0.96, "add_to_cart_rate": 0.95, "checkout_rate": 0.90, "browse_only_rate": 0.87}
_FEW_STORES = "there are fewer than two held-out stores, they do not differ in it, or the source lacks it for a buyer"
_NO_STORE = "there is no held-out store with buyers of strata A to D and a known code"
POPULATION = Block(("population",), (_JS_MEAN, interval_of(_JS_MEAN), *_RECOVERY), missing=_NO_STORE)
SCALAR_R2 = Block(
    ("population", "r2", SCALAR),
    (Entry("", "R²", better="higher", paper=Paper("App. B", _R2_PAPER)),),
    title="R² of {SCALAR}",
    missing=_FEW_STORES,
)
_IN_SAMPLE = (
    Block(
        ("population", "in_sample"),
        tuple(replace(entry, paper=None) for entry in (_JS_MEAN, *_RECOVERY)),
        title="{label}, in-sample",
        missing=_NO_STORE,
        required=False,
    ),
    Block(
        ("population", "in_sample", "r2", SCALAR),
        (Entry("", "R², in-sample", better="higher"),),
        title="R² of {SCALAR}, in-sample",
        missing=_FEW_STORES,
        required=False,
    ),
)
_JS_COLD = Entry("js_mean", "divergence (JS), from the catalogue", better="lower", interval="js_ci95")
_GAIN = Entry("gain", "gain over the mean mix", better="higher")
COLD_START = Block(
    ("cold_start",),
    (
        Entry("shops", "held-out stores", "count"),
        Entry("training_shops", "training stores", "count"),
        _JS_COLD,
        interval_of(_JS_COLD),
        Entry("js_global_mean", "divergence, mean mix of the training stores", better="lower"),
        Entry("js_random_shop_mean", "divergence, mix of one training store at random", better="lower"),
        _GAIN,
        interval_of(_GAIN),
        Entry("js_loo_mean", "divergence of training stores, each left out", better="lower"),
        Entry("js_loo_global_mean", "divergence of training stores, mean mix of the others", better="lower"),
        Entry("strata_js_mean", "divergence of strata, from the catalogue", better="lower"),
        Entry("strata_js_global_mean", "divergence of strata, mean mix", better="lower"),
        Entry("coverage", "real shares inside the predicted 95 % range", "share"),
    ),
    missing="there are fewer than two training stores, or no held-out store",
)
_AUC = Entry("membership_auc", "AUC of the membership attack (0.5 is chance)", better="lower")
PRIVACY = Block(
    ("privacy",),
    (_AUC, interval_of(_AUC), Entry("smallest_code", "training buyers of the rarest persona", "count", "higher")),
    missing="there are fewer than two training or two validation buyers",
)
PLANTED = Block(
    ("planted",),
    (
        Entry("adjusted_rand", "adjusted Rand index with the planted types", better="higher"),
        Entry("normalized_mutual_information", "mutual information with the planted types", better="higher"),
    ),
    missing="the true buyer types are known only for a generated world",
)


# --- simulated against real buyers --------------------------------------------------------------------------------
def _table2(arm: int) -> Paper:
    rows = {
        "A": ((0.706, 0.496, 0.522), (0.742, 0.516, 0.537), (0.724, 0.506, 0.530)),
        "B": ((0.736, 0.465, 0.429), (0.760, 0.598, 0.544), (0.748, 0.532, 0.487)),
        "C": ((0.767, 0.438, 0.442), (0.674, 0.755, 0.720), (0.721, 0.597, 0.581)),
        "D": ((0.942, 0.653, 0.644), (0.965, 0.792, 0.769), (0.954, 0.723, 0.707)),
        "stratified": ((0.788, 0.513, 0.509), (0.785, 0.665, 0.643), (0.787, 0.589, 0.576)),
    }
    return Paper(
        "Table 2",
        {
            f"{row}.{outcome}": arms[arm]
            for row, outcomes in rows.items()
            for outcome, arms in zip(OUTCOME.labels, outcomes, strict=True)
        },
    )


_ARMS = (
    Entry("correct", "matched persona", better="higher", paper=_table2(0)),
    Entry("all_mismatch", "other personas, mean", paper=_table2(1)),
    Entry("one_random", "one other persona", paper=_table2(2)),
    Entry("shop_mean", "store's mean rate"),
    Entry("token_mean", "persona's mean rate in training stores"),
    Entry("no_token", "no persona token"),
)
ARMS = tuple(entry.name for entry in _ARMS)
"""Whose rate is compared with the real one: the agent's with the matched token, and its baselines."""
_COMPARED = (
    Entry("skill", "skill", better="higher"),
    Entry("gap", "gap to other personas", better="higher"),
    Entry("gap_ceiling", "gap of a perfect agent"),
    Entry("lead", "lead over the store's mean rate", better="higher"),
)
_NO_PAIRS = "no pair of this row has enough real sessions and visits (settings evaluation.min_sessions, evaluation.min_episodes)"
_NO_INTERVAL = "the pairs of the row are of fewer than two stores"
ALIGNMENT = Block(("conversion", ROW, OUTCOME), _ARMS, "{OUTCOME}, {label}, {ROW}", _NO_PAIRS, by_policy=True)
ALIGNMENT_SIZES = Block(
    ("conversion", ROW),
    tuple(
        Entry(name, label, "count")
        for name, label in (
            ("pairs", "(store, persona) pairs"),
            ("shops", "stores with pairs"),
            ("episodes", "visits of pairs"),
            ("sessions", "real sessions of pairs"),
        )
    ),
    by_policy=True,
)
_ALIGNMENT_INTERVALS = Block(
    ("conversion", ROW, "ara"),
    tuple(interval_of(arm) for arm in _ARMS),
    "alignment (ARA), {label}, {ROW}",
    _NO_INTERVAL,
    by_policy=True,
)
ADVANTAGES = Block(
    ("conversion", ROW, "ara"),
    (
        Entry("noise_ceiling", "ceiling of a perfect agent"),
        *(entry for compared in _COMPARED for entry in (compared, interval_of(compared))),
    ),
    "alignment (ARA), {label}, {ROW}",
    _NO_PAIRS,
    by_policy=True,
)
_RATES = tuple(Entry(name, label, "share") for name, label in RATE.labels.items())
RATES = tuple(RATE.labels)
OVERALL = Block(
    ("conversion", "overall", SIDE),
    (*_RATES, *(interval_of(rate) for rate in _RATES)),
    "{SIDE} that {label}",
    missing="there is no session, or no visit with a persona token",
    by_policy=True,
)
COUNTS = Block(
    ("conversion",),
    (
        Entry("pairs", "(store, persona) pairs with enough sessions and visits", "count"),
        Entry("episodes", "visits with a persona token", "count"),
    ),
    by_policy=True,
)


def _table3(column: int) -> Paper:
    rows = {
        "purchase": (0.06, 2.94, 7.25, 2.80, 5.5e-22, 4.5e-14, 1e-4),
        "engagement": (1.55, 2.00, 2.41, 0.76, 4.1e-3, 1.2e-2, 0.003),
        "exploration": (1.34, 1.29, 1.39, 0.10, 0.81, 0.78, 0.48),
    }
    return Paper("Table 3", {head: figures[column] for head, figures in rows.items()})


_NOT_TESTED = "visits are of fewer than two low or two high personas, or their values do not differ"
_TESTS = tuple(
    Entry(name, label, "p value", paper=_table3(column), missing=_NOT_TESTED)
    for column, name, label in (
        (4, "welch_p", "p value (Welch)"),
        (5, "kruskal_p", "p value (Kruskal-Wallis)"),
        (6, "permutation_p", "p value (permutation)"),
    )
)
SEPARATION = Block(
    ("separation", HEAD),
    (
        *(Entry(level, f"mean at {level} level", paper=_table3(column)) for column, level in enumerate(LEVELS)),
        *(Entry(f"{level}_tokens", f"personas at {level} level", "count") for level in LEVELS),
        Entry("cohens_d", "Cohen's d, high against low", better="higher", paper=_table3(3), missing=_NOT_TESTED),
        *_TESTS,
    ),
    missing="no visit has a persona of this level",
    by_policy=True,
)
SEPARATION_ADJUSTED = Block(("separation", HEAD), tuple(adjusted_of(test) for test in _TESTS), by_policy=True)
PURCHASE_FUNNEL = Block(
    ("separation", "funnel", LEVEL),
    (
        Entry(
            "add_to_cart", "visits that add to cart", "share",
            paper=Paper("Table 3", dict(zip(LEVELS, (0.01, 0.294, 0.72), strict=True))),
        ),
        Entry(
            "checkout", "visits that start a checkout", "share",
            paper=Paper("Table 3", dict(zip(LEVELS, (0.003, 0.137, 0.433), strict=True))),
        ),
        Entry("episodes", "visits", "count"),
    ),
    missing="no visit has a persona of this level",
    by_policy=True,
)  # fmt: skip
_DEPTH_P = Entry("p", "p value of the distance", "p value")
DEPTH = Block(
    ("depth", DEPTH_ROW),
    (
        Entry("real_mean", "real sessions, mean", "events"),
        Entry("agent_mean", "simulated visits, mean", "events"),
        Entry("real_deciles", "real sessions, deciles", "events"),
        Entry("agent_deciles", "simulated visits, deciles", "events"),
        Entry("wasserstein", "distance (Wasserstein)", "events", "lower"),
        Entry("wasserstein_floor", "distance by chance", "events"),
        _DEPTH_P,
        Entry("real_sessions", "real sessions without an order", "count"),
        Entry("agent_episodes", "visits without an order", "count"),
        adjusted_of(_DEPTH_P),
    ),
    missing="no store has both visits and real sessions of this stratum without an order",
    by_policy=True,
)
TEST_FAMILY = Block(
    ("tests",),
    (
        Entry("method", "correction for several tests", "text"),
        Entry("family", "p values in the family", "count"),
        Entry("significant", "p values below 0.05 after the correction", "count"),
    ),
    by_policy=True,
)


_FOLLOWED = (
    Entry("views", "product views of the wanted type", "share"),
    Entry("additions", "additions to the cart of the wanted type", "share"),
    Entry("saw", "visits that view a product of the wanted type", "share"),
)
FOLLOWED = tuple(entry.name for entry in _FOLLOWED)
"""How far visits keep to the product type that their goal names."""
CLOSE_TO_GOAL = 0.1
"""The difference to the real sessions, in either direction, that a policy should stay within."""
_NO_WISH = "no goal names a product type of its store, or the sessions that gave the goals are not recorded"
GOAL_FOLLOWING = Block(
    ("goal_following", SIDE),
    (
        *(entry for share in _FOLLOWED for entry in (share, interval_of(share))),
        Entry("product_view_count", "product views", "count"),
        Entry("add_to_cart_count", "additions to the cart", "count"),
    ),
    missing=_NO_WISH,
    by_policy=True,
)
_DIFFERENCES = tuple(replace(share, unit="number") for share in _FOLLOWED)
FOLLOWING_DIFFERENCE = Block(
    ("goal_following", "difference"),
    tuple(entry for share in _DIFFERENCES for entry in (share, interval_of(share))),
    "{label}, simulated minus real",
    missing=_NO_WISH,
    by_policy=True,
)
GOALS_COUNTED = Block(
    ("goal_following",),
    (
        Entry("visits", "visits whose goal names a product type of the store", "count"),
        Entry("left_out", "visits left out: another goal, or no recorded session", "count"),
    ),
    by_policy=True,
)


def _trainings(where: str, two_stage: float, single_stage: float) -> Paper:
    return Paper(where, {"two_stage": two_stage, "single_stage": single_stage})


ENDING_LABELS = {
    "goal_reached": "ended by the visitor",
    "steps_limit": "out of steps",
    "time_limit": "out of time",
    "other": "broken off",
    "checkout_reached": "stopped at the checkout",
}
_TABLE_7 = {
    "goal_reached": (0.835, 0.828),
    "steps_limit": (0.131, 0.126),
    "time_limit": (0.012, 0.0),
    "other": (0.022, 0.046),
}
_BETTER: dict[str, Direction] = {"goal_reached": "higher", "checkout_reached": "none"}
_OTHER_TRAINING = "the visits are of a model with the other training, or without a persona token"
OUTCOMES = Block(
    ("outcomes", TRAINING),
    (
        *(
            Entry(
                ending, ENDING_LABELS[ending], "share",
                _BETTER.get(ending, "lower"),
                _trainings("Table 7", *_TABLE_7[ending]) if ending in _TABLE_7 else None,
            )
            for ending in ENDINGS
        ),
        Entry("episodes", "visits", "count"),
    ),
    title="visits {label}, {TRAINING}",
    missing=_OTHER_TRAINING,
    by_policy=True,
)  # fmt: skip
SHOP_ERROR = Block(
    ("outcomes", TRAINING, "shop_error"),
    (
        Entry("shops", "stores", "count"),
        Entry("mean", "mean over stores", "share", "lower"),
        Entry("std", "standard deviation", "share", "lower", _trainings("Table 8", 0.076, 0.139)),
        Entry("min", "smallest", "share", "lower", _trainings("Table 8", 0.022, 0.029)),
        Entry("max", "largest", "share", "lower", _trainings("Table 8", 0.285, 0.713)),
        Entry("cv", "standard deviation / mean", better="lower", paper=_trainings("App. F", 0.46, 0.81)),
    ),
    title="share of a store's visits that did not end by themselves, {label}, {TRAINING}",
    missing=_OTHER_TRAINING,
    by_policy=True,
)


def _table9(with_token: float, no_token: float) -> Paper:
    return Paper("Table 9", {"with_token": with_token, "no_token": no_token})


ABLATION = Block(
    ("ablation", TOKEN),
    (
        Entry("episodes", "visits", "count"),
        Entry("goal_reached", "ended by the visitor", "share", "higher"),
        Entry("crash", "broken off", "share", "lower", _table9(0.053, 0.156)),
        Entry("crash_storefront", "broken off by the store", "share", "lower"),
        Entry("crash_model", "broken off by the model", "share", "lower"),
        Entry("crash_reply", "broken off by a reply", "share", "lower"),
        Entry("add_to_cart", "add to cart", "share"),
        Entry("checkout", "start a checkout", "share"),
        Entry("actions_mean", "actions", "actions", paper=_table9(11.1, 9.1)),
        Entry("pages_mean", "pages", "pages", paper=_table9(3.9, 3.6)),
        Entry("products_mean", "products viewed", "products", paper=_table9(1.39, 1.29)),
    ),
    missing="no visit was made without a persona token (setting simulation.no_token_episodes), or all of them broke off",
    by_policy=True,
)
ABLATION_SHOPS = Block(
    ("ablation", "shops_crash_more"),
    tuple(Entry(name, f"stores where more visits break off {label}", "count") for name, label in TOKEN.labels.items()),
    missing="no store has visits with and without a token",
    by_policy=True,
)


# --- tasks --------------------------------------------------------------------------------------------------------
def _task(name: str, label: str, paper: float | None = None) -> Entry:
    return Entry(name, label, "share", "higher", Paper("Table 4", {"lm": paper}) if paper is not None else None)


_KINDS = (_task("cart", "cart tasks", 0.914), _task("checkout", "checkout tasks", 0.769), _task("purchase", "purchase tasks", 0.593))  # fmt: skip
KINDS = tuple(entry.name for entry in _KINDS)
"""Kinds of tasks, by the last action of the funnel that they ask for."""
_NO_TASKS = "the policy did no shopping tasks (settings tasks.count, tasks.policies)"
_NOT_JUDGED = 'no language model judged tasks (setting tasks.judge = "llm")'
TASK_COUNTS = Block(
    ("tasks",),
    (
        Entry("count", "tasks", "count"),
        Entry("repetitions", "visits per task", "count"),
        Entry("actions", "fewest and most actions of a task", "actions"),
    ),
    missing=_NO_TASKS,
)
TASKS = Block(
    ("tasks", POLICY),
    (
        *_KINDS,
        *(interval_of(kind) for kind in _KINDS),
        _task("ordered", "purchase tasks with an order"),
        _task("verified", "done as a whole, by the store's log"),
        Entry("verified_llm", "done as a whole, by a language model", "share", missing=_NOT_JUDGED),
        Entry("judges_agree", "visits on which both judges agree", "share", missing=_NOT_JUDGED),
        Entry("judges_kappa", "agreement of the judges (Cohen's κ)", missing=_NOT_JUDGED),
        Entry("self_reported", "ended by the visitor", "share", paper=Paper("Table 4", {"lm": 0.777})),
        Entry("kept_word", "ended by the visitor with the action done", "share", "higher"),
        Entry("steps_mean", "steps", "actions", paper=Paper("Table 4", {"lm": 14.9})),
        Entry("visits", "visits", "count"),
    ),
    missing=_NO_TASKS,
)

BLOCKS = (
    *(LABELS, CLUSTERS, POPULATION, SCALAR_R2, COLD_START, PRIVACY, PLANTED),
    *(ALIGNMENT, ALIGNMENT_SIZES, _ALIGNMENT_INTERVALS, ADVANTAGES, OVERALL, COUNTS),
    *(SEPARATION, SEPARATION_ADJUSTED, PURCHASE_FUNNEL, DEPTH, TEST_FAMILY),
    *(GOAL_FOLLOWING, FOLLOWING_DIFFERENCE, GOALS_COUNTED, OUTCOMES, SHOP_ERROR, ABLATION),
    *(ABLATION_SHOPS, TASK_COUNTS, TASKS),
    *_IN_SAMPLE,
)
"""All metrics, in the order of metrics.json."""
