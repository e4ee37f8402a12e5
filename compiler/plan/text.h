// Text of programs and their plans: print, read. print(read(print(p))) == print(p), byte for byte.
//
//   program @one.train {capacity=32}:
//     #0 input "x" : f32[batch,4] 512 bytes block 0
//     #1 output "y" : f32[batch,4] 512 bytes block 1
//     #2 arena %0 : f32[batch,4] 512 bytes block 2
//     kernel 0 @v0 pointwise (x: in, v0: out may share x)
//     launch 0 @v0 kernel 0 (x=#0, v0=#2)
//     launch 1 @v1 kernel 0 (x=#2, v0=#1)
//     1 kernels, 2 launches, 4 blocks, 0 bytes of scratch a worker
//   plan:
//     #2 %0 live [0, 2) arena [0, 576) align 64
//     peak 576 bytes (optimal), 576 without sharing; scratch 0 bytes a worker
//
// The text holds what a plan stands on: buffers, what each kernel does with its slots, the
// launches. A program that was read has kernels without bodies, no values of constants and no nodes
// of the graph: these are in the texts of kernels and graph.
#pragma once

#include "plan/plan.h"
#include "support/diag.h"

namespace gradus::plan {

std::string print_program(const Program& program);
/// The part from `plan:` on.
std::string print_plan(const Program& program, const Plan& plan);

struct PlannedProgram {
  Program program;
  std::optional<Plan> plan;
};
/// The program, and its plan where it has one.
std::string print_planned(const PlannedProgram& planned);
/// All programs of a file. Plans are validated: a breach is told where it is written.
std::optional<std::vector<PlannedProgram>> read_programs(const SourceMap& sources, int32_t file,
                                                         DiagEngine& diags);

}  // namespace gradus::plan
