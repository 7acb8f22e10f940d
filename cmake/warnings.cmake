add_library(onelogit_warnings INTERFACE)
target_compile_options(onelogit_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-psabi)
# g++ 12 sees overlapping copies in std::string that are not there (its bug 105651).
target_compile_options(onelogit_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
