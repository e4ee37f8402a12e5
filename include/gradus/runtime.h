/* The C interface between generated code and the program around it. Plain C, no library behind it.
 *
 * Generated code reads and writes the blocks of a frame and calls nothing but `parallel_for`. */
#ifndef GRADUS_RUNTIME_H
#define GRADUS_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Work on items [begin, end); `worker` is smaller than the frame's `workers`. */
typedef void (*gradus_body)(const void* args, int64_t begin, int64_t end, int32_t worker);

/* Calls `body` on disjoint ranges that cover [0, items), on as many threads as it likes, each with a
 * worker number of its own below the frame's `workers`, and returns when all are done. */
typedef void (*gradus_parallel_for)(void* pool, gradus_body body, const void* args, int64_t items);

/* Told the number of a kernel launch before it begins and after it ends; for timing. */
typedef void (*gradus_trace)(void* context, int32_t launch, int32_t end);

typedef struct gradus_frame {
  void* const* blocks;       /* inputs, parameters, states, outputs, arena: as the plan numbers them */
  int64_t rows;              /* n: 1 <= n <= the batch the code was made for */
  int64_t step;              /* from 1; 0 while initialising */
  int64_t steps;             /* planned in all */
  int64_t epoch;             /* from 1 */
  int64_t seed;              /* the low 32 bits count */
  int32_t workers;           /* threads that parallel_for may use; scratch is planned for as many */
  void* pool;                /* handed to parallel_for */
  gradus_parallel_for parallel_for; /* may be null: everything runs in the caller */
  gradus_trace trace;        /* may be null */
  void* trace_context;
} gradus_frame;

/* What a step function returns. */
enum {
  GRADUS_OK = 0,
  GRADUS_BAD_ROWS = 1,       /* rows is not in [1, batch] */
  GRADUS_BAD_INDEX = 2,      /* an index of an input is outside its axis; nothing was computed */
  /* This and above: an index that the model computes, by its number from 0, is outside its axis. The
   * step was done, but nothing that it wrote is worth anything. */
  GRADUS_BAD_COMPUTED_INDEX = 16
};

#ifdef __cplusplus
}
#endif
#endif
