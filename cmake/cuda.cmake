# Whether the CUDA kernels are compiled in. They need nvcc and the static runtime, and nothing at run time: cuBLAS and the driver are opened
# when a GPU is asked for. ONELOGIT_CUDA is
#
#   auto   if there is an nvcc (not for native tests, fuzzers and micro-benchmarks)
#   on     or fail
#   off
#   host   for tests: the same sources as C++ on the CPU, against the stand-in test/native/cuda_host
#
# Compute capabilities: $ONELOGIT_CUDA_ARCHITECTURES or -DCMAKE_CUDA_ARCHITECTURES; else, for prebuilds, all from 7.5, the oldest that CUDA 13
# knows, with PTX for those that are still to come; else that of this machine's GPU; else code that any driver can compile when it is first
# used (PTX of 7.5).
onelogit_choice(ONELOGIT_CUDA onelogit_cuda_choice auto on off host)
if(onelogit_cuda_choice STREQUAL "auto" AND (ONELOGIT_TESTS OR ONELOGIT_BENCH OR ONELOGIT_FUZZ OR ONELOGIT_SANITIZE))
  set(onelogit_cuda_choice off)
endif()

file(GLOB_RECURSE onelogit_cuda_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/native/backend/cuda/*.cu
     ${CMAKE_CURRENT_SOURCE_DIR}/native/backend/cuda/*.cc)
# The sources as C++ and what stands for the runtime, the driver and cuBLAS.
set(onelogit_cuda_host_sources ${onelogit_cuda_sources})
list(FILTER onelogit_cuda_host_sources EXCLUDE REGEX "/(cublas_loader|driver)\\.cc$")
file(GLOB onelogit_stand_in_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test/native/cuda_host/*.cc)
list(APPEND onelogit_cuda_host_sources ${onelogit_stand_in_sources})

set(onelogit_with_cuda OFF)
if(onelogit_cuda_choice MATCHES "^(auto|on)$")
  include(CheckLanguage)
  if("$ENV{CUDACXX}" STREQUAL "" AND NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc) # often not on the PATH
  endif()
  # Before the language is enabled: CMake would choose one.
  if(NOT "$ENV{ONELOGIT_CUDA_ARCHITECTURES}" STREQUAL "")
    set(CMAKE_CUDA_ARCHITECTURES "$ENV{ONELOGIT_CUDA_ARCHITECTURES}")
  elseif(NOT CMAKE_CUDA_ARCHITECTURES AND ONELOGIT_PREBUILD)
    # One that is not listed runs the code of the one before it with the same first digit.
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 100-real 120-real 120-virtual)
  elseif(NOT CMAKE_CUDA_ARCHITECTURES)
    execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader OUTPUT_VARIABLE onelogit_capabilities
                    ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE onelogit_no_gpu)
    if(NOT onelogit_no_gpu AND onelogit_capabilities MATCHES "^[0-9.\n]+$")
      string(REGEX REPLACE "\\." "" onelogit_capabilities "${onelogit_capabilities}")
      string(REPLACE "\n" ";" onelogit_capabilities "${onelogit_capabilities}")
      list(REMOVE_DUPLICATES onelogit_capabilities)
      set(CMAKE_CUDA_ARCHITECTURES "${onelogit_capabilities}")
    else()
      set(CMAKE_CUDA_ARCHITECTURES 75-virtual)
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_STANDARD 17) # for every target with a kernel; it would be that of C++
    find_package(CUDAToolkit)
    if(TARGET CUDA::cudart_static)
      set(onelogit_with_cuda ON)
    endif()
  endif()
  if(onelogit_cuda_choice STREQUAL "on" AND NOT onelogit_with_cuda)
    message(FATAL_ERROR "onelogit: ONELOGIT_CUDA=on but no nvcc with a static runtime was found; install NVIDIA's CUDA toolkit or set CUDACXX")
  endif()
endif()

add_library(onelogit_cuda_runtime INTERFACE) # for whoever includes the headers of backend/cuda
if(onelogit_with_cuda)
  add_library(onelogit_cuda OBJECT ${onelogit_cuda_sources})
  set_target_properties(onelogit_cuda PROPERTIES CUDA_VISIBILITY_PRESET hidden)
  string(REPLACE ";" " " onelogit_architectures "${CMAKE_CUDA_ARCHITECTURES}")
  string(REPLACE "-real" "" onelogit_architectures "${onelogit_architectures}")
  target_compile_definitions(onelogit_cuda PRIVATE ONELOGIT_CUDA_ARCHITECTURES="${onelogit_architectures}")
  target_compile_options(onelogit_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off> $<$<COMPILE_LANGUAGE:CUDA>:-O3>)
  # A third of the bytes that nvcc takes otherwise. Drivers from CUDA 12.4 on can read it; the runtime of CUDA 13 wants a newer one anyway.
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    target_compile_options(onelogit_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
  endif()
  target_link_libraries(onelogit_cuda_runtime INTERFACE CUDA::cudart_static)
  message(STATUS "onelogit: CUDA kernels by nvcc ${CMAKE_CUDA_COMPILER_VERSION} for ${onelogit_architectures}")
elseif(onelogit_cuda_choice STREQUAL "host")
  set_source_files_properties(${onelogit_cuda_sources} PROPERTIES LANGUAGE CXX)
  add_library(onelogit_cuda OBJECT ${onelogit_cuda_host_sources})
  target_compile_definitions(onelogit_cuda PRIVATE ONELOGIT_CUDA_ARCHITECTURES="stand-in on the CPU")
  target_include_directories(onelogit_cuda_runtime INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/test/native/cuda_host)
  target_compile_definitions(onelogit_cuda_runtime INTERFACE ONELOGIT_CUDA_HOST)
  # .cu is a suffix that g++ does not know; -O1 keeps a fiber's stack small.
  target_compile_options(onelogit_cuda PRIVATE -x c++ -O1 -ffp-contract=off)
  message(STATUS "onelogit: CUDA kernels on the CPU, for tests")
endif()
if(TARGET onelogit_cuda)
  target_include_directories(onelogit_cuda PRIVATE native)
  target_link_libraries(onelogit_cuda PRIVATE onelogit_cuda_runtime onelogit_warnings)
endif()
