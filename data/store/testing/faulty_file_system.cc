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
    const size_t room = fs_.room_for(bytes.size());
    node_->data.insert(node_->data.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(room));
    if (room < bytes.size()) return storage_error(path_, "write", ENOSPC);
    return {};
  }
  Status sync() override {
    const std::lock_guard lock(fs_.mutex_);
    PROSODIA_TRY(enter("sync (fdatasync)"));
    return fs_.sync(*node_, path_, "sync (fdatasync)");
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
  return sync(*node, path, "sync (fsync)");
}

Status FaultyFileSystem::truncate(const Path& path, uint64_t size) {
  const std::lock_guard lock(mutex_);
  PROSODIA_TRY(enter(path, "truncate"));
  PROSODIA_ASSIGN(const auto node, file(path));
  node->data.resize(size);
  return sync(*node, path, "sync (fsync)");
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
