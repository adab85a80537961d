// The entry points that libFuzzer (and every engine that speaks its interface) calls.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/facts.h"
#include "fuzz/target.h"

namespace {

using fsqlshm::fuzz::Bytes;
using fsqlshm::fuzz::kTarget;

// A null pointer is what an engine passes for an empty input.
Bytes bytes_of(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? Bytes() : Bytes(data, size);
}

// Stands in where an engine has no mutator to offer: one byte is changed.
std::size_t change_one_byte(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  if (size == 0) {
    if (max_size == 0) return 0;
    data[size++] = 0;
  }
  data[size / 2] = static_cast<std::uint8_t>(data[size / 2] * 5 + 1);
  return size;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are libFuzzer's

// Weak: an engine without it still links; then the custom mutator falls back to its own.
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                      std::size_t max_size);

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view kFacts = "--facts=";
  // libFuzzer leaves arguments with two dashes alone: they are ours.
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (!argument.starts_with("--")) continue;
    if (argument == "--describe") {
      std::fputs(describe(kTarget).c_str(), stdout);
      std::exit(0);  // NOLINT(concurrency-mt-unsafe): there is one thread yet
    }
    if (argument.starts_with(kFacts)) {
      fsqlshm::fuzz::keep_facts(std::string(argument.substr(kFacts.size())));
    } else if (kTarget.option == nullptr || !kTarget.option(argument)) {
      std::fprintf(stderr, "%s: unknown option %s\n", std::string(kTarget.name).c_str(),
                   (*argv)[i]);
      std::exit(2);  // NOLINT(concurrency-mt-unsafe): there is one thread yet
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = bytes_of(data, size);
  if (const auto failure = kTarget.run(input)) {
    const std::string text = report(kTarget, *failure, &input);
    keep_failure(kTarget, *failure, text);
    std::fputs(text.c_str(), stderr);
    std::abort();
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  const fsqlshm::fuzz::ByteMutator engine =
      LLVMFuzzerMutate != nullptr ? LLVMFuzzerMutate : change_one_byte;
  const fsqlshm::fuzz::Mutate mutate = kTarget.mutate;
  if (mutate == nullptr) return engine(data, size, max_size);
  return mutate({data, max_size}, std::min(size, max_size), seed, engine);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                                 const std::uint8_t* data2, std::size_t size2,
                                                 std::uint8_t* out, std::size_t max_out,
                                                 unsigned seed) {
  const fsqlshm::fuzz::Cross cross = kTarget.cross;
  if (cross == nullptr) return 0;  // the engine tries something else
  return cross({data1, size1}, {data2, size2}, {out, max_out}, seed);
}

// NOLINTEND(readability-identifier-naming)
