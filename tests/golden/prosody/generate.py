"""Writes pitch.json: the F0 tracks of librosa.pyin and Praat for a few recordings of the shared speech, in Hz every 10 ms (0 =
unvoiced). Run by hand in a venv with requirements.txt:

    python generate.py SHARED_SPEECH_DIR > pitch.json

Numbers only: no audio is stored, and the test skips where the recordings are absent.
"""

import json
import sys

import soundfile

import references

FILES = ["jfk-16k.wav", "ravdess/Actor_01/03-01-01-01-01-01-01.wav", "ravdess/Actor_02/03-01-05-02-01-01-02.wav",
         "ravdess/Actor_05/03-01-03-01-02-01-05.wav", "ravdess/Actor_08/03-01-06-02-01-01-08.wav",
         "ravdess/Actor_11/03-01-04-01-02-01-11.wav", "ravdess/Actor_14/03-01-08-02-01-01-14.wav",
         "emodb-2s/wav/03a01Wa.wav", "emodb-2s/wav/08a01Lc.wav", "emodb-2s/wav/03b10Ab.wav", "emodb-2s/wav/08a02Ab.wav"]


def main():
    tracks = {}
    for name in FILES:
        samples, rate = soundfile.read(f"{sys.argv[1]}/{name}", dtype="float32")
        assert rate == references.RATE
        tracks[name] = {key: [round(float(f), 1) for f in track(samples)] for key, track in references.REFERENCES.items()}
    print(json.dumps(tracks, separators=(",", ":")).replace('"praat"', '\n"praat"').replace('"pyin"', '\n"pyin"'))


if __name__ == "__main__":
    main()
