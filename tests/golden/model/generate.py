"""Writes the stored values of model_golden_test.cc: tiny models, inputs, and what transformers computes for them.

Run by hand, with the packages of requirements.txt, when a case changes:
    python tests/golden/model/generate.py
Every parameter is refilled from a seeded normal distribution (default initialisation hides bugs: zero biases, unit
norms). float32, CPU, one thread, eager attention.
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)

HERE = pathlib.Path(__file__).parent
CLIP_FRAMES = [3, 4, 199, 200, 201, 203, 401]
MEL_BINS = 16
VOCAB = 96
AUDIO, AUDIO_BOS, AUDIO_EOS, IMAGE, VIDEO = 90, 91, 92, 93, 94
GREEDY_TOKENS = 20
METADATA = {"transformers": transformers.__version__, "torch": torch.__version__}


def refill(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            std = 0.1 + 0.2 * (index % 5) / 4
            noise = torch.randn(parameter.shape, generator=generator) * std
            # Norm weights near 1 keep activations in a healthy range; still all different.
            parameter.copy_(1 + noise if parameter.dim() == 1 and parameter.mean() == 1 else noise)
    model.eval()


def save_model(model, name, drop_prefix=None):
    folder = HERE / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "model.safetensors"
    path.chmod(0o644)
    if drop_prefix:  # the vision tower is never read, so its weights are not stored
        tensors = {k: v.clone() for k, v in load_file(path).items() if not k.startswith(drop_prefix)}
        save_file(tensors, path, metadata={"format": "pt"})


def store(name, tensors):
    path = HERE / f"{name}.safetensors"
    save_file(tensors, path, metadata=METADATA)
    path.chmod(0o644)


def audio_tokens(frames):
    return ((frames - 1) // 2 + 1) // 2


def random_ids(count, generator):
    return torch.randint(0, 80, (count,), generator=generator).tolist()


def left_pad(rows, pad=0):
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def store_rows(out, name, rows):
    out[f"{name}.token_ids"] = torch.tensor([i for row in rows for i in row], dtype=torch.int64)
    out[f"{name}.lengths"] = torch.tensor([len(row) for row in rows], dtype=torch.int64)


def valid(values, mask):
    return torch.cat([values[i][mask[i].bool()] for i in range(mask.shape[0])]).contiguous()


def labels_of(ids, mask):
    """Every second token of the second half of each row is a target."""
    labels = torch.full_like(ids, -100)
    for i, row_mask in enumerate(mask):
        length = int(row_mask.sum())
        labels[i, -(length // 2) :: 2] = ids[i, -(length // 2) :: 2]
    labels[(ids == AUDIO) | (mask == 0)] = -100
    return labels


def run(model, out, name, rows, features=None, gradients=False):
    ids, mask = left_pad(rows)
    inputs = {"input_ids": ids, "attention_mask": mask, **(features or {})}
    store_rows(out, name, rows)
    labels = labels_of(ids, mask)
    result = model(**inputs, labels=labels)
    out[f"{name}.logits"] = valid(result.logits.detach(), mask)
    out[f"{name}.labels"] = valid(labels, mask)
    out[f"{name}.loss"] = result.loss.detach().reshape(1)
    if gradients:
        model.zero_grad()
        result.loss.backward()
        for key, parameter in model.named_parameters():
            if parameter.grad is not None and not key.startswith("visual."):
                out[f"{name}.grad.{key}"] = parameter.grad.clone()


def greedy(model, out, name, row, features=None):
    ids = torch.tensor([row])
    result = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=GREEDY_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        **(features or {}),
    )
    out[f"{name}.prompt"] = torch.tensor(row, dtype=torch.int64)
    out[f"{name}.greedy"] = result[0, len(row) :].clone()


def thinker():
    config = Qwen2_5OmniThinkerConfig(
        audio_config=dict(d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24,
                          num_mel_bins=MEL_BINS, output_dim=32, n_window=100),
        vision_config=dict(depth=1, hidden_size=32, num_heads=2, intermediate_size=32, out_hidden_size=32),
        text_config=dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                         intermediate_size=48, vocab_size=VOCAB, max_position_embeddings=1024,
                         rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[1, 1, 2])),
        audio_token_index=AUDIO, audio_start_token_id=AUDIO_BOS, audio_end_token_id=AUDIO_EOS,
        image_token_index=IMAGE, video_token_index=VIDEO, user_token_id=5, vision_start_token_id=88,
        vision_end_token_id=89, tie_word_embeddings=False,
    )  # fmt: skip
    config._attn_implementation = "eager"
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    refill(model, 1)
    save_model(model, "thinker", drop_prefix="visual.")

    generator = torch.Generator().manual_seed(2)
    out = {}
    run(model, out, "text", [random_ids(9, generator), random_ids(17, generator)])

    mels = [torch.randn(MEL_BINS, frames, generator=generator) for frames in CLIP_FRAMES]
    for index, mel in enumerate(mels):
        out[f"mel.{index}"] = mel.contiguous()

    def features_of(indices):
        width = max(CLIP_FRAMES[i] for i in indices)
        features = torch.zeros(len(indices), MEL_BINS, width)
        mask = torch.zeros(len(indices), width, dtype=torch.long)
        for row, i in enumerate(indices):
            features[row, :, : CLIP_FRAMES[i]] = mels[i]
            mask[row, : CLIP_FRAMES[i]] = 1
        return {"input_features": features, "feature_attention_mask": mask}

    def prompt_of(indices, lead, tail):
        row = random_ids(lead, generator)
        for i in indices:
            row += [AUDIO_BOS] + [AUDIO] * audio_tokens(CLIP_FRAMES[i]) + [AUDIO_EOS]
        return row + random_ids(tail, generator)

    # Mixed batch: two clips in one prompt, one without audio, the rest in two more.
    rows = [prompt_of([0, 4], 3, 6), random_ids(11, generator), prompt_of([1, 2, 5], 2, 5), prompt_of([3, 6], 4, 7)]
    order = [0, 4, 1, 2, 5, 3, 6]
    out["audio.clip_order"] = torch.tensor(order, dtype=torch.int64)
    features = features_of(order)
    with torch.no_grad():
        out["audio.embeddings"] = model.get_audio_features(
            features["input_features"], features["feature_attention_mask"]
        ).last_hidden_state.contiguous()
    run(model, out, "audio", rows, features, gradients=True)
    greedy(model, out, "audio_greedy", prompt_of([5], 3, 4), features_of([5]))
    gradients = {key: value for key, value in out.items() if ".grad." in key}
    for key in gradients:
        del out[key]
    store("thinker_cases", out)
    store("thinker_gradients", gradients)


def qwen2(tied):
    name = "qwen2_tied" if tied else "qwen2_untied"
    config = Qwen2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
        vocab_size=VOCAB, max_position_embeddings=1024, tie_word_embeddings=tied,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0),
    )  # fmt: skip
    config._attn_implementation = "eager"
    model = Qwen2ForCausalLM(config)
    refill(model, 3 if tied else 4)
    save_model(model, name)
    generator = torch.Generator().manual_seed(5)
    out = {}
    run(model, out, "text", [random_ids(9, generator), random_ids(17, generator)], gradients=True)
    greedy(model, out, "text_greedy", random_ids(8, generator))
    store(f"{name}_cases", out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    thinker()
    qwen2(tied=True)
    qwen2(tied=False)
    print(json.dumps(METADATA), sum(p.stat().st_size for p in HERE.rglob("*") if p.is_file()), "bytes")
