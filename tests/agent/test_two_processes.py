"""Both stages on two processes (gloo, as `torchrun` starts them) against one: the same losses and the same weights."""

import multiprocessing
import os
import socket
import traceback
import warnings

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from simpersona.agent.finetune import finetune
from simpersona.config import AgentConfig, StageConfig

from .conftest import example

CODES = 8
EXAMPLES = [example(code=number % CODES, lines=2 + number) for number in range(6)]
STAGE = StageConfig(steps=5, learning_rate=1e-2, warmup_steps=1)
FSDP2 = {  # what `accelerate launch` sets for configs/fsdp.yaml
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}


def both_stages(checkpoint, folder, at_once):
    settings = AgentConfig(start_rows="mean", stage1=STAGE, stage2=STAGE, batch_size=4, examples_at_once=at_once)
    losses = []
    start = checkpoint
    for stage in (1, 2):
        out = folder / f"stage{stage}"
        losses += finetune(start, EXAMPLES, stage, settings, CODES, None, out, 0, lambda *_: None)["losses"]
        start = out
    return losses


def process(rank, port, engine, checkpoint, folder):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"} | engine
    os.environ["OMP_NUM_THREADS"] = "1"
    AcceleratorState._reset_state(reset_partial_state=True)  # of the parent, if it has trained before
    try:
        losses = both_stages(checkpoint, folder, 1)
        assert AcceleratorState().distributed_type == ("FSDP" if engine else "MULTI_CPU")
        np.save(folder / f"losses-{rank}.npy", losses)
    except BaseException:  # noqa: BLE001 - told and passed on as the exit code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # without the parent's leftovers


@pytest.mark.parametrize("engine", [{}, FSDP2], ids=["ddp", "fsdp2"])
def test_two_processes_learn_what_one_does(checkpoint, engine, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    fork = multiprocessing.get_context("fork")  # torch is loaded already
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of threads
        processes = [fork.Process(target=process, args=(rank, port, engine, checkpoint, two)) for rank in range(2)]
        for each in processes:
            each.start()
    alone = both_stages(checkpoint, one, 2)
    for each in processes:
        each.join(300)
    assert [each.exitcode for each in processes] == [0, 0]
    for rank in range(2):
        assert np.load(two / f"losses-{rank}.npy") == pytest.approx(alone, abs=2e-4)
    for stage in (1, 2):
        expected, found = (load_file(folder / f"stage{stage}/model.safetensors") for folder in (one, two))
        assert expected.keys() == found.keys()
        assert all(torch.allclose(expected[name], found[name], atol=1e-3) for name in expected)
