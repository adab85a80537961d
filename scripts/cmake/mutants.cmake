# What the preset `mutants` adds: a fault may make a variable unused, and a change of one source of the core is to
# compile that one alone.
add_compile_options(-w)
cmake_language(DEFER CALL set_target_properties fsqlshm fsqlshm_instrumented PROPERTIES UNITY_BUILD OFF)
