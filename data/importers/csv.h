// Comma- or tab-separated tables with a header, as RFC 4180: quoted fields may hold separators, line breaks and doubled
// quotes. Called by: the importers. Pure.
//
// Failure rule: kInvalidInput with "FILE:LINE: …" for an unclosed quote or text after a closing one, behind which no
// row can be trusted; a row that has not as many fields as the header only goes to `malformed`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct CsvTable {
  std::vector<std::string> header;
  struct Row {
    std::vector<std::string> fields;
    size_t line = 0;  // of the file, from 1, where the row begins
  };
  std::vector<Row> rows;  // each with as many fields as the header
  std::vector<Row> malformed;

  // Where a column is; kInvalidInput naming `file` and the columns there are. Letter case aside.
  Result<size_t> column(std::string_view name, std::string_view file) const;
};

// `utf8`: the file's text. Empty lines are skipped.
Result<CsvTable> parse_csv(std::string_view utf8, std::string_view file, char separator = ',');

}  // namespace prosodia
