# lit: a test's folder is the folder of what it tests; `gradus`, FileCheck and `not` are on the path.
import os

import lit.formats

config.name = "gradus"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".gir", ".grad", ".kernel", ".plan", ".test"]
config.excludes = ["CMakeLists.txt", "Inputs", "corpus", "bench"]
config.test_source_root = os.path.join(config.source_dir, "test")
config.test_exec_root = os.path.join(config.build_dir, "test", "out")

llvm_tools = "/usr/lib/llvm-19/bin"
config.environment["PATH"] = os.pathsep.join([config.build_dir, llvm_tools, os.environ["PATH"]])
config.environment["NO_COLOR"] = "1"
# Compiled code is kept under the build folder, never in the user's own cache.
config.environment["XDG_CACHE_HOME"] = os.path.join(config.build_dir, "test", "cache")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
for name in ("HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.substitutions += [
    ("%examples", os.path.join(config.source_dir, "examples")),
    ("%include", os.path.join(config.source_dir, "include")),
    ("%source", config.source_dir),
    ("%build", config.build_dir),
    ("%cc", config.cc),
]
if config.sanitized:
    config.available_features.add("sanitized")
