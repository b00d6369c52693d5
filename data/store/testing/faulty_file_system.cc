#include "data/store/testing/faulty_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "data/base/check.h"

namespace prosodia {
namespace {

std::string key(const std::filesystem::path& path) {
  std::string text = path.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text == "." ? "" : text;
}

std::string parent_key(const std::string& path) { return key(std::filesystem::path(path).parent_path()); }

bool is_below(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

class FaultyWritableFile final : public WritableFile {
 public:
  FaultyWritableFile(FaultyFileSystem& fs, FileSystem::Path path, std::shared_ptr<FaultyFileSystem::Node> node)
      : fs_(fs), path_(std::move(path)), node_(std::move(node)), generation_(fs.generation_) {}

  Status append(std::span<const std::byte> bytes) override {
    const std::lock_guard lock(fs_.mutex_);
    if (auto status = enter("write"); !status) {
      if (alive()) {  // a part may have been written before the failure
        const size_t part = fs_.random_.next_below(static_cast<uint32_t>(bytes.size()) + 1);
        node_->data.insert(node_->data.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
      }
      return status;
    }
    node_->data.insert(node_->data.end(), bytes.begin(), bytes.end());
    return {};
  }
  Status sync() override {
    const std::lock_guard lock(fs_.mutex_);
    PROSODIA_TRY(enter("sync (fdatasync)"));
    node_->synced_bytes = node_->data.size();
    return {};
  }
  Status close() override { return {}; }
  uint64_t size() const override {
    const std::lock_guard lock(fs_.mutex_);
    return node_->data.size();
  }

 private:
  bool alive() const { return generation_ == fs_.generation_; }
  Status enter(const char* action) {
    if (!alive()) return storage_error(path_, action, EBADF);
    return fs_.enter(path_, action);
  }
  FaultyFileSystem& fs_;
  FileSystem::Path path_;
  std::shared_ptr<FaultyFileSystem::Node> node_;
  uint64_t generation_;
};

class FaultyReadableFile final : public ReadableFile {
 public:
  FaultyReadableFile(FaultyFileSystem& fs, FileSystem::Path path, std::shared_ptr<FaultyFileSystem::Node> node)
      : fs_(fs), path_(std::move(path)), node_(std::move(node)) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    const std::lock_guard lock(fs_.mutex_);
    PROSODIA_TRY(fs_.enter(path_, "read"));
    const size_t count = std::min(buffer.size(), node_->data.size() - std::min(offset_, node_->data.size()));
    if (count > 0) std::memcpy(buffer.data(), node_->data.data() + offset_, count);
    offset_ += count;
    return count;
  }

 private:
  FaultyFileSystem& fs_;
  FileSystem::Path path_;
  std::shared_ptr<FaultyFileSystem::Node> node_;
  size_t offset_ = 0;
};

class FaultyLock final : public FileLock {
 public:
  FaultyLock(FaultyFileSystem& fs, std::string name) : fs_(fs), name_(std::move(name)), generation_(fs.generation_) {}
  ~FaultyLock() override {
    const std::lock_guard lock(fs_.mutex_);
    if (generation_ == fs_.generation_) fs_.locks_.erase(name_);
  }

 private:
  FaultyFileSystem& fs_;
  std::string name_;
  uint64_t generation_;
};

FaultyFileSystem::FaultyFileSystem(uint64_t seed) : random_(seed) {
  for (const char* root : {"", "/"}) {
    live_[root] = std::make_shared<Node>(Node{.is_directory = true});
    durable_[root] = live_[root];
  }
}

uint64_t FaultyFileSystem::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FaultyFileSystem::fail_call(uint64_t number, int error_number) {
  const std::lock_guard lock(mutex_);
  fail_at_ = number;
  fail_later_too_ = false;
  error_number_ = error_number;
}

void FaultyFileSystem::fail_calls_from(uint64_t number, int error_number) {
  fail_call(number, error_number);
  fail_later_too_ = true;
}

void FaultyFileSystem::clear_faults() {
  const std::lock_guard lock(mutex_);
  fail_at_ = 0;
  fail_later_too_ = false;
}

Status FaultyFileSystem::enter(const Path& path, const char* action) {
  ++calls_;
  const bool fails = fail_at_ != 0 && (calls_ == fail_at_ || (fail_later_too_ && calls_ > fail_at_));
  if (fails) return storage_error(path, action, error_number_);
  return {};
}

void FaultyFileSystem::apply(Names& names, const NameChange& change) {
  if (change.from.empty()) {
    names[change.to] = change.node;
    return;
  }
  Names moved;
  for (auto it = names.begin(); it != names.end();) {
    if (it->first != change.from && !is_below(it->first, change.from)) {
      ++it;
      continue;
    }
    if (!change.to.empty()) moved[change.to + it->first.substr(change.from.size())] = it->second;
    it = names.erase(it);
  }
  for (auto& [path, node] : moved) names[path] = std::move(node);
}

Status FaultyFileSystem::change(NameChange change) {
  apply(live_, change);
  pending_.push_back(std::move(change));
  return {};
}

void FaultyFileSystem::tear(Node& node) {
  const size_t unsynced = node.data.size() - std::min(node.synced_bytes, node.data.size());
  if (unsynced == 0) return;
  const uint32_t kind = random_.next_below(3);
  const size_t kept = node.synced_bytes + random_.next_below(static_cast<uint32_t>(unsynced) + 1);
  if (kind == 0) {
    node.data.resize(kept);  // a prefix
  } else if (kind == 1) {
    std::fill(node.data.begin() + static_cast<std::ptrdiff_t>(kept), node.data.end(), std::byte{0});
  } else {  // a hole: blocks reach the disk out of order
    const size_t hole = std::min<size_t>(node.data.size() - kept, random_.next_below(64));
    for (size_t i = 0; i < hole; ++i) node.data[kept + i] = std::byte(random_.next_below(256));
  }
}

void FaultyFileSystem::crash(Crash kind) {
  const std::lock_guard lock(mutex_);
  ++generation_;
  locks_.clear();
  fail_at_ = 0;
  fail_later_too_ = false;
  if (kind == Crash::kProcess) return;
  if (kind == Crash::kTearUnsynced) {
    const uint32_t survive = random_.next_below(static_cast<uint32_t>(pending_.size()) + 1);
    for (uint32_t i = 0; i < survive; ++i) apply(durable_, pending_[i]);
  }
  pending_.clear();
  live_ = durable_;
  std::set<Node*> seen;
  for (auto it = live_.begin(); it != live_.end();) {  // a name whose folder did not survive is out of reach
    it = it->first.empty() || it->first == "/" || live_.contains(parent_key(it->first)) ? std::next(it)
                                                                                        : live_.erase(it);
  }
  durable_ = live_;
  for (auto& [path, node] : live_) {
    if (!seen.insert(node.get()).second) continue;
    if (kind == Crash::kTearUnsynced) tear(*node);
    if (kind == Crash::kDropUnsynced) node->data.resize(std::min(node->synced_bytes, node->data.size()));
    node->synced_bytes = node->data.size();
  }
}

void FaultyFileSystem::overwrite(const Path& path, std::vector<std::byte> contents) {
  const std::lock_guard lock(mutex_);
  Node& node = *live_.at(key(path));
  node.data = std::move(contents);
  node.synced_bytes = node.data.size();
}

Result<std::shared_ptr<FaultyFileSystem::Node>> FaultyFileSystem::file(const Path& path) {
  const auto it = live_.find(key(path));
  if (it == live_.end())
    return fail(ErrorCode::kInvalidInput, "{}: no such file or folder: check the path", path.string());
  if (it->second->is_directory)
    return fail(ErrorCode::kInvalidInput, "{}: is a folder, a file was expected", path.string());
  return it->second;
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::open_append(const Path& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "open for writing"));
  const std::string name = key(path);
  const auto parent = live_.find(parent_key(name));
  if (parent == live_.end() || !parent->second->is_directory) return storage_error(path, "open for writing", ENOENT);
  const auto it = live_.find(name);
  if (it != live_.end() && it->second->is_directory) return storage_error(path, "open for writing", EISDIR);
  if (it == live_.end() || mode == OpenMode::kTruncate)
    PROSODIA_TRY(change({.from = "", .to = name, .node = std::make_shared<Node>()}));
  return std::make_unique<FaultyWritableFile>(*this, path, live_.at(name));
}

Result<std::unique_ptr<ReadableFile>> FaultyFileSystem::open_read(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "open"));
  PROSODIA_ASSIGN(auto node, file(path));
  return std::make_unique<FaultyReadableFile>(*this, path, std::move(node));
}

