# gt_internal: flags and private dependencies shared by every target of ours.
add_library(gt_internal INTERFACE)
target_include_directories(gt_internal INTERFACE ${PROJECT_SOURCE_DIR}/include
                                                 ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(gt_internal INTERFACE Threads::Threads ${GT_FMT})
if(GIGATRAIN_BUNDLE AND NOT GIGATRAIN_SANITIZE)  # a sanitizer's malloc must stay visible
  add_link_options(-Wl,--exclude-libs,ALL)  # what is linked in statically stays private
endif()
# No contraction: a*b+c is fused only where the source says so, or bits would depend on the compiler.
# No interposition: our functions call each other directly although the library is shared.
target_compile_options(gt_internal INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror;-ffp-contract=off;-fno-semantic-interposition>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra;-Werror=all-warnings>)

if(GIGATRAIN_SANITIZE)
  add_compile_options(-fsanitize=${GIGATRAIN_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GIGATRAIN_SANITIZE})
  # g++ 12 sees false "may be used uninitialized" and array bounds through sanitizer instrumentation.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(gt_internal INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds
                                                 -Wno-stringop-overflow)
  endif()
endif()

# gt_precompile(<target> <header>...): one parse of heavy headers for all files of a target.
function(gt_precompile target)
  if(GIGATRAIN_PCH)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    # Both let ccache keep objects that were compiled with a precompiled header.
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
      "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
endfunction()
