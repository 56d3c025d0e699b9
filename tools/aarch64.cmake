# Toolchain file for 64-bit ARM on Debian or Ubuntu with crossbuild-essential-arm64 (preset aarch64; tools/check-aarch64
# installs what it needs). Tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
find_program(MD_QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64)
if(MD_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${MD_QEMU_AARCH64})
endif()