Result<bool> FaultyFileSystem::exists(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "stat"));
  return live_.contains(key(path));
}

Result<uint64_t> FaultyFileSystem::file_size(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "stat"));
  PROSODIA_ASSIGN(const auto node, file(path));
  return node->data.size();
}

Result<std::vector<DirEntry>> FaultyFileSystem::list_dir(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "list"));
  const std::string folder = key(path);
  if (!live_.contains(folder))
    return fail(ErrorCode::kInvalidInput, "{}: no such folder: check the path", path.string());
  std::vector<DirEntry> entries;
  for (const auto& [name, node] : live_)
    if (!name.empty() && name != folder && parent_key(name) == folder)
      entries.push_back({Path(name).filename().string(), node->is_directory});
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Status FaultyFileSystem::create_dirs(const Path& path) {
  const std::string name = key(path);
  {
    const std::lock_guard lock(mutex_);
    if (live_.contains(name)) return {};
  }
  PROSODIA_TRY(create_dirs(Path(name).parent_path()));
  {
    const std::lock_guard lock(mutex_);
    PROSODIA_TRY(enter(path, "create the folder"));
    PROSODIA_TRY(change({.from = "", .to = name, .node = std::make_shared<Node>(Node{.is_directory = true})}));
  }
  return sync_dir(Path(name).parent_path());
}

