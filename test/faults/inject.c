/*
 * For LD_PRELOAD. Every open, write, rename, sync and unlink of a file below INJECT_BELOW leaves a line in INJECT_REPORT: the call
 * and the path. The INJECT_AT-th INJECT_CALL goes wrong as INJECT_HOW says, and its line begins with "fault": with `kill` it ends
 * the process as SIGKILL does, with `short` a write takes half of its bytes, with a number it fails with that error, a write after
 * half of its bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  ssize_t (*write)(int, const void *, size_t);
  ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
  int (*open64)(const char *, int, ...);
  int (*rename)(const char *, const char *);
  int (*fsync)(int);
  int (*fdatasync)(int);
  int (*unlink)(const char *);
} real;
static const char *below, *wanted, *how = "";
static int at, report;
static atomic_int calls;

/* Before there are threads: dlsym takes the loader's lock, which another thread may hold for as long as it likes. */
__attribute__((constructor)) static void begin(void) {
  if (real.write) return;
  *(void **)&real.pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  *(void **)&real.open64 = dlsym(RTLD_NEXT, "open64");
  *(void **)&real.rename = dlsym(RTLD_NEXT, "rename");
  *(void **)&real.fsync = dlsym(RTLD_NEXT, "fsync");
  *(void **)&real.fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  *(void **)&real.unlink = dlsym(RTLD_NEXT, "unlink");
  *(void **)&real.write = dlsym(RTLD_NEXT, "write");
  below = getenv("INJECT_BELOW");
  wanted = getenv("INJECT_CALL");
  if (getenv("INJECT_HOW")) how = getenv("INJECT_HOW");
  if (getenv("INJECT_AT")) at = atoi(getenv("INJECT_AT"));
  if (getenv("INJECT_REPORT")) report = real.open64(getenv("INJECT_REPORT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* Whether this call is to go wrong. Where it kills, nothing comes after it. */
static int is_due(const char *call, const char *path) {
  begin();
  if (!below || strncmp(path, below, strlen(below))) return 0;
  int due = wanted && !strcmp(call, wanted) && atomic_fetch_add(&calls, 1) + 1 == at;
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s%s %s\n", due ? "fault " : "", call, path);
  if (report > 0 && real.write(report, line, (size_t)length) < 0) abort();
  return due;
}

static int is_due_for(const char *call, int file) {
  char link[64], path[PATH_MAX];
  begin();
  if (!below) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_due(call, path);
}

static int fail(void) {
  if (!strcmp(how, "kill")) kill(getpid(), SIGKILL);
  errno = atoi(how) ? atoi(how) : EIO;
  return -1;
}

ssize_t write(int file, const void *bytes, size_t count) {
  if (!is_due_for("write", file)) return real.write(file, bytes, count);
  ssize_t written = real.write(file, bytes, (count + 1) / 2);
  return strcmp(how, "short") ? fail() : written;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  if (!is_due_for("write", file)) return real.pwrite64(file, bytes, count, offset);
  ssize_t written = real.pwrite64(file, bytes, (count + 1) / 2, offset);
  return strcmp(how, "short") ? fail() : written;
}

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return is_due("open", path) ? fail() : real.open64(path, flags, mode);
}

int rename(const char *from, const char *to) { return is_due("rename", to) ? fail() : real.rename(from, to); }
int fsync(int file) { return is_due_for("sync", file) ? fail() : real.fsync(file); }
int fdatasync(int file) { return is_due_for("sync", file) ? fail() : real.fdatasync(file); }
int unlink(const char *path) { return is_due("unlink", path) ? fail() : real.unlink(path); }
