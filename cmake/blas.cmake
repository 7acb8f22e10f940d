# Which matrix product the CPU backend uses. OpenBLAS is an optional speed-up: the portable kernels are complete.
onelogit_choice(ONELOGIT_BLAS onelogit_blas_choice auto openblas portable)

add_library(onelogit_blas INTERFACE)
if(NOT onelogit_blas_choice STREQUAL "portable")
  find_path(OPENBLAS_INCLUDE cblas.h PATH_SUFFIXES openblas x86_64-linux-gnu/openblas-pthread aarch64-linux-gnu/openblas-pthread)
  find_library(OPENBLAS_LIBRARY openblas)
endif()
if(NOT onelogit_blas_choice STREQUAL "portable" AND OPENBLAS_INCLUDE AND OPENBLAS_LIBRARY)
  # Of the files that ask, so that another choice compiles two files and not all.
  set_source_files_properties(native/backend/cpu/blas.cc test/native/product_test.cc PROPERTIES
                              COMPILE_DEFINITIONS ONELOGIT_OPENBLAS COMPILE_OPTIONS "-isystem;${OPENBLAS_INCLUDE}")
  target_link_libraries(onelogit_blas INTERFACE ${OPENBLAS_LIBRARY})
  message(STATUS "onelogit: matrix products by OpenBLAS (${OPENBLAS_LIBRARY})")
elseif(onelogit_blas_choice STREQUAL "openblas")
  message(FATAL_ERROR "onelogit: ONELOGIT_BLAS=openblas but no OpenBLAS was found; apt-get install libopenblas-dev")
else()
  message(STATUS "onelogit: matrix products by the portable kernels; for OpenBLAS: apt-get install libopenblas-dev, then npm run build")
endif()
