"""A training that ends by the clock, for a machine that is rented by the minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from simpersona.errors import ConfigError


class TrainingClock(TrainerCallback):
    """Ends a training of one process after `seconds`, or after its last step if that comes first.

    The learning rate falls by a cosine with the used share of the time or of the steps, whichever is larger, so it is low
    at the end in both cases. A training that was killed gets `seconds` more, and the time that it used before counts too.
    `now` is the time in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._now = seconds, now
        self._start = now()
        self._before = 0.0

    @property
    def used(self) -> float:
        """The seconds of training so far, those before a kill included."""
        return self._before + self._now() - self._start

    @property
    def share(self) -> float:
        """The used share of the time."""
        return min(self.used / max(self._before + self._seconds, 1e-9), 1.0)

    def schedule(self, optimizer: Optimizer, warmup_steps: int, steps: int) -> LambdaLR:
        """The learning rate of a training of at most `steps` steps."""

        def factor(step: int) -> float:
            if step < warmup_steps:
                return step / warmup_steps
            of_steps = (step - warmup_steps) / max(steps - warmup_steps, 1)
            return (1 + math.cos(math.pi * min(max(of_steps, self.share), 1.0))) / 2

        return LambdaLR(optimizer, factor)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - its signature
        if args.world_size > 1:
            raise ConfigError(
                f"a training by the clock runs in one process, found {args.world_size}: their clocks differ. Start one "
                "process, or train by a number of steps."
            )
        self._before = next((entry["used"] for entry in reversed(state.log_history) if "used" in entry), 0.0)
        self._start = self._now()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - its signature
        state.log_history.append({"step": state.global_step, "used": round(self.used, 2)})
        if self.share >= 1:
            control.should_training_stop = True
