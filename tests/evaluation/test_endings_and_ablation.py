import numpy as np
import pytest

from simpersona.config import Config
from simpersona.contracts import EPISODES
from simpersona.evaluation.ablation import ablation_metrics
from simpersona.evaluation.outcomes import outcome_metrics, shop_errors
from simpersona.pipeline.evaluation import training_of


def make_episodes(endings, **columns):
    return EPISODES.sample(
        len(endings), **({"ending": endings, "shop_id": ["s"] * len(endings), "code": [1] * len(endings)} | columns)
    )


def test_shares_of_endings_and_the_spread_over_shops():
    endings = ["goal_reached", "goal_reached", "steps_limit", "other", "goal_reached", "time_limit"]
    shops = ["a", "a", "a", "a", "b", "c"]
    episodes = make_episodes(endings, shop_id=shops)
    errors = [0.5, 0.0, 1.0]
    assert list(shop_errors(episodes).values()) == errors
    values = outcome_metrics(episodes).values
    assert values["outcomes.two_stage.goal_reached"] == 0.5
    assert values["outcomes.two_stage.steps_limit"] == pytest.approx(1 / 6, abs=1e-6)
    assert values["outcomes.two_stage.shop_error.std"] == pytest.approx(np.std(errors, ddof=1))
    assert (values["outcomes.two_stage.shop_error.min"], values["outcomes.two_stage.shop_error.max"]) == (0, 1)
    assert values["outcomes.two_stage.shop_error.cv"] == pytest.approx(1)  # std 0.5, mean 0.5
    assert (values["outcomes.two_stage.episodes"], values["outcomes.two_stage.shop_error.shops"]) == (6, 3)


def test_the_other_training_is_missing_with_the_reason():
    metrics = outcome_metrics(make_episodes(["other"]), training="single_stage")
    assert metrics.values["outcomes.single_stage.other"] == 1
    assert metrics.values["outcomes.two_stage.goal_reached"] is None
    assert metrics.notes["outcomes.two_stage.shop_error.cv"] == "no two-stage model was trained"


def test_one_shop_has_no_spread_and_no_episode_no_share():
    metrics = outcome_metrics(make_episodes(["goal_reached"]))
    assert metrics.values["outcomes.two_stage.shop_error.std"] is None
    assert "two stores" in metrics.notes["outcomes.two_stage.shop_error.cv"]
    assert outcome_metrics(EPISODES.empty()).values["outcomes.two_stage.other"] is None


def test_shops_without_a_failure_have_no_coefficient_of_variation():
    metrics = outcome_metrics(make_episodes(["goal_reached"] * 2, shop_id=["a", "b"]))
    assert metrics.values["outcomes.two_stage.shop_error.std"] == 0
    assert metrics.notes["outcomes.two_stage.shop_error.cv"] == "no visit failed"


def test_both_arms_by_hand():
    episodes = make_episodes(
        ["goal_reached", "steps_limit", "other", "goal_reached"],
        code=[1, 2, 3, None],
        steps=[4, 12, 9, 3],
        pages=[2, 5, 9, 1],
        products=[["p"], ["p", "q"], ["p", "q", "r"], None],
        add_to_cart_count=[1, 0, 2, 0],
        checkout_start_count=[0, 0, 0, 0],
        purchase_count=[1, 0, 0, 0],
    )
    values = ablation_metrics(episodes).values
    assert values["ablation.with_token.crash"] == pytest.approx(1 / 3, abs=1e-6)
    assert values["ablation.with_token.add_to_cart"] == pytest.approx(2 / 3, abs=1e-6)
    assert values["ablation.with_token.checkout"] == pytest.approx(1 / 3, abs=1e-6)
    assert values["ablation.with_token.actions_mean"] == 8  # the crash is left out: (4 + 12) / 2
    assert values["ablation.with_token.pages_mean"] == 3.5
    assert values["ablation.with_token.products_mean"] == 1.5
    assert values["ablation.no_token.actions_mean"] == 3
    assert values["ablation.no_token.products_mean"] == 0
    assert (values["ablation.with_token.episodes"], values["ablation.no_token.episodes"]) == (3, 1)
    assert values["ablation.with_token.goal_reached"] == pytest.approx(1 / 3, abs=1e-6)


def test_what_broke_and_in_how_many_shops_more_often():
    episodes = make_episodes(
        ["other", "other", "goal_reached", "goal_reached", "other", "goal_reached", "other"],
        code=[1, 1, 1, None, None, 1, None],
        shop_id=["a", "b", "b", "a", "c", "c", "c"],
        error_kind=["StorefrontError", "ReplyError", None, None, "ModelError", None, "StorefrontError"],
    )
    values = ablation_metrics(episodes).values
    assert values["ablation.with_token.crash_storefront"] == values["ablation.with_token.crash_reply"] == 0.25
    assert values["ablation.no_token.crash_model"] == pytest.approx(1 / 3, abs=1e-6)
    assert values["ablation.shops_crash_more.with_token"] == 1  # a; b has no episode without a token
    assert values["ablation.shops_crash_more.no_token"] == 1


def test_a_missing_arm_and_an_arm_of_crashes_say_why():
    metrics = ablation_metrics(make_episodes(["other"]))
    assert metrics.values["ablation.with_token.crash"] == 1
    assert metrics.notes["ablation.with_token.pages_mean"] == "every episode crashed"
    assert "no_token_episodes" in metrics.notes["ablation.no_token.crash"]


def test_visits_without_such_a_training_stand_under_two_stage_with_a_remark():
    metrics = outcome_metrics(make_episodes(["other"]), "two_stage", "the scorer has no such training")
    assert metrics.values["outcomes.two_stage.other"] == 1
    assert metrics.notes["outcomes.two_stage.episodes"] == "the scorer has no such training"
    assert metrics.notes["outcomes.single_stage.other"] == "the scorer has no such training"


@pytest.mark.parametrize(
    ("settings", "policy", "training", "remark"),
    [
        ({}, "lm", "two_stage", ""),
        ({"agent": {"training": "single_stage"}}, "lm", "single_stage", ""),
        ({"agent": {"training": "single_stage"}}, "scorer", "two_stage", "the scorer has no such training"),
        ({"agent": {"training": "single_stage"}, "pack": "default"}, "lm", "two_stage", ""),  # that of the pack's model
        (
            {
                "agent": {"policies": ["scorer"], "training": "single_stage"},
                "simulation": {"policy": "lm", "model": "llm"},
                "llm": {"url": "http://localhost:8000/v1", "model": "other"},
            },
            "lm",
            "two_stage",
            "did not train the served model",
        ),
    ],
)
def test_the_training_is_that_of_the_model_that_acted(settings, policy, training, remark):
    row, note = training_of(Config(**settings), policy)
    assert row == training
    assert remark in note
    assert bool(note) == bool(remark)
