"""Writes shapes/NAME/: tiny models of several attention shapes and what transformers computes for them, stage by stage,
for shapes_golden_test.cc.

Run by hand, with the packages of requirements.txt, when a case changes:
    python tests/golden/model/generate_shapes.py
Weights are stored in bfloat16, so that the float32 and the bfloat16 run of either side have the same weights. Stored
values are those of the float32 run (CPU, one thread, eager attention); of the bfloat16 run only its distance to them:
rms(bf16 - fp32) / rms(fp32).
"""

import json
import shutil

import torch
from generate import (
    AUDIO,
    AUDIO_BOS,
    AUDIO_EOS,
    GREEDY_TOKENS,
    HERE,
    IMAGE,
    METADATA,
    MEL_BINS,
    VIDEO,
    VOCAB,
    audio_tokens,
    labels_of,
    left_pad,
    random_ids,
    refill,
    store_rows,
    valid,
)
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)

LEARNING_RATE, WEIGHT_DECAY, MAX_GRAD_NORM, STEPS = 1e-2, 0.01, 1.0, 3

# heads, kv heads, head_dim (None: hidden / heads, no key), mrope_section (None: plain Qwen2), tied,
# rows of clip lengths in frames (the clips of one prompt each), weights after AdamW stored
SHAPES = {
    "mha_tied": (4, 4, None, [2, 1, 1], True, [[3, 199], [], [203]], True),
    "gqa4_head_dim": (8, 2, 6, [1, 1, 1], False, [[4], [200, 3]], False),
    "mqa_head_dim_tied": (4, 1, 16, [2, 3, 3], True, [[], [201]], False),
    "gqa2_long_clip": (4, 2, None, [1, 1, 2], False, [[401]], False),
    "qwen2_gqa3_head_dim": (6, 2, 10, None, False, [[], [], []], True),
}
HIDDEN = 32


def thinker_config(heads, kv_heads, head_dim, section, tied):
    text = dict(hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=heads, num_key_value_heads=kv_heads,
                intermediate_size=48, vocab_size=VOCAB, max_position_embeddings=512, tie_word_embeddings=tied,
                rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=section))  # fmt: skip
    if head_dim:
        text["head_dim"] = head_dim
    return Qwen2_5OmniThinkerConfig(
        audio_config=dict(d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24,
                          num_mel_bins=MEL_BINS, output_dim=HIDDEN, n_window=100),
        vision_config=dict(depth=1, hidden_size=32, num_heads=2, intermediate_size=32, out_hidden_size=HIDDEN),
        text_config=text,
        audio_token_index=AUDIO, audio_start_token_id=AUDIO_BOS, audio_end_token_id=AUDIO_EOS,
        image_token_index=IMAGE, video_token_index=VIDEO, user_token_id=5, vision_start_token_id=88,
        vision_end_token_id=89, tie_word_embeddings=tied,
    )  # fmt: skip


def qwen2_config(heads, kv_heads, head_dim, tied):
    return Qwen2Config(
        hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=heads, num_key_value_heads=kv_heads,
        intermediate_size=48, vocab_size=VOCAB, max_position_embeddings=512, tie_word_embeddings=tied,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0), head_dim=head_dim,
    )  # fmt: skip


