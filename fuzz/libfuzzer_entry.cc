// The entry points that libFuzzer (and every engine that speaks its interface) calls.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/entry.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"


// A null pointer is what an engine passes for an empty input.
static fsqlshm::fuzz::Bytes bytes_of(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? fsqlshm::fuzz::Bytes() : fsqlshm::fuzz::Bytes(data, size);
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const fsqlshm::fuzz::Target& target = fsqlshm::fuzz::target();
  fsqlshm::fuzz::print_counters_at_exit(target.name);
  // libFuzzer leaves arguments with two dashes alone: they are ours.
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (!argument.starts_with("--")) continue;
    if (target.option == nullptr || !target.option(argument)) {
      std::fprintf(stderr, "%s: unknown option %s\n", target.name.data(), (*argv)[i]);
      std::exit(2);
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fsqlshm::fuzz::Target& target = fsqlshm::fuzz::target();
  const fsqlshm::fuzz::Bytes input = bytes_of(data, size);
  if (const auto failure = target.run(input)) {
    std::fputs(report(target, *failure, input).c_str(), stderr);
    std::abort();
  }
  return 0;
}
