/*
 * Makes the system calls of a log fail, in the real process. Built by buildShim.ts, loaded with LD_PRELOAD.
 *
 * It sees the calls that libuv's thread pool makes on files below the directory in RXWAL_SHIM_ROOT, and the calls that take the
 * lock and give it back, which the log makes on the main thread. What the program itself does with fs.…Sync runs on the main thread, and is not
 * seen: so it may look at the directory at any time.
 *
 * The program talks to it by readlink, with paths below /rxwal-shim/ that are on no disk; the answer is the link's text:
 *
 *   arm/<rules>    forgets counts and trace, and sets the rules; "armed", or what is wrong with them
 *   phase/<word>   what the program is about to do, noted with each call
 *   trace/<n>      the calls seen from number n on, as many as fit, one a line: kind file descriptor phase fault
 *   open           how many descriptors of files below the directory are open
 *   held           how many calls are being held
 *   release        lets them go, and holds no more
 *
 * A rule is kind:n:fault or kind:n+:fault: the n-th call of a kind, or every one from it on. Rules are separated by commas. Kinds:
 *
 *   write      to a descriptor that is durable later       read       create     a file, with O_CREAT
 *   writesync  to one opened O_DSYNC                       stat       open       a file that is there
 *   zeros      to any, of zeros alone                      list       opendir    a directory
 *   sync       of a file                                   mkdir      close      a file
 *   syncdir    of a directory                              lock       closedir   a directory
 *   truncate   rename   unlink                             unlock     any        any of them
 *
 * A fault is words with + between them:
 *
 *   EIO (or another error)  the call is not made, and fails
 *   land                    the call is made before that
 *   short=k                 k bytes of it are
 *   kill                    the process is killed
 *   hold                    the call waits until it is released
 *
 * A close that fails has closed: so Linux has it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 4096
#define MAX_RULES 16
#define MAX_TRACE 65536
#define MAX_PIECES 1024
#define WORD 40

struct descriptor {
  bool known;
  bool directory;
  bool durable;
  unsigned serial;
  char name[WORD];
};

struct rule {
  char kind[WORD];
  unsigned long from;
  bool onward;
  unsigned long seen;
  char text[WORD];
  int error;
  bool land;
  bool kill;
  bool hold;
  long bytes; /* of a short call; -1 for a whole one */
};

