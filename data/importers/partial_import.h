// What an import has decoded so far, in a folder beside the corpus ("C.h5.partial"), so that an import that was stopped
// or killed goes on where it was. A journal (data/store/journal.h) holds one checksummed record a file; a record that
// was cut by the end of the process is dropped, and its file is decoded again.
//
// Called by: import.cc. Thread rule: single thread; a second process on the same folder gets kUnavailable.
// Failure rule: a disk that fails is kStorage; decoded clips that another plan or a damaged journal left are dropped
// with a note, for they can be made again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/store/journal.h"

namespace prosodia {

struct DecodedFile {
  std::vector<int16_t> samples;  // at kSpeechRateHz
  std::string problem;           // not empty: why this file cannot be used; no samples then
};

class PartialImport {
 public:
  using Visitor = std::function<Status(DecodedFile)>;

  // Makes the folder or takes it over. `plan`: digest of all that decoding depends on. `restore`: called once for each
  // file that is there already, in order; `reset`: forget what was restored, from the first file on.
  static Result<std::unique_ptr<PartialImport>> open(const std::filesystem::path& folder, const Digest& plan,
                                                     const Visitor& restore, const std::function<Status()>& reset);

  size_t size() const { return size_; }  // files stored; the next one has this index
  const std::string& note() const { return note_; }
  Status add(const DecodedFile& file);  // durable after the next 4 MiB or sync()
  Status sync() { return journal_->sync(); }
  Status remove();  // the folder, when the corpus is written

 private:
  PartialImport(std::filesystem::path folder, std::unique_ptr<Journal> journal, size_t size, std::string note)
      : folder_(std::move(folder)), journal_(std::move(journal)), size_(size), note_(std::move(note)) {}
  std::filesystem::path folder_;
  std::unique_ptr<Journal> journal_;
  size_t size_ = 0, unsynced_bytes_ = 0;
  std::string note_;
};

}  // namespace prosodia
