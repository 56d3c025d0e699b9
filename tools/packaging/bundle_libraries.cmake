# Run at installation: copies libraries that the programs load into md_private_libraries, and the licences of what is
# in the tree into md_documents. Component `onednn` takes oneDNN alone, `libraries` all others but for the C library,
# NVIDIA's and MPI, which belong to the system. Inputs: md_component, md_programs, md_private_libraries, md_documents,
# md_source.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${md_programs} RESOLVED_DEPENDENCIES_VAR found
     PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|mvec|resolv)[.]so" "^linux-vdso" "^lib(cudart|cublas|cudnn|nccl)" "^libmpi")
set(one_dnn ${found})
list(FILTER one_dnn INCLUDE REGEX "/libdnnl[.]so")
if(md_component STREQUAL onednn)
  set(found ${one_dnn})
else()
  list(REMOVE_ITEM found ${one_dnn})
endif()
if(DEFINED ENV{DESTDIR})
  string(PREPEND md_documents "$ENV{DESTDIR}")
endif()

# The file of Debian's or Ubuntu's package that has `path`.
function(copyright_of path result)
  get_filename_component(real ${path} REALPATH)
  get_filename_component(name ${real} NAME)
  execute_process(COMMAND dpkg-query --search */${name} OUTPUT_VARIABLE owner ERROR_QUIET)
  string(REGEX MATCH "^[^:, \n]+" package "${owner}")
  set(${result} /usr/share/doc/${package}/copyright PARENT_SCOPE)
endfunction()

function(install_licence file name)
  if(EXISTS ${file})
    get_filename_component(file ${file} REALPATH)
    configure_file(${file} ${md_documents}/licences/${name} COPYONLY)
  else()
    message(WARNING "no licence of ${name} was found (looked for ${file}); put it into share/doc/metricdepth/licences")
  endif()
endfunction()

foreach(library IN LISTS found)
  file(INSTALL ${library} DESTINATION ${md_private_libraries} FOLLOW_SYMLINK_CHAIN)
  get_filename_component(name ${library} NAME)
  copyright_of(${library} copyright)
  install_licence(${copyright} ${name}.txt)
endforeach()
if(md_component STREQUAL onednn)
  configure_file(${md_source}/LICENSE ${md_documents}/copyright COPYONLY)
  foreach(compiled_in libcli11-dev nlohmann-json3-dev libstb-dev)
    install_licence(/usr/share/doc/${compiled_in}/copyright ${compiled_in}.txt)
  endforeach()
endif()
