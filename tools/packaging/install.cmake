# What `cmake --install` lays down, and what cpack packs of it.
#   programs   mdtrain mdeval mdsynth, recipes, converters, documents
#   devel      headers, static libraries and the package file: find_package(MetricDepth) gives md::engine md::layers
#              md::nets md::losses md::data
#   onednn     (packages only) oneDNN, whose soname is another on every system
#   libraries  (archives only) what else the programs load and not every system has
# The programs look for libraries in ../lib/metricdepth first, so that a tree can be moved.
include(CMakePackageConfigHelpers)
set(md_share share/metricdepth)
set(md_private_libraries lib/metricdepth)
set(md_cmake_files lib/cmake/MetricDepth)

# --- programs ---
set(md_programs mdtrain mdeval mdsynth)
foreach(program IN LISTS md_programs)
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${md_private_libraries}")
  target_link_options(${program} PRIVATE LINKER:--disable-new-dtags)  # holds for the libraries of libraries, too
endforeach()
install(TARGETS ${md_programs} RUNTIME DESTINATION bin COMPONENT programs)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/tools/configs DESTINATION ${md_share} COMPONENT programs)
install(PROGRAMS ${CMAKE_SOURCE_DIR}/tools/convert/convert_weights.py ${CMAKE_SOURCE_DIR}/tools/convert/convert_nyu.py
        DESTINATION ${md_share}/tools COMPONENT programs)
install(FILES ${CMAKE_SOURCE_DIR}/tools/convert/weight_files.py ${CMAKE_SOURCE_DIR}/tools/convert/find_weights.py
        DESTINATION ${md_share}/tools COMPONENT programs)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/tools/convert/manifests DESTINATION ${md_share}/tools COMPONENT programs)
install(FILES ${CMAKE_SOURCE_DIR}/README.md DESTINATION share/doc/metricdepth COMPONENT programs)

# --- onednn, libraries: what the programs load, with its licence; found when the tree is installed ---
foreach(component onednn libraries)
  install(CODE "
    set(md_component ${component})
    set(md_programs $<TARGET_FILE:mdtrain> $<TARGET_FILE:mdeval> $<TARGET_FILE:mdsynth>)
    set(md_private_libraries \"\${CMAKE_INSTALL_PREFIX}/${md_private_libraries}\")
    set(md_documents \"\${CMAKE_INSTALL_PREFIX}/share/doc/metricdepth\")
    set(md_source \"${CMAKE_SOURCE_DIR}\")
    include(\"${CMAKE_CURRENT_LIST_DIR}/bundle_libraries.cmake\")" COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

# --- devel ---
set(md_rooms engine layers nets losses data)
foreach(room IN LISTS md_rooms)
  set_target_properties(md_${room} PROPERTIES EXPORT_NAME ${room})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${room} DESTINATION include/metricdepth COMPONENT devel FILES_MATCHING PATTERN "*.h"
          PATTERN cpu EXCLUDE)
endforeach()
install(TARGETS md_engine md_layers md_nets md_losses md_data md_stb EXPORT MetricDepthTargets
        ARCHIVE DESTINATION lib COMPONENT devel)
install(EXPORT MetricDepthTargets NAMESPACE md:: DESTINATION ${md_cmake_files} COMPONENT devel)
set(md_jpeg OFF)
if(TARGET JPEG::JPEG)
  set(md_jpeg ON)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/MetricDepthConfig.cmake.in MetricDepthConfig.cmake
                              INSTALL_DESTINATION ${md_cmake_files})
write_basic_package_version_file(MetricDepthConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/MetricDepthConfig.cmake ${CMAKE_BINARY_DIR}/MetricDepthConfigVersion.cmake
        DESTINATION ${md_cmake_files} COMPONENT devel)

# --- cpack ---
set(CPACK_PACKAGE_NAME metricdepth)
set(CPACK_PACKAGE_CONTACT "the MetricDepth developers <metricdepth@users.noreply.github.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "supervised monocular depth estimation with the MetricDepth regulariser")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_SYSTEM_NAME linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR DEB TXZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/cpack_options.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # dependencies from what the programs really load
include(CPack)
