"""Writes mel.safetensors, resample.safetensors and, given the shared speech, ravdess.json: run by hand in a venv with
requirements.txt.

    python generate.py [SHARED_SPEECH_DIR]

RAVDESS may not be copied, so ravdess.json holds only a few sums over each file's samples and log-mel; compare.py compares the values.

The test signals are integer arithmetic (signals.h has the same in C++), so both sides see the same bits. Each mel case
stores a choice of frames of two outputs of transformers' WhisperFeatureExtractor(feature_size=128, chunk_length=300):
  NAME/torch  its default path, a float32 STFT
  NAME/numpy  its float64 path, _np_extract_fbank_features, on the same zero-padded buffer
"""

import json
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
import soundfile
import soxr
import torch
import transformers

OUT = Path(__file__).parent
BUFFER = 4_800_000


def chirp(n):
    i = np.arange(n, dtype=np.uint64)
    phase = (i * i * np.uint64(3) + i * np.uint64(700)) % np.uint64(65536)
    return np.minimum(phase, np.uint64(65535) - phase).astype(np.int64) - 16384


def noise(n, shift):
    v = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(12345)) & np.uint64(0xFFFFFFFF)
    v ^= v >> np.uint64(15)
    v = (v * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    v ^= v >> np.uint64(13)
    return ((v >> np.uint64(16)).astype(np.int64) - 32768) >> shift


def signal(kind, n):
    if kind == "chirp":
        x = chirp(n)
    elif kind == "noise":
        x = noise(n, 2)
    elif kind == "fading":  # loud, then 60 dB less: many values sit at the clamp
        x = np.where(np.arange(n) < n // 2, chirp(n), noise(n, 11))
    elif kind == "last_sample":  # the loudest frame is the first one behind the valid frames
        x = noise(n, 12)
        x[-1] = 30000
    elif kind == "silence":
        x = np.zeros(n, dtype=np.int64)
    return (x / 32768.0).astype(np.float32)


CASES = [("L3_min", "chirp", 321), ("L3_max", "noise", 480), ("L4", "chirp", 640), ("L199", "noise", 199 * 160),
         ("L200", "fading", 200 * 160 - 3), ("L201", "chirp", 201 * 160 - 159), ("L203", "last_sample", 203 * 160),
         ("L401", "fading", 401 * 160), ("silence", "silence", 1600), ("short_last", "last_sample", 1601),
         ("near_limit", "noise", BUFFER - 130), ("at_limit", "last_sample", BUFFER), ("over_limit", "noise", BUFFER + 5000)]


def kept_frames(num_frames):
    few = [0, 1, 2, num_frames // 2, num_frames - 3, num_frames - 2, num_frames - 1]
    return sorted({t for t in few if 0 <= t < num_frames})


def mel_tensors(extractor, name, x, frames, out):
    got = extractor(x, sampling_rate=16000, return_attention_mask=True, return_tensors="np")
    num_frames = int(got["attention_mask"][0].sum())
    frames = kept_frames(num_frames) if frames is None else range(0, num_frames, frames)
    padded = np.zeros(BUFFER, dtype=np.float32)
    padded[: min(len(x), BUFFER)] = x[:BUFFER]
    exact = extractor._np_extract_fbank_features(padded[None], "cpu")[0]
    out[f"{name}/torch"] = np.ascontiguousarray(got["input_features"][0][:, list(frames)], dtype=np.float32)
    out[f"{name}/numpy"] = np.ascontiguousarray(exact[:, list(frames)], dtype=np.float32)
    out[f"{name}/frames"] = np.asarray(list(frames), dtype=np.int64)
    out[f"{name}/num_frames"] = np.asarray([num_frames], dtype=np.int64)


def signed_mean(values):
    """A mean with the pseudo-random signs of noise(): unlike a plain one it notices values that changed places."""
    values = values.astype(np.float64).ravel()
    return float((values * np.where(noise(len(values), 0) < 0, -1.0, 1.0)).mean())


def load_mono(path):
    """librosa.load(path, sr=16000, mono=True): soundfile, the channels' mean, soxr HQ, ceil(n * ratio) samples."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate == 16000:
        return mono
    length = int(np.ceil(len(mono) * (16000 / rate)))
    resampled = soxr.resample(mono, rate, 16000, quality="HQ")[:length]
    return np.pad(resampled, (0, length - len(resampled)))


def ravdess_sums(extractor, speech):
    for path in sorted((speech / "ravdess-raw").rglob("*.wav")):
        mono = load_mono(path)
        padded = np.zeros(BUFFER, dtype=np.float32)
        padded[: len(mono)] = mono
        frames = -(-len(mono) // 160)
        mel = extractor._np_extract_fbank_features(padded[None], "cpu")[0][:, :frames]
        yield {"file": str(path.relative_to(speech)), "samples": len(mono), "frames": frames, "sample_signed_mean": signed_mean(mono),
               "mel_mean": float(mel.mean(dtype=np.float64)), "mel_mean_square": float((mel.astype(np.float64) ** 2).mean()),
               "mel_signed_mean": signed_mean(mel)}


def main():
    speech = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    torch.set_num_threads(1)
    extractor = transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=300)
    tensors = {}
    for name, kind, n in CASES:
        mel_tensors(extractor, name, signal(kind, n), None, tensors)
    if speech:
        rows = ",\n".join(json.dumps(row) for row in ravdess_sums(extractor, speech))
        (OUT / "ravdess.json").write_text(f"[\n{rows}\n]\n")
        mel_tensors(extractor, "jfk", soundfile.read(speech / "jfk-16k.wav", dtype="float32")[0], 16, tensors)
    meta = {"torch": torch.__version__, "transformers": transformers.__version__, "soxr": soxr.__version__,
            "cases": json.dumps([{"name": n, "signal": k, "samples": s} for n, k, s in CASES])}
    safetensors.numpy.save_file(tensors, OUT / "mel.safetensors", metadata=meta)

    # librosa.load's resampler on the same input, every 7th sample.
    tensors = {}
    for rate in (8000, 11025, 22050, 44100, 48000):
        x = signal("noise", 6000) * np.float32(0.5)
        y = soxr.resample(x, rate, 16000, quality="HQ")
        tensors[f"{rate}"] = np.ascontiguousarray(y[::7])
    safetensors.numpy.save_file(tensors, OUT / "resample.safetensors", metadata=meta)


if __name__ == "__main__":
    main()
