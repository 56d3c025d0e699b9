# MPI (optional; Open MPI, MPICH or another of version 3): without it a program has one rank. MD_MPI becomes ON or OFF.
if(MD_MPI)  # ON or AUTO
  find_package(MPI 3.0 QUIET COMPONENTS C)
  if(NOT MPI_C_FOUND AND NOT MD_MPI STREQUAL AUTO)
    message(FATAL_ERROR "MD_MPI=${MD_MPI}, but no MPI of version 3 was found (Debian and Ubuntu: libopenmpi-dev)")
  endif()
  set(MD_MPI OFF)
  if(MPI_C_FOUND)
    set(MD_MPI ON)
  endif()
endif()
message(STATUS "MPI: ${MD_MPI} ${MPI_C_VERSION}")
