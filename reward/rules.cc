#include "reward/rules.h"

#include <utf8proc.h>

#include <cstdlib>

namespace prosodia {
namespace {

constexpr std::string_view kThinkOpen = "<think>", kThinkClose = "</think>";
constexpr std::string_view kAnswerOpen = "<answer>", kAnswerClose = "</answer>";

bool is_white(utf8proc_int32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
  if (code == 0x85) return true;
  const utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

struct CodePoint {
  utf8proc_int32_t code = -1;  // -1: a byte that is not UTF-8
  size_t size = 1;
};

CodePoint next_code_point(std::string_view rest) {
  CodePoint point;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(rest.data());
  const utf8proc_ssize_t used = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(rest.size()), &point.code);
  if (used <= 0) return {};
  point.size = static_cast<size_t>(used);
  return point;
}

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    if (point.code < 0 || !is_white(point.code)) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

// Position of the only occurrence; npos when there is none or more than one.
size_t find_only(std::string_view text, std::string_view tag) {
  const size_t at = text.find(tag);
  if (at == text.npos || text.find(tag, at + tag.size()) != text.npos) return text.npos;
  return at;
}

struct Span {
  size_t begin, end;  // with the tags
};

std::optional<Span> find_only_element(std::string_view text, std::string_view open, std::string_view close) {
  const size_t begin = find_only(text, open), end = find_only(text, close);
  if (begin == text.npos || end == text.npos || end < begin + open.size()) return std::nullopt;
  return Span{begin, end + close.size()};
}

// Appends NFD(casefold(NFD(valid))), or the bytes themselves if the library refuses (out of memory, overlong).
void append_folded(std::string_view valid, std::string& out) {
  if (valid.empty()) return;
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()), static_cast<utf8proc_ssize_t>(valid.size()),
                   &folded, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD));
  if (size < 0) {
    out += valid;
    return;
  }
  out.append(reinterpret_cast<const char*>(folded), static_cast<size_t>(size));
  std::free(folded);
}

}  // namespace

bool format_reward(std::string_view response) {
  const auto think = find_only_element(response, kThinkOpen, kThinkClose);
  const auto answer = find_only_element(response, kAnswerOpen, kAnswerClose);
  if (!think || !answer || answer->begin < think->end) return false;
  return is_blank(response.substr(0, think->begin)) &&
         is_blank(response.substr(think->end, answer->begin - think->end)) && is_blank(response.substr(answer->end));
}

std::optional<std::string_view> extract_answer(std::string_view response) {
  const auto element = find_only_element(response, kAnswerOpen, kAnswerClose);
  if (!element) return std::nullopt;
  const size_t begin = element->begin + kAnswerOpen.size();
  return response.substr(begin, element->end - kAnswerClose.size() - begin);
}

std::optional<std::string_view> extract_think(std::string_view response) {
  const auto element = find_only_element(response, kThinkOpen, kThinkClose);
  if (!element) return std::nullopt;
  const size_t begin = element->begin + kThinkOpen.size();
  return response.substr(begin, element->end - kThinkClose.size() - begin);
}

std::string_view reasoning_text(std::string_view response) {
  if (const size_t open = response.find(kThinkOpen); open != response.npos) {
    response.remove_prefix(open + kThinkOpen.size());
  }
  return response.substr(0, std::min(response.find(kThinkClose), response.find(kAnswerOpen)));
}

bool answer_matches(std::string_view response, std::string_view solution) {
  const auto answer = extract_answer(response);
  if (!answer || is_blank(solution)) return false;
  return normalize_answer(*answer) == normalize_answer(solution);
}

std::string normalize_answer(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t valid_begin = 0, at = 0;
  bool pending_space = false;
  const auto flush = [&] {
    if (at == valid_begin) return;
    append_folded(text.substr(valid_begin, at - valid_begin), out);
  };
  while (at < text.size()) {
    const CodePoint point = next_code_point(text.substr(at));
    const bool white = point.code >= 0 && is_white(point.code);
    if (white || point.code < 0) flush();
    if (!white && pending_space) {
      if (!out.empty()) out += ' ';
      pending_space = false;
    }
    if (white) pending_space = true;
    if (point.code < 0) out += text[at];
    at += point.size;
    if (white || point.code < 0) valid_begin = at;
  }
  flush();
  return out;
}

}  // namespace prosodia
