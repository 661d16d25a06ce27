/*
 * The floor without Node: one O_DSYNC pwrite into zero-filled space at a time.
 *
 *     floor FILE BYTES_A_RECORD RECORDS_A_WRITE WARM_UP_MS MEASURE_MS
 *
 * Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)
#define SPACE (64LL * PIECE)
#define MOST_WRITES (1 << 22)

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* One of the kernel's counters of this process; -1 where it does not say. */
static long long counter(const char *name) {
  char line[128];
  long long bytes = -1;
  FILE *io = fopen("/proc/self/io", "r");
  if (io == NULL) return -1;
  while (fgets(line, sizeof line, io) != NULL)
    if (strncmp(line, name, strlen(name)) == 0) bytes = atoll(line + strlen(name) + 1);
  fclose(io);
  return bytes;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  size_t bytes = (size_t)atoll(argv[2]) * (size_t)atoll(argv[3]);
  char *buffer = malloc(bytes > PIECE ? bytes : PIECE);
  double *times = malloc(sizeof(double) * MOST_WRITES);
  if (buffer == NULL || times == NULL) fail("malloc");

  int filling = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (filling < 0) fail("open");
  memset(buffer, 0, PIECE);
  for (long long at = 0; at < SPACE; at += PIECE)
    if (pwrite(filling, buffer, PIECE, at) != PIECE) fail("pwrite");
  if (fsync(filling) != 0) fail("fsync");
  close(filling);

  int file = open(argv[1], O_WRONLY | O_DSYNC);
  if (file < 0) fail("open");
  memset(buffer, 'x', bytes);
  long long at = 0;
  for (int measured = 0; measured < 2; measured += 1) {
    double end = now_us() + 1e3 * atof(argv[measured ? 5 : 4]);
    double cpu = cpu_us();
    long long given = counter("wchar"), dirtied = counter("write_bytes");
    double started = now_us(), last = started;
    long long writes = 0;
    while (last < end) {
      if (at + (long long)bytes > SPACE) at = 0;
      if (pwrite(file, buffer, bytes, at) != (ssize_t)bytes) fail("pwrite");
      at += (long long)bytes;
      double now = now_us();
      if (writes < MOST_WRITES) times[writes] = now - last;
      writes += 1;
      last = now;
    }
    if (!measured) continue;
    cpu = cpu_us() - cpu;
    given = counter("wchar") - given;
    dirtied = dirtied < 0 ? -1 : counter("write_bytes") - dirtied;
    long long kept = writes < MOST_WRITES ? writes : MOST_WRITES;
    qsort(times, (size_t)kept, sizeof(double), ascending);
    printf("{\"writes\":%lld,\"seconds\":%.6f,\"cpuUs\":%.0f,\"givenBytes\":%lld,\"dirtiedBytes\":%lld,"
           "\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}\n",
           writes, (last - started) / 1e6, cpu, given, dirtied, times[kept / 2], times[kept * 99 / 100],
           times[kept * 999 / 1000], times[kept - 1]);
  }
  return 0;
}
