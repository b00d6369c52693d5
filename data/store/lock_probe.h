// Who holds a lock file, without taking it, creating it or disturbing anybody: for those who only look.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/base/status.h"

namespace prosodia {

// "process 12 on host" while FileSystem::lock_file holds `path` in some process; nothing when it is free or not there.
Result<std::optional<std::string>> lock_holder(const std::filesystem::path& path);

}  // namespace prosodia
