"""Signals whose F0 is known at every frame."""

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import lfilter

RATE, HOP = 16000, 160

# Formant frequencies in Hz of vowels of an adult, for a tract scale of 1.
VOWELS = [(730, 1090, 2440, 3400), (270, 2290, 3010, 3700), (300, 870, 2240, 3300), (530, 1840, 2480, 3500), (570, 840, 2410, 3300)]
BANDWIDTHS = (80, 100, 140, 200)


def resonate(source, formants):
    for frequency, bandwidth in zip(formants, BANDWIDTHS):
        radius = np.exp(-np.pi * bandwidth / RATE)
        a = [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        source = lfilter([sum(a)], a, source)
    return source


def vowel(rng, f0, scale, noise_db):
    """A glottal source of known F0 (one value a sample) through one vowel's formants. Pulses are an impulse response of -12 dB per
    octave, placed between samples by band-limited phase: a sum of harmonics."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    source = np.zeros(len(f0))
    for k in range(1, int(7000 / f0.min()) + 1):
        source += np.where(k * f0 < 7000, np.sin(k * phase) / k, 0)
    formants = np.array(VOWELS[rng.integers(len(VOWELS))]) * scale
    voiced = resonate(source, formants)
    voiced *= 0.1 / np.sqrt(np.mean(voiced**2))
    return voiced + 0.1 * 10 ** (noise_db / 20) * rng.standard_normal(len(f0))


def utterance(seed):
    """Syllables with moving F0, levels of 20 dB range, and noise (fricatives) or closures between them."""
    rng = np.random.default_rng(seed)
    base = np.exp(rng.uniform(np.log(80), np.log(320)))
    scale = rng.uniform(0.9, 1.2)
    noise_db = rng.uniform(-40, -20)
    samples, truth = [np.zeros(4000)], [np.zeros(4000)]
    for _ in range(8):
        length = int(rng.uniform(0.1, 0.3) * RATE)
        t = np.linspace(0, 1, length)
        start, end = rng.uniform(-4, 4, 2)
        vibrato = rng.uniform(0, 0.3) * np.sin(2 * np.pi * rng.uniform(3, 7) * t * length / RATE)
        f0 = np.clip(base * 2 ** ((start + (end - start) * t + vibrato) / 12), 60, 480)
        envelope = np.minimum(1, np.minimum(t, 1 - t) * length / (0.02 * RATE)) * 10 ** (rng.uniform(-12, 0) / 20)
        samples.append(vowel(rng, f0, scale, noise_db) * envelope)
        truth.append(f0)
        gap = int(rng.uniform(0.04, 0.15) * RATE)
        kind = rng.integers(2)  # closure or fricative
        hiss = lfilter([1, -0.9], [1], rng.standard_normal(gap)) * 0.01 * kind
        samples.append(hiss)
        truth.append(np.zeros(gap))
    wave = np.concatenate(samples).astype(np.float32)
    track = np.concatenate(truth)
    return wave, track[np.minimum(np.arange(len(wave) // HOP + 1) * HOP, len(wave) - 1)]


def made_signals(count=24):
    return [utterance(seed) for seed in range(count)]


SENTENCES = ["They moved the old chair down the road.", "We never know why our yellow lion is lying there."]
PITCHES = [70, 90, 120, 150, 190, 240, 300]
VARIANT = "language variant\nname {name}\ngender {gender}\npitch {pitch} {pitch}\n"


def espeak_monotone():
    """espeak-ng with voices of 70 to 300 Hz whose intonation is turned off. Their track is known to espeak-ng alone (it shifts the pitch by
    up to a semitone), so there is no truth beside them."""
    data = Path(subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout.split("Data at: ")[1].strip())
    made = []
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "espeak-ng-data"
        (own / "voices" / "!v").mkdir(parents=True)
        for entry in data.iterdir():
            if entry.name != "voices":
                (own / entry.name).symlink_to(entry)
        for pitch in PITCHES:
            name = f"mono{pitch}"
            (own / "voices" / "!v" / name).write_text(VARIANT.format(name=name, gender="female" if pitch > 160 else "male", pitch=pitch))
            for sentence in SENTENCES:
                command = ["espeak-ng", f"--path={folder}", "-v", f"en-us+{name}", "-p", "50", "--stdout", "-m",
                           f'<speak><prosody range="-100%">{sentence}</prosody></speak>']
                wave, rate = soundfile.read(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout), dtype="float32")
                wave = soxr.resample(wave, rate, RATE)
                made.append((wave, None))
    return made
