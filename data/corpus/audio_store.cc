#include "data/corpus/audio_store.h"

#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include "data/corpus/corpus.h"

namespace prosodia {
namespace {

size_t bytes_of(const AudioClip& clip) { return clip.samples.size() * sizeof(float); }

// Where the path ends and the utterance id begins: the '#' of the file name, when what is in front is an HDF5 file.
size_t hash_position(const std::string& ref) {
  const size_t slash = ref.rfind('/');
  const size_t hash = ref.find('#', slash == std::string::npos ? 0 : slash);
  if (hash == std::string::npos) return hash;
  const std::string_view file = std::string_view(ref).substr(0, hash);
  return file.ends_with(".h5") || file.ends_with(".hdf5") ? hash : std::string::npos;
}

}  // namespace

struct AudioStore::State {
  using Clip = std::shared_ptr<const AudioClip>;
  struct Entry {
    Clip clip;
    std::list<std::string>::iterator position;
  };
  AudioStoreOptions options;
  mutable std::mutex mutex;  // guards everything below; never held while decoding
  std::map<std::string, std::shared_ptr<const CorpusReader>> corpora;
  std::list<std::string> recent;  // front: used last
  std::unordered_map<std::string, Entry> cache;
  size_t bytes = 0;

  Clip find(const std::string& ref) {
    const std::lock_guard guard(mutex);
    const auto it = cache.find(ref);
    if (it == cache.end()) return nullptr;
    recent.splice(recent.begin(), recent, it->second.position);
    return it->second.clip;
  }

  Clip keep(const std::string& ref, Clip clip) {
    const std::lock_guard guard(mutex);
    if (const auto it = cache.find(ref); it != cache.end()) return it->second.clip;  // another thread was first
    const size_t size = bytes_of(*clip);
    if (size > options.max_cached_bytes) return clip;
    recent.push_front(ref);
    cache.emplace(ref, Entry{clip, recent.begin()});
    bytes += size;
    while (bytes > options.max_cached_bytes) {
      const auto oldest = cache.find(recent.back());
      bytes -= bytes_of(*oldest->second.clip);
      cache.erase(oldest);
      recent.pop_back();
    }
    return clip;
  }

  Result<std::shared_ptr<const CorpusReader>> corpus(const std::string& path) {
    {
      const std::lock_guard guard(mutex);
      if (const auto it = corpora.find(path); it != corpora.end()) return it->second;
    }
    PROSODIA_ASSIGN(std::shared_ptr<const CorpusReader> reader, CorpusReader::open(path));
    const std::lock_guard guard(mutex);
    return corpora.emplace(path, std::move(reader)).first->second;
  }

  Result<AudioClip> decode(const std::string& ref) {
    const size_t hash = hash_position(ref);
    if (hash == std::string::npos) return read_audio_file(ref);
    PROSODIA_ASSIGN(const auto reader, corpus(ref.substr(0, hash)));
    PROSODIA_ASSIGN(const size_t index, reader->find(std::string_view(ref).substr(hash + 1)));
    PROSODIA_ASSIGN(AudioClip clip, reader->read_audio(index));
    if (clip.sample_rate_hz == kSpeechRateHz) return clip;
    return resample(clip, kSpeechRateHz);
  }
};

AudioStore::AudioStore(AudioStoreOptions options) : state_(std::make_unique<State>()) { state_->options = options; }
AudioStore::~AudioStore() = default;

Result<std::shared_ptr<const AudioClip>> AudioStore::load(const std::string& ref) {
  if (auto clip = state_->find(ref)) return clip;
  Result<AudioClip> decoded = state_->decode(ref);
  if (!decoded) return tl::unexpected(std::move(decoded).error());
  return state_->keep(ref, std::make_shared<const AudioClip>(std::move(*decoded)));
}

size_t AudioStore::cached_bytes() const {
  const std::lock_guard guard(state_->mutex);
  return state_->bytes;
}

}  // namespace prosodia
