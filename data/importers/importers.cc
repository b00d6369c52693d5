#include <algorithm>
#include <array>

#include "data/importers/importer.h"

namespace prosodia {

std::span<const Importer> importers() {
  static const std::array kImporters = {ravdess_importer(), savee_importer(),   emodb_importer(), iemocap_importer(),
                                        meld_importer(),    crema_d_importer(), jsonl_importer()};
  return kImporters;
}

const Importer* find_importer(std::string_view format) {
  const auto all = importers();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Importer& i) { return i.format == format; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace prosodia
