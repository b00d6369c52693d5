#!/usr/bin/env bash
# browser_test.sh REPORT_PAGES FOLDER: made pages in headless Chromium, at desktop and phone width, used by in_browser.js.
set -euo pipefail
pages=$1 folder=$2
browser=${PROSODIA_BROWSER:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || { echo "SKIPPED: no Chromium (Debian: apt-get install chromium), so the page was not opened in a browser"; exit 77; }
rm -rf "$folder" && mkdir -p "$folder/profile"
"$pages" "$folder" "$(dirname "$0")/in_browser.js"
for page in one two; do
  for size in 1280,900 500,844; do  # Chromium's windows are not narrower
    "$browser" --headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir="$folder/profile" --window-size=$size --virtual-time-budget=3000 \
      --dump-dom "file://$folder/$page.html" >"$folder/dom.html" 2>"$folder/browser.log" || { tail -n 20 "$folder/browser.log"; echo "FAILED: the browser ended with an error"; exit 1; }
    title=$(grep -m 1 -oE '^<title>[^<]*' "$folder/dom.html" || true)
    [ "$title" = '<title>PASSED' ] || { echo "FAILED: $page.html at $size: ${title:-the page has no title}"; exit 1; }
  done
done
echo "both pages passed at both sizes"
