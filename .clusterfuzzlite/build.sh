#!/usr/bin/env bash
# Builds the fuzz targets into $OUT, as ClusterFuzzLite and OSS-Fuzz ask for. Which sanitizer, which
# engine and which standard library is up to the environment: CC, CXX, CFLAGS, CXXFLAGS,
# LIB_FUZZING_ENGINE, OUT, SRC, WORK and SANITIZER are all it uses.
set -euo pipefail

source_dir=$SRC/fsqlshm
build_dir=$WORK/fsqlshm

cmake -S "$source_dir" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=None \
  -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
  -DFSQLSHM_FUZZING_ENGINE="$LIB_FUZZING_ENGINE" \
  -DFSQLSHM_BUILD_TESTS=OFF -DFSQLSHM_BUILD_TOOLS=OFF -DFSQLSHM_BUILD_RELACY=OFF \
  -DFSQLSHM_BUILD_STRESS=OFF -DFSQLSHM_BUILD_BENCHMARKS=OFF

targets=(open_raw open_sealed operations proc_stat shm_file schedule)
cmake --build "$build_dir" --target "${targets[@]}"

for target in "${targets[@]}"; do
  cp "$build_dir/fuzz/$target" "$OUT/$target"
  cp "$source_dir/fuzz/dictionaries/$target.dict" "$OUT/$target.dict"
  # The largest input that makes sense differs; a target ignores what is beyond.
  case $target in
    operations) max_len=1112 ;;
    proc_stat) max_len=1024 ;;
    schedule) max_len=128 ;;
    *) max_len=512 ;;
  esac
  printf '[libfuzzer]\nmax_len = %d\n' "$max_len" >"$OUT/$target.options"
  seeds=("$source_dir/corpus/$target")
  [[ -d $source_dir/corpus/regressions/$target ]] &&
    seeds+=("$source_dir/corpus/regressions/$target")
  zip -q -j -r "$OUT/${target}_seed_corpus.zip" "${seeds[@]}"
done
