# What is built, and how. A part that is ON but lacks its packages is switched off, and the summary
# says which package would bring it back.
option(GIGATRAIN_TOOLS "the gigatrain command" ON)
option(GIGATRAIN_EXAMPLES "C++ examples" ${PROJECT_IS_TOP_LEVEL})
option(GIGATRAIN_BENCHMARKS "benchmarks (built, never run by ctest)" ${PROJECT_IS_TOP_LEVEL})
option(GIGATRAIN_TESTS "tests" ${PROJECT_IS_TOP_LEVEL})
option(GIGATRAIN_FUZZ "fuzz targets of the readers; needs clang++" OFF)
option(GIGATRAIN_PCH "precompile the heaviest headers" ON)
option(GIGATRAIN_CUDA "the CUDA plugin, if nvcc is found" ON)
option(GIGATRAIN_PYTHON "the Python package (pip install . switches it on)" OFF)
option(GIGATRAIN_BUNDLE "needs only libc and libstdc++ at run time: for wheels" OFF)
set(GIGATRAIN_CUDA_ARCHS "80;90a;100" CACHE STRING "GPU machine code; PTX of the last is added")
set(GIGATRAIN_SANITIZE "" CACHE STRING "sanitizers, as given to -fsanitize=; empty: none")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo, Debug or Sanitize" FORCE)
endif()
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "flags of Sanitize")
mark_as_advanced(CMAKE_CXX_FLAGS_SANITIZE)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(GT_CCACHE ccache)
if(GT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache declines precompiled headers unless told that defines and __TIME__ do not matter to them.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${GT_CCACHE})
endif()
