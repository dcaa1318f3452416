// SPDX-License-Identifier: MIT
#include "sizeclass.h"

/*
 * Pages of a slab: the fewest whose tail wastes at most 1/64, and the most
 * multiples of that with at most 8 pages and 512 slots. The reciprocal makes
 * offset / size one multiplication: exact for offsets below 2^16, because
 * offset * (2^32 mod size) / 2^32 < 1 / size there.
 */
#define SMALL(c, bytes, least, most)					\
	[c] = {								\
		.size = (bytes), .reciprocal = (uint32_t)((1ull << 32) / (bytes) + 1), \
		.pages_min = (least), .pages_max = (most),		\
	}
#define LARGE(c, bytes)							\
	[c] = { .size = (bytes), .pages_min = (bytes) / PAGE_SIZE,	\
		.pages_max = (bytes) / PAGE_SIZE }

const struct sizeclass sizeclasses[NCLASSES] = {
	SMALL(1, 8, 1, 1),
	SMALL(2, 16, 1, 2),
	SMALL(3, 32, 1, 4),
	SMALL(4, 48, 1, 6),
	SMALL(5, 64, 1, 8),
	SMALL(6, 80, 1, 8),
	SMALL(7, 96, 1, 8),
	SMALL(8, 112, 1, 8),
	SMALL(9, 128, 1, 8),
	SMALL(10, 160, 2, 8),
	SMALL(11, 192, 1, 8),
	SMALL(12, 224, 1, 8),
	SMALL(13, 256, 1, 8),
	SMALL(14, 320, 3, 6),
	SMALL(15, 384, 2, 8),
	SMALL(16, 448, 1, 8),
	SMALL(17, 512, 1, 8),
	SMALL(18, 640, 3, 6),
	SMALL(19, 768, 3, 6),
	SMALL(20, 896, 2, 8),
	SMALL(21, 1024, 1, 8),
	SMALL(22, 1280, 5, 5),
	SMALL(23, 1536, 3, 6),
	SMALL(24, 1792, 4, 8),
	SMALL(25, 2048, 1, 8),
	SMALL(26, 2560, 5, 5),
	SMALL(27, 3072, 3, 6),
	SMALL(28, 3584, 7, 7),
	SMALL(29, 4096, 1, 8),
	SMALL(30, 5120, 5, 5),
	SMALL(31, 6144, 3, 6),
	SMALL(32, 7168, 7, 7),
	SMALL(33, 8192, 2, 8),
	SMALL(34, 10240, 5, 5),
	SMALL(35, 12288, 3, 6),
	SMALL(36, 14336, 7, 7),
	LARGE(37, 16384),
	LARGE(38, 20480),
	LARGE(39, 24576),
	LARGE(40, 28672),
	LARGE(41, 32768),
	LARGE(42, 40960),
	LARGE(43, 49152),
	LARGE(44, 57344),
	LARGE(45, 65536),
	LARGE(46, 81920),
	LARGE(47, 98304),
	LARGE(48, 114688),
	LARGE(49, 131072),
	LARGE(50, 163840),
	LARGE(51, 196608),
	LARGE(52, 229376),
	LARGE(53, 262144),
	LARGE(54, 327680),
	LARGE(55, 393216),
	LARGE(56, 458752),
	LARGE(57, 524288),
	LARGE(58, 655360),
	LARGE(59, 786432),
	LARGE(60, 917504),
	LARGE(61, 1048576),
	LARGE(62, 1310720),
	LARGE(63, 1572864),
	LARGE(64, 1835008),
};

/* (size + 7) / 8 to the byte offset of the class's element in an array: see CLASS_STRIDE. */
const uint16_t sizeclass_offset[SMALL_MAX / 8 + 1] = {
	[0 ... 1] = 1 * CLASS_STRIDE,
	[2] = 2 * CLASS_STRIDE,
	[3 ... 4] = 3 * CLASS_STRIDE,
	[5 ... 6] = 4 * CLASS_STRIDE,
	[7 ... 8] = 5 * CLASS_STRIDE,
	[9 ... 10] = 6 * CLASS_STRIDE,
	[11 ... 12] = 7 * CLASS_STRIDE,
	[13 ... 14] = 8 * CLASS_STRIDE,
	[15 ... 16] = 9 * CLASS_STRIDE,
	[17 ... 20] = 10 * CLASS_STRIDE,
	[21 ... 24] = 11 * CLASS_STRIDE,
	[25 ... 28] = 12 * CLASS_STRIDE,
	[29 ... 32] = 13 * CLASS_STRIDE,
	[33 ... 40] = 14 * CLASS_STRIDE,
	[41 ... 48] = 15 * CLASS_STRIDE,
	[49 ... 56] = 16 * CLASS_STRIDE,
	[57 ... 64] = 17 * CLASS_STRIDE,
	[65 ... 80] = 18 * CLASS_STRIDE,
	[81 ... 96] = 19 * CLASS_STRIDE,
	[97 ... 112] = 20 * CLASS_STRIDE,
	[113 ... 128] = 21 * CLASS_STRIDE,
	[129 ... 160] = 22 * CLASS_STRIDE,
	[161 ... 192] = 23 * CLASS_STRIDE,
	[193 ... 224] = 24 * CLASS_STRIDE,
	[225 ... 256] = 25 * CLASS_STRIDE,
	[257 ... 320] = 26 * CLASS_STRIDE,
	[321 ... 384] = 27 * CLASS_STRIDE,
	[385 ... 448] = 28 * CLASS_STRIDE,
	[449 ... 512] = 29 * CLASS_STRIDE,
	[513 ... 640] = 30 * CLASS_STRIDE,
	[641 ... 768] = 31 * CLASS_STRIDE,
	[769 ... 896] = 32 * CLASS_STRIDE,
	[897 ... 1024] = 33 * CLASS_STRIDE,
	[1025 ... 1280] = 34 * CLASS_STRIDE,
	[1281 ... 1536] = 35 * CLASS_STRIDE,
	[1537 ... 1792] = 36 * CLASS_STRIDE,
};
