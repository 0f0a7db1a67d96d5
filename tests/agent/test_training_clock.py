"""A training that ends by the clock, on a clock of our own."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simpersona.agent.decision_finetune import train_decisions
from simpersona.agent.decision_lectures import Lectures
from simpersona.agent.persona_funnel import PersonaFunnel, visit_weights
from simpersona.agent.persona_rows import known_of
from simpersona.agent.training_clock import TrainingClock
from simpersona.config import AgentConfig, PhaseConfig
from simpersona.errors import ConfigError

from .decision_pages import CODES, planted, recorded


class Time:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


def begun(clock, log=(), world_size=1):
    """A training that begins with this log."""
    state, control = SimpleNamespace(log_history=list(log), global_step=0), SimpleNamespace(should_training_stop=False)
    clock.on_train_begin(SimpleNamespace(world_size=world_size), state, control)
    return state, control


def rates(clock, time, seconds_a_step, count, warmup=2, steps=10):
    """The learning rates of `count` steps that take some seconds each."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = clock.schedule(optimizer, warmup, steps)
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        time.seconds += seconds_a_step
        scheduler.step()
    return found


def cosine(share):
    return (1 + math.cos(math.pi * share)) / 2


def test_with_time_to_spare_the_learning_rate_is_the_usual_cosine():
    time = Time()
    clock = TrainingClock(1e9, time)
    begun(clock)
    expected = [0, 0.5, *(cosine(step / 8) for step in range(8))]
    assert rates(clock, time, 1, 10) == pytest.approx(expected, abs=1e-6)


def test_it_falls_with_the_time_if_that_is_short_and_the_training_ends():
    time = Time()
    clock = TrainingClock(40, time)
    state, control = begun(clock)
    assert rates(clock, time, 10, 5, steps=1000) == pytest.approx([0, 0.5, cosine(0.5), cosine(0.75), 0], abs=1e-4)
    assert not control.should_training_stop
    state.global_step = 5
    clock.on_step_end(None, state, control)
    assert control.should_training_stop
    assert state.log_history == [{"step": 5, "used": 50.0}]


def test_the_time_before_a_kill_counts_too():
    time = Time()
    clock = TrainingClock(30, time)
    state, control = begun(clock, [{"step": 1, "used": 8.0}, {"step": 2, "used": 10.0}, {"loss": 1.0, "examples": 2}])
    assert clock.share == pytest.approx(10 / 40)
    time.seconds += 29
    clock.on_step_end(None, state, control)
    assert not control.should_training_stop
    time.seconds += 1
    clock.on_step_end(None, state, control)
    assert (clock.used, clock.share, control.should_training_stop) == (40, 1, True)


def test_no_time_is_left():
    clock = TrainingClock(-3)
    _, control = begun(clock)
    assert clock.share == 1
    clock.on_step_end(None, SimpleNamespace(log_history=[], global_step=1), control)
    assert control.should_training_stop


def test_several_processes_have_no_common_clock():
    with pytest.raises(ConfigError, match="runs in one process, found 2"):
        begun(TrainingClock(10), world_size=2)


# --- a training ---------------------------------------------------------------------------------


class KilledError(Exception):
    pass


def train(phase, checkpoint, out, steps, progress=lambda *_: None, **rest):
    rng = np.random.default_rng(0)
    steps_of = {"neutral": recorded(rng, 12), "intent": recorded(rng, 12, kind="intent")}
    codebook = rng.normal(size=(CODES, 96)).astype(np.float32)
    learned = Lectures(steps_of, [], planted, codebook, known_of(codebook, None), 0)
    stage = PhaseConfig(steps=steps, learning_rate=1e-2, warmup_steps=1)
    config = AgentConfig(
        model=str(checkpoint), stage1=stage, stage2=stage, lora_rank=4, personas_at_once=2, checkpoint_steps=1
    )
    return train_decisions(phase, config, learned, None, out, 0, progress, **rest)


@pytest.mark.parametrize("kind", ["tied"])
def test_a_training_ends_by_the_clock_and_a_killed_one_keeps_its_time(checkpoint, kind, tmp_path):
    time = Time()

    def takes_ten(done, total, note):
        time.seconds += 10

    def killed_at_2(done, total, note):
        takes_ten(done, total, note)
        if done == 2:
            raise KilledError

    assert train(2, checkpoint, tmp_path / "whole", 50, takes_ten, clock=TrainingClock(45, time))["steps"] == 5
    with pytest.raises(KilledError):
        train(2, checkpoint, tmp_path / "out", 50, killed_at_2, clock=TrainingClock(45, time))
    # the checkpoint of the first step, and three steps in 25 seconds
    assert train(2, checkpoint, tmp_path / "out", 50, takes_ten, clock=TrainingClock(25, time))["steps"] == 4


@pytest.mark.parametrize("kind", ["tied"])
def test_processes_that_make_lessons_change_no_loss(checkpoint, kind, tmp_path):
    alone, helped = (train(1, checkpoint, tmp_path / f"{count}", 3, workers=count) for count in (0, 2))
    assert helped["losses"] == alone["losses"]


def test_no_visit_has_no_weight():
    """A small run has no validation visits."""
    funnel = PersonaFunnel(np.ones((CODES, 2, 4), np.int64), np.zeros((CODES, 4)))
    assert visit_weights([], funnel) == {}
