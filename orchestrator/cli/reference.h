// Every command and option as one document, from the command table and the option table. orchestrator/docs/reference.md
// is its output; a test compares them. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace prosodia::cli {

std::string reference_markdown();
// Troff for man(1), section 1.
std::string reference_man(std::string_view version);

}  // namespace prosodia::cli
