// NAME_replay: the target NAME on files, with any compiler and without an engine.

#include <cstdio>

#include "fuzz/facts.h"
#include "fuzz/replay.h"
#include "fuzz/target.h"
#include "harness/program.h"

int main(int argc, char** argv) {
  using fsqlshm::fuzz::kTarget;
  const std::string name(kTarget.name);
  fsqlshm::harness::Program program(name + "_replay",
                                    "Runs the fuzz target " + name + " on files and folders.");
  std::vector<std::string> paths;
  std::vector<std::string> options;
  std::string input_to_reduce, output = "reduced", corpus_to_check;
  bool describes = false, explain = false, stats = false, quiet = false;
  program.add({"paths", &paths, "inputs: files, or folders of them"});
  program.add({"--explain", &explain, "print what each input does"});
  program.add({"--reduce", &input_to_reduce, "a failing input to make as plain as possible"});
  program.add({"--output", &output, "where the reduced input goes"});
  program.add({"--option", &options, "an option of the target, for example only=D3"});
  program.add({"--stats", &stats, "print what the inputs reached"});
  program.add({"--quiet", &quiet, "print only failures"});
  program.add({"--describe", &describes, "print what the target is, as JSON"});
  program.add({"--check", &corpus_to_check, "check the target's part of this corpus folder"});
  return program.run(argc, argv, [&] {
    for (const std::string& option : options) {
      if (kTarget.option == nullptr || !kTarget.option("--" + option)) {
        return program.refuse("there is no option " + option);
      }
    }
    if (stats) fsqlshm::fuzz::keep_facts("/dev/stderr");
    if (describes) {
      std::fputs(describe(kTarget).c_str(), stdout);
      return fsqlshm::harness::kExitClean;
    }
    if (!corpus_to_check.empty()) return fsqlshm::fuzz::check_corpus(corpus_to_check);
    if (!input_to_reduce.empty()) {
      return fsqlshm::fuzz::reduce_file(input_to_reduce, output, quiet);
    }
    if (paths.empty()) return program.refuse("no inputs given; --help explains");
    return fsqlshm::fuzz::replay(paths, explain, quiet);
  });
}
