"""F0 tracks by librosa.pyin and Praat (parselmouth), on the product's frame grid: frame i is centred on i * 10 ms, 0 Hz = unvoiced."""

import hashlib
import os

import librosa
import numpy as np
import parselmouth

RATE, HOP = 16000, 160
F0_MIN, F0_MAX = 55.0, 500.0
PYIN_FRAME = 1024  # 64 ms: 3.5 periods of 55 Hz, as Praat's 3 / 55 Hz = 55 ms


def pyin(samples):
    f0, voiced, _ = librosa.pyin(samples, fmin=F0_MIN, fmax=F0_MAX, sr=RATE, frame_length=PYIN_FRAME, hop_length=HOP, center=True)
    return np.where(voiced, np.nan_to_num(f0), 0.0)


def praat(samples):
    """Praat's own frames lie where its window fits; they are moved to the grid: voicing from the nearest frame (at most 5 ms away), F0
    interpolated in log frequency between two voiced ones."""
    count = len(samples) // HOP + 1
    margin = 2048  # so that the first and last frames of the grid have a window
    padded = np.concatenate([np.zeros(margin), samples.astype(np.float64), np.zeros(margin)])
    pitch = parselmouth.Sound(padded, RATE).to_pitch_ac(time_step=HOP / RATE, pitch_floor=F0_MIN, pitch_ceiling=F0_MAX)
    f0 = pitch.selected_array["frequency"]
    at = (np.arange(count) * HOP + margin + 0.5) / RATE
    position = (at - pitch.x1) / pitch.dx
    left = np.clip(np.floor(position).astype(int), 0, len(f0) - 1)
    right = np.clip(left + 1, 0, len(f0) - 1)
    nearest = np.clip(np.round(position).astype(int), 0, len(f0) - 1)
    part = position - left
    both = (f0[left] > 0) & (f0[right] > 0)
    track = f0[nearest].copy()
    track[both] = np.exp((1 - part[both]) * np.log(f0[left][both]) + part[both] * np.log(f0[right][both]))
    track[f0[nearest] == 0] = 0
    return track


REFERENCES = {"pyin": pyin, "praat": praat}


def cached(name, samples, cache_dir):
    """A reference's track; with `cache_dir` kept there, because pyin runs at only a few times real time."""
    if cache_dir is None:
        return REFERENCES[name](samples)
    key = hashlib.sha256(samples.tobytes() + f"{name} {PYIN_FRAME} {F0_MIN} {F0_MAX}".encode()).hexdigest()[:24]
    path = os.path.join(cache_dir, f"{name}-{key}.npy")
    if not os.path.exists(path):
        os.makedirs(cache_dir, exist_ok=True)
        np.save(path + f".{os.getpid()}.npy", REFERENCES[name](samples).astype(np.float32))
        os.replace(path + f".{os.getpid()}.npy", path)
    return np.load(path)
