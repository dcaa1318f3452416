/* SPDX-License-Identifier: MIT */
/* What the device tests share: calls with errno, /proc and sysfs, children. */
#ifndef ASHLAR_TEST_COMMON_H
#define ASHLAR_TEST_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/ashlar.h>

#define EXTENT	((size_t)ASHLAR_EXTENT_SIZE)
#define PAGE	((size_t)4096)
#define DEVICE	"/dev/ashlar"

/* A descriptor of the device; ends the program if there is none. */
int dev_open(void);

/* Map n extents from extent number @index of the file on; NULL if refused. */
char *dev_map(int fd, size_t n);
char *dev_map_at(int fd, void *addr, size_t n, size_t index);

/* Each call returns 0 or -errno; *done, where not NULL, says how many. */
int dev_alloc(int fd, void *addr, size_t n);
int dev_alloc_on(int fd, void *addr, size_t n, int node, unsigned int flags,
		 size_t *done);
int dev_free(int fd, void *addr, size_t n, size_t *done);
int dev_purge(int fd, void *addr, size_t n, size_t *done);
int dev_purge_as(int fd, void *addr, size_t n, unsigned int flags,
		 size_t *done);
/* Of PUNCH pages, of MEND extents. */
int dev_punch(int fd, void *addr, size_t pages, size_t *done);
int dev_mend(int fd, void *addr, size_t n, size_t *done);
int dev_stat(int fd, void *addr, struct ashlar_stat *stat);
struct ashlar_extent_stat dev_extent(int fd, void *addr);
int dev_call(int fd, unsigned long command, void *arg);

/* Map and commit n extents, or end the test with a message. */
char *dev_memory(int fd, size_t n);

/* A line of /proc/self/smaps for the mapping that holds addr, in KB; or -1. */
long smaps_kb(void *addr, const char *field);

/* A number in a file of a node, or of all nodes together; -1 if not there. */
long node_value(int node, const char *name);
long nodes_sum(const char *name);
int nodes_highest(void);
bool node_write(int node, const char *name, long value);

/* A number in any file; -1 if it cannot be read. */
long file_number(const char *path);
bool file_write(const char *path, const char *text);

bool mkdir_once(const char *path);

/*
 * Trace one event of ours from now on. trace_lines() tells in how many lines of
 * the trace a text is found, and the numbers of the first and the last of them.
 */
bool trace_begin(const char *event);
void trace_end(const char *event);
long trace_lines(const char *text, long *first, long *last);

/* All bytes of [p, p + size) are value. */
bool bytes_are(const void *p, int value, size_t size);

/* Does reading, or writing, this byte end in SIGBUS (true) or work (false)? */
bool read_is_sigbus(const void *p);
bool write_is_sigbus(void *p);

/* Poll every 10 ms until what() is true; false after the given seconds. */
bool eventually(bool (*what)(void *arg), void *arg, int seconds);

/* Extents in use, by any process, are back to a number that was taken before. */
bool out_returns_to(long before);

/* Run fn in a child; its exit status, or 128 + the signal that ended it. */
int in_child(int (*fn)(void *arg), void *arg);
int child_status(pid_t pid);

/* A byte through a pipe: two processes take turns. */
struct turn { int fd[2]; };
void turn_init(struct turn *turn);
void turn_give(struct turn *turn);
void turn_wait(struct turn *turn);

/*
 * Threads against each other, on a few extents. Each gets a struct race, or what
 * its racer says instead; it counts in wrong what must not be. Those that end by
 * themselves are waited for; then stop tells the others to.
 */
#define RACE_EXTENTS 4

struct race {
	int fd;
	char *p;
	volatile bool stop;
	volatile int wrong;
};

struct racer {
	void *(*run)(void *arg);
	void *arg;
	bool ends;
};

/* Memory to race on; one of its extents is cut in pieces, and so mapped by PTEs. */
bool race_open(struct race *race);
void race_run(struct race *race, const struct racer *racers, size_t nr);
void race_close(struct race *race);

/* The next number of a simple, seeded random sequence. */
uint32_t random_next(uint32_t *state);

#endif /* ASHLAR_TEST_COMMON_H */
