"""Compares the product's F0 tracks with librosa.pyin's and Praat's, and the two with each other: run by hand in a venv with
requirements.txt, after building the target pitch_tracks.

    python compare_pitch.py PITCH_TRACKS SHARED_SPEECH_DIR [--every N] [--cache DIR] [--espeak]

Real speech: RAVDESS, EMO-DB and JFK under SHARED_SPEECH_DIR (every N-th file of the first two). Made signals with a known track:
signals.py; with --espeak also espeak-ng without intonation. Nothing of the files is stored.

Frames are aligned by time: frame i is centred on i * 10 ms in all tracks (references.py says how Praat's are brought there).
  GPE     gross pitch error: share of the frames voiced in both whose F0 differ by more than 20 %
  fine    |difference| in cents over the frames voiced in both that are not gross: median and mean
  voicing share of all frames on which both agree that they are voiced or unvoiced
Targets: GPE at most 5 %, median fine error at most 20 cents, voicing agreement at least 90 %, or, where the two references agree less
than that with each other, within a point of what they do.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import soundfile

import references
import signals

MAX_GPE, MAX_FINE_CENTS, MIN_VOICING = 0.05, 20.0, 0.90


def product_tracks(program, files):
    tracks = []
    for begin in range(0, len(files), 100):
        batch = files[begin : begin + 100]
        stream = subprocess.run([program, *batch], stdout=subprocess.PIPE, check=True).stdout
        at = 0
        for _ in batch:
            (count,) = np.frombuffer(stream, np.int64, 1, at)
            tracks.append(np.frombuffer(stream, np.float32, count, at + 8))
            at += 8 + 8 * count
    return tracks


def compare(a, b):
    """Counts over one file; added up over files."""
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    both = (a > 0) & (b > 0)
    ratio = a[both] / b[both]
    gross = np.abs(ratio - 1) > 0.2
    return {"frames": count, "agree": int(((a > 0) == (b > 0)).sum()), "both": int(both.sum()), "gross": int(gross.sum()),
            "cents": np.abs(1200 * np.log2(ratio[~gross]))}


def summary(parts):
    total = {key: sum(p[key] for p in parts) for key in ("frames", "agree", "both", "gross")}
    cents = np.concatenate([p["cents"] for p in parts])
    return {"gpe": total["gross"] / max(1, total["both"]), "fine": float(np.median(cents)), "mean": float(cents.mean()),
            "voicing": total["agree"] / max(1, total["frames"])}


def line(name, s, verdict=""):
    print(f"  {name:24} GPE {100 * s['gpe']:5.2f} %   fine median {s['fine']:5.1f}, mean {s['mean']:5.1f} cents   "
          f"voicing {100 * s['voicing']:5.1f} %   {verdict}")


def compare_set(title, ours, others):
    """`others`: name -> tracks. True when the product meets the targets against each."""
    seconds = sum(len(t) for t in ours) / 100
    print(f"{title}: {len(ours)} files, {seconds / 60:.1f} minutes")
    names = list(others)
    between = {(b, a): summary([compare(x, y) for x, y in zip(others[b], others[a])]) for i, a in enumerate(names) for b in names[i + 1 :]}
    least = min([MIN_VOICING] + [s["voicing"] - 0.01 for (b, a), s in between.items() if "truth" not in (a, b)])
    good = True
    for name, tracks in others.items():
        s = summary([compare(a, b) for a, b in zip(ours, tracks)])
        missed = [what for what, is_missed in (("GPE", s["gpe"] > MAX_GPE), ("fine", s["fine"] > MAX_FINE_CENTS),
                                               ("voicing", s["voicing"] < least)) if is_missed]
        line(f"product / {name}", s, "missed: " + ", ".join(missed) if missed else "met")
        good &= not missed
    for (second, first), s in between.items():
        line(f"{second} / {first}", s)
    return good


def real_speech(speech_dir, every):
    sets = {"RAVDESS": sorted(glob.glob(f"{speech_dir}/ravdess/*/*.wav"))[::every],
            "EMO-DB": sorted(glob.glob(f"{speech_dir}/emodb-2s/wav/*.wav"))[::every], "JFK": [f"{speech_dir}/jfk-16k.wav"]}
    return {name: files for name, files in sets.items() if files and os.path.exists(files[0])}


def compare_real(program, title, files, cache):
    waves = [soundfile.read(f, dtype="float32")[0] for f in files]
    others = {name: [references.cached(name, w, cache) for w in waves] for name in ("praat", "pyin")}
    return compare_set(title, product_tracks(program, files), others)


def compare_made(program, title, made, cache):
    """`made`: list of (samples, true F0 at every frame, or None)."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, (samples, _) in enumerate(made):
            files.append(f"{folder}/{i}.wav")
            soundfile.write(files[-1], samples, references.RATE, subtype="FLOAT")
        ours = product_tracks(program, files)
    others = {} if made[0][1] is None else {"truth": [truth for _, truth in made]}
    for name in ("praat", "pyin"):
        others[name] = [references.cached(name, samples, cache) for samples, _ in made]
    return compare_set(title, ours, others)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("speech_dir")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--cache", default=None)
    parser.add_argument("--espeak", action="store_true")
    options = parser.parse_args()
    good = True
    for title, files in real_speech(options.speech_dir, options.every).items():
        good &= compare_real(options.program, title, files, options.cache)
    good &= compare_made(options.program, "made signals", signals.made_signals(), options.cache)
    if options.espeak:
        good &= compare_made(options.program, "espeak-ng without intonation", signals.espeak_monotone(), options.cache)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
