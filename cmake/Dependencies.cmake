# Everything outside LibTorch comes from Debian packages (scripts/bootstrap lists them).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(MPI REQUIRED COMPONENTS C)
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tl-expected REQUIRED)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)
pkg_check_modules(SOUNDTOUCH REQUIRED IMPORTED_TARGET soundtouch)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
if(PROSODIA_TESTS)
  pkg_check_modules(ONIGURUMA REQUIRED IMPORTED_TARGET oniguruma)  # what the word split is tested against
endif()
pkg_check_modules(KISSFFT REQUIRED IMPORTED_TARGET kissfft-float)

# Not through pkg-config: libzmq.pc pulls in the include folders of its private dependencies, and their order changes
# between the first configuration and the next, which would rebuild every file that speaks ZeroMQ.
find_path(ZMQ_INCLUDE_DIR zmq.hpp REQUIRED)
find_library(ZMQ_LIBRARY zmq REQUIRED)
add_library(prosodia_zmq INTERFACE)
target_link_libraries(prosodia_zmq INTERFACE ${ZMQ_LIBRARY})
add_library(prosodia::zmq ALIAS prosodia_zmq)

add_library(prosodia_hdf5 INTERFACE)
target_include_directories(prosodia_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
target_link_libraries(prosodia_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
add_library(prosodia::hdf5 ALIAS prosodia_hdf5)

# Not through pkg-config: it defines _XOPEN_SOURCE, which the precompiled headers were made without.
find_library(NCURSESW_LIBRARY ncursesw REQUIRED)
find_library(TINFO_LIBRARY tinfo REQUIRED)
add_library(prosodia_ncurses INTERFACE)
target_link_libraries(prosodia_ncurses INTERFACE ${NCURSESW_LIBRARY} ${TINFO_LIBRARY})
add_library(prosodia::ncurses ALIAS prosodia_ncurses)
