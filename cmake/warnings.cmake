add_library(onelogit_warnings INTERFACE)
target_compile_options(onelogit_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-psabi)
