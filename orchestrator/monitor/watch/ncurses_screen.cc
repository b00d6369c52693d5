#include "orchestrator/monitor/watch/ncurses_screen.h"

#include <langinfo.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <clocale>
#include <cstring>

// Last: its macros (timeout, erase, …) would change other headers.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>
#undef columns
#undef lines

namespace prosodia::watch {
namespace {

// What the signal handler needs; it cannot be handed anything.
struct Original {
  termios settings{};
  char leave[64] = "";  // the terminal's own sequences to leave the alternate screen and show the cursor
};
Original original;

constexpr int kDeadly[] = {SIGHUP, SIGQUIT, SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

void put_back_and_die(int signal) {  // async-signal-safe calls alone
  (void)!write(STDOUT_FILENO, original.leave, std::strlen(original.leave));
  tcsetattr(STDIN_FILENO, TCSANOW, &original.settings);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

void remember_terminal() {
  for (const char* capability : {"rmcup", "cnorm", "sgr0"}) {
    const char* sequence = tigetstr(const_cast<char*>(capability));
    if (sequence == nullptr || sequence == reinterpret_cast<const char*>(-1)) continue;
    std::strncat(original.leave, sequence, sizeof original.leave - std::strlen(original.leave) - 1);
  }
}

attr_t attributes(Style style) {
  switch (style) {
    case Style::kDim:
      return A_DIM;
    case Style::kStrong:
      return A_BOLD;
    case Style::kBar:
      return A_REVERSE;
    case Style::kBad:
      return A_BOLD;
    default:
      return A_NORMAL;
  }
}

short pair_of(Style style) { return static_cast<short>(static_cast<int>(style) + 1); }

KeyPress translate(int code) {
  switch (code) {
    case KEY_UP:
      return {Key::kUp};
    case KEY_DOWN:
      return {Key::kDown};
    case KEY_LEFT:
      return {Key::kLeft};
    case KEY_RIGHT:
      return {Key::kRight};
    case KEY_PPAGE:
      return {Key::kPageUp};
    case KEY_NPAGE:
      return {Key::kPageDown};
    case KEY_HOME:
      return {Key::kHome};
    case KEY_END:
      return {Key::kEnd};
    case KEY_BTAB:
      return {Key::kBackTab};
    case KEY_RESIZE:
      return {Key::kResize};
    case KEY_ENTER:
    case '\n':
    case '\r':
      return {Key::kEnter};
    case '\t':
      return {Key::kTab};
    case 27:
      return {Key::kEscape};
    default:
      return code > 0 && code < 128 ? KeyPress{Key::kCharacter, static_cast<char>(code)} : KeyPress{};
  }
}

class NcursesScreen final : public Screen {
 public:
  explicit NcursesScreen(SCREEN* screen)
      : screen_(screen),
        charset_(std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? Charset::kUnicode : Charset::kAscii) {
    remember_terminal();
    for (const int signal : kDeadly) {
      struct sigaction action {};
      action.sa_handler = put_back_and_die;
      sigemptyset(&action.sa_mask);
      sigaction(signal, &action, &previous_[index_of(signal)]);
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    set_escdelay(25);
    colours_ = has_colors() && start_color() == OK;
    if (!colours_) return;
    const bool own_background = use_default_colors() == OK;
    constexpr std::pair<Style, short> kColours[] = {{Style::kPlain, -1},
                                                    {Style::kDim, -1},
                                                    {Style::kStrong, -1},
                                                    {Style::kBar, -1},
                                                    {Style::kGood, COLOR_GREEN},
                                                    {Style::kWarning, COLOR_YELLOW},
                                                    {Style::kBad, COLOR_RED},
                                                    {Style::kCurve, COLOR_CYAN},
                                                    {Style::kCurve2, COLOR_YELLOW},
                                                    {Style::kCurve3, COLOR_GREEN}};
    for (const auto& [style, colour] : kColours)
      init_pair(pair_of(style), colour < 0 && !own_background ? short{COLOR_WHITE} : colour,
                own_background ? short{-1} : short{COLOR_BLACK});
  }

  ~NcursesScreen() override {
    endwin();
    for (const int signal : kDeadly) sigaction(signal, &previous_[index_of(signal)], nullptr);
    delscreen(screen_);
  }

  Size size() override {
    Size size;
    getmaxyx(stdscr, size.rows, size.columns);
    return size;
  }
  Charset charset() const override { return charset_; }

  void show(const Canvas& canvas) override {
    erase();
    for (int row = 0; row < canvas.size().rows; ++row) {
      for (int column = 0; column < canvas.size().columns; ++column) {
        const Cell& cell = canvas.at(row, column);
        if (cell.glyph == 0) continue;
        const wchar_t text[2] = {static_cast<wchar_t>(cell.glyph), L'\0'};
        cchar_t character;
        setcchar(&character, text, attributes(cell.style), colours_ ? pair_of(cell.style) : short{0}, nullptr);
        mvadd_wch(row, column, &character);
      }
    }
    refresh();
  }

  KeyPress wait_key(std::chrono::milliseconds limit) override {
    timeout(static_cast<int>(limit.count()));
    const int code = getch();
    return code == ERR ? KeyPress{} : translate(code);
  }

 private:
  static size_t index_of(int signal) {
    for (size_t i = 0; i < std::size(kDeadly); ++i)
      if (kDeadly[i] == signal) return i;
    return 0;
  }
  SCREEN* screen_;
  Charset charset_;
  bool colours_ = false;
  struct sigaction previous_[std::size(kDeadly)] = {};
};

}  // namespace

Result<std::unique_ptr<Screen>> open_terminal() {
  if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
    return fail(ErrorCode::kUsage, "stdin and stdout must be a terminal; --once or a pipe gives plain lines");
  std::setlocale(LC_CTYPE, "");
  tcgetattr(STDIN_FILENO, &original.settings);
  SCREEN* screen = newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* term = std::getenv("TERM");
    return fail(ErrorCode::kUsage, "the terminal '{}' ($TERM) is not known here. Next: TERM=xterm, or --once",
                term == nullptr ? "" : term);
  }
  return std::unique_ptr<Screen>(new NcursesScreen(screen));
}

}  // namespace prosodia::watch
