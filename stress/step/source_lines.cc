#include "stress/step/source_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <unistd.h>

#include <array>
#include <ranges>
#include <string_view>
#include <vector>

#include "harness/describe.h"

namespace fsqlshm::step {
namespace {

const Dwfl_Callbacks kCallbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                   .find_debuginfo = dwfl_standard_find_debuginfo,
                                   .section_address = nullptr,
                                   .debuginfo_path = nullptr};

// A line of a library that a protocol is made of, which says nothing of the protocol.
bool is_plumbing(std::string_view file) {
  constexpr std::array<std::string_view, 8> kFolders = {
      "/usr/include/", "/usr/lib/",    "/rustc/",         "library/core/",
      "library/std/",  "include/c++/", "fsqlshm/words.h", "src/c_header_functions.h"};
  for (const std::string_view folder : kFolders) {
    if (file.find(folder) != std::string_view::npos) return true;
  }
  return false;
}

// The file and line where an inlined function was called.
SourceLine call_site(Dwarf_Die* scope) {
  Dwarf_Die unit;
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  Dwarf_Attribute attribute;
  Dwarf_Word file = 0;
  Dwarf_Word line = 0;
  if (dwarf_diecu(scope, &unit, nullptr, nullptr) == nullptr ||
      dwarf_getsrcfiles(&unit, &files, &count) != 0 ||
      dwarf_formudata(dwarf_attr(scope, DW_AT_call_file, &attribute), &file) != 0 ||
      dwarf_formudata(dwarf_attr(scope, DW_AT_call_line, &attribute), &line) != 0) {
    return {};
  }
  const char* const name = dwarf_filesrc(files, file, nullptr, nullptr);
  return {.file = name == nullptr ? "" : name, .line = static_cast<int>(line)};
}

std::string name_of(Dwarf_Die* scope) {
  Dwarf_Die origin = *scope;
  Dwarf_Attribute attribute;
  if (dwarf_attr_integrate(scope, DW_AT_abstract_origin, &attribute) != nullptr) {
    dwarf_formref_die(&attribute, &origin);
  }
  const char* const name = dwarf_diename(&origin);
  return name == nullptr ? "" : name;
}

// The functions around an address, inlined ones included, from the outside to the inside.
// (dwarf_getscopes does not look into namespaces, where all functions of Rust are.)
bool find_scopes(Dwarf_Die& parent, Dwarf_Addr address, std::vector<Dwarf_Die>& scopes) {
  Dwarf_Die child;
  if (dwarf_child(&parent, &child) != 0) return false;
  do {
    if (dwarf_tag(&child) == DW_TAG_namespace) {
      if (find_scopes(child, address, scopes)) return true;
    } else if (dwarf_haspc(&child, address) > 0) {
      scopes.push_back(child);
      find_scopes(child, address, scopes);
      return true;
    }
  } while (dwarf_siblingof(&child, &child) == 0);
  return false;
}

// The unit of debug information that an address belongs to. Clang leaves out the table that a lookup
// goes by.
Dwarf_Die* unit_of(Dwfl_Module* module, Dwarf_Addr address, Dwarf_Addr& bias) {
  Dwarf_Die* unit = dwfl_module_addrdie(module, address, &bias);
  if (unit != nullptr) return unit;
  do {
    unit = dwfl_module_nextcu(module, unit, &bias);
  } while (unit != nullptr && dwarf_haspc(unit, address - bias) <= 0);
  return unit;
}

}  // namespace

SourceLines::SourceLines() : dwfl_(dwfl_begin(&kCallbacks)) {
  if (dwfl_ == nullptr) return;
  dwfl_linux_proc_report(dwfl_, ::getpid());
  dwfl_report_end(dwfl_, nullptr, nullptr);
}

SourceLines::~SourceLines() {
  if (dwfl_ != nullptr) dwfl_end(dwfl_);
}

const SourceLine& SourceLines::of(std::uintptr_t address) {
  const auto [entry, is_new] = known_.try_emplace(address);
  if (is_new && dwfl_ != nullptr) entry->second = find(address);
  return entry->second;
}

SourceLine SourceLines::find(std::uintptr_t address) const {
  Dwfl_Module* const module = dwfl_addrmodule(dwfl_, address);
  Dwarf_Addr bias = 0;
  Dwarf_Die* const unit = module == nullptr ? nullptr : unit_of(module, address, bias);
  Dwarf_Line* const innermost = unit == nullptr ? nullptr : dwarf_getsrc_die(unit, address - bias);
  if (innermost == nullptr) return {};
  SourceLine here;
  dwarf_lineno(innermost, &here.line);
  const char* const file = dwarf_linesrc(innermost, nullptr, nullptr);
  if (file != nullptr) here.file = file;
  std::vector<Dwarf_Die> scopes;
  find_scopes(*unit, address - bias, scopes);
  const SourceLine first = here;
  bool found = !is_plumbing(here.file);
  for (Dwarf_Die& scope : scopes | std::views::reverse) {
    const int tag = dwarf_tag(&scope);
    if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
    if (found) {
      here.function = name_of(&scope);
      break;
    }
    if (tag == DW_TAG_subprogram) break;
    here = call_site(&scope);
    found = !here.file.empty() && !is_plumbing(here.file);
  }
  if (!found) here = first;
  return here;
}

}  // namespace fsqlshm::step
