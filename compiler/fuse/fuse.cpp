// The passes in their order. Products first, as they are stored anyway; then rows; the rest by
// bytes; strips of what there is then, last sums of columns.
#include "fuse/fuse.h"

#include "fuse/fuse_column_sums.h"
#include "fuse/fuse_strips.h"
#include "fuse/legality.h"
#include "fuse/sources.h"

namespace gradus::fuse {

Clustering fuse(const Graph& graph, const Target& /*target*/, int64_t capacity, Remarks* remarks) {
  const Sources sources(graph);
  Drafts drafts(sources, capacity, remarks);
  fuse_scalar(drafts);
  fuse_row_cores(drafts);
  fuse_contract(drafts);
  fuse_rows(drafts);
  fuse_pointwise(drafts);
  Clustering clustering = drafts.finish();
  fuse_strips(sources, capacity, clustering, remarks);
  fuse_column_sums(sources, capacity, clustering, remarks);
  return clustering;
}

}  // namespace gradus::fuse
