"""Writes the stored values of the learner's golden tests from the code they are compared with:
TRL's own GRPOTrainer._compute_loss, torch.optim.AdamW, transformers' get_scheduler.

Usage: python generate.py   (versions: requirements.txt; writes beside this file)
"""
import json
import pathlib
import types
from collections import defaultdict

import torch
import transformers
import trl
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import nanstd

HERE = pathlib.Path(__file__).parent
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "trl": trl.__version__}


class OneProcess:
    """What _compute_loss asks of accelerate, on one process."""
    num_processes = 1
    sync_gradients = True
    gather = gather_for_metrics = staticmethod(lambda tensor: tensor)
    reduce = staticmethod(lambda tensor, reduction: tensor)


def trainer(case, logps):
    t = object.__new__(GRPOTrainer)
    t.__dict__.update(
        accelerator=OneProcess(), model=types.SimpleNamespace(training=True), loss_type=case["loss_type"],
        importance_sampling_level=case["importance_sampling_level"], epsilon_low=case["epsilon"],
        epsilon_high=case["epsilon_high"], beta=case["beta"], top_entropy_quantile=1.0, use_vllm=False,
        vllm_importance_sampling_correction=False, off_policy_mask_threshold=None, aux_loss_enabled=False,
        current_gradient_accumulation_steps=1, max_completion_length=case["max_completion_length"],
        _entropy_bonus_enabled=False, _metrics={"train": defaultdict(list), "eval": defaultdict(list)},
        args=types.SimpleNamespace(delta=case["delta"], use_bias_correction_kl=False, steps_per_generation=1))
    t._get_per_token_logps_and_entropies = lambda *a, **k: (logps, torch.ones_like(logps), None)
    return t


def loss_case(seed, **options):
    case = {"loss_type": "grpo", "importance_sampling_level": "token", "epsilon": 0.2, "epsilon_high": 0.2,
            "delta": None, "beta": 0.04, "max_completion_length": 8, "old": True, **options}
    g = torch.Generator().manual_seed(seed)
    lengths = [1, 7, 3, 5, 8, 2]
    batch, width = len(lengths), max(lengths)
    mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).int()
    normal = lambda scale: torch.randn(batch, width, generator=g) * scale
    logps = (-1.5 + normal(0.6)).requires_grad_()
    old, ref = logps.detach() + normal(0.3), logps.detach() + normal(0.4)
    advantages = torch.randn(batch, generator=g)
    inputs = {"prompt_ids": torch.zeros(batch, 2, dtype=torch.long), "prompt_mask": torch.ones(batch, 2).int(),
              "completion_ids": torch.zeros(batch, width, dtype=torch.long), "completion_mask": mask,
              "advantages": advantages, "num_items_in_batch": mask.sum(), "ref_per_token_logps": ref}
    if case["old"]:
        inputs["old_per_token_logps"] = old
    t = trainer(case, logps)
    loss = t._compute_loss(None, inputs)
    loss.backward()
    rows = mask.bool()
    flat = lambda tensor: tensor.detach()[rows].tolist()
    metrics = {k: v[0] for k, v in t._metrics["train"].items()}
    return {"options": case, "lengths": lengths, "logprobs": flat(logps), "old_logprobs": flat(old),
            "ref_logprobs": flat(ref), "advantages": advantages.tolist(), "loss": loss.item(),
            "gradient": flat(logps.grad), "metrics": metrics}


def loss_cases():
    cases, seed = [], 0
    for loss_type in ["grpo", "dapo", "bnpo", "dr_grpo"]:
        for level in ["token", "sequence"]:
            for extra in [{}, {"beta": 0.0, "epsilon_high": 0.28}, {"delta": 1.4}]:
                seed += 1
                cases.append(loss_case(seed, loss_type=loss_type, importance_sampling_level=level, **extra))
    cases.append(loss_case(99, old=False))
    return cases


def adamw_case(weight_decay, max_grad_norm):
    g = torch.Generator().manual_seed(5)
    shapes = [[3, 4], [5], [2, 2, 3]]
    values = [torch.randn(s, generator=g).requires_grad_() for s in shapes]
    start = [v.detach().flatten().tolist() for v in values]
    groups = [{"params": [v for v in values if v.dim() >= 2], "weight_decay": weight_decay},
              {"params": [v for v in values if v.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-8, foreach=False)
    steps = []
    for lr in [1e-2, 3e-3, 1e-2]:
        gradients = [torch.randn(s, generator=g) * 0.7 for s in shapes]
        for v, grad in zip(values, gradients):
            v.grad = grad.clone()
        norm = torch.nn.utils.clip_grad_norm_(values, max_grad_norm) if max_grad_norm else torch.nn.utils.get_total_norm(gradients)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        steps.append({"learning_rate": lr, "gradients": [x.flatten().tolist() for x in gradients],
                      "norm": norm.item(), "values": [v.detach().flatten().tolist() for v in values]})
    return {"weight_decay": weight_decay, "max_grad_norm": max_grad_norm, "beta2": 0.95, "shapes": shapes,
            "start": start, "steps": steps}


def schedule_case(name, total, warmup):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=2e-4)
    scheduler = transformers.get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    rates = []
    for _ in range(total + 2):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "max_steps": total, "warmup_steps": warmup, "learning_rate": 2e-4, "rates": rates}


def advantage_case(rewards, group):
    """TRL's sum_then_normalize lines, float32, None scores as NaN."""
    r = torch.tensor(rewards)
    mean = torch.nanmean(r.view(-1, group), dim=1).repeat_interleave(group)
    out = {}
    for scale in ["group", "batch", "none"]:
        std = nanstd(r.view(-1, group), dim=1).repeat_interleave(group) if scale != "batch" else nanstd(r).expand_as(r)
        a = r - mean
        if scale != "none":
            a = a / (std + 1e-4)
        out[scale] = torch.nan_to_num(a, nan=0.0).tolist()
    return {"rewards": [None if x != x else x for x in rewards], "group": group, "advantages": out,
            "reward": torch.nanmean(r).item(), "reward_std": nanstd(r).item()}


def main():
    write = lambda name, value: (HERE / name).write_text(json.dumps({"versions": VERSIONS, "cases": value}) + "\n")
    write("grpo_loss.json", loss_cases())
    write("adamw.json", [adamw_case(0.0, 1.0), adamw_case(0.1, 0.0), adamw_case(0.05, 0.5)])
    write("lr_schedule.json", [schedule_case(n, t, w) for n in ["linear", "cosine", "constant", "constant_with_warmup"]
                               for t, w in [(10, 0), (10, 3)]])
    nan = float("nan")
    write("advantages.json", [advantage_case([1.0, 0, 0, 1, 0.2, 0.5, 0.9, 0.3], 4),
                              advantage_case([1.3, nan, 0.3, 0.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.5, nan, nan], 4)])


if __name__ == "__main__":
    main()
