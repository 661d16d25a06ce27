/*
 * A disk that remembers: a FUSE file system with one file, `image`, which writes down every write and every flush it is
 * given, in order, before it answers. With a loop device on that file the journal is the history of a block device: the loop
 * driver turns the block layer's FLUSH and FUA into fsync of the file.
 *
 *   recorder MOUNT_POINT IMAGE JOURNAL NEEDLE
 *
 * Says "ready" on its standard output when it serves, and ends when it is unmounted. It speaks to /dev/fuse without a library.
 *
 * The journal is a sequence of entries: u32 kind, u32 length, u64 offset, and for a write its bytes, all in the order of the
 * machine. A journal entry is there before the request that it tells of is answered, so whoever has seen an answer finds its
 * entry below the present length of the journal.
 *
 * SIGUSR1: the next write that holds the bytes NEEDLE fails with EIO and leaves the disk as it was.
 * SIGUSR2: the same, but the first half of its sectors reach the disk.
 * SIGHUP: the next flush fails with EIO, and makes nothing durable. The file system may end with that.
 * The needle keeps the failure of a write away from the file system's own blocks, which would end the file system and not the log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE_ENTRY = 1, FLUSH_ENTRY = 2, FAILED_ENTRY = 3 };
enum { DIRECTORY = FUSE_ROOT_ID, IMAGE = 2 };
enum { MAX_WRITE = 1 << 20, BUFFER_BYTES = MAX_WRITE + (1 << 16), SECTOR = 512 };

struct entry {
  uint32_t kind;
  uint32_t length;
  uint64_t offset;
};

static int fuse_fd, image_fd, journal_fd;
static const char *needle;
static off_t image_size;
static volatile sig_atomic_t fail_next;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void arm(int number) { fail_next = number; }

/* Writes all of it, or ends the program: a journal with a hole in it would prove nothing. */
static void put_all(int fd, const void *bytes, size_t length, off_t offset) {
  while (length > 0) {
    ssize_t put = pwrite(fd, bytes, length, offset);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) die("recorder: writing");
    bytes = (const char *)bytes + put;
    length -= (size_t)put;
    offset += put;
  }
}

/* Called before the answer is given: see above. */
static void note(uint32_t kind, uint64_t offset, const void *bytes, uint32_t length) {
  static off_t end;
  struct entry head = {kind, length, offset};
  put_all(journal_fd, &head, sizeof head, end);
  end += sizeof head;
  put_all(journal_fd, bytes, length, end);
  end += length;
}

static void answer(uint64_t unique, int error, const void *bytes, size_t length) {
  struct fuse_out_header head = {
      .len = (uint32_t)(sizeof head + length), .error = -error, .unique = unique};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
  /* ENOENT: the request was interrupted, and nobody waits for its answer. */
  if (writev(fuse_fd, parts, length > 0 ? 2 : 1) < 0 && errno != ENOENT) die("recorder: answering");
}

static struct fuse_attr attributes(uint64_t node) {
  struct fuse_attr attr = {.ino = node, .blksize = 4096, .nlink = 1};
  attr.mode = node == IMAGE ? S_IFREG | 0600 : S_IFDIR | 0700;
  attr.size = node == IMAGE ? (uint64_t)image_size : 0;
  attr.blocks = attr.size / SECTOR;
  return attr;
}

static void init(uint64_t unique, const struct fuse_init_in *in) {
  struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                              .minor = FUSE_KERNEL_MINOR_VERSION,
                              .max_readahead = in->max_readahead,
                              .flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
                              .max_background = 64,
                              .congestion_threshold = 48,
                              .max_write = MAX_WRITE,
                              .max_pages = MAX_WRITE / 4096,
                              .time_gran = 1};
  if (in->minor < out.minor) out.minor = in->minor;
  answer(unique, 0, &out, sizeof out);
  puts("ready");
  fflush(stdout);
}

static void lookup(const struct fuse_in_header *head, const char *name) {
  struct fuse_entry_out out = {.nodeid = IMAGE, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(IMAGE)};
  if (head->nodeid == DIRECTORY && strcmp(name, "image") == 0) {
    answer(head->unique, 0, &out, sizeof out);
  } else {
    answer(head->unique, ENOENT, NULL, 0);
  }
}

