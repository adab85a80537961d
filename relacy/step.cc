#include "step.h"

namespace fsqlshm::relacy {

std::string_view source_name(std::string_view path) noexcept {
  for (const std::string_view root : {"/include/fsqlshm/", "/relacy/", "/harness/"}) {
    const std::size_t at = path.rfind(root);
    if (at == std::string_view::npos) continue;
    return path.substr(root == "/include/fsqlshm/" ? at + root.size() : at + 1);
  }
  return path;
}

std::string_view function_name(std::string_view signature) noexcept {
  const std::string_view name = signature.substr(0, signature.find('('));
  const std::size_t start = name.find_last_of(": ");
  return start == std::string_view::npos ? name : name.substr(start + 1);
}

}  // namespace fsqlshm::relacy
