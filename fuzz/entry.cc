#include "fuzz/entry.h"

namespace fsqlshm::fuzz {

std::string report(const Target& target, const Failure& failure, const Bytes* input) {
  std::string text = "FAILED " + std::string(target.name) + ": " + failure.property + "\n";
  if (!failure.detail.empty()) text += failure.detail + "\n";
  if (target.explain != nullptr && input != nullptr) text += target.explain(*input);
  return text;
}

}  // namespace fsqlshm::fuzz
