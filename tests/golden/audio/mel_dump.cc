// Decodes sound files and writes their log-mel for compare.py: `mel_dump FILE…`. For each file on stdout: samples and
// frames as int64, the samples and [128][frames] values as float32.
#include <cstdio>

#include "data/audio/clip.h"
#include "data/audio/log_mel.h"

int main(int argc, char** argv) {
  const prosodia::LogMelExtractor extractor;
  for (int i = 1; i < argc; ++i) {
    const auto clip = prosodia::read_audio_file(argv[i]);
    const prosodia::Result<prosodia::LogMel> mel =
        clip ? extractor.extract(clip->samples) : prosodia::Result<prosodia::LogMel>(tl::unexpected(clip.error()));
    if (!mel) {
      std::fprintf(stderr, "mel_dump: %s\n", mel.error().message.c_str());
      return prosodia::exit_code(mel.error().code);
    }
    const int64_t sizes[] = {static_cast<int64_t>(clip->samples.size()), mel->num_frames};
    std::fwrite(sizes, sizeof(int64_t), 2, stdout);
    std::fwrite(clip->samples.data(), sizeof(float), clip->samples.size(), stdout);
    std::fwrite(mel->values.data(), sizeof(float), mel->values.size(), stdout);
  }
  return 0;
}
