/* SPDX-License-Identifier: MIT */
/*
 * The only file that makes system calls for memory, nodes, CPUs and clocks.
 * Nothing here allocates or takes a lock. All lengths and addresses are
 * multiples of PAGE_SIZE.
 */
#ifndef ASHLAR_OS_H
#define ASHLAR_OS_H

#include <sys/types.h>

#include "util.h"

#define OS_MAX_NODES	64

/*
 * Address space without memory: PROT_NONE, not accounted, aligned to EXTENT_SIZE.
 * NULL if the kernel refuses (RLIMIT_AS). len is a multiple of EXTENT_SIZE. A page
 * before it and one behind it stay without access for as long as it lives, so that no
 * overflow of a neighbour runs into it, nor its own into a neighbour.
 */
void *os_reserve(size_t len);
void os_unreserve(void *addr, size_t len);

/*
 * Make reserved memory readable and writable. False when the kernel refuses
 * (overcommit_memory = 2, too many mappings).
 */
bool os_commit(void *addr, size_t len);

/* Replace whatever is mapped by fresh anonymous memory, or by a reservation. */
bool os_remap_anon(void *addr, size_t len);
bool os_remap_none(void *addr, size_t len);

/* Contents gone now, reads as zero, stays committed. Anonymous memory only. */
bool os_purge(void *addr, size_t len);
/* Memory and contents of private [from, from + len) are at @to afterwards, and @from reads as
 * zero; false, and nothing is changed: not one mapping, or the kernel cannot (before 5.7). */
bool os_move(void *to, void *from, size_t len);
/* Contents may vanish when the system wants memory (MADV_FREE). */
bool os_purge_lazy(void *addr, size_t len);

/* How many of the pages of an extent are in RAM; -1 if the kernel does not say. */
int os_resident(void *extent);

void os_thp(void *addr, size_t len, bool want);

/* May there be huge pages of 2 MB for those who ask, by the system's setting? Yes if it cannot be read. */
bool os_thp_possible(void);

/* Has this process been told to have none (PR_SET_THP_DISABLE)? */
bool os_thp_disabled(void);

/* Prefer @node for what is first touched in [addr, addr+len). */
bool os_prefer_node(void *addr, size_t len, unsigned int node);

/* Bits of the nodes this process may use; bit 0 alone if the kernel won't say. */
uint64_t os_nodes(void);
/* The node of the CPU this thread runs on, 0 if unknown. */
unsigned int os_current_node(void);

/*
 * The policy that memory of this thread follows: MPOL_*, without its flags, and its nodes.
 * False if the kernel won't say.
 */
bool os_policy(int *mode, uint64_t *nodes);

/* Where @n pages are: a node, or less than 0 where there is no page; false if the kernel won't say. */
bool os_pages_nodes(void **pages, unsigned int n, int *nodes);

/* CPUs that affinity leaves this process, at least 1. */
unsigned int os_affinity(void);

/* What RLIMIT_AS leaves this process in all, SIZE_MAX if nothing limits it. */
size_t os_address_limit(void);

/* Would the kernel, by its overcommit policy, let this process have @len bytes more? */
bool os_would_grant(size_t len);

/* Bytes of a page of this system's; we know no other than PAGE_SIZE. */
size_t os_page_size(void);

/* Physical memory of the machine in bytes. */
size_t os_physical(void);

/*
 * Does the kernel promise no more memory than there is (vm.overcommit_memory = 2)? As it was at
 * the first call. Then, and only then: bytes that the system can still give without an OOM kill.
 */
bool os_strict_commit(void);
size_t os_available(void);

/* Bytes of swap that are free. */
size_t os_free_swap(void);

/* A descriptor, closed by exec, or -1 with errno. */
int os_open(const char *path, int flags);
void os_close(int fd);

/* read(), past libc's name. */
ssize_t os_read(int fd, void *buf, size_t size);

/*
 * As much of the file as @size - 1 bytes hold, and a NUL; its length there, or -errno
 * where it cannot be opened.
 */
ssize_t os_read_file(const char *path, char *buf, size_t size);

/* The process has started: what others put in libc's place is ready to be called. */
void os_settled(void);

/* Milliseconds that never go back, to about 4 ms. */
uint64_t os_now_ms(void);

/* Nanoseconds that never go back. */
uint64_t os_now_ns(void);

#endif /* ASHLAR_OS_H */