Status FaultyFileSystem::rename(const Path& from, const Path& to) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(to, "rename to it"));
  const std::string source = key(from), target = key(to);
  const auto found = live_.find(source);
  if (found == live_.end()) return storage_error(from, "rename", ENOENT);
  if (const auto it = live_.find(target); it != live_.end() && it->second->is_directory)
    for (const auto& [name, node] : live_)
      if (is_below(name, target)) return storage_error(to, "rename to it", ENOTEMPTY);
  return change({.from = source, .to = target, .node = found->second});
}

Status FaultyFileSystem::remove(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "remove"));
  if (!live_.contains(key(path))) return {};
  return change({.from = key(path), .to = "", .node = nullptr});
}

Status FaultyFileSystem::remove_all(const Path& path) {
  std::vector<std::string> tree;  // children before parents, one call each, so that a crash leaves a part
  {
    const std::lock_guard lock(mutex_);
    const std::string top = key(path);
    for (const auto& [name, node] : live_)
      if (name == top || is_below(name, top)) tree.push_back(name);
  }
  for (auto it = tree.rbegin(); it != tree.rend(); ++it) PROSODIA_TRY(remove(*it));
  return {};
}

Status FaultyFileSystem::sync_dir(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "sync the folder"));
  const std::string folder = key(path);
  std::vector<NameChange> waiting;
  for (auto& change : pending_) {
    const bool here = (!change.from.empty() && parent_key(change.from) == folder) ||
                      (!change.to.empty() && parent_key(change.to) == folder);
    if (!here) {
      waiting.push_back(std::move(change));
      continue;
    }
    apply(durable_, change);
    if (change.from.empty() || change.to.empty()) continue;
    for (auto& earlier : waiting)  // they happened below the folder's old name
      for (std::string* name : {&earlier.from, &earlier.to})
        if (is_below(*name, change.from)) *name = change.to + name->substr(change.from.size());
  }
  pending_ = std::move(waiting);
  return {};
}

Status FaultyFileSystem::sync_file(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "sync (fsync)"));
  PROSODIA_ASSIGN(const auto node, file(path));
  node->synced_bytes = node->data.size();
  return {};
}

Status FaultyFileSystem::truncate(const Path& path, uint64_t size) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "truncate"));
  PROSODIA_ASSIGN(const auto node, file(path));
  node->data.resize(size);
  node->synced_bytes = size;
  return {};
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::lock_file(const Path& path) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "lock"));
  if (!locks_.insert(key(path)).second)
    return fail(ErrorCode::kUnavailable, "{}: in use by another process: stop that one first, or use another folder",
                path.string());
  return std::make_unique<FaultyLock>(*this, key(path));
}

}  // namespace prosodia
