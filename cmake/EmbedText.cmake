# prosodia_embed_text(TARGET NAME FILES…): the files' bytes, one after the other, as the std::string_view NAME() of
# namespace prosodia, declared by whoever wants it. So styles and scripts stay files that an editor understands.
function(prosodia_embed_text target name)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${name}.cc")
  set(inputs "")
  foreach(file ${ARGN})
    list(APPEND inputs "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
  endforeach()
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DNAME=${name}" "-DOUTPUT=${output}" "-DINPUTS=${inputs}" -P "${CMAKE_SOURCE_DIR}/cmake/EmbedTextFiles.cmake"
    DEPENDS ${inputs} "${CMAKE_SOURCE_DIR}/cmake/EmbedTextFiles.cmake" VERBATIM)
  target_sources(${target} PRIVATE "${output}")
  set_source_files_properties("${output}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()
