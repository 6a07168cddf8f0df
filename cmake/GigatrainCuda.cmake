# libgigatrain_cuda.so: the GPU backend, loaded at run time from the library's own folder. The CUDA
# runtime is linked statically; cuBLASLt and cuDNN are found when a GPU is used.
if(NOT (GIGATRAIN_CUDA AND GT_NVCC AND CUDAToolkit_FOUND) OR GIGATRAIN_SANITIZE)
  return()
endif()

set(CMAKE_CUDA_ARCHITECTURES OFF)  # given below, since "real for three, PTX of the newest" is ours
set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

set(GT_GENCODE "")
foreach(arch IN LISTS GIGATRAIN_CUDA_ARCHS)
  list(APPEND GT_GENCODE "SHELL:-gencode arch=compute_${arch},code=sm_${arch}")
endforeach()
list(GET GIGATRAIN_CUDA_ARCHS -1 arch)
if(NOT arch MATCHES "a$")
  list(APPEND GT_GENCODE "SHELL:-gencode arch=compute_${arch},code=compute_${arch}")
endif()

file(GLOB GT_CUDA_SOURCES CONFIGURE_DEPENDS src/kernels/cuda/*.cu src/kernels/cuda/*.cpp
                                            src/runtime/cuda/*.cpp)
list(FILTER GT_CUDA_SOURCES EXCLUDE REGEX "/unsupported.cpp$")  # in the library
add_library(gigatrain_cuda MODULE ${GT_CUDA_SOURCES})
target_link_libraries(gigatrain_cuda PRIVATE gigatrain gt_internal CUDA::cudart_static
                                             ${CMAKE_DL_LIBS})
string(REPLACE ";" " " GT_CUDA_ARCHS_TEXT "${GIGATRAIN_CUDA_ARCHS}")
set_source_files_properties(src/runtime/cuda/libraries.cpp PROPERTIES
  COMPILE_DEFINITIONS "GT_CUDA_ARCHS=\"${GT_CUDA_ARCHS_TEXT}\"")  # for `gigatrain doctor`
target_link_options(gigatrain_cuda PRIVATE -Wl,--no-undefined)
target_include_directories(gigatrain_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_compile_options(gigatrain_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:--expt-relaxed-constexpr>"
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xcudafe --diag_suppress=20012>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${GT_GENCODE}>")
set_target_properties(gigatrain_cuda PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY $<TARGET_FILE_DIR:gigatrain>
  BUILD_RPATH $ORIGIN INSTALL_RPATH $ORIGIN)

find_path(GT_CUDNN_FRONTEND cudnn_frontend.h HINTS ENV CUDNN_FRONTEND_PATH
          DOC "folder of cudnn_frontend.h (pip install nvidia-cudnn-frontend)")
if(NOT GT_CUDNN_FRONTEND AND EXISTS ${PROJECT_SOURCE_DIR}/build/cuda_parts)
  find_path(GT_CUDNN_FRONTEND cudnn_frontend.h
            PATHS ${PROJECT_SOURCE_DIR}/build/cuda_parts/include NO_DEFAULT_PATH)
endif()
find_path(GT_CUDNN cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
if(GT_CUDNN_FRONTEND AND GT_CUDNN)
  target_include_directories(gigatrain_cuda SYSTEM PRIVATE ${GT_CUDNN_FRONTEND} ${GT_CUDNN})
  target_compile_definitions(gigatrain_cuda PRIVATE GT_CUDNN=1)
endif()
