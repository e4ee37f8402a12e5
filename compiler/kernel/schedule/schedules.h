// Schedules by rule, one function for each class of clusters; choose_schedule dispatches clusters
// to them. The number of threads plays no part: large clusters offer enough items for any.
#pragma once

#include <optional>
#include <string>

#include "kernel/kernel.h"
#include "kernel/schedule/choose.h"
#include "support/target.h"

namespace gradus::kernel {

Schedule schedule_contract(const Graph& graph, const Cluster& cluster, const Target& target,
                           int64_t capacity);
/// Why this schedule cannot be built for this cluster; nothing where it can.
std::optional<std::string> check_contract_schedule(const Graph& graph, const Cluster& cluster,
                                                   const Schedule& schedule, const Target& target);
Schedule schedule_pointwise(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity);
Schedule schedule_rows(const Graph& graph, const Cluster& cluster, const Target& target,
                       int64_t capacity);
std::optional<std::string> check_rows_schedule(const Graph& graph, const Cluster& cluster,
                                               const Schedule& schedule, const Target& target);
Schedule schedule_chain(const Graph& graph, const Cluster& cluster, const Target& target,
                        int64_t capacity);
Schedule schedule_scatter(const Graph& graph, const Cluster& cluster, const Target& target,
                          int64_t capacity);
Schedule schedule_strip(const Graph& graph, const Cluster& cluster, const Target& target,
                        int64_t capacity);
/// Of strips by rows, which have no items.
Schedule schedule_row_strip(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity);

}  // namespace gradus::kernel
