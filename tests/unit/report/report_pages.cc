// Writes the pages that browser_test.sh opens: FOLDER/one.html and FOLDER/two.html, with the test's own script at their
// end.
#include <fmt/core.h>

#include "data/store/atomic_file.h"
#include "orchestrator/report/report.h"
#include "tests/unit/report/made_run.h"

int main(int argc, char** argv) {
  using namespace prosodia;
  if (argc != 3) return 2;
  const std::filesystem::path folder = argv[1];
  FileSystem& fs = posix_file_system();
  const RunInput one = testing::make_run({.steps = 30}, folder / "run-1");
  const RunInput two = testing::make_run({.steps = 20, .groups = 2, .name = "two"}, folder / "run-2");
  const std::string script = "<script>" + fs.read_text(argv[2]).value_or("") + "</script>";
  for (const auto& [name, runs] :
       {std::pair("one.html", std::vector{one}), std::pair("two.html", std::vector{one, two})}) {
    auto page = make_report(fs, runs, {});
    if (!page) {
      fmt::print(stderr, "{}\n", page.error().message);
      return 1;
    }
    const size_t first_script = page->find("<script type");
    page->insert(first_script,
                 "<script>window.faults = [];addEventListener('error', (e) => faults.push(e.message));</script>");
    page->insert(page->rfind("</body>"), script);
    if (!write_file_atomic(fs, folder / name, *page)) return 1;
  }
  return 0;
}
