// A file system in memory that misbehaves on request: fails the N-th call, runs out of space, loses power. For tests
// and simulations; same interface and durability rules as the real one, taken at their weakest: file contents survive a
// power loss only up to the last sync, names only after sync_dir of their folder.
//
// A sync that fails marks the file's pages clean although they never reached the disk, as Linux does: later syncs of
// the same file succeed and do not write them either. Only writing the bytes again makes them durable.
//
// Thread-safe. After crash(), files and locks opened before it are dead: their calls fail and change nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "data/base/philox.h"
#include "data/store/fs.h"

namespace prosodia {

enum class Crash {
  kProcess,       // the process dies, the machine goes on: everything written is there
  kDropUnsynced,  // power loss: exactly what was synced is there
  kTearUnsynced,  // power loss: of what was not synced, some is there, some is zeros or garbage (seeded)
};

class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(uint64_t seed = 1);

  // --- faults. Calls are counted from 1; reads, writes, syncs, opens, renames … all count.
  uint64_t calls() const;
  void fail_call(uint64_t number, int error_number);        // that call only; a failing append may write a part
  void fail_calls_from(uint64_t number, int error_number);  // that call and all later ones
  void fail_sync(uint64_t number, int error_number);        // the number-th sync of a file from now on; see below
  // Bytes that all files together may hold; appends beyond fail with ENOSPC after writing what fits.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;
  void clear_faults();  // capacity included
  // What is there after the machine or process came back. Clears faults.
  void crash(Crash);
  // Contents behind everybody's back, durable at once: to damage a byte.
  void overwrite(const Path&, std::vector<std::byte> contents);

  Result<std::unique_ptr<WritableFile>> open_append(const Path&, OpenMode) override;
  Result<std::unique_ptr<ReadableFile>> open_read(const Path&) override;
  Result<bool> exists(const Path&) override;
  Result<uint64_t> file_size(const Path&) override;
  Result<std::vector<DirEntry>> list_dir(const Path&) override;
  Status create_dirs(const Path&) override;
  Status rename(const Path& from, const Path& to) override;
  Status remove(const Path&) override;
  Status remove_all(const Path&) override;
  Status sync_dir(const Path&) override;
  Status sync_file(const Path&) override;
  Status truncate(const Path&, uint64_t size) override;
  Result<std::unique_ptr<FileLock>> lock_file(const Path&) override;

 private:
  friend class FaultyWritableFile;
  friend class FaultyReadableFile;
  friend class FaultyLock;

  struct Node {  // a file's contents, or a folder
    bool is_directory = false;
    std::vector<std::byte> data;
    size_t synced_bytes = 0;
    std::vector<std::pair<size_t, size_t>> lost;  // [begin, end) marked clean by a failed sync, not on the disk
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;  // full path -> node
  // A change of names that is not durable yet. node set: `to` appears. from set: it disappears. Both: a rename.
  struct NameChange {
    std::string from, to;
    std::shared_ptr<Node> node;
  };

  Status sync(Node&, const Path&, const char* action);
  size_t room_for(size_t bytes) const;
  Status enter(const Path&, const char* action);  // counts the call and fails it if that is its turn; holds no lock
  Status change(NameChange);
  static void apply(Names&, const NameChange&);
  Result<std::shared_ptr<Node>> file(const Path&);
  void tear(Node&);

  mutable std::mutex mutex_;
  Names live_, durable_;
  std::vector<NameChange> pending_;
  std::set<std::string> locks_;
  uint64_t calls_ = 0, fail_at_ = 0, generation_ = 0;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t syncs_until_failure_ = 0;  // 0 = none fails
  bool fail_later_too_ = false;
  int error_number_ = 0;
  PhiloxStream random_;
};

}  // namespace prosodia
