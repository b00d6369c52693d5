"""Compares decoding, resampling and log-mel of whole sound files with soundfile + soxr HQ + transformers' WhisperFeatureExtractor, value
by value: run by hand in a venv with requirements.txt, after building the target mel_dump.

    python compare.py MEL_DUMP FILE…

Nothing of the files is stored, so this also serves recordings whose licence forbids it.
"""

import subprocess
import sys

import numpy as np
import transformers

from generate import BUFFER, load_mono


def reference(extractor, path):
    mono = load_mono(path)
    padded = np.zeros(BUFFER, dtype=np.float32)
    padded[: min(len(mono), BUFFER)] = mono[:BUFFER]
    return mono, extractor._np_extract_fbank_features(padded[None], "cpu")[0]


def main():
    program, files = sys.argv[1], sys.argv[2:]
    extractor = transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=300)
    stream = subprocess.run([program, *files], stdout=subprocess.PIPE, check=True).stdout
    at, worst = 0, 0.0
    for path in files:
        num_samples, num_frames = np.frombuffer(stream, np.int64, 2, at)
        samples = np.frombuffer(stream, np.float32, num_samples, at + 16)
        mel = np.frombuffer(stream, np.float32, 128 * num_frames, at + 16 + 4 * num_samples).reshape(128, num_frames)
        at += 16 + 4 * num_samples + 4 * mel.size
        mono, expected = reference(extractor, path)
        length = min(len(mono), len(samples))
        sample_difference = np.abs(samples[:length] - mono[:length]).max()
        mel_difference = np.abs(mel - expected[:, :num_frames]).max()
        worst = max(worst, mel_difference)
        print(f"{path}: samples {num_samples} against {len(mono)}, max difference {sample_difference:.1e}; log-mel of {num_frames} "
              f"frames, max difference {mel_difference:.1e}")
    print(f"worst log-mel difference {worst:.1e}")
    sys.exit(1 if worst > 1e-5 else 0)


if __name__ == "__main__":
    main()
