# Run by prosodia_embed_text at build time.
set(bytes "")
foreach(input ${INPUTS})
  file(READ "${input}" hex HEX)
  string(APPEND bytes "${hex}")
endforeach()
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include <string_view>\nnamespace prosodia {\nstd::string_view ${NAME}();\nstd::string_view ${NAME}() {\n"
  "  static const char kBytes[] = {${bytes}};\n  return {kBytes, sizeof kBytes};\n}\n}\n")
