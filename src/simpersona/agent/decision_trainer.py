"""Training by decisions: the same situations for many personas, a loss only where an answer has a real choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler

from simpersona.agent.checkpointed_trainer import CheckpointedTrainer
from simpersona.agent.decision_examples import Recorded
from simpersona.agent.decision_lessons import Lesson, LessonMaker
from simpersona.agent.training_clock import TrainingClock


class Lessons(Dataset[Lesson]):
    """The lessons of a training in their order, each made when it is read. `seed` and its number determine each of them."""

    def __init__(self, steps: Sequence[Recorded], maker: LessonMaker, seed: int) -> None:
        self._steps, self._maker, self._seed = steps, maker, seed

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, number: int) -> Lesson:
        return self._maker.lesson(self._steps[number], (self._seed, number))


def as_batch(lessons: Sequence[Lesson]) -> dict[str, Sequence[Lesson]]:
    """The arguments of DecisionModel."""
    return {"lessons": lessons}


class DecisionTrainer(CheckpointedTrainer):
    """Trains a DecisionModel. `groups` are the parameters with their learning rates; `measure` is called after every
    `measure_steps` steps, and what it returns is recorded. `clock` may end the training before its last step.
    `workers` processes make the lessons; 0: the training process itself.
    """

    def __init__(
        self,
        *,
        groups: Iterable[dict[str, Any]],
        measure: Callable[[], dict[str, Any]] | None = None,
        measure_steps: int = 0,
        clock: TrainingClock | None = None,
        workers: int = 0,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.args.dataloader_num_workers = workers
        self._clock = clock
        if clock is not None:
            self.add_callback(clock)
        self.model_accepts_loss_kwargs = False  # the Trainer divides by the micro-batches
        self._groups, self._measure, self._measure_steps = list(groups), measure, measure_steps

    @property
    def curve(self) -> list[dict[str, Any]]:
        """What `measure` returned, by step."""
        return [entry for entry in self.state.log_history if "prefixes" in entry]

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        """AdamW with a learning rate for each group."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self._groups, lr=self.args.learning_rate, betas=(0.9, 0.999))
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The cosine schedule by steps, or that of the clock."""
        if self._clock is not None and self.lr_scheduler is None:
            trained = self.optimizer if optimizer is None else optimizer
            assert trained is not None  # the optimiser is made first
            self.lr_scheduler = self._clock.schedule(trained, int(self.args.warmup_steps), num_training_steps)
        return super().create_scheduler(num_training_steps, optimizer)

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)  # pyright: ignore[reportArgumentType]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002 - its signature
    ) -> Any:
        lessons: Sequence[Lesson] = inputs["lessons"]
        loss = model(lessons)
        tokens = sum(
            len(lesson.page) + len(lesson.goal) + len(lesson.common) + sum(len(block.ids) for block in lesson.blocks)
            for lesson in lessons
        )
        parts = self.args.gradient_accumulation_steps * self.accelerator.num_processes
        self.see(loss.detach() / parts, len(lessons), tokens)
        return (loss, {}) if return_outputs else loss

    def after_step(self, step: int) -> None:
        if self._measure is None or not self._measure_steps or step % self._measure_steps:
            return
        if self.args.should_save:
            self.model.eval()  # pyright: ignore[reportOptionalMemberAccess]
            prefixes = int(sum(entry["examples"] for entry in self.steps))
            self.state.log_history.append({"step": step, "prefixes": prefixes, **self._measure()})
            self.model.train()  # pyright: ignore[reportOptionalMemberAccess]
