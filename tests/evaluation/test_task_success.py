import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from simpersona.contracts import EPISODES
from simpersona.evaluation.metrics_table import TASKS as TASK_METRICS
from simpersona.evaluation.tables import TASKS
from simpersona.evaluation.task_success import task_metrics

KINDS = ["cart", "cart", "checkout", "purchase"]
SESSIONS = [f"s{number}" for number in range(4)]
# of a task: (additions, checkouts, orders, ending, verified), two visits each
VISITS = [
    [(1, 0, 0, "goal_reached", True), (0, 0, 0, "goal_reached", False)],
    [(2, 1, 0, "goal_reached", False), (1, 0, 0, "steps_limit", True)],
    [(1, 1, 0, "goal_reached", True), (1, 0, 0, "goal_reached", False)],
    [(1, 0, 1, "goal_reached", True), (1, 1, 0, "time_limit", False)],
]


def tasks():
    where = {"shop_id": ["shop"] * 4, "buyer_id": ["b"] * 4, "session_id": SESSIONS}
    return TASKS.sample(4, **where, task_id=[f"t{n}" for n in range(4)], kind=KINDS)


def episodes(visits=VISITS):
    rows = [(SESSIONS[place], *visit) for place, own in enumerate(visits) for visit in own]
    return EPISODES.sample(
        len(rows),
        episode_id=[f"e{number}" for number in range(len(rows))],
        shop_id=["shop"] * len(rows),
        buyer_id=["b"] * len(rows),
        session_id=[row[0] for row in rows],
        add_to_cart_count=[row[1] for row in rows],
        checkout_start_count=[row[2] for row in rows],
        purchase_count=[row[3] for row in rows],
        ending=[row[4] for row in rows],
        verified=[row[5] for row in rows],
        steps=list(range(len(rows))),
    )


def measure(judged=None, made=None):
    return task_metrics("lm", tasks(), episodes() if made is None else made, judged or {}, 500, seed=0)


def test_table_4_by_hand():
    values = {key.removeprefix("tasks.lm."): value for key, value in measure().values.items()}
    assert (values["cart"], values["checkout"], values["purchase"], values["ordered"]) == (0.75, 0.5, 1, 0.5)
    assert values["verified"] == 0.5
    assert values["self_reported"] == 0.75
    # of six that say so, the required action was missed by the second visits of the first and the third task
    assert values["kept_word"] == pytest.approx(4 / 6, abs=1e-6)
    assert (values["steps_mean"], values["visits"]) == (3.5, 8)
    assert set(values) == set(TASK_METRICS.labels())


def test_intervals_are_over_tasks():
    metrics = measure()
    # the two cart tasks reach .5 and 1: a draw has one twice or both
    assert metrics.values["tasks.lm.cart_ci95"] == [0.5, 1]
    assert metrics.values["tasks.lm.checkout_ci95"] is None
    assert "two tasks" in metrics.notes["tasks.lm.checkout_ci95"]


def test_a_models_verdicts_beside_the_logs():
    said = [True, False, True, True, True, True, True, False]
    judged = {f"e{number}": {"verified": one, "reason": "so"} for number, one in enumerate(said)}
    values = measure(judged).values
    log = [one[4] for own in VISITS for one in own]
    assert values["tasks.lm.verified_llm"] == 0.75
    assert values["tasks.lm.judges_agree"] == np.mean(np.array(log) == said)
    assert values["tasks.lm.judges_kappa"] == pytest.approx(cohen_kappa_score(log, said), abs=1e-6)
    assert measure().values["tasks.lm.judges_kappa"] is None


def test_no_visit_and_a_policy_that_never_ends_say_why():
    metrics = measure(made=EPISODES.empty())
    assert metrics.values["tasks.lm.cart"] is None
    assert metrics.notes["tasks.lm.verified"] == "no visit was made"
    silent = [[(1, 0, 0, "steps_limit", False)], [], [], []]
    metrics = measure(made=episodes(silent))
    assert metrics.values["tasks.lm.kept_word"] is None
    assert metrics.notes["tasks.lm.kept_word"] == "no visit was ended by the policy itself"
    assert "no task of this kind" in metrics.notes["tasks.lm.purchase"]
