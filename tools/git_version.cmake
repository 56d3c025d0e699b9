# Writes OUT with MD_GIT, what `git describe` says of the source folder SOURCE ("unknown" outside a git checkout). Runs at
# every build; the file changes only when the answer does.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=12 OUTPUT_VARIABLE git
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(git unknown)
endif()
file(CONFIGURE OUTPUT "${OUT}" CONTENT "#define MD_GIT \"@git@\"\n" @ONLY)
