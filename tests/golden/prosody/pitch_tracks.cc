// F0 tracks of sound files for compare_pitch.py: `pitch_tracks FILE…`. For each file on stdout: frames as int64, then
// F0 in Hz (0 = unvoiced) and whether the frame holds speech (1 or 0) as float32 each.
#include <cstdio>

#include "data/prosody/measure.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const auto clip = prosodia::read_audio_file(argv[i]);
    const prosodia::Result<prosodia::ProsodyTracks> tracks =
        clip ? prosodia::track_prosody(*clip) : prosodia::Result<prosodia::ProsodyTracks>(tl::unexpected(clip.error()));
    if (!tracks) {
      std::fprintf(stderr, "pitch_tracks: %s\n", tracks.error().message.c_str());
      return prosodia::exit_code(tracks.error().code);
    }
    const std::vector<bool>& active = tracks->frames.active;
    const auto count = static_cast<int64_t>(active.size());
    std::vector<float> f0_hz = tracks->f0_hz;
    f0_hz.resize(active.size(), 0.0f);
    const std::vector<float> speech(active.begin(), active.end());
    std::fwrite(&count, sizeof(count), 1, stdout);
    std::fwrite(f0_hz.data(), sizeof(float), f0_hz.size(), stdout);
    std::fwrite(speech.data(), sizeof(float), speech.size(), stdout);
  }
  return 0;
}
