/* Predictions of rows as they stand in a file, through the generated object and header alone.
 * usage: predict_raw WEIGHTS.raw < rows of "a b c word", the missing ones `nan` */
#include <stdio.h>

#include "raw.h"

static _Alignas(64) raw_variables variables;
static _Alignas(64) char arena[RAW_ARENA_BYTES];

int main(int argc, char** argv) {
  float x[2 * RAW_BATCH], z[RAW_BATCH], p[RAW_BATCH];
  int32_t town[RAW_BATCH];
  int64_t rows = 0, i;
  FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file) return 2;
  if (fread(variables.w, sizeof variables.w, 1, file) != 1 || fread(variables.v, sizeof variables.v, 1, file) != 1 ||
      fread(variables.t, sizeof variables.t, 1, file) != 1) return 3;
  fclose(file);
  while (rows < RAW_BATCH && scanf("%f %f %f %d", &x[2 * rows], &x[2 * rows + 1], &z[rows], &town[rows]) == 4) ++rows;
  if (raw_predict(&variables, x, z, town, rows, p, arena) != GRADUS_OK) return 4;
  for (i = 0; i < rows; ++i) printf("%.9g\n", p[i]);
  return 0;
}
