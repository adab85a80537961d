include_guard()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(FSQLSHM_SANITIZER)
  add_compile_options(-fsanitize=${FSQLSHM_SANITIZER} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${FSQLSHM_SANITIZER})
  set(FSQLSHM_INSTALL OFF)
endif()

foreach(folder IN LISTS FSQLSHM_ON_DEMAND)
  if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt)
    message(FATAL_ERROR "FSQLSHM_ON_DEMAND names ${folder}, which is no folder with targets")
  endif()
endforeach()

# fsqlshm_folder(FOLDER): add_subdirectory, as FSQLSHM_ON_DEMAND wants it.
function(fsqlshm_folder folder)
  cmake_path(ABSOLUTE_PATH folder OUTPUT_VARIABLE path)
  cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(path IN_LIST FSQLSHM_ON_DEMAND)
    set(FSQLSHM_BUILD_TESTS OFF)
    set(FSQLSHM_INSTALL OFF)
    add_subdirectory(${folder} EXCLUDE_FROM_ALL)
  else()
    add_subdirectory(${folder})
  endif()
endfunction()

# Our warnings, for our targets alone.
function(fsqlshm_warnings target)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # It sees overlaps in plain string concatenation: https://gcc.gnu.org/PR105651.
      target_compile_options(${target} PRIVATE -Wno-restrict)
    endif()
  endif()
endfunction()

# fsqlshm_engine(TARGET): a program that scripts/campaign runs. The target engines-FOLDER builds those
# of a folder.
function(fsqlshm_engine target)
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(NOT TARGET engines-${folder})
    add_custom_target(engines-${folder})
  endif()
  add_dependencies(engines-${folder} ${target})
endfunction()

# fsqlshm_install_program(TARGET SUMMARY): a program for users, with a manual page made of what its --help says.
function(fsqlshm_install_program target summary)
  if(NOT FSQLSHM_INSTALL)
    return()
  endif()
  include(GNUInstallDirs)
  install(TARGETS ${target} RUNTIME COMPONENT tools)
  find_program(HELP2MAN help2man)
  if(NOT HELP2MAN OR CMAKE_CROSSCOMPILING)
    message(STATUS "no manual page for ${target}: it takes help2man, and a program that runs here")
    return()
  endif()
  set(page ${CMAKE_CURRENT_BINARY_DIR}/${target}.1)
  add_custom_command(
    OUTPUT ${page}.gz VERBATIM DEPENDS ${target}
    COMMAND ${HELP2MAN} --no-info --section=1 --name=${summary} --manual=fsqlshm
            --version-string=${PROJECT_VERSION} --source=fsqlshm --output=${page} $<TARGET_FILE:${target}>
    COMMAND gzip -9nf ${page})
  add_custom_target(${target}-man ALL DEPENDS ${page}.gz)
  install(FILES ${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
endfunction()

# fsqlshm_precompile(TARGET...): what most sources of the engines include is compiled once for all of them.
function(fsqlshm_precompile)
  if(NOT TARGET fsqlshm_engine_headers)
    file(CONFIGURE OUTPUT fsqlshm_engine_headers.cc CONTENT "")
    add_library(fsqlshm_engine_headers OBJECT ${CMAKE_CURRENT_BINARY_DIR}/fsqlshm_engine_headers.cc)
    target_compile_features(fsqlshm_engine_headers PRIVATE cxx_std_23)
    target_link_libraries(fsqlshm_engine_headers PRIVATE fmt::fmt nlohmann_json::nlohmann_json)
    fsqlshm_warnings(fsqlshm_engine_headers)
    target_precompile_headers(fsqlshm_engine_headers PRIVATE <fmt/format.h> <nlohmann/json.hpp> <chrono>
                              <filesystem> <functional>)
  endif()
  foreach(target ${ARGN})
    target_precompile_headers(${target} REUSE_FROM fsqlshm_engine_headers)
  endforeach()
endfunction()

# fsqlshm_test(NAME source... [LIBRARIES library...] [LABELS label...] [ALONE]): one GoogleTest
# binary, each of its tests known to CTest. ALONE: no other test runs at the same time, because these
# need the processor's cores for threads that have to meet.
function(fsqlshm_test name)
  if(NOT FSQLSHM_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "" "LIBRARIES;LABELS")
  include(GoogleTest)
  _fsqlshm_test_headers()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE fsqlshm::fsqlshm ${arg_LIBRARIES} GTest::gtest_main)
  _fsqlshm_test_options(${name})
  target_precompile_headers(${name} REUSE_FROM fsqlshm_test_headers)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 300 RUN_SERIAL ${arg_ALONE} LABELS "${arg_LABELS}")
endfunction()

# What most tests include, compiled once.
function(_fsqlshm_test_headers)
  if(TARGET fsqlshm_test_headers)
    return()
  endif()
  find_package(GTest REQUIRED GLOBAL)
  find_package(fmt REQUIRED GLOBAL)
  find_package(nlohmann_json REQUIRED GLOBAL)
  file(CONFIGURE OUTPUT fsqlshm_test_headers.cc CONTENT "")
  add_library(fsqlshm_test_headers OBJECT ${CMAKE_CURRENT_BINARY_DIR}/fsqlshm_test_headers.cc)
  target_compile_features(fsqlshm_test_headers PRIVATE cxx_std_23)
  _fsqlshm_test_options(fsqlshm_test_headers)
  target_precompile_headers(fsqlshm_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h>
                            <fmt/format.h> <nlohmann/json.hpp> <filesystem> <functional> <thread>)
endfunction()

# The same options for all tests, as a precompiled header asks for. Their own code needs no optimizer,
# which would take most of their compile time; what they test is compiled by the libraries as it ships.
function(_fsqlshm_test_options target)
  target_link_libraries(${target} PRIVATE GTest::gmock fmt::fmt nlohmann_json::nlohmann_json)
  target_compile_options(${target} PRIVATE -O0)
  fsqlshm_warnings(${target})
endfunction()
