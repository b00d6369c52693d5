#include "data/importers/csv.h"

#include <fmt/ranges.h>

#include "data/importers/text.h"

namespace prosodia {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, std::string_view file, char separator)
      : text_(text), file_(file), separator_(separator) {}

  // The next row that is not an empty line; no fields at the end.
  Result<CsvTable::Row> next_row() {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) line_ += text_[at_++] == '\n';
    CsvTable::Row row;
    row.line = line_;
    while (at_ < text_.size()) {
      PROSODIA_ASSIGN(std::string field, next_field());
      row.fields.push_back(std::move(field));
      if (at_ == text_.size()) break;
      if (text_[at_++] == separator_) {
        if (at_ == text_.size()) row.fields.emplace_back();  // "a," ends with an empty field
        continue;
      }
      ++line_;
      break;
    }
    return row;
  }

 private:
  // Stops at the separator, the line break or the end.
  Result<std::string> next_field() {
    if (at_ >= text_.size() || text_[at_] != '"') {
      const size_t end = std::min(text_.find_first_of(std::string{separator_, '\n'}, at_), text_.size());
      std::string_view field = text_.substr(at_, end - at_);
      at_ = end;
      if (field.ends_with('\r') && (at_ == text_.size() || text_[at_] == '\n')) field.remove_suffix(1);
      return std::string(field);
    }
    const size_t begin_line = line_;
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      line_ += text_[at_] == '\n';
      field += text_[at_];
    }
    if (at_ == text_.size()) return fail(ErrorCode::kInvalidInput, "{}:{}: a quote is not closed", file_, begin_line);
    ++at_;
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') {
      return fail(ErrorCode::kInvalidInput, "{}:{}: text after a closing quote; expected '{}' or a new line", file_,
                  line_, separator_);
    }
    return field;
  }

  std::string_view text_, file_;
  char separator_;
  size_t at_ = 0, line_ = 1;
};

}  // namespace

Result<size_t> CsvTable::column(std::string_view name, std::string_view file) const {
  for (size_t i = 0; i < header.size(); ++i) {
    if (lower_ascii(trim_ascii(header[i])) == lower_ascii(name)) return i;
  }
  return fail(ErrorCode::kInvalidInput, "{}:1: no column \"{}\"; the columns are {}", file, name,
              fmt::join(header, ", "));
}

Result<CsvTable> parse_csv(std::string_view utf8, std::string_view file, char separator) {
  CsvParser parser(utf8, file, separator);
  CsvTable table;
  PROSODIA_ASSIGN(CsvTable::Row header, parser.next_row());
  if (header.fields.empty()) return fail(ErrorCode::kInvalidInput, "{}: empty; expected a header line", file);
  table.header = std::move(header.fields);
  while (true) {
    PROSODIA_ASSIGN(CsvTable::Row row, parser.next_row());
    if (row.fields.empty()) return table;
    auto& rows = row.fields.size() == table.header.size() ? table.rows : table.malformed;
    rows.push_back(std::move(row));
  }
}

}  // namespace prosodia
