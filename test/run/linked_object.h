// Steps as an object file, linked to a shared library by the C compiler and loaded from there.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "codegen/codegen.h"

namespace gradus::run {

class LinkedObject {
 public:
  LinkedObject(const std::vector<codegen::Unit>& units, const Target& target) {
    std::string pattern = (std::filesystem::temp_directory_path() / "gradus-run-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    const std::vector<char> object = codegen::compile_object(units, target);
    const std::string file = (folder_ / "steps.o").string();
    const std::string library = (folder_ / "steps.so").string();
    std::ofstream(file, std::ios::binary)
        .write(object.data(), static_cast<std::streamsize>(object.size()));
    // No libc: generated code calls nothing.
    const std::string link = "cc -shared -nostdlib -Wl,-z,defs -o " + library + " " + file;
    if (std::system(link.c_str()) != 0) throw std::runtime_error("not linked: " + link);
    handle_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle_) throw std::runtime_error(dlerror());
  }
  ~LinkedObject() {
    if (handle_) dlclose(handle_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  LinkedObject(const LinkedObject&) = delete;
  LinkedObject& operator=(const LinkedObject&) = delete;

  codegen::StepFunction find(const std::string& symbol) const {
    void* found = dlsym(handle_, symbol.c_str());
    if (!found) throw std::runtime_error("no symbol " + symbol);
    return reinterpret_cast<codegen::StepFunction>(found);
  }

 private:
  std::filesystem::path folder_;
  void* handle_ = nullptr;
};

}  // namespace gradus::run
