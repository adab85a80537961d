# Cross-building for aarch64 with Debian's g++-aarch64-linux-gnu and the libraries of arm64; programs run under qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# Tests of what qemu does not do skip it.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -E FSQLSHM_QEMU=1)
