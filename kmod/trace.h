/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: /sys/kernel/tracing/events/ashlar/. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ashlar

#if !defined(ASHLAR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ASHLAR_TRACE_H

#include <linux/tracepoint.h>

/* An extent was committed: by ALLOC, or by a touch after a purge. */
TRACE_EVENT(ashlar_alloc,
	TP_PROTO(unsigned long index, int nid, bool hit),
	TP_ARGS(index, nid, hit),
	TP_STRUCT__entry(
		__field(unsigned long, index)
		__field(int, nid)
		__field(bool, hit)
	),
	TP_fast_assign(
		__entry->index = index;
		__entry->nid = nid;
		__entry->hit = hit;
	),
	TP_printk("index=%lu nid=%d hit=%d",
		  __entry->index, __entry->nid, __entry->hit)
);

/* A heap let go of a run of extents: FREE and PURGE. */
DECLARE_EVENT_CLASS(ashlar_run,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr),
	TP_STRUCT__entry(
		__field(unsigned long, index)
		__field(unsigned long, nr)
	),
	TP_fast_assign(
		__entry->index = index;
		__entry->nr = nr;
	),
	TP_printk("index=%lu nr=%lu", __entry->index, __entry->nr)
);

DEFINE_EVENT(ashlar_run, ashlar_free,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

DEFINE_EVENT(ashlar_run, ashlar_purge,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* Of a run, @nr extents became lazy. */
DEFINE_EVENT(ashlar_run, ashlar_lazy,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* The lazy extent @index was touched; @nr is 1. */
DEFINE_EVENT(ashlar_run, ashlar_cancel,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* Pages of the extent @index were given back, @nr of 4 KB. */
DEFINE_EVENT(ashlar_run, ashlar_punch,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* The extent @index is in one page again; @nr is 1. */
DEFINE_EVENT(ashlar_run, ashlar_mend,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* The extent @index is about to be mapped again after a fork; @nr is 1. */
DEFINE_EVENT(ashlar_run, ashlar_remap,
	TP_PROTO(unsigned long index, unsigned long nr),
	TP_ARGS(index, nr)
);

/* Pages that a node's worker has made ready. */
TRACE_EVENT(ashlar_wash,
	TP_PROTO(int nid, unsigned long nr),
	TP_ARGS(nid, nr),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(unsigned long, nr)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->nr = nr;
	),
	TP_printk("nid=%d nr=%lu", __entry->nid, __entry->nr)
);

/* A page of the node was cleared for its next owner: by us, or as it was made. */
TRACE_EVENT(ashlar_clear,
	TP_PROTO(int nid, bool ours),
	TP_ARGS(nid, ours),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(bool, ours)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->ours = ours;
	),
	TP_printk("nid=%d ours=%d", __entry->nid, __entry->ours)
);

/* Extents of a node were given to the kernel: lazy ones, or ready ones. */
TRACE_EVENT(ashlar_shrink,
	TP_PROTO(int nid, unsigned long nr, bool lazy),
	TP_ARGS(nid, nr, lazy),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(unsigned long, nr)
		__field(bool, lazy)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->nr = nr;
		__entry->lazy = lazy;
	),
	TP_printk("nid=%d nr=%lu lazy=%d",
		  __entry->nid, __entry->nr, __entry->lazy)
);

/* A fault was answered with a page of an extent. */
TRACE_EVENT(ashlar_fault,
	TP_PROTO(unsigned long address, bool write),
	TP_ARGS(address, write),
	TP_STRUCT__entry(
		__field(unsigned long, address)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->address = address;
		__entry->write = write;
	),
	TP_printk("address=%#lx write=%d", __entry->address, __entry->write)
);

/* An extent was copied, at a fork because of a pin. */
TRACE_EVENT(ashlar_copy,
	TP_PROTO(unsigned long index, bool fork),
	TP_ARGS(index, fork),
	TP_STRUCT__entry(
		__field(unsigned long, index)
		__field(bool, fork)
	),
	TP_fast_assign(
		__entry->index = index;
		__entry->fork = fork;
	),
	TP_printk("index=%lu fork=%d", __entry->index, __entry->fork)
);

/* A page was copied by a write after a fork: number @page of the extent. */
TRACE_EVENT(ashlar_copy_page,
	TP_PROTO(unsigned long index, unsigned int page),
	TP_ARGS(index, page),
	TP_STRUCT__entry(
		__field(unsigned long, index)
		__field(unsigned int, page)
	),
	TP_fast_assign(
		__entry->index = index;
		__entry->page = page;
	),
	TP_printk("index=%lu page=%u", __entry->index, __entry->page)
);

#endif /* ASHLAR_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