def save_bf16(model, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "model.safetensors"
    path.chmod(0o644)
    tensors = {k: v.clone() for k, v in load_file(path).items() if not k.startswith("visual.")}
    save_file(tensors, path, metadata={"format": "pt"})


def watch(model, mask, out):
    """Hooks that record every stage into `out`; returns what removes them."""

    def keep(name, value, padded):
        value = value[0] if isinstance(value, tuple) else value
        out[name] = valid(value.detach(), mask) if padded else value.detach().clone()

    hooks = []

    def on_output(module, name, padded):
        hooks.append(module.register_forward_hook(lambda m, a, r: keep(name, r, padded)))

    def on_input(module, name, padded):
        hooks.append(module.register_forward_pre_hook(lambda m, a: keep(name, a[0], padded)))

    tower = getattr(model, "audio_tower", None)
    if tower is not None:
        on_input(tower.layers[0], "convolved", False)
        for i, layer in enumerate(tower.layers):
            on_output(layer, f"audio_layer.{i}", False)
        on_input(tower.ln_post, "pooled", False)
        on_output(tower.proj, "audio_embeddings", False)
    decoder = model.model
    on_input(decoder.layers[0], "merged", True)
    for i, layer in enumerate(decoder.layers):
        on_output(layer, f"decoder_layer.{i}", True)
    on_output(decoder.norm, "final_norm", True)

    def on_rope(module, args, kwargs, result):
        positions = kwargs.get("position_ids", args[1] if len(args) > 1 else None)
        positions = positions if positions.dim() == 3 else positions.expand(3, *positions.shape)
        positions = positions.expand(3, mask.shape[0], -1)
        out["position_ids"] = torch.stack([valid(row, mask) for row in positions])
        for name, value in zip(("cos", "sin"), result):
            value = value if value.dim() == 4 else value.expand(3, *value.shape)
            value = value.expand(3, mask.shape[0], -1, -1)
            out[name] = torch.stack([valid(row.detach(), mask) for row in value])

    hooks.append(decoder.rotary_emb.register_forward_hook(on_rope, with_kwargs=True))
    return lambda: [hook.remove() for hook in hooks]


def kept_logprobs(logits, labels):
    kept = labels[:, 1:] != -100
    logprobs = torch.log_softmax(logits[:, :-1].float(), -1)
    return logprobs.gather(2, labels[:, 1:].clamp(min=0)[..., None])[..., 0][kept]


def forward(model, inputs, mask, labels):
    out = {}
    unwatch = watch(model, mask, out)
    model.zero_grad()
    result = model(**inputs, labels=labels)
    unwatch()
    result.loss.backward()
    out["logits"] = valid(result.logits.detach(), mask)
    out["logprobs"] = kept_logprobs(result.logits.detach(), labels)
    out["loss"] = result.loss.detach().reshape(1)
    for key, parameter in trained(model):
        out[f"grad.{key}"] = parameter.grad.clone()
    return out


def trained(model):
    return [
        (key, p)
        for key, p in model.named_parameters()
        if not key.startswith("visual.") and "audio_bos_eos_token" not in key and p.requires_grad
    ]


def adamw(model, inputs, labels):
    """Three steps on float32 master weights; the model's own parameters follow them, rounded to its dtype."""
    parameters = trained(model)
    masters = [p.detach().float().clone() for _, p in parameters]
    optimizer = torch.optim.AdamW(
        [
            {"params": [m for m in masters if m.dim() >= 2], "weight_decay": WEIGHT_DECAY},
            {"params": [m for m in masters if m.dim() < 2], "weight_decay": 0.0},
        ],
        lr=LEARNING_RATE,
    )
    for _ in range(STEPS):
        model.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        for master, (_, p) in zip(masters, parameters):
            master.grad = p.grad.float()
        torch.nn.utils.clip_grad_norm_(masters, MAX_GRAD_NORM)
        optimizer.step()
        with torch.no_grad():
            for master, (_, p) in zip(masters, parameters):
                p.copy_(master)
    return {key: master for master, (key, _) in zip(masters, parameters)}


def relative_rms(actual, expected):
    return ((actual.double() - expected.double()).square().mean() / expected.double().square().mean()).sqrt()


def shape(name, heads, kv_heads, head_dim, section, tied, clips, keep_weights, seed):
    folder = HERE / "shapes" / name
    if section:
        loader, config = Qwen2_5OmniThinkerForConditionalGeneration, thinker_config(
            heads, kv_heads, head_dim, section, tied
        )
    else:
        loader, config = Qwen2ForCausalLM, qwen2_config(heads, kv_heads, head_dim, tied)
    model = loader(config)
    refill(model, seed)
    save_bf16(model, folder)

    def load(dtype):
        return loader.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()

    generator = torch.Generator().manual_seed(1000 + seed)
    out, rows, mels = {}, [], []
    for i, frames_of_row in enumerate(clips):
        row = random_ids(3 + 4 * i, generator)
        for frames in frames_of_row:
            row += [AUDIO_BOS] + [AUDIO] * audio_tokens(frames) + [AUDIO_EOS]
            mels.append(torch.randn(MEL_BINS, frames, generator=generator).bfloat16().float())
        rows.append(row + random_ids(8 + 3 * i, generator))
    ids, mask = left_pad(rows)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if mels:
        width = max(mel.shape[1] for mel in mels)
        inputs["input_features"] = torch.stack([torch.nn.functional.pad(m, (0, width - m.shape[1])) for m in mels])
        inputs["feature_attention_mask"] = torch.stack(
            [(torch.arange(width) < m.shape[1]).long() for m in mels]
        )
    # A plain Qwen2 counts padding as positions unless told (generate() tells it).
    training = inputs if section else inputs | {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
    labels = labels_of(ids, mask)
    store_rows(out, "rows", rows)
    out["clips_per_row"] = torch.tensor([len(c) for c in clips], dtype=torch.int64)
    out["labels"] = valid(labels, mask)
    for index, mel in enumerate(mels):
        out[f"mel.{index}"] = mel.bfloat16().contiguous()

    exact = forward(load(torch.float32), training, mask, labels)
    rounded = forward(load(torch.bfloat16), training, mask, labels)
    for key, value in exact.items():
        if key not in ("position_ids", "cos", "sin"):
            out[f"bf16_error.{key}"] = relative_rms(rounded[key], value).reshape(1)
    gradients = {key: value for key, value in exact.items() if key.startswith("grad.")}
    out |= {key: value.contiguous() for key, value in exact.items() if key not in gradients}

    model = load(torch.float32)
    with torch.no_grad():
        generated = model.generate(**inputs, max_new_tokens=GREEDY_TOKENS, do_sample=False, eos_token_id=None,
                                   pad_token_id=0)  # fmt: skip
    out["greedy"] = generated[:, ids.shape[1] :].contiguous()

    before = {key: p.detach().clone() for key, p in trained(model)}
    after = adamw(model, training, labels)
    after_bf16 = adamw(load(torch.bfloat16), training, labels)
    updates = lambda weights: torch.cat([(weights[k] - before[k]).flatten() for k in before])
    out["bf16_error.adamw"] = relative_rms(updates(after_bf16), updates(after)).reshape(1)
    save_file(out, folder / "cases.safetensors", metadata=METADATA)
    save_file({k: v.contiguous() for k, v in gradients.items()}, folder / "gradients.safetensors", metadata=METADATA)
    if keep_weights:
        save_file(after, folder / "adamw.safetensors", metadata=METADATA)
    for path in folder.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, (name, arguments) in enumerate(SHAPES.items()):
        shape(name, *arguments, seed=20 + index)
    files = [p for p in (HERE / "shapes").rglob("*") if p.is_file()]
    print(json.dumps(METADATA), max(p.stat().st_size for p in files), sum(p.stat().st_size for p in files), "bytes")
