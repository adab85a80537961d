# What the preset `mutants` adds: a fault may make a variable unused, a change of one source of the core is to compile
# that one alone, and the code of tests is compiled anew for every fault of a header, but runs for seconds.
add_compile_options(-w)

function(_fsqlshm_quick_to_build)
  set_target_properties(fsqlshm fsqlshm_instrumented PROPERTIES UNITY_BUILD OFF)
  get_property(core_targets DIRECTORY core PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${core_targets})
    if(target MATCHES "_test(_headers)?$")
      target_compile_options(${target} PRIVATE -O0)
    endif()
  endforeach()

  # What scripts/prove compiles, as it does: a fault that changes none of this needs no proof.
  add_library(proved STATIC EXCLUDE_FROM_ALL core/src/geometry.cc core/src/validate.cc fuzz/proofs/entry.cc)
  target_compile_features(proved PRIVATE cxx_std_23)
  target_include_directories(proved PRIVATE core/include)
  target_compile_options(proved PRIVATE -O3)
  set_target_properties(proved PROPERTIES UNITY_BUILD OFF POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                          VISIBILITY_INLINES_HIDDEN ON)
endfunction()
cmake_language(DEFER CALL _fsqlshm_quick_to_build)
