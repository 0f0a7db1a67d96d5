"""transformers' Trainer with checkpoints of the trained parameters only, and a record of every step.

A checkpoint of phase 1 has the size of its rows. The losses are in the state of the Trainer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from simpersona.config import AgentConfig
from simpersona.errors import ConfigError
from simpersona.ports import Progress

TRAINED = "trained.safetensors"
DONE = "trained.json"
"""The summary of a training, a file in the folder of its result."""


class CheckpointedTrainer(Trainer):
    """A Trainer that records the loss of every step, and its examples and tokens.

    `compute_loss` of a subclass calls `see` for each part of a step.
    """

    def __init__(self, *, progress: Progress, what: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._seen = torch.zeros(3, dtype=torch.float64)  # of this step: loss, examples, tokens
        self.remove_callback(PrinterCallback)
        self.add_callback(_Reporter(self, progress, what))

    @property
    def steps(self) -> list[dict[str, float]]:
        """`loss`, `examples` and `tokens` of each step, including the steps before a resumed checkpoint."""
        return [entry for entry in self.state.log_history if "examples" in entry]

    def see(self, loss: Tensor, examples: float, tokens: float) -> None:
        """Adds a part of a step: its share of the step's loss, and what this process read."""
        self._seen += torch.tensor([loss.item(), examples, tokens], dtype=torch.float64)

    def seen(self) -> dict[str, float]:
        """The loss of the step that ends, and the examples and tokens that all processes read in it."""
        whole = self._seen.to(self.args.device, torch.float64)
        if self.accelerator.num_processes > 1:
            whole = self.accelerator.reduce(whole, "sum")
        loss, examples, tokens = whole.tolist()  # pyright: ignore[reportAttributeAccessIssue]
        self._seen.zero_()
        return {"loss": round(loss, 4), "examples": examples, "tokens": tokens}

    def after_step(self, step: int) -> None:
        """Called after each step of the optimiser, before a checkpoint is written."""

    def trained(self) -> dict[str, Tensor]:
        """The trained parameters by name, unsharded, on the CPU. All processes must call this."""
        model = self.accelerator.unwrap_model(self.model)
        names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if not self.is_fsdp_enabled:
            return {name: value.detach().cpu() for name, value in model.named_parameters() if name in names}
        whole = self.accelerator.get_state_dict(self.model)
        return {name: value.cpu() for name, value in whole.items() if name in names}

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        trained = self.trained()
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: value.contiguous() for name, value in trained.items()}, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        put_back(model if model is not None else self.model, load_file(Path(resume_from_checkpoint) / TRAINED))  # pyright: ignore[reportArgumentType]


def training_arguments(
    config: AgentConfig, stage: int, steps: Path, seed: int, *, at_once: int = 0, recompute: bool | None = None
) -> TrainingArguments:
    """The arguments of a phase of fine-tuning, with checkpoints in the folder `steps`.

    `at_once` is the number of examples that a process reads at once if agent.examples_at_once does not say it; 0: all.
    Raises ConfigError if the processes cannot share the batch.
    """
    settings = config.stage1 if stage == 1 else config.stage2
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    at_once = config.examples_at_once or at_once or max(config.batch_size // processes, 1)
    if config.batch_size % (at_once * processes):
        raise ConfigError(
            f"agent.batch_size = {config.batch_size} cannot be shared by {processes} processes that read {at_once} "
            "examples at once: it must be a multiple of their product."
        )
    again = config.recompute if recompute is None else recompute
    gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(steps),
        max_steps=settings.steps,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=config.batch_size // at_once // processes,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=config.weight_decay,
        activation_checkpointing=again,
        activation_checkpointing_kwargs={"use_reentrant": False} if again else None,
        bf16=gpu and torch.cuda.is_bf16_supported(),
        use_cpu=not gpu,
        ddp_backend=None if gpu or processes == 1 else "gloo",
        seed=seed,
        data_seed=seed,
        save_strategy="steps" if config.checkpoint_steps else "no",
        save_steps=config.checkpoint_steps or settings.steps,
        save_total_limit=2,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=gpu,
    )


def put_back(model: nn.Module, trained: dict[str, Tensor]) -> None:
    """Loads trained parameters into a model, sharded or not."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in trained.items():
            parameter = parameters[name]
            if isinstance(parameter, DTensor):
                value = distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)  # noqa: PLW2901
            parameter.copy_(value)


def last_whole(steps: Path) -> str | None:
    """The last complete checkpoint in a folder: the Trainer writes its state last."""
    whole = [path.parent for path in steps.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.partition("-")[2]))) if whole else None


class _Reporter(TrainerCallback):
    def __init__(self, trainer: CheckpointedTrainer, progress: Progress, what: str) -> None:
        self.trainer, self.progress, self.what = trainer, progress, what

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - its signature
        seen = self.trainer.seen()
        state.log_history.append({"step": state.global_step, **seen})
        self.progress(state.global_step, state.max_steps, f"{self.what}, loss {seen['loss']:.2f}")
        self.trainer.after_step(state.global_step)
