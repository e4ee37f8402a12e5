/* Trains the digits perceptron through the generated object and header alone: first values from seed 3, 100
 * steps on batches of 32 rows in file order, then the parameters as raw bytes.
 * usage: train_digits DIGITS.csv WEIGHTS.raw */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits_reference.h"

enum { kRows = 1797, kPixels = 64 };

static float images[kRows * kPixels];
static int32_t labels[kRows];

static int read_table(const char* path) {
  FILE* file = fopen(path, "r");
  char line[1024];
  int row, column;
  if (!file || !fgets(line, sizeof line, file)) return 0;
  for (row = 0; row < kRows; ++row) {
    char* at = line;
    if (!fgets(line, sizeof line, file)) return 0;
    for (column = 0; column < kPixels; ++column, ++at) images[row * kPixels + column] = strtof(at, &at) / 16.0f;
    labels[row] = (int32_t)strtol(at, &at, 10);
  }
  fclose(file);
  return 1;
}

static void* aligned(size_t bytes) {
  char* memory = malloc(bytes + 64);
  return memory ? (void*)(memory + (64 - (uintptr_t)memory % 64)) : NULL;
}

int main(int argc, char** argv) {
  digits_variables* variables = aligned(sizeof *variables);
  void* arena = aligned(DIGITS_ARENA_BYTES);
  float loss = 0;
  int64_t step, at = 0;
  FILE* out;
  if (argc != 3 || !variables || !arena || !read_table(argv[1])) return 2;
  if (digits_init(variables, 3, arena) != GRADUS_OK) return 3;
  for (step = 1; step <= 100; ++step) {
    int64_t rows = kRows - at < DIGITS_BATCH ? kRows - at : DIGITS_BATCH;
    int32_t status = digits_train_step(variables, images + at * kPixels, labels + at, rows, step, 100, 1, 3, &loss, arena);
    if (status != GRADUS_OK) return 4;
    at = at + rows == kRows ? 0 : at + rows;
  }
  if (digits_train_step(variables, images, labels, 33, 101, 101, 1, 3, &loss, arena) != GRADUS_BAD_ROWS) return 5;
  labels[7] = 10;
  if (digits_train_step(variables, images, labels, 32, 101, 101, 1, 3, &loss, arena) != GRADUS_BAD_INDEX) return 6;
  printf("loss of step 100: %.6f\n", loss);
  out = fopen(argv[2], "wb");
  if (!out) return 7;
  fwrite(variables->hidden_w, sizeof variables->hidden_w, 1, out);
  fwrite(variables->hidden_b, sizeof variables->hidden_b, 1, out);
  fwrite(variables->logits_w, sizeof variables->logits_w, 1, out);
  fwrite(variables->logits_b, sizeof variables->logits_b, 1, out);
  return fclose(out);
}