static void read_image(uint64_t unique, const struct fuse_read_in *in) {
  static char bytes[BUFFER_BYTES];
  size_t length = in->size < sizeof bytes ? in->size : sizeof bytes;
  ssize_t got = pread(image_fd, bytes, length, (off_t)in->offset);
  if (got < 0) die("recorder: reading");
  answer(unique, 0, bytes, (size_t)got);
}

static void write_image(uint64_t unique, const struct fuse_write_in *in, const char *bytes) {
  struct fuse_write_out out = {.size = in->size};
  int how = fail_next;
  if ((how == SIGUSR1 || how == SIGUSR2) && memmem(bytes, in->size, needle, strlen(needle)) != NULL) {
    fail_next = 0;
    uint32_t landed = how == SIGUSR2 ? in->size / 2 / SECTOR * SECTOR : 0;
    put_all(image_fd, bytes, landed, (off_t)in->offset);
    if (landed > 0) note(WRITE_ENTRY, in->offset, bytes, landed);
    note(FAILED_ENTRY, in->offset, NULL, 0);
    answer(unique, EIO, NULL, 0);
    return;
  }
  put_all(image_fd, bytes, in->size, (off_t)in->offset);
  note(WRITE_ENTRY, in->offset, bytes, in->size);
  answer(unique, 0, &out, sizeof out);
}

static void flush_image(uint64_t unique) {
  int fails = fail_next == SIGHUP;
  if (fails) fail_next = 0;
  note(fails ? FAILED_ENTRY : FLUSH_ENTRY, 0, NULL, 0);
  answer(unique, fails ? EIO : 0, NULL, 0);
}

static void serve(const struct fuse_in_header *head, const void *body) {
  uint64_t unique = head->unique;
  switch (head->opcode) {
    case FUSE_INIT:
      init(unique, body);
      break;
    case FUSE_LOOKUP:
      lookup(head, body);
      break;
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(head->nodeid)};
      answer(unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      struct fuse_open_out out = {.fh = 0};
      answer(unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_READ:
      read_image(unique, body);
      break;
    case FUSE_WRITE:
      write_image(unique, body, (const char *)body + sizeof(struct fuse_write_in));
      break;
    case FUSE_FSYNC:
      flush_image(unique);
      break;
    case FUSE_STATFS: {
      struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255}};
      answer(unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_FLUSH: /* a close, which makes nothing durable */
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_READDIR:
    case FUSE_DESTROY:
      answer(unique, 0, NULL, 0);
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      break; /* these want no answer */
    case FUSE_FALLOCATE:
      answer(unique, EOPNOTSUPP, NULL, 0);
      break;
    default:
      answer(unique, ENOSYS, NULL, 0);
  }
}

static int open_or_die(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) die(path);
  return fd;
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "recorder MOUNT_POINT IMAGE JOURNAL NEEDLE\n");
    return 2;
  }
  const char *mount_point = arguments[1];
  image_fd = open_or_die(arguments[2], O_RDWR);
  journal_fd = open_or_die(arguments[3], O_RDWR | O_CREAT | O_TRUNC);
  needle = arguments[4];
  struct stat status;
  if (fstat(image_fd, &status) < 0) die(arguments[2]);
  image_size = status.st_size;
  struct sigaction action = {.sa_handler = arm};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  sigaction(SIGHUP, &action, NULL);

  fuse_fd = open_or_die("/dev/fuse", O_RDWR);
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
  if (mount("recorder", mount_point, "fuse", MS_NOSUID | MS_NODEV, options) < 0) die("recorder: mount");

  static char request[BUFFER_BYTES] __attribute__((aligned(8)));
  for (;;) {
    ssize_t length = read(fuse_fd, request, sizeof request);
    if (length < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) continue;
    if (length < 0 && errno == ENODEV) return 0; /* unmounted */
    if (length < 0) die("recorder: /dev/fuse");
    serve((const struct fuse_in_header *)request, request + sizeof(struct fuse_in_header));
  }
}
