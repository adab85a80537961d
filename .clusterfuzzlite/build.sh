#!/usr/bin/env bash
# Builds the fuzz targets into $OUT, as ClusterFuzzLite and OSS-Fuzz ask for. Which sanitizer, which
# engine and which standard library is up to the environment: CC, CXX, CFLAGS, CXXFLAGS,
# LIB_FUZZING_ENGINE, OUT, SRC, WORK and SANITIZER are all it uses.
set -euo pipefail

source_dir=$SRC/fsqlshm
build_dir=$WORK/fsqlshm

cmake -S "$source_dir" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_UNITY_BUILD=ON \
  -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
  -DFSQLSHM_FUZZING_ENGINE="$LIB_FUZZING_ENGINE" \
  -DFSQLSHM_BUILD_TESTS=OFF -DFSQLSHM_BUILD_TOOLS=OFF -DFSQLSHM_BUILD_RELACY=OFF \
  -DFSQLSHM_BUILD_STRESS=OFF -DFSQLSHM_BUILD_BENCHMARKS=OFF
cmake --build "$build_dir" --target fuzz-programs

# Each target knows its dictionary, its seeds and its largest input.
PYTHONPATH=$source_dir/scripts python3 -P -B -m fsqlshm.fuzz.package "$build_dir" "$OUT"
