include_guard()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(FSQLSHM_SANITIZER)
  add_compile_options(-fsanitize=${FSQLSHM_SANITIZER} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${FSQLSHM_SANITIZER})
endif()

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

# fsqlshm_test(NAME source... [LIBRARIES library...] [LABELS label...] [ALONE]): one GoogleTest
# binary, each of its tests known to CTest. ALONE: no other test runs at the same time, because these
# need the processor's cores for threads that have to meet.
function(fsqlshm_test name)
  if(NOT FSQLSHM_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "" "LIBRARIES;LABELS")
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE fsqlshm::fsqlshm ${arg_LIBRARIES} GTest::gtest_main
                                        GTest::gmock)
  fsqlshm_warnings(${name})
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 300 RUN_SERIAL ${arg_ALONE} LABELS "${arg_LABELS}")
endfunction()
