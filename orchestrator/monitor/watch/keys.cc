#include "orchestrator/monitor/watch/keys.h"

#include <algorithm>
#include <iterator>

namespace prosodia::watch {
namespace {

constexpr int kZooms = static_cast<int>(std::size(kZoomSteps));
constexpr int kSmoothings = static_cast<int>(std::size(kSmoothing));
constexpr int kFar = 1'000'000;  // pages clamp it to their end

void turn_to(View& view, int page) {
  view.page = static_cast<Page>((page + kNumPages) % kNumPages);
  view.scroll = 0;
  view.whole_response = false;
}

void move(View& view, int lines) {
  if (view.page == Page::kResponses && !view.whole_response)
    view.selected = std::clamp(view.selected + lines, 0, kFar);
  else
    view.scroll = std::clamp(view.scroll + lines, 0, kFar);
}

void type(View& view, char character) {
  switch (character) {
    case 'q':
      view.quit = true;
      break;
    case '?':
      view.help = true;
      break;
    case ' ':
    case 'p':
      view.paused = !view.paused;
      break;
    case '+':
    case '=':
      view.zoom = std::min(view.zoom + 1, kZooms - 1);
      break;
    case '-':
      view.zoom = std::max(view.zoom - 1, 0);
      break;
    case 's':
      view.smoothing = (view.smoothing + 1) % kSmoothings;
      break;
    case 'j':
      move(view, 1);
      break;
    case 'k':
      move(view, -1);
      break;
    case 'g':
      move(view, -kFar);
      break;
    case 'G':
      move(view, kFar);
      break;
    case 'h':
      turn_to(view, static_cast<int>(view.page) - 1);
      break;
    case 'l':
      turn_to(view, static_cast<int>(view.page) + 1);
      break;
    default:
      if (character >= '1' && character < '1' + kNumPages) turn_to(view, character - '1');
  }
}

}  // namespace

const KeyHelp kKeyHelp[11] = {
    {"1 … 6", "overview, curves, workers, responses, times, metrics"},
    {"Tab, → / ←, l / h", "next page, page before"},
    {"↑ ↓, k j", "scroll; on the responses page: choose"},
    {"PgUp PgDn", "scroll by a screen"},
    {"Home End, g G", "to the beginning, to the end"},
    {"Enter", "responses: the whole text; Esc or Enter goes back"},
    {"+ -", "zoom: all steps, the last 1000, 300, 100, 30"},
    {"s", "smoothing: automatic, off, 5, 20, 100 steps"},
    {"Space, p", "pause: the screen stands still"},
    {"?", "this help"},
    {"q", "quit (the run goes on)"},
};

void press(View& view, const KeyPress& pressed, int page_rows) {
  if (pressed.key == Key::kNone || pressed.key == Key::kResize) return;
  if (view.help) {  // any key leaves it
    view.help = false;
    view.quit = pressed.character == 'q';
    return;
  }
  switch (pressed.key) {
    case Key::kCharacter:
      return type(view, pressed.character);
    case Key::kUp:
      return move(view, -1);
    case Key::kDown:
      return move(view, 1);
    case Key::kPageUp:
      return move(view, -std::max(page_rows - 1, 1));
    case Key::kPageDown:
      return move(view, std::max(page_rows - 1, 1));
    case Key::kHome:
      return move(view, -kFar);
    case Key::kEnd:
      return move(view, kFar);
    case Key::kLeft:
    case Key::kBackTab:
      return turn_to(view, static_cast<int>(view.page) - 1);
    case Key::kRight:
    case Key::kTab:
      return turn_to(view, static_cast<int>(view.page) + 1);
    case Key::kEnter:
      if (view.page == Page::kResponses) view.whole_response = !view.whole_response;
      view.scroll = 0;
      return;
    case Key::kEscape:
      view.whole_response = false;
      view.scroll = 0;
      return;
    default:
      return;
  }
}

}  // namespace prosodia::watch
