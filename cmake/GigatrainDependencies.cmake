# Packages of the library. All are in Debian 12; every missing one is reported in one go.
set(GT_MISSING "")

# gt_need(<package> <debian package> [find_package arguments...])
macro(gt_need package debian)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    list(APPEND GT_MISSING ${debian})
  endif()
endmacro()

if(GIGATRAIN_BUNDLE)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()
gt_need(Threads libc6-dev)
gt_need(fmt libfmt-dev)
gt_need(OpenSSL libssl-dev COMPONENTS Crypto)
gt_need(nlohmann_json nlohmann-json3-dev)
find_path(GT_XXHASH xxhash.h)
if(NOT GT_XXHASH)
  list(APPEND GT_MISSING libxxhash-dev)
endif()
find_path(GT_TOMLPLUSPLUS toml++/toml.h)  # compiled in: src/train/config_toml.cpp says why
if(NOT GT_TOMLPLUSPLUS)
  list(APPEND GT_MISSING libtomlplusplus-dev)
endif()
if(GT_MISSING)
  list(JOIN GT_MISSING " " GT_MISSING)
  message(FATAL_ERROR "gigatrain needs packages that are not installed.\n"
                      "Next: apt-get install ${GT_MISSING}")
endif()

set(GT_FMT fmt::fmt)
if(GIGATRAIN_BUNDLE)
  set(GT_FMT fmt::fmt-header-only)
endif()

# Optional ones: the part that needs them is left out when they are absent.
find_package(CLI11 QUIET)     # the gigatrain command
find_package(Catch2 2 QUIET)  # tests
if(GIGATRAIN_BENCHMARKS)      # only to compare our products with oneDNN's
  set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # its package file reports on OpenCL, which we do not use
  find_package(dnnl QUIET)
  unset(CMAKE_MESSAGE_LOG_LEVEL)
endif()
if(GIGATRAIN_CUDA)
  find_program(GT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin
               PATHS /usr/local/cuda/bin)
  if(GT_NVCC)
    set(CMAKE_CUDA_COMPILER ${GT_NVCC})
    find_package(CUDAToolkit QUIET)
  endif()
endif()