struct noted {
  const char *kind;
  char name[WORD];
  unsigned serial;
  char phase[WORD];
  char fault[WORD];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static struct descriptor descriptors[MAX_DESCRIPTORS];
static struct rule rules[MAX_RULES];
static size_t rule_count;
static struct noted trace[MAX_TRACE];
static size_t trace_count;
static unsigned serials;
static unsigned held;
static bool holding;
static char phase[WORD] = "none";

#define REAL(name) \
  ({ \
    static __typeof__(&name) real_; \
    if (!real_) real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real_; \
  })

static const struct {
  const char *name;
  int number;
} ERRORS[] = {{"EIO", EIO},         {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG},   {"EINTR", EINTR},
              {"EINVAL", EINVAL},   {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EACCES", EACCES}, {"EPERM", EPERM},
              {"EROFS", EROFS},     {"EBUSY", EBUSY},   {"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}, {"ESTALE", ESTALE}};

static void copy_word(char *to, const char *from) {
  snprintf(to, WORD, "%s", from);
}

static bool on_main_thread(void) {
  return syscall(SYS_gettid) == getpid();
}

/* Whether a path lies below the directory; its last name then. */
static bool is_ours(const char *path, char *name) {
  static const char *root;
  if (!root) root = getenv("RXWAL_SHIM_ROOT");
  if (!root || !path) return false;
  size_t length = strlen(root);
  if (strncmp(path, root, length) != 0 || path[length] != '/') return false;
  copy_word(name, strrchr(path, '/') + 1);
  return true;
}

/* The descriptor of a file of ours, or NULL. A copy: the entry may change under another thread. */
static bool find(int fd, struct descriptor *copy) {
  if (fd < 0 || fd >= MAX_DESCRIPTORS) return false;
  pthread_mutex_lock(&mutex);
  *copy = descriptors[fd];
  pthread_mutex_unlock(&mutex);
  return copy->known;
}

static void forget(int fd) {
  pthread_mutex_lock(&mutex);
  descriptors[fd].known = false;
  pthread_mutex_unlock(&mutex);
}

static const struct rule NO_RULE = {.bytes = -1};

/* Notes a call and gives the rule it falls under. `size` is what it would move, in bytes; 0 where it moves none. */
static struct rule fault_of(const char *kind, const char *name, unsigned serial, size_t size) {
  struct rule chosen = NO_RULE;
  bool fires = false;
  pthread_mutex_lock(&mutex);
  for (size_t index = 0; index < rule_count; index += 1) {
    struct rule *rule = &rules[index];
    if (strcmp(rule->kind, kind) != 0 && strcmp(rule->kind, "any") != 0) continue;
    rule->seen += 1;
    if (rule->onward ? rule->seen < rule->from : rule->seen != rule->from) continue;
    /* What moves no more than that is not cut short by it. */
    if (rule->bytes >= 0 && (size_t)rule->bytes >= size) continue;
    chosen = *rule;
    fires = true;
  }
  if (trace_count < MAX_TRACE) {
    struct noted *entry = &trace[trace_count];
    entry->kind = kind;
    copy_word(entry->name, name);
    entry->serial = serial;
    copy_word(entry->phase, phase);
    copy_word(entry->fault, fires ? chosen.text : "-");
    trace_count += 1;
  }
  if (chosen.hold && holding) {
    held += 1;
    while (holding) pthread_cond_wait(&released, &mutex);
    held -= 1;
  }
  pthread_mutex_unlock(&mutex);
  return chosen;
}

static void end_process(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Wraps a call that moves no bytes: `made` is the call. */
#define FAULTY(rule, made) \
  ({ \
    __typeof__(made) result_ = -1; \
    bool fails_ = (rule).error != 0 || (rule).kill; \
    if (!fails_ || (rule).land) result_ = (made); \
    if ((rule).kill) end_process(); \
    if ((rule).error != 0) { \
      errno = (rule).error; \
      result_ = -1; \
    } \
    result_; \
  })

/* Writing. */

static size_t bytes_of(const struct iovec *pieces, int count) {
  size_t bytes = 0;
  for (int index = 0; index < count; index += 1) bytes += pieces[index].iov_len;
  return bytes;
}

static bool all_zero(const struct iovec *pieces, int count) {
  for (int index = 0; index < count; index += 1) {
    const unsigned char *bytes = pieces[index].iov_base;
    for (size_t at = 0; at < pieces[index].iov_len; at += 1) {
      if (bytes[at] != 0) return false;
    }
  }
  return true;
}

/* The first `bytes` of the pieces, as pieces. */
static int cut(const struct iovec *pieces, int count, size_t bytes, struct iovec *into) {
  int kept = 0;
  for (; kept < count && kept < MAX_PIECES && bytes > 0; kept += 1) {
    into[kept] = pieces[kept];
    if (into[kept].iov_len > bytes) into[kept].iov_len = bytes;
    bytes -= into[kept].iov_len;
  }
  return kept;
}

/* Position -1 stands for the file's own. */
static ssize_t really_write(int fd, const struct iovec *pieces, int count, off64_t at) {
  return at < 0 ? REAL(writev)(fd, pieces, count) : REAL(pwritev64)(fd, pieces, count, at);
}

static ssize_t faulty_write(int fd, const struct iovec *pieces, int count, off64_t at) {
  struct descriptor file;
  if (on_main_thread() || !find(fd, &file)) return really_write(fd, pieces, count, at);
  size_t size = bytes_of(pieces, count);
  const char *kind = all_zero(pieces, count) ? "zeros" : file.durable ? "writesync" : "write";
  struct rule rule = fault_of(kind, file.name, file.serial, size);
  if (rule.bytes < 0) return FAULTY(rule, really_write(fd, pieces, count, at));
  struct iovec part[MAX_PIECES];
  rule.land = true;
  return FAULTY(rule, really_write(fd, part, cut(pieces, count, (size_t)rule.bytes, part), at));
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at) {
  return faulty_write(fd, pieces, count, at);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) {
  return faulty_write(fd, pieces, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  const struct iovec piece = {.iov_base = (void *)bytes, .iov_len = size};
  return faulty_write(fd, &piece, 1, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return pwrite64(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  return faulty_write(fd, pieces, count, -1);
}

ssize_t write(int fd, const void *bytes, size_t size) {
  struct descriptor file;
  if (on_main_thread() || !find(fd, &file)) return REAL(write)(fd, bytes, size);
  const struct iovec piece = {.iov_base = (void *)bytes, .iov_len = size};
  return faulty_write(fd, &piece, 1, -1);
}

/* Reading. */

static ssize_t faulty_read(int fd, const struct iovec *pieces, int count, off64_t at) {
  struct descriptor file;
  if (on_main_thread() || !find(fd, &file)) return REAL(preadv64)(fd, pieces, count, at);
  struct rule rule = fault_of("read", file.name, file.serial, bytes_of(pieces, count));
  if (rule.bytes < 0) return FAULTY(rule, REAL(preadv64)(fd, pieces, count, at));
  struct iovec part[MAX_PIECES];
  rule.land = true;
  return FAULTY(rule, REAL(preadv64)(fd, part, cut(pieces, count, (size_t)rule.bytes, part), at));
}

ssize_t preadv64(int fd, const struct iovec *pieces, int count, off64_t at) {
  return faulty_read(fd, pieces, count, at);
}

ssize_t preadv(int fd, const struct iovec *pieces, int count, off_t at) {
  return faulty_read(fd, pieces, count, at);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) {
  const struct iovec piece = {.iov_base = bytes, .iov_len = size};
  return faulty_read(fd, &piece, 1, at);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) {
  return pread64(fd, bytes, size, at);
}

/* Syncing, and the size. */

static int faulty_sync(int fd, int (*sync)(int)) {
  struct descriptor file;
  if (on_main_thread() || !find(fd, &file)) return sync(fd);
  struct rule rule = fault_of(file.directory ? "syncdir" : "sync", file.name, file.serial, 0);
  return FAULTY(rule, sync(fd));
}

int fsync(int fd) {
  return faulty_sync(fd, REAL(fsync));
}

int fdatasync(int fd) {
  return faulty_sync(fd, REAL(fdatasync));
}

int ftruncate64(int fd, off64_t size) {
  struct descriptor file;
  if (on_main_thread() || !find(fd, &file)) return REAL(ftruncate64)(fd, size);
  struct rule rule = fault_of("truncate", file.name, file.serial, 0);
  return FAULTY(rule, REAL(ftruncate64)(fd, size));
}

int ftruncate(int fd, off_t size) {
  return ftruncate64(fd, size);
}

/* Names. */

int rename(const char *from, const char *to) {
  char name[WORD];
  if (on_main_thread() || !is_ours(to, name)) return REAL(rename)(from, to);
  struct rule rule = fault_of("rename", name, 0, 0);
  return FAULTY(rule, REAL(rename)(from, to));
}

int unlink(const char *path) {
  char name[WORD];
  if (on_main_thread() || !is_ours(path, name)) return REAL(unlink)(path);
  struct rule rule = fault_of("unlink", name, 0, 0);
  return FAULTY(rule, REAL(unlink)(path));
}

int mkdir(const char *path, mode_t mode) {
  char name[WORD];
  if (on_main_thread() || !is_ours(path, name)) return REAL(mkdir)(path, mode);
  struct rule rule = fault_of("mkdir", name, 0, 0);
  return FAULTY(rule, REAL(mkdir)(path, mode));
}

int scandir64(const char *path, struct dirent64 ***names, int (*wanted)(const struct dirent64 *),
              int (*order)(const struct dirent64 **, const struct dirent64 **)) {
  char name[WORD];
  if (on_main_thread() || !is_ours(path, name)) return REAL(scandir64)(path, names, wanted, order);
  struct rule rule = fault_of("list", name, 0, 0);
  return FAULTY(rule, REAL(scandir64)(path, names, wanted, order));
}

/* Descriptors. */

static bool is_directory(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static int faulty_open(int at, const char *path, int flags, mode_t mode) {
  char name[WORD];
  if (on_main_thread() || !is_ours(path, name)) return REAL(openat64)(at, path, flags, mode);
  bool directory = is_directory(path);
  struct rule rule = fault_of(directory ? "opendir" : flags & O_CREAT ? "create" : "open", name, 0, 0);
  int fd = FAULTY(rule, REAL(openat64)(at, path, flags, mode));
  if (fd < 0 || fd >= MAX_DESCRIPTORS) return fd;
  pthread_mutex_lock(&mutex);
  struct descriptor *file = &descriptors[fd];
  file->known = true;
  file->directory = directory;
  file->durable = (flags & O_DSYNC) != 0;
  file->serial = serials += 1;
  copy_word(file->name, name);
  pthread_mutex_unlock(&mutex);
  return fd;
}

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = mode_of(flags, rest); \
    va_end(rest); \
    return faulty_open(AT_FDCWD, path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = mode_of(flags, rest); \
    va_end(rest); \
    return faulty_open(at, path, flags, mode); \
  }
OPENAT(openat)
#undef openat64
int openat64(int at, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return faulty_open(at, path, flags, mode);
}

static long really_close(int fd) {
  return REAL(syscall)(SYS_close, (long)fd, 0L, 0L, 0L, 0L, 0L);
}

/* The number may be another file's as soon as it is closed: it is forgotten before. */
static long faulty_close(int fd) {
  struct descriptor file;
  if (!find(fd, &file)) return really_close(fd);
  if (on_main_thread()) {
    forget(fd);
    return really_close(fd);
  }
  struct rule rule = fault_of(file.directory ? "closedir" : "close", file.name, file.serial, 0);
  forget(fd);
  rule.land = true;
  return FAULTY(rule, really_close(fd));
}

int close(int fd) {
  return (int)faulty_close(fd);
}

/* libuv closes, and asks for a file's size, by number. */
long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a = va_arg(rest, long);
  long b = va_arg(rest, long);
  long c = va_arg(rest, long);
  long d = va_arg(rest, long);
  long e = va_arg(rest, long);
  long f = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) return faulty_close((int)a);
  struct descriptor file;
  if (number == SYS_statx && !on_main_thread() && find((int)a, &file)) {
    struct rule rule = fault_of("stat", file.name, file.serial, 0);
    return FAULTY(rule, REAL(syscall)(number, a, b, c, d, e, f));
  }
  return REAL(syscall)(number, a, b, c, d, e, f);
}

/* The lock, which is taken and given back on the main thread. */
static int faulty_lock(int fd, int command, long argument) {
  struct descriptor file;
  const struct flock *lock = (const struct flock *)argument;
  if ((command != F_OFD_SETLK && command != F_OFD_SETLKW) || !find(fd, &file)) {
    return REAL(fcntl64)(fd, command, argument);
  }
  struct rule rule = fault_of(lock->l_type == F_UNLCK ? "unlock" : "lock", file.name, file.serial, 0);
  return FAULTY(rule, REAL(fcntl64)(fd, command, argument));
}

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  long argument = va_arg(rest, long);
  va_end(rest);
  return faulty_lock(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  long argument = va_arg(rest, long);
  va_end(rest);
  return faulty_lock(fd, command, argument);
}

/* Talking. */

static bool parse_word(struct rule *rule, const char *word) {
  if (strcmp(word, "land") == 0) return rule->land = true;
  if (strcmp(word, "kill") == 0) return rule->kill = true;
  if (strcmp(word, "hold") == 0) return rule->hold = holding = true;
  if (sscanf(word, "short=%ld", &rule->bytes) == 1) return true;
  for (size_t index = 0; index < sizeof ERRORS / sizeof *ERRORS; index += 1) {
    if (strcmp(word, ERRORS[index].name) == 0) {
      rule->error = ERRORS[index].number;
      return true;
    }
  }
  return false;
}

static bool parse_rule(struct rule *rule, char *text) {
  char *rest;
  const char *kind = strtok_r(text, ":", &rest);
  const char *number = strtok_r(NULL, ":", &rest);
  char *fault = strtok_r(NULL, ":", &rest);
  if (!kind || !number || !fault) return false;
  *rule = (struct rule){.bytes = -1};
  copy_word(rule->kind, kind);
  copy_word(rule->text, fault);
  char *end;
  rule->from = strtoul(number, &end, 10);
  rule->onward = *end == '+';
  for (const char *word = strtok_r(fault, "+", &rest); word; word = strtok_r(NULL, "+", &rest)) {
    if (!parse_word(rule, word)) return false;
  }
  return rule->from > 0;
}

static int arm(const char *plan, char *answer, size_t size) {
  char text[1024];
  char *rest;
  snprintf(text, sizeof text, "%s", plan);
  rule_count = trace_count = 0;
  holding = false;
  for (char *rule = strtok_r(text, ",", &rest); rule; rule = strtok_r(NULL, ",", &rest)) {
    char shown[WORD];
    copy_word(shown, rule);
    if (rule_count == MAX_RULES || !parse_rule(&rules[rule_count], rule)) {
      rule_count = 0;
      return snprintf(answer, size, "no rule: %s", shown);
    }
    rule_count += 1;
  }
  return snprintf(answer, size, "armed");
}

static int tell_trace(size_t from, char *answer, size_t size) {
  size_t used = 0;
  for (size_t index = from; index < trace_count; index += 1) {
    const struct noted *entry = &trace[index];
    char line[4 * WORD + 32];
    int length = snprintf(line, sizeof line, "%s %s %u %s %s\n", entry->kind, entry->name, entry->serial, entry->phase,
                          entry->fault);
    if (used + (size_t)length > size) break;
    memcpy(answer + used, line, (size_t)length);
    used += (size_t)length;
  }
  return (int)used;
}

static unsigned open_descriptors(void) {
  unsigned count = 0;
  for (size_t fd = 0; fd < MAX_DESCRIPTORS; fd += 1) count += descriptors[fd].known;
  return count;
}

static int obey(const char *command, char *answer, size_t size) {
  if (strncmp(command, "arm/", 4) == 0) return arm(command + 4, answer, size);
  if (strncmp(command, "trace/", 6) == 0) return tell_trace(strtoul(command + 6, NULL, 10), answer, size);
  if (strncmp(command, "phase/", 6) == 0) {
    copy_word(phase, command + 6);
    return snprintf(answer, size, "noted");
  }
  if (strcmp(command, "open") == 0) return snprintf(answer, size, "%u", open_descriptors());
  if (strcmp(command, "held") == 0) return snprintf(answer, size, "%u", held);
  if (strcmp(command, "release") == 0) {
    holding = false;
    pthread_cond_broadcast(&released);
    return snprintf(answer, size, "released");
  }
  return snprintf(answer, size, "no command: %s", command);
}

ssize_t readlink(const char *path, char *answer, size_t size) {
  static const char DOOR[] = "/rxwal-shim/";
  if (strncmp(path, DOOR, sizeof DOOR - 1) != 0) return REAL(readlink)(path, answer, size);
  pthread_mutex_lock(&mutex);
  int length = obey(path + sizeof DOOR - 1, answer, size);
  pthread_mutex_unlock(&mutex);
  return length < (int)size ? length : (ssize_t)size;
}
