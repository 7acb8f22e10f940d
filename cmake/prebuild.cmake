# What makes an addon one for prebuilds/ on Linux: the C++ runtime and OpenBLAS are inside, nothing of them can be seen from outside, and the
# system's C library is all that it needs. scripts/check-prebuild.mjs checks what came of it. On macOS the C++ runtime is the system's.
if(NOT APPLE)
  set(onelogit_exports ${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map)
  # --exclude-libs hides what comes from archives; templates of the standard library that our own files instantiate, and aliases below, do not.
  target_link_options(onelogit PRIVATE -static-libstdc++ -static-libgcc -Wl,--as-needed -Wl,--gc-sections -Wl,--version-script=${onelogit_exports})
  set_target_properties(onelogit PROPERTIES LINK_DEPENDS ${onelogit_exports})

  if(onelogit_with_openblas)
    target_link_options(onelogit PRIVATE -Wl,--wrap=blas_thread_init) # native/backend/cpu/blas.cc
  endif()

  # OpenBLAS chooses among twenty families of processors when it is loaded, by a table of kernels each. Three are kept: any x86-64, AVX2 and
  # AVX-512. The other tables are other names for one of these, so that theirs are not linked; bench/results/openblas.md has what that saves.
  if(onelogit_with_openblas AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(onelogit_aliases "")
    foreach(family CORE2 PENRYN DUNNINGTON NEHALEM SANDYBRIDGE ATOM NANO OPTERON OPTERON_SSE3 BARCELONA BOBCAT BULLDOZER PILEDRIVER STEAMROLLER)
      list(APPEND onelogit_aliases -Wl,--defsym=gotoblas_${family}=gotoblas_PRESCOTT)
    endforeach()
    foreach(family EXCAVATOR ZEN)
      list(APPEND onelogit_aliases -Wl,--defsym=gotoblas_${family}=gotoblas_HASWELL)
    endforeach()
    foreach(family COOPERLAKE SAPPHIRERAPIDS)
      list(APPEND onelogit_aliases -Wl,--defsym=gotoblas_${family}=gotoblas_SKYLAKEX)
    endforeach()
    target_link_options(onelogit PRIVATE ${onelogit_aliases})
  endif()
endif()
