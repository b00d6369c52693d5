"""Tiny model folders in fresh random shapes, written by transformers: what interop.py runs the binary on.

Every parameter is refilled from a seeded normal distribution (default initialisation hides bugs: zero biases, unit
norms), scaled by fan-in so that a deep random network neither saturates nor amplifies rounding.
"""

import json
import random
import shutil

import torch
from transformers import (
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TOKENIZER_FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "generation_config.json",
]


def refill(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:  # norms around 1, biases around 0; all different
                is_norm = bool((parameter == 1).all())
                parameter.copy_(1 + 0.2 * noise if is_norm else 0.2 * noise)
        head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
        if head is not None:
            head.weight.mul_(3.0)  # peaked distributions: few near-ties for greedy decoding
    model.eval()


def text_shape(rng):
    """Random head counts, group ratio, head_dim (not always hidden / heads), widths and depth."""
    kv_heads = rng.choice([1, 2, 3])
    ratio = rng.choice([1, 2, 4, 7])
    head_dim = rng.choice([8, 16, 24])
    return {
        "hidden_size": kv_heads * ratio * head_dim,
        "num_attention_heads": kv_heads * ratio,
        "num_key_value_heads": kv_heads,
        "intermediate_size": rng.choice([40, 56, 88]),
        "num_hidden_layers": rng.choice([1, 2, 3]),
        "rms_norm_eps": rng.choice([1e-5, 1e-6]),
        "max_position_embeddings": 2048,
    }


def rope(rng, head_dim, mrope):
    parameters = {"rope_type": "default", "rope_theta": rng.choice([1e4, 5e5, 1e6])}
    if mrope:
        half = head_dim // 2
        first = half // 4
        parameters["mrope_section"] = [first, (half - first) // 2, half - first - (half - first) // 2]
    return parameters


def thinker_config(rng, vocab_size, ids, tied):
    text = text_shape(rng)
    head_dim = text["hidden_size"] // text["num_attention_heads"]
    heads = rng.choice([1, 2, 4])
    return {
        "audio_config": {
            "d_model": heads * rng.choice([8, 12]),
            "encoder_attention_heads": heads,
            "encoder_layers": rng.choice([1, 2]),
            "encoder_ffn_dim": rng.choice([24, 48]),
            "num_mel_bins": 128,
            "n_window": 100,
            "output_dim": text["hidden_size"],
        },
        "vision_config": {"depth": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32,
                          "out_hidden_size": text["hidden_size"]},
        "text_config": {**text, "vocab_size": vocab_size, "rope_parameters": rope(rng, head_dim, mrope=True),
                        "tie_word_embeddings": tied},
        "tie_word_embeddings": tied,
        **ids,
    }  # fmt: skip


def omni_config(rng, vocab_size, ids):
    thinker = thinker_config(rng, vocab_size, ids, tied=False)
    talker = {
        "vocab_size": 64, "embedding_size": thinker["text_config"]["hidden_size"], "hidden_size": 32,
        "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
    }  # fmt: skip
    token2wav = {
        "dit_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16,
                       "emb_dim": 16, "num_embeds": 32, "mel_dim": 8, "enc_emb_dim": 8, "enc_dim": 8,
                       "enc_channels": [8, 8, 8, 8, 24], "enc_attention_channels": 4, "enc_se_channels": 4,
                       "look_ahead_layers": [0], "look_backward_layers": [0]},
        "bigvgan_config": {"mel_dim": 8, "upsample_initial_channel": 16, "resblock_kernel_sizes": [3],
                           "resblock_dilation_sizes": [[1, 3, 5]], "upsample_rates": [2], "upsample_kernel_sizes": [4]},
    }  # fmt: skip
    return Qwen2_5OmniConfig(thinker_config=thinker, talker_config=talker, token2wav_config=token2wav)


def build(kind, rng, vocab_size, ids):
    if kind.startswith("omni"):
        return Qwen2_5OmniForConditionalGeneration(omni_config(rng, vocab_size, ids))
    if kind.startswith("thinker"):
        config = Qwen2_5OmniThinkerConfig(**thinker_config(rng, vocab_size, ids, tied="tied" in kind.split("-")))
        return Qwen2_5OmniThinkerForConditionalGeneration(config)
    text = text_shape(rng)
    head_dim = text["hidden_size"] // text["num_attention_heads"]
    return Qwen2ForCausalLM(Qwen2Config(**text, vocab_size=vocab_size, rope_parameters=rope(rng, head_dim, mrope=False),
                                        tie_word_embeddings="tied" in kind.split("-")))  # fmt: skip


def old_spelling(folder):
    """config.json as transformers 4 wrote it: torch_dtype, rope_theta beside rope_scaling."""
    path = folder / "config.json"
    config = json.loads(path.read_text())

    def walk(node):
        if "dtype" in node:
            node["torch_dtype"] = node.pop("dtype")
        parameters = node.pop("rope_parameters", None)
        if parameters is not None:
            node["rope_theta"] = parameters["rope_theta"]
            if "mrope_section" in parameters:
                node["rope_scaling"] = {"mrope_section": parameters["mrope_section"], "rope_type": "default",
                                        "type": "default"}  # fmt: skip
        for value in node.values():
            if isinstance(value, dict):
                walk(value)

    walk(config)
    if config["model_type"] == "qwen2_5_omni":
        config["architectures"] = ["Qwen2_5OmniModel"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def write_folder(kind, folder, tokenizer_dir, ids, vocab_size, seed):
    """One folder of `kind`: LAYOUT[-tied][-bf16][-sharded][-old]."""
    rng = random.Random(seed)
    words = kind.split("-")
    model = build(kind, rng, vocab_size, ids)
    refill(model, seed)
    if "bf16" in words:
        model = model.to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="30KB" if "sharded" in words else "5GB")
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_dir / name, folder / name)
    if kind.startswith("omni"):
        torch.save({}, folder / "spk_dict.pt")
    if "old" in words:
        old_spelling(folder)
    return folder
