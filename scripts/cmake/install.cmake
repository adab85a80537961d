# What `cmake --install` puts where, in three components that are also the Debian packages that CPack makes:
#   runtime  the shared library                              libfsqlshm1
#   dev      headers, static library, CMake and pkg-config   libfsqlshm-dev
#   tools    programs, their manual pages, golden vectors    libfsqlshm-tools
# A component without files (tools, where none is built) makes no package.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# --- The library ------------------------------------------------------------------------------------
install(TARGETS fsqlshm EXPORT fsqlshm-static ARCHIVE COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS fsqlshm_shared EXPORT fsqlshm-shared LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/core/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

# --- For those who build with it --------------------------------------------------------------------
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fsqlshm)
set_target_properties(fsqlshm_shared PROPERTIES EXPORT_NAME shared)
foreach(component static shared)
  install(EXPORT fsqlshm-${component} NAMESPACE fsqlshm:: DESTINATION ${package_dir} COMPONENT dev)
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/fsqlshm-config.cmake.in fsqlshm-config.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0.0 a minor version may change the C++ interface.
write_basic_package_version_file(fsqlshm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fsqlshm-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/fsqlshm-config-version.cmake
        DESTINATION ${package_dir} COMPONENT dev)

# They find themselves, so that an installed tree can be moved.
foreach(dir LIBDIR INCLUDEDIR)
  file(RELATIVE_PATH pc_${dir} ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_${dir}})
endforeach()
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
foreach(file fsqlshm fsqlshm-cxx)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${file}.pc.in ${file}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${file}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT dev)
endforeach()

if(FSQLSHM_BUILD_TOOLS)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/corpus/golden DESTINATION ${CMAKE_INSTALL_DATADIR}/fsqlshm
          COMPONENT tools)
endif()

# --- Debian packages --------------------------------------------------------------------------------
set(FSQLSHM_MAINTAINER "The fsqlshm authors <root@localhost>" CACHE STRING "who answers for the packages")
set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${FSQLSHM_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "shared-memory header of FrankenSQLite")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Debian's own changelog: its time is SOURCE_DATE_EPOCH, where that is set. gzip adds none.
string(TIMESTAMP changelog_time "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in changelog @ONLY)
execute_process(COMMAND gzip -9n INPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/changelog
                OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)

# fsqlshm_package(COMPONENT PACKAGE SECTION DESCRIPTION)
function(fsqlshm_package component package section description)
  string(TOUPPER ${component} name)
  set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc/${package})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${doc_dir} RENAME copyright COMPONENT ${component})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz DESTINATION ${doc_dir} COMPONENT ${component})
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_DESCRIPTION ${description} PARENT_SCOPE)
endfunction()

# The first two may stand beside those of another interface, so the name says which it is.
fsqlshm_package(runtime libfsqlshm1 libs "The library with the C interface.
It coordinates the transactions of all processes that use a database.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_PROVIDES libfsqlshm)
fsqlshm_package(dev libfsqlshm-dev libdevel "For building with it.
Headers of the C and C++ interfaces, the static library, and what CMake and
pkg-config want.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libfsqlshm1 (= ${PROJECT_VERSION})")
if(FSQLSHM_BUILD_TOOLS OR FSQLSHM_BUILD_RELACY OR FSQLSHM_BUILD_STRESS OR FSQLSHM_BUILD_BENCHMARKS)
  fsqlshm_package(tools libfsqlshm-tools database "Programs that inspect and attack it.
fsqlshm-inspect shows the header of a file and says whether it is healthy. The
other programs attack an implementation of the header.")
endif()
if(PROJECT_IS_TOP_LEVEL)
  include(CPack)
endif()
