/* SPDX-License-Identifier: MIT */
/*
 * The options, a row each, in the order of reports: name, default, range or words, one sentence of
 * meaning and unit, flags. No #include guard: conf.c includes it for the values as a process begins
 * with them, and for the table that says what they mean, which few processes ever read.
 *
 *	ROW(name, default, least, most, words, sentence, flags)
 *	BOOL(name, default, sentence, flags)
 *	NUMBER(name, default, least, most, sentence, flags)
 *	TEXT(name, default, flags, sentence)	the default is shorter than the value may be
 */
ROW(source, SOURCE_AUTO, 0, 2, "auto|device|anon",
	"Where extents come from; auto: /dev/ashlar if it opens, else anonymous memory.")
ROW(thp, THP_AUTO, 0, 2, "auto|always|never",
	"Huge pages for anonymous extents; auto: once all heaps have passed 64 MB, if the system allows.")
ROW(foreign, FOREIGN_ABORT, 0, 1, "abort|ignore",
	"What a free of memory that is not ours does.")
NUMBER(reserve, 0, 0, (int64_t)1 << 46,
	"Bytes of address space to reserve; 0: the larger of 1 TB and 4 x RAM.")
NUMBER(narenas, 0, 0, 4094, "Arenas at the most; 0: four per CPU this process may use.", SAME)
BOOL(tcache, true, "Whether threads cache freed blocks.", SAME)
NUMBER(ncached_max, 255, 8, 8191, "Blocks of one size class a thread caches at the most.")
NUMBER(tcache_bytes, 64 * KB, 4 * KB, 16 * MB,
	"Bytes of one small size class a thread caches at the most.")
NUMBER(large_bytes, 2 * MB, 0, 512 * MB,
	"Bytes of blocks of 16 KB and more a thread caches at the most.")
NUMBER(gc_events, 512, 1, 1 << 20,
	"Fills and flushes of a thread cache between two collections of it.")
NUMBER(dirty_decay_ms, 10000, -1, INT64_MAX / 1000000,
	"Milliseconds until free memory goes back; 0: at the next look (every 4 MB freed), -1: never.", SAME)
NUMBER(muzzy_decay_ms, 0, -1, INT64_MAX / 1000000,
	"Milliseconds that memory stays lazily purged before it goes back by force; 0: no lazy step.", SAME)
NUMBER(dirty_max, 0, 0, INT64_MAX / 1000000,
	"Bytes of free memory a node keeps at the most, whatever the decay times say; 0: no such limit.")
BOOL(background_thread, false, "Whether a thread of the library's own purges: idle processes give back, and callers of malloc do not pay for decay.", SAME)
NUMBER(heap_soft_limit, 0, 0, INT64_MAX / 1000000,
	"Bytes of heap beyond which free memory goes back before more is taken; 0: none.")
NUMBER(heap_hard_limit, 0, 0, INT64_MAX / 1000000,
	"Bytes of heap beyond which a request that needs more memory fails; 0: none.")
NUMBER(heap_soft_limit_percent, 0, 0, 100,
	"The same as heap_soft_limit in percent of the cgroup's memory.max, or of RAM; the lower one counts.")
NUMBER(heap_hard_limit_percent, 0, 0, 100,
	"The same as heap_hard_limit in percent of the cgroup's memory.max, or of RAM; the lower one counts.")
BOOL(pressure, false,
	"Whether the background thread runs and gives all free memory back when the cgroup or the system is short of it (memory.events, PSI).")
BOOL(numa, true, "Whether each node has its own heap.")
BOOL(page_aligned_anon, false,
	"Whether requests aligned to pages stay on anonymous memory, for programs that call madvise on them.")
BOOL(abort_conf, false, "Whether a wrong option ends the process.", SAME)
BOOL(confirm_conf, false, "Whether the options in force are printed at start.", SAME)
BOOL(stats_print, false, "Whether statistics are printed at exit.", SAME)
TEXT(stats_print_opts, "", CONF_JEMALLOC,
	"Letters for that report, as ashlar_stats_print() takes them.")
BOOL(zero, false, "Whether new blocks read as zero; threads cache nothing then.", SAME)
ROW(junk, JUNK_NONE, 0, 3, "false|true|alloc|free",
	"Whether blocks are filled with 0xa5 when new and 0x5a when freed; threads cache nothing then.", SAME)
BOOL(redzone, false,
	"Whether bytes behind each block are guarded and looked at when it is freed, resized or measured; threads cache nothing and nothing is sampled then.")
BOOL(xmalloc, false, "Whether a request that there is no memory for ends the process.", SAME)
ROW(zero_realloc, ZERO_REALLOC_FREE, 0, 2, "free|alloc|abort",
	"What realloc does with a block and a size of 0.", SAME)
NUMBER(tcache_max, LARGE_MAX, 8, LARGE_MAX, "Bytes of the largest block a thread caches.", SAME)
BOOL(ctl_socket, false,
	"Whether the process answers its owner's ashlarctl on a socket of its own.",
	.flags = CONF_UNSAFE)
BOOL(prof, false, "Whether allocations can be sampled for heap profiles.", SAME)
BOOL(prof_active, true, "Whether sampling is on from the start, if prof is true; ctl prof.active changes it.", SAME)
BOOL(prof_thread_active_init, true, "Whether threads are sampled until thread.prof.active says otherwise.", SAME)
NUMBER(lg_prof_sample, 19, 0, 40, "Log2 of the mean number of bytes between two samples.", SAME)
TEXT(prof_prefix, "ashlar", CONF_JEMALLOC | CONF_UNSAFE,
	"How the names of dumped profiles begin; .PID.SEQ.{i,u,m,f}N.heap follows.")
ROW(prof_format, FORMAT_HEAP_V2, 0, 1, "heap_v2|pprof",
	"What a dumped profile is: text, or pprof's protocol buffers, whose names end in .pb.gz.")
ROW(prof_unwind, UNWIND_AUTO, 0, 2, "auto|frames|library",
	"How callers are found; auto: by frame pointers where a library agreed with them before.")
NUMBER(lg_prof_interval, -1, -1, 62, "Log2 of the bytes allocated between two dumps; -1: none.", UNSAFE)
BOOL(prof_gdump, false, "Whether each new peak of mapped memory is dumped.", UNSAFE)
BOOL(prof_final, false, "Whether a profile is dumped at exit.", UNSAFE)
BOOL(prof_leak, false, "Whether what is live at exit is reported on standard error.", SAME)
BOOL(prof_leak_error, false, "Whether the process ends with status 1 if prof_leak reports something.", SAME)
NUMBER(prof_signal, 0, 0, 64,
	"The signal that asks for a dump, which the background thread writes; 0: none.",
	.flags = CONF_UNSAFE)
NUMBER(prof_recent_alloc_max, 256, 0, 4096, "Sampled allocations that are remembered one by one.", SAME)
NUMBER(prof_seed, 0, 0, INT64_MAX / 1000000, "Seed of the choice of samples; 0: a different one each time.")
NUMBER(guard_sample, 0, 0, (int64_t)1 << 40,
	"Mean number of bytes between two allocations that are guarded against overflow and use after free; 0: none.",
	.flags = CONF_UNSAFE)
NUMBER(guard_max, 1024, 16, 16384, "Guarded blocks at a time, those freed not long ago included.")
