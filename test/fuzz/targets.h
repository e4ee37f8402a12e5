// What the fuzzers call: a whole reader on bytes in memory. A target returns on bytes it refuses;
// it aborts where a promise is broken that no sanitizer sees.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

namespace gradus::fuzz {

using Input = std::span<const uint8_t>;

void fuzz_csv(Input input);
void fuzz_graph(Input input);
void fuzz_gzip(Input input);
void fuzz_idx(Input input);
void fuzz_kernel(Input input);
void fuzz_model(Input input);
void fuzz_npy(Input input);
void fuzz_plan(Input input);
void fuzz_safetensors(Input input);

inline std::string text_of(Input input) { return {input.begin(), input.end()}; }

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace gradus::fuzz
